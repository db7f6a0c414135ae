"""Speed as ratios against a baseline, measured in one run on one machine; run on an idle one."""
