"""The data in the logs: trials, curves and arms as tables, and the statistics on them."""
