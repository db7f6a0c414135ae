"""What the files of a study hold. Nothing here imports TensorFlow or another room."""
