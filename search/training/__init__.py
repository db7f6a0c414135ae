"""Trains one compiled model for some epochs, fast."""
