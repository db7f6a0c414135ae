"""The errors that a command reports in one line."""


class Misuse(Exception):
    """A command was given something that it cannot use. Its exit code is 2."""


class Failure(Exception):
    """A command could not do what was asked. Nothing recorded is lost. Its exit code is 1."""


class Interrupted(Exception):
    """Ctrl-C ended a command. The text says how to continue. Its exit code is 130."""
