"""What a worker is when it starts: the fork server imports this, and workers are its forks."""

from search.quiet import import_quietly

for module in ("search.networks.dense", "search.training.loop", "search.training.diagnostics"):
    import_quietly(module)
