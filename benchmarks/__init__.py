"""Speed as ratios to a baseline, measured in one run. Run benchmarks on an idle machine."""
