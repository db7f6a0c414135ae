"""`model.fit` on a worker: the compiled loop where it does what Keras does, otherwise Keras' own."""

import base64
import importlib
import inspect
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras.src.trainers.data_adapters import get_data_adapter

from search.training.arrays import are_arrays, batch_of, split_off, validation_batch
from search.training.loop import EpochLoop, build, restore, state_of

BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)


class FirstEpoch(int):
    """The epoch in which a trial begins or goes on.

    A call of `fit` that receives this very number trains what is left of the trial. Another call
    begins anew, so it cannot go on from a checkpoint.
    """


class Fit:
    """A replacement for the `fit` of one model, with Keras' arguments and Keras' result.

    seed: seed of the order of the examples and of all random layers.
    state: `state()` of an earlier call, restored before the first epoch of the first call.
    callbacks: `callbacks_state()` of an earlier call, restored likewise.

    keras_fit: why Keras' own `fit` trained the model. Empty if the compiled loop did.
    loop: the compiled loop of the last call, None if Keras' own `fit` trained.
    untrained: set by a callback, it makes the compiled loop validate the model without training it.
    examples: `x` and `y` of the last call.
    resumable: whether `state` and `callbacks_state` suffice to continue the call elsewhere. They do
    if it is the first call and begins in the `FirstEpoch` of the trial.
    """

    def __init__(
        self,
        model: keras.Model,
        seed: int,
        state: Sequence[np.ndarray] | None = None,
        callbacks: bytes = b"",
    ):
        self.model = model
        self.seed = seed
        self.keras_fit = ""
        self.resumable = False
        self.loop: EpochLoop | None = None
        self.examples: tuple[Any, Any] = (None, None)
        self.untrained = False
        self._error: Exception | None = None
        self._own = model.fit
        self._state = state
        self._callbacks_state = callbacks
        self._callbacks: list[keras.callbacks.Callback] = []
        self._calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Train like `model.fit`. Prints nothing."""
        self._calls += 1
        self.resumable = False
        self.examples = (None, None)
        if type(self.model).fit is not keras.Model.fit:
            return self._overridden(args, kwargs)
        given = inspect.signature(keras.Model.fit).bind(self.model, *args, **kwargs)
        given.apply_defaults()
        call = dict(given.arguments)
        call.pop("self")
        self.examples = call["x"], call["y"]
        callbacks = call["callbacks"]
        self._callbacks = keras.tree.flatten(callbacks) if callbacks else []
        reason = why_keras(self.model, call, self._callbacks)
        self.loop = None
        if not reason:
            self.loop, reason = self._loop(call)
        self.keras_fit = self.keras_fit or reason
        if self.loop is None:
            try:
                return self._keras(call)
            except Exception as error:
                # The first error is the model's own; a half-built model raises others.
                raise (self._error or error) from None
        self.resumable = self._calls == 1 and isinstance(call["initial_epoch"], FirstEpoch)
        return self._train(self.loop, call)

    def state(self) -> list[np.ndarray]:
        """Return all weights, then all optimizer variables."""
        return state_of(self.model)

    def callbacks_state(self) -> bytes | None:
        """Return the state of the call's callbacks, None if a callback holds more than plain values.

        A callback with a true attribute `transient` is left out.
        """
        try:
            states = [_plain(vars(c)) for c in self._callbacks if not _is_transient(c)]
        except TypeError:
            return None
        return json.dumps(states).encode()

    def _loop(self, call: dict[str, Any]) -> tuple[EpochLoop | None, str]:
        """Return the compiled loop of a call, or why there is none."""
        x, y, weights = call["x"], call["y"], call["sample_weight"]
        validation = None
        try:
            if call["validation_data"] is not None:
                validation = validation_batch(call["validation_data"])
            elif call["validation_split"]:
                (x, y, weights), held_out = split_off(x, y, weights, call["validation_split"])
                validation = validation_batch(held_out)
            loop = EpochLoop(
                self.model,
                batch_of(x, y, weights, call["class_weight"]),
                validation,
                call["batch_size"] or 32,
                self.seed,
                bool(call["shuffle"]),
                call["validation_batch_size"],
            )
            loop.trace()
        except Exception as error:
            self._error = error
            lines = str(error).strip().splitlines() or [""]
            return None, f"the loop cannot compile the model ({type(error).__name__}: {lines[0]})"
        return loop, ""

    def _train(self, loop: EpochLoop, call: dict[str, Any]) -> keras.callbacks.History:
        """Train epochs of the compiled loop, with the callbacks in Keras' order."""
        model, epochs = self.model, call["epochs"]
        model.stop_training = False
        hooks = keras.callbacks.CallbackList(
            self._callbacks,
            add_history=True,
            model=model,
            epochs=epochs,
            steps=loop.steps,
            verbose=0,
        )
        self._restore()
        hooks.on_train_begin()
        if self._calls == 1 and self._callbacks_state:
            self._restore_callbacks()
        logs: dict[str, float] = {}
        for epoch in range(call["initial_epoch"], epochs):
            hooks.on_epoch_begin(epoch)
            logs = {} if self.untrained else loop.train(epoch)
            evaluates = self.untrained or _evaluates(epoch, call["validation_freq"])
            if loop.validates and evaluates:
                hooks.on_test_begin()
                found = loop.evaluate()
                hooks.on_test_end(found)
                logs |= {f"val_{name}": value for name, value in found.items()}
            hooks.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        if epochs > 0:
            model.optimizer.finalize_variable_values(model.trainable_weights)
        hooks.on_train_end(logs)
        return model.history

    def _restore_callbacks(self) -> None:
        kept = [c for c in self._callbacks if not _is_transient(c)]
        for callback, state in zip(kept, json.loads(self._callbacks_state), strict=True):
            vars(callback).update(_unplain(state))

    @property
    def _restores(self) -> bool:
        return self._calls == 1 and self._state is not None

    def _restore(self) -> None:
        if self._restores:
            restore(self.model, self._state or ())

    def _overridden(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Train by the `fit` of the model's own class, which may take other arguments than Keras'."""
        self.keras_fit = self.keras_fit or "the model's class overrides fit"
        self._restore()
        taken = inspect.signature(self._own).parameters
        if "verbose" in taken or any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            kwargs = kwargs | {"verbose": 0}
        return self._own(*args, **kwargs)

    def _keras(self, call: dict[str, Any]) -> keras.callbacks.History:
        """Train by Keras' own `fit`, from the state if there is one."""
        if self._restores:
            build_for(self.model, call)
        self._restore()
        call["callbacks"] = self._callbacks
        call["verbose"] = 0
        return self._own(**call)


def build_for(model: keras.Model, call: dict[str, Any]) -> None:
    """Create the variables of a model that Keras' `fit` would create in its first step.

    call: the arguments of `fit` by name.
    """
    names = ("x", "y", "sample_weight", "batch_size", "steps_per_epoch", "class_weight")
    adapter = get_data_adapter(**{name: call[name] for name in names})
    build(model, adapter.get_tf_dataset().element_spec)


def why_keras(model: keras.Model, call: dict[str, Any], callbacks: Sequence[Any]) -> str:
    """Return why the compiled loop cannot do a call of `fit`, empty if it can.

    call: the arguments by name.
    """
    validation = call["validation_data"]
    checks: tuple[tuple[bool, str], ...] = (
        (type(model).train_step is not keras.Model.train_step, "the model overrides train_step"),
        (type(model).test_step is not keras.Model.test_step, "the model overrides test_step"),
        (not isinstance(call["callbacks"], list | tuple | type(None)), "callbacks are no list"),
        (model.run_eagerly, "the model runs eagerly"),
        (model.jit_compile is True, "the model is compiled by XLA"),
        (not model.compiled, "the model is not compiled"),
        (_has_fixed_batch(model), "the model has a fixed batch size"),
        (not are_arrays(call["x"], call["y"], call["sample_weight"]), _not_arrays(call["x"])),
        (call["x"] is None, "there are no examples"),
        (
            validation is not None
            and not (isinstance(validation, list | tuple) and are_arrays(*validation)),
            "the validation data are no arrays",
        ),
        (call["steps_per_epoch"] is not None, "steps_per_epoch is given"),
        (call["validation_steps"] is not None, "validation_steps is given"),
        (not isinstance(call["shuffle"], bool), "shuffle is no truth value"),
    )
    for applies, reason in checks:
        if applies:
            return reason
    acting = [c for c in callbacks if not _is_transient(c) and acts_on_batches(c)]
    return f"the callback {type(acting[0]).__name__} acts on batches" if acting else ""


def _has_fixed_batch(model: keras.Model) -> bool:
    """Return whether a model takes batches of one size only, as stateful layers do."""
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    fixed = any(tensor.shape and tensor.shape[0] is not None for tensor in inputs)
    return fixed or any(getattr(layer, "stateful", False) for layer in model._flatten_layers())


def _not_arrays(x: Any) -> str:
    kind = type(x)
    if any(base.__name__ == "DatasetV2" for base in kind.__mro__):
        return "the data are a tf.data.Dataset"
    if isinstance(x, keras.utils.PyDataset):
        return "the data are a keras.utils.PyDataset"
    return "the data are no arrays of numbers"


def acts_on_batches(callback: Any) -> bool:
    """Return whether a callback does something at each batch."""
    harmless: set[Callable[..., Any]] = {getattr(keras.callbacks.Callback, n) for n in BATCH_HOOKS}
    quiet: list[type] = [keras.callbacks.TerminateOnNaN]  # a diverged epoch ends the trial
    if getattr(callback, "save_freq", None) == "epoch":
        quiet.append(keras.callbacks.ModelCheckpoint)
    if getattr(callback, "update_freq", None) == "epoch" and not getattr(
        callback, "_stop_batch", 0
    ):
        quiet.append(keras.callbacks.TensorBoard)
    harmless |= {getattr(kind, name) for kind in quiet for name in BATCH_HOOKS}
    hooks = [getattr(callback, name, None) for name in BATCH_HOOKS]
    return any(
        hook is not None and getattr(hook, "__func__", hook) not in harmless for hook in hooks
    )


def _is_transient(callback: Any) -> bool:
    return bool(getattr(callback, "transient", False))


def _evaluates(epoch: int, frequency: Any) -> bool:
    """Return whether an epoch is validated. frequency: Keras' `validation_freq`."""
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


def _plain(value: Any) -> Any:
    """Return attributes of a callback as JSON. Raises TypeError if a value is not plain.

    The model is left out. So are functions that Keras' callbacks define, which `on_train_begin` sets
    again. Keras' other functions, such as `keras.ops.less`, are kept by name.
    """
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k not in ("_model", "model", "params")}
        return {str(k): _plain(v) for k, v in kept.items() if not _is_set_again(v)}
    if inspect.isfunction(value) and value.__module__.startswith("keras."):
        return {"function": [value.__module__, value.__qualname__]}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        return {"array": base64.b64encode(buffer.getvalue()).decode()}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} is not plain")


def _is_set_again(value: Any) -> bool:
    return inspect.isfunction(value) and value.__module__.startswith("keras.src.callbacks.")


def _unplain(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"function"}:
        module, name = value["function"]
        if not module.startswith("keras."):
            raise ValueError(f"{module}.{name} is not Keras' own")
        return getattr(importlib.import_module(module), name)
    if isinstance(value, dict):
        if set(value) == {"array"}:
            return np.load(io.BytesIO(base64.b64decode(value["array"])), allow_pickle=False)
        return {key: _unplain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unplain(item) for item in value]
    return value
