"""Decides what is trained next: by Hyperband, or from lists of arms and seeds."""
