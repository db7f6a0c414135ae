"""Runs hyperparameter studies: the only package of the project that imports TensorFlow."""
