"""Takes up the trials of a study's files. What a crash has torn is set aside, and trained again."""

from collections.abc import Callable

from search.records.folder import StudyFolder
from search.records.trial import RUNNING, configuration
from search.studies.oracles import Trial


def restored_trials(study: StudyFolder, report: Callable[[str], None]) -> list[Trial]:
    """Return the trials on disk. Torn files are set aside, and their trials trained again.

    report: called with a line about each torn file.
    """
    records, torn = study.read_trials()
    try:
        study.read_json("oracle.json")
    except ValueError:
        report("oracle.json was torn: rebuilt from the trial files")
    for trial_id in torn:
        study.set_aside(f"trial_{trial_id}/trial.json")
        report(
            f"trial_{trial_id}/trial.json was torn: kept as trial.json.torn, and the trial is "
            "trained again"
        )
    trials = [Trial.of(record) for record in records.values()]
    return trials + [lost for trial_id in torn if (lost := _from_child(trial_id, trials))]


def _from_child(trial_id: str, trials: list[Trial]) -> Trial | None:
    """Return a lost trial, rebuilt from its promoted trial. None if it was not promoted.

    A lost trial that was not promoted needs no rebuilding: the oracle creates it again.
    """
    for child in trials:
        values = child.hyperparameters.values
        if values.get("tuner/trial_id") != trial_id:
            continue
        rung = values["tuner/round"] - 1
        space = child.hyperparameters.copy()
        space.values |= {"tuner/round": rung, "tuner/epochs": values["tuner/initial_epoch"]}
        space.values |= {"tuner/initial_epoch": 0}
        del space.values["tuner/trial_id"]
        for other in trials:
            before = other.hyperparameters.values
            same = configuration(before) == configuration(values)
            if same and before["tuner/round"] == rung - 1:
                space.values["tuner/trial_id"] = other.trial_id
                space.values["tuner/initial_epoch"] = before["tuner/epochs"]
        return Trial(space, trial_id, RUNNING)
    return None
