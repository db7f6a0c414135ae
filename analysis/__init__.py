"""Reads tuner logs and says what they show. Imports neither TensorFlow nor `search`."""
