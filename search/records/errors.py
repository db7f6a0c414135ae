"""The two ways a command ends badly; each message is one line that says what to do next."""


class Misuse(Exception):
    """The command cannot be carried out as asked. Exit code 2."""


class Failure(Exception):
    """The command was right, the world was not: data, disk, workers. Exit code 1."""
