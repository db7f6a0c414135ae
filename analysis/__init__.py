"""Read tuner logs and report the results. Imports neither TensorFlow nor Keras."""
