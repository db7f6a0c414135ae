"""What every worker has imported when it starts: workers are forks of a process with this."""

from search.quiet import import_quietly

for module in ("search.networks.dense", "search.running.trial_session"):
    import_quietly(module)
