"""What stands in a study's files."""

import json


def read(path):
    """The content of a JSON file."""
    return json.loads(path.read_text())


def trials(directory):
    """The content of a study's trial files by folder."""
    return {path.parent.name: read(path) for path in directory.glob("trial_*/trial.json")}
