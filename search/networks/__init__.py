"""The built-in search space and the networks it describes."""
