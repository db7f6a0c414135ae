"""What a worker has imported when it starts: the fork server imports this, workers are its forks."""

from search.quiet import import_quietly

for module in ("search.space", "search.training", "search.diagnostics"):
    import_quietly(module)
