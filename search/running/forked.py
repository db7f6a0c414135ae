"""What a worker is when it starts: the fork server imports this, and workers are its forks."""

import signal

from search.quiet import import_quietly

# Ctrl-C reaches the whole process group; what then happens to the workers is the driver's to say.
signal.signal(signal.SIGINT, signal.SIG_IGN)


for module in ("search.networks.dense", "search.running.trial_session"):
    import_quietly(module)
