"""The hypermodel of a Python program, as its tuner builds it on a worker."""

import copy
from typing import Any

import keras
import keras_tuner as kt
from keras_tuner.src import errors as kt_errors
from keras_tuner.src.engine.tuner import maybe_compute_model_size


class ProgramModel(kt.HyperModel):
    """A hypermodel with what a KerasTuner tuner adds to it, and with the program's Keras settings.

    optimizer, loss, metrics: replace those that the hypermodel compiles, if given.
    max_model_size: number of parameters above which a trial fails.
    """

    distribution_strategy = None

    def __init__(
        self,
        hypermodel: kt.HyperModel,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        max_model_size: int | None = None,
    ):
        super().__init__()
        self.hypermodel = hypermodel
        self.optimizer = optimizer
        self.loss = loss
        self._metrics = metrics
        self.max_model_size = max_model_size
        self.settings = {
            "floatx": keras.config.floatx(),
            "epsilon": keras.config.epsilon(),
            "image_data_format": keras.config.image_data_format(),
            "dtype_policy": keras.config.dtype_policy().name,
        }

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        """Return a compiled model, or whatever else the hypermodel returns.

        Raises KerasTuner's FailedTrialError if the model is too large.
        """
        for name, value in self.settings.items():
            getattr(keras.config, f"set_{name}")(value)
        # Metrics hold variables, so each model needs its own.
        self.metrics = copy.deepcopy(self._metrics)
        model = self.hypermodel.build(hp)
        if not isinstance(model, keras.Model):
            return model
        kt.Tuner._override_compile_args(self, model)
        size = maybe_compute_model_size(model)
        if self.max_model_size and size > self.max_model_size:
            raise kt_errors.FailedTrialError(
                f"the model has {size:,} parameters, more than max_model_size={self.max_model_size:,}"
            )
        return model

    def declare_hyperparameters(self, hp: kt.HyperParameters) -> None:
        """Declare what the hypermodel declares."""
        self.hypermodel.declare_hyperparameters(hp)

    _filter_metrics = kt.Tuner._filter_metrics

    def fit(self, hp: kt.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Train a model as the hypermodel does."""
        return self.hypermodel.fit(hp, model, *args, **kwargs)
