"""Options of the command line, made of the fields of dataclasses."""

import inspect

import pytest

from search.cli.options import field_docstrings, options
from search.records.arguments import KINDS, CompareArguments, HyperbandArguments


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.OPTIONS])
def test_every_offered_field_has_its_help_inherited_or_own(kind):
    helps = field_docstrings(kind)
    assert all(helps.get(name) for name in kind.OPTIONS)


def test_what_all_studies_have_comes_first():
    @options(given=CompareArguments)
    def compare(given: dict) -> None:
        """Compare."""

    names = list(inspect.signature(compare).parameters)
    assert names[:4] == ["dataset", "data", "hypermodel", "objective"]
    assert set(names[4:]) == {"vary", "at", "factorial", "seeds", "epochs", "config"}
    assert field_docstrings(HyperbandArguments)["data"].startswith("Your own data: an .npz file")
