"""The content of a study's files. Nothing here imports TensorFlow or another room."""
