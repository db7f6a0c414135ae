"""The images of each data set: found, checked and split."""
