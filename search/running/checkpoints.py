"""The checkpoint files of a study. Only files that may still be needed are kept."""

import zipfile
from collections.abc import Callable

from search.records.folder import StudyFolder
from search.records.trial import COMPLETED, RUNNING, WEIGHTS
from search.running.work import Report, unpack_state
from search.studies.oracles import RecordedOracle, Trial

KEPT = 10
"""Number of best trials whose weights are kept. `get_best_models` loads these weights."""


def state_file(epoch: int) -> str:
    """Return the name of the file of weights and optimizer state after so many epochs."""
    return f"state-{epoch:05d}.npz"


class Checkpoints:
    """The checkpoint files of a study's trials.

    report: called with a line about a checkpoint that is missing or cannot be read.
    """

    def __init__(self, study: StudyFolder, oracle: RecordedOracle, report: Callable[[str], None]):
        self.study = study
        self.oracle = oracle
        self.report = report
        self._pruned: set[str] = set()

    def resume_point(self, trial: Trial) -> tuple[int, bytes | None]:
        """Return the epoch from which a trial continues, and its packed state, None for epoch 0.

        The state is the trial's own checkpoint. If there is none, it is the parent's last
        checkpoint. If both are lost, the whole chain is trained again and gives the same weights.
        """
        values = trial.hyperparameters.values
        initial = values["tuner/initial_epoch"]
        reached = initial + len(trial.trained.epochs)
        if reached > initial:
            state = self._read_state(trial.trial_id, reached)
            if state:
                return reached, state
        if not initial:
            return 0, None
        state = self._read_state(values["tuner/trial_id"], initial)
        if state:
            return initial, state
        self.report(
            f"trial {trial.trial_id}: no checkpoint of trial {values['tuner/trial_id']}; "
            f"training its {initial} epochs again"
        )
        return 0, None

    def _read_state(self, trial_id: str, epoch: int) -> bytes | None:
        path = self.study.trial_directory(trial_id) / state_file(epoch)
        try:
            content = path.read_bytes()
            unpack_state(content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            self.report(f"{path.name} of trial {trial_id} cannot be read: {error}")
            return None
        return content

    def write_state(self, trial: Trial, epoch: int, state: bytes) -> None:
        """Write a trial's packed state after so many epochs."""
        self.study.write(f"trial_{trial.trial_id}/{state_file(epoch)}", state)

    def keep(self, trial: Trial, report: Report) -> None:
        """Write the files of a trial that a promotion or `get_best_models` may need."""
        own = f"trial_{trial.trial_id}"
        self.oracle.score_trial(trial)
        may_be_promoted = self.oracle.can_be_promoted(trial.trial_id)
        if may_be_promoted:
            self.write_state(trial, trial.hyperparameters.values["tuner/epochs"], report.state)
        # A promoted trial may become one of the best. KerasTuner then loads its parent too.
        among_best = trial in self.oracle.get_best_trials(KEPT)
        if may_be_promoted or among_best or self.oracle.wants_weights(trial):
            self.study.write_json(f"{own}/build_config.json", report.build_config)
            self.study.write(f"{own}/{WEIGHTS}", report.weights_file)

    def drop_states(self, trial: Trial, keep: int) -> None:
        """Remove a trial's checkpoints, except the checkpoint of epoch `keep`."""
        for path in self.study.trial_directory(trial.trial_id).glob("state-*.npz"):
            if path.name != state_file(keep):
                self.study.remove(f"trial_{trial.trial_id}/{path.name}")

    def prune(self) -> None:
        """Remove checkpoints that no promotion can need, and weights except of the best trials."""
        resuming = {
            t.hyperparameters.values.get("tuner/trial_id")
            for t in self.oracle.trials.values()
            if t.status == RUNNING
        }
        best = self.oracle.get_best_trials(KEPT)
        kept = {t.trial_id for t in best}
        # Stock KerasTuner loads a promoted model's parent first (hyperband.py).
        kept |= {t.hyperparameters.values.get("tuner/trial_id") for t in best}
        for trial_id, trial in self.oracle.trials.items():
            if trial.status != COMPLETED or trial_id in self._pruned:
                continue
            own = f"trial_{trial_id}"
            needed = trial_id in resuming or self.oracle.can_be_promoted(trial_id)
            if not needed:
                epoch = trial.hyperparameters.values["tuner/epochs"]
                self.study.remove(f"{own}/{state_file(epoch)}")
            if trial_id not in kept and not needed and not self.oracle.wants_weights(trial):
                self.study.remove(f"{own}/{WEIGHTS}")
                self._pruned.add(trial_id)
