"""The checkpoint files of a study. Only files that may still be needed are kept."""

import zipfile
from collections.abc import Callable

from search.records.folder import StudyFolder
from search.records.trial import COMPLETED, RUNNING, WEIGHTS
from search.running.work import Report, State
from search.studies.oracles import RecordedOracle, Trial

KEPT = 10
"""Number of best trials whose weights are kept. `get_best_models` loads these weights."""


def state_file(epoch: int, execution: int) -> str:
    """Return the name of the file of an execution's state after so many epochs."""
    return f"state-{epoch:05d}{f'-{execution}' if execution else ''}.npz"


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

        The state is the checkpoint of the execution under way. If there is none, it is the last
        checkpoint of the parent's execution. If both are lost, the whole chain is trained again and
        gives the same weights.
        """
        run = trial.trained
        initial, _ = self.oracle.epochs_of(trial)
        rows = run.execution(run.executed)
        if rows:
            state = self._read_state(trial.trial_id, rows[-1].epoch + 1, run.executed)
            if state:
                return rows[-1].epoch + 1, state
        parent = trial.hyperparameters.values.get("tuner/trial_id")
        if not parent:
            return initial, None
        state = self._read_state(parent, initial, run.executed)
        if state:
            return initial, state
        self.report(
            f"trial {trial.trial_id}: no checkpoint of trial {parent}; "
            f"training its {initial} epochs again"
        )
        return 0, None

    def _read_state(self, trial_id: str, epoch: int, execution: int) -> bytes | None:
        path = self.study.trial_directory(trial_id) / state_file(epoch, execution)
        try:
            content = path.read_bytes()
            State.unpacked(content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            self.report(f"{path.name} of trial {trial_id} cannot be read: {error}")
            return None
        return content

    def write_state(self, trial: Trial, epoch: int, state: bytes) -> None:
        """Write the packed state of the execution under way after so many epochs."""
        file = state_file(epoch, trial.trained.executed)
        self.study.write(f"trial_{trial.trial_id}/{file}", state)

    def keep_execution(self, trial: Trial, report: Report) -> None:
        """Write the files of an execution that other executions follow.

        The trial has no score yet, so a promotion may need the state.
        """
        self.write_state(trial, self.oracle.epochs_of(trial)[1], report.state)
        self._write_weights_if_best(trial, report)

    def _write_weights_if_best(self, trial: Trial, report: Report) -> None:
        """Write the weights of an execution, unless an earlier execution is better."""
        run, goal = trial.trained, self.oracle.goal
        best = goal.best(run.epochs)
        if best is None or best.execution == run.epochs[-1].execution:
            own = f"trial_{trial.trial_id}"
            self.study.write_json(f"{own}/build_config.json", report.build_config)
            self.study.write(f"{own}/{WEIGHTS}", report.weights_file)

    def keep(self, trial: Trial, report: Report) -> None:
        """Write the files of a trial that a promotion or `get_best_models` may need."""
        self.oracle.score_trial(trial)
        may_be_promoted = self.oracle.can_be_promoted(trial.trial_id)
        if may_be_promoted:
            execution = trial.trained.epochs[-1].execution
            file = state_file(self.oracle.epochs_of(trial)[1], execution)
            self.study.write(f"trial_{trial.trial_id}/{file}", report.state)
        # A promoted trial may become one of the best. KerasTuner then loads its parent too.
        among_best = trial in self.oracle.get_best_trials(KEPT)
        if may_be_promoted or among_best or self.oracle.wants_weights(trial):
            self._write_weights_if_best(trial, report)

    def drop_states(self, trial: Trial, keep: int) -> None:
        """Remove a trial's checkpoints, except of epoch `keep` and of ended executions."""
        last = self.oracle.epochs_of(trial)[1]
        kept = {state_file(last, n) for n in range(trial.trained.executed)}
        kept.add(state_file(keep, trial.trained.executed))
        for path in self.study.trial_directory(trial.trial_id).glob("state-*.npz"):
            if path.name not in kept:
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
                for execution in range(self.oracle.executions):
                    file = state_file(self.oracle.epochs_of(trial)[1], execution)
                    self.study.remove(f"{own}/{file}")
            if trial_id not in kept and not needed and not self.oracle.wants_weights(trial):
                self.study.remove(f"{own}/{WEIGHTS}")
                self._pruned.add(trial_id)
