"""The weights of a trial's best epoch, in the files that KerasTuner reads too."""

import warnings

import keras

from search.records.folder import StudyFolder
from search.records.trial import WEIGHTS


def load_best(model: keras.Model, study: StudyFolder, trial_id: str) -> None:
    """Load the weights of a trial's best epoch into its model.

    Raises OSError if the file is torn.
    """
    if not model.built:
        model.build_from_config(study.read_json(f"trial_{trial_id}/build_config.json") or {})
        # Keras does not mark a subclassed model as built, although its layers are.
        model.built = True
    with warnings.catch_warnings():
        # The file also holds the optimizer's state. Keras warns that nothing loads this state.
        warnings.simplefilter("ignore", UserWarning)
        model.load_weights(study.trial_directory(trial_id) / WEIGHTS)
