"""The start of every worker: the fork server imports this module, and workers are its forks."""

import signal

from search.quiet import import_quietly

# Ctrl-C reaches the whole process group, but the driver alone decides when workers stop.
signal.signal(signal.SIGINT, signal.SIG_IGN)


for module in ("search.networks.dense", "search.running.trial_session"):
    import_quietly(module)
