"""A user's TensorBoard callback: a folder for each trial and execution, with its hyperparameters."""

from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
from keras_tuner.src.engine import tuner_utils

from search.running.work import Work


def redirect(callbacks: list[Any], hp: kt.HyperParameters, work: Work) -> list[Any]:
    """Give every TensorBoard callback the trial's own folder, and return HParams callbacks.

    The folders are KerasTuner's (engine/tuner.py): LOG_DIR/TRIAL/executionN. A class derived from
    Keras' callback is redirected too.
    """
    from tensorboard.plugins.hparams import api

    added = []
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.TensorBoard):
            folder = Path(callback.log_dir, work.trial_id, f"execution{work.execution}")
            callback.log_dir = str(folder)
            values = tuner_utils.convert_hyperparams_to_hparams(hp, api)
            shown = api.KerasCallback(str(folder), values, trial_id=work.trial_id)
            shown.transient = True
            added.append(shown)
    return added
