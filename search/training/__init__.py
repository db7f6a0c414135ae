"""Trains one compiled model for a number of epochs, fast."""
