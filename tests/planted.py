"""Studies that never ran, to be found in the logs."""

from search.records.folder import StudyFolder
from search.records.study import SessionRecord, StudyRecord

SESSION = SessionRecord(started=0.0, workers=1, commit=None, versions={}, processor="none")


def planted_study(logs, name, arguments, **fields):
    """Return the folder of a study of which `study.json` alone is there."""
    folder = StudyFolder(logs, name)
    folder.directory.mkdir(exist_ok=True)
    record = StudyRecord(name, arguments.COMMAND, arguments, {}, (SESSION,), **fields)
    folder.write_record(record)
    return folder
