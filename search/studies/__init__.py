"""What is trained next: Hyperband, and lists of arms and seeds."""
