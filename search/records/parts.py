"""The parts of a controlled study: which arms are compared, on which seeds."""

BASELINE, FINAL, AUGMENTED = "assignment", "final", "augmented"
