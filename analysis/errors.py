"""What can be told to a person in one line."""


class Misuse(Exception):
    """What was asked for cannot be done as asked; exit code 2."""


class Failure(Exception):
    """What was asked for went wrong; exit code 1."""
