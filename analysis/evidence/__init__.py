"""What the logs show: trials, curves and arms as tables, and the statistics on them."""
