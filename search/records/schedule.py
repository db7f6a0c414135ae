"""Schedules of the learning rate, as far as a report describes them."""

WARMUP_SHARE = 0.1
"""Share of all steps in which the learning rate rises from zero, before the cosine decay."""
