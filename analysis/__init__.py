"""Read tuner logs and report the results.

Needs neither TensorFlow, Keras nor KerasTuner; of `search`, it imports only `search.records`. In a
notebook: `from analysis import findings, load`, then `findings(load("tuner_logs/mine"))`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.evidence.listing import findings
    from analysis.evidence.trials import load

__all__ = ["findings", "load"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that the import of the package is instant."""
    if name == "findings":
        from analysis.evidence.listing import findings

        return findings
    if name == "load":
        from analysis.evidence.trials import load

        return load
    raise AttributeError(f"module 'analysis' has no attribute {name!r}")
