"""Trains one compiled Keras model fast: a whole epoch is one compiled TensorFlow function.

The step itself is Keras' own `train_step`, so losses, metrics, regularisers and layers are Keras'.
The loop avoids the work on which `model.fit` spends most of its time. Examples stay resident in
their own type. The graph itself gathers them in an epoch's shuffled order. Computations for which
Keras uses many operations use few (search/training/kernels.py).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import scipy.special
import tensorflow as tf
from keras.src.random.seed_generator import global_seed_generator
from keras.src.utils.python_utils import pythonify_logs

from search.training.arrays import (
    Batch,
    as_keras,
    first_of,
    keep_resident,
    length,
    mapped,
    resident,
)
from search.training.kernels import cheapen, masks

EVALUATION_BATCH = 2000
"""Largest number of examples in one forward pass. Their activations still fit the processor's
caches if a layer has up to 2,048 values."""


EVALUATION_VALUES = 2**22
"""Values that the widest layer may have in one forward pass."""


MASKED_VALUES = 2**24
"""Number of values for which NumPy draws dropout masks at a time, before the graph continues."""


Logs = dict[str, float]


Scores = dict[str, Any]


class Diverged(Exception):
    """A loss that became NaN or infinite.

    epoch: epoch in which this happened, counted from 0.
    logs: logs of this epoch.
    """

    def __init__(self, epoch: int, logs: Logs):
        losses = {name: logs[name] for name in ("loss", "val_loss") if name in logs}
        bad = ", ".join(f"{n} is {v}" for n, v in losses.items() if not math.isfinite(v))
        super().__init__(f"diverged in epoch {epoch + 1}: {bad}")
        self.epoch = epoch
        self.logs = logs


class EpochLoop:
    """Epochs of one compiled model over resident examples.

    Every random choice of epoch e (order and augmentation of the examples, dropout masks) depends
    on (seed, e) alone. An epoch that is resumed elsewhere from the same state has the same result.

    train, validation: a `Batch` of all examples each.
    shuffle: False trains on the examples in their own order.
    validation_size: examples in a validation step. None: as many as are fast, if the results do
    not depend on it.
    stretch: number of examples for which dropout masks are drawn at a time, a multiple of the batch
    size.
    """

    def __init__(
        self,
        model: keras.Model,
        train: Batch,
        validation: Batch | None,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        validation_size: int | None = None,
    ):
        self.model = model
        self.seed = seed
        self.shuffle = shuffle
        self._examples = length(train)
        self.steps = steps = math.ceil(self._examples / batch_size)
        build(model, mapped(lambda a: as_keras(tf.convert_to_tensor(a)), first_of(train, 1)))
        self._masked = cheapen(model)
        self._seed_generators = [
            generator for layer in model._flatten_layers() for generator in layer._seed_generators
        ]
        # It is made here, because a trace would draw its first state from elsewhere.
        self._global_seed = global_seed_generator()
        keep_resident(train, *([validation] if validation else []))
        self._train = self._compiled(model.train_step, train, self._masked)
        self._batch = batch_size
        masked_values = sum(math.prod(layer.input.shape[1:]) for layer in self._masked)
        batches = MASKED_VALUES // max(1, masked_values * batch_size)
        self.stretch = batch_size * max(1, min(batches, steps))
        self._evaluate = None
        if validation:
            self._evaluate = self._compiled(model.test_step, validation, [])
            self._in_order = tf.range(length(validation))
            self._validation_size = validation_size or evaluation_size(model, batch_size)

    @staticmethod
    def _compiled(
        step: Callable[[Any], Any], batch: Batch, masked: list[keras.layers.Dropout]
    ) -> Callable[..., Any]:
        """Return a compiled function (order, size, kept) that feeds examples to `step` in order.

        order: indices of the examples.
        kept: a mask for each layer of `masked`, of shape (len(order), features).
        """
        tensors = resident(batch)

        @tf.function(
            autograph=False,
            input_signature=[
                tf.TensorSpec((None,), tf.int32),
                tf.TensorSpec((), tf.int32),
                [tf.TensorSpec((None, *layer.input.shape[1:]), tf.bool) for layer in masked],
            ],
        )
        def run(order: tf.Tensor, size: tf.Tensor, kept: list[tf.Tensor]) -> None:
            total = tf.shape(order)[0]

            def body(start: tf.Tensor) -> tuple[tf.Tensor]:
                picked = order[start : start + size]
                for layer, mask in zip(masked, kept, strict=True):
                    layer.kept = mask[start : start + size]
                step(mapped(lambda tensor: as_keras(tf.gather(tensor, picked)), tensors))
                for layer in masked:
                    layer.kept = None
                return (start + size,)

            tf.while_loop(lambda start: start < total, body, (0,), parallel_iterations=1)

        return run

    @property
    def validates(self) -> bool:
        """Whether there are validation examples."""
        return self._evaluate is not None

    def trace(self) -> None:
        """Compile the functions. Raises whatever the model raises while it is traced."""
        self._train.get_concrete_function()  # type: ignore[attr-defined]
        if self._evaluate:
            self._evaluate.get_concrete_function()  # type: ignore[attr-defined]

    def train(self, epoch: int) -> Logs:
        """Train one epoch, counted from 0. Return Keras' logs, such as `loss` and `accuracy`."""
        generator = np.random.default_rng([self.seed, epoch])
        for seed_generator in self._seed_generators:
            seed_generator.state.assign(generator.integers(0, 2**31, 2))
        order = np.arange(self._examples, dtype=np.int32)
        if self.shuffle:
            order = generator.permutation(self._examples).astype(np.int32)
        other = np.random.default_rng([self.seed, epoch, 1])
        self._global_seed.state.assign(other.integers(0, 2**31, 2))
        self.model.reset_metrics()
        for start in range(0, self._examples, self.stretch):
            rows = order[start : start + self.stretch]
            self._train(rows, self._batch, masks(self._masked, len(rows), generator))
        return self._logs()

    def evaluate(self) -> Logs:
        """Return loss (penalties included, as in Keras) and metrics on the validation examples.

        Raises ValueError if there are none.
        """
        if self._evaluate is None:
            raise ValueError("the loop has no validation examples")
        self.model.reset_metrics()
        self._evaluate(self._in_order, self._validation_size, [])
        return self._logs()

    def _logs(self) -> Logs:
        logs: Logs = pythonify_logs(self.model.get_metrics_result())
        return logs


def build(model: keras.Model, examples: Batch) -> None:
    """Create all variables of a model, its metrics and its optimizer, as Keras' `fit` does.

    examples: tensors of a batch, or their specifications. Only shapes and types are read.
    """

    def symbolic(leaf: Any) -> keras.KerasTensor:
        # A batch of any size: a Sequential would keep the size that it is built with.
        return keras.KerasTensor((None, *leaf.shape[1:]), leaf.dtype.name)

    model._symbolic_build(data_batch=mapped(symbolic, examples))
    if model.optimizer and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def trained_variables(model: keras.Model) -> list[keras.Variable]:
    """Return all weights, then all optimizer variables, in Keras' order.

    Seeds are set again in every epoch, so they are not among them.
    """
    optimizer = getattr(model, "optimizer", None)
    return [*model.weights, *(optimizer.variables if optimizer else ())]


def state_of(model: keras.Model) -> list[np.ndarray]:
    """Return copies of the `trained_variables`."""
    return [keras.ops.convert_to_numpy(variable) for variable in trained_variables(model)]


def restore(model: keras.Model, state: Sequence[np.ndarray]) -> None:
    """Restore a `state_of` a model.

    If the optimizer is another, as after a hypermodel's `fit` has compiled the model again, the
    weights alone are restored. KerasTuner never restores an optimizer.
    Raises ValueError if the weights belong to another model.
    """
    variables = trained_variables(model)
    count = len(model.weights)
    if [tuple(v.shape) for v in variables] != [a.shape for a in state]:
        variables, state = variables[:count], state[:count]
    if [tuple(v.shape) for v in variables] != [a.shape for a in state]:
        raise ValueError("the state belongs to another model")
    for variable, array in zip(variables, state, strict=True):
        variable.assign(array)


def evaluation_size(model: keras.Model, batch_size: int) -> int:
    """Return the number of examples of a validation step.

    Most of Keras' layers, losses and metrics do not depend on it, so steps are as large as is fast.
    Others may depend on it, so steps are as large as in Keras.
    """
    if not all(map(_is_independent, [*_parts(model), *_judges(model)])):
        return batch_size
    try:
        widest = max(math.prod(layer.output.shape[1:]) for layer in model.layers)
    except (AttributeError, TypeError, ValueError):
        # The layers of a subclassed model have no outputs that are known.
        return batch_size
    return max(batch_size, min(EVALUATION_BATCH, EVALUATION_VALUES // max(1, widest)))


def _judges(model: keras.Model) -> list[Any]:
    """Return the losses and metrics that a model was compiled with, and functions inside them."""
    found = keras.tree.flatten(
        [getattr(model._compile_loss, "_user_loss", None), model.loss]
        + [
            getattr(model._compile_metrics, n, None)
            for n in ("_user_metrics", "_user_weighted_metrics")
        ]
    )
    inner = [getattr(judge, name, None) for judge in found for name in ("fn", "_fn")]
    activities = [getattr(layer, "activity_regularizer", None) for layer in model._flatten_layers()]
    return [judge for judge in [*found, *inner] if judge is not None] + [
        activity for activity in activities if activity is not None
    ]


def _parts(model: keras.Model) -> list[Any]:
    """Return the layers of a model, their activations, and operations between the layers."""
    layers = model._flatten_layers()
    found: list[Any] = list(layers)
    for layer in layers:
        found += [getattr(layer, name, None) for name in ("activation", "recurrent_activation")]
        graph = getattr(layer, "_functional", None) or layer
        for operation in getattr(graph, "operations", ()):
            nodes = operation._inbound_nodes
            # A layer that always trains, such as a batch normalisation, is as good as an operation.
            always = any(node.arguments.kwargs.get("training") for node in nodes)
            if always or not isinstance(operation, keras.layers.Layer):
                found.append(_BETWEEN_LAYERS)
    return [part for part in found if part is not None]


_BETWEEN_LAYERS = object()
"""Stands for an operation that is no layer, such as a mean over all examples."""

MIXING = (
    keras.layers.Lambda,
    keras.layers.Masking,
    keras.losses.Dice,
    keras.losses.Tversky,
    keras.losses.Circle,
    keras.losses.dice,
    keras.losses.tversky,
    keras.losses.circle,
    keras.Regularizer,
)
"""What Keras offers whose results for an example may depend on the others in its batch. A mask
changes the number of values that a loss is averaged over."""


def _is_independent(item: Any) -> bool:
    """Return whether a part, loss or metric is Keras' own and independent of the batch size."""
    if isinstance(item, str):
        return item.lower() not in ("dice", "tversky", "circle")
    kinds = tuple(kind for kind in MIXING if isinstance(kind, type))
    if item in MIXING or isinstance(item, kinds) or getattr(item, "mask_zero", False):
        return False
    module = getattr(item, "__module__", None) or type(item).__module__
    if getattr(item, "reduction", None) in ("sum", "mean_with_sample_weight"):
        return False
    return module.split(".")[0] in ("keras", "search")


def scored(model: keras.Model, x: Any, labels: np.ndarray) -> Scores:
    """Return a classifier's results: `accuracy`, `loss`, `labels` and `predicted`.

    x: examples as the model takes them, shape (examples, ...).

    The accuracy is a share. The loss is the mean of −log of the label's probability, without
    smoothing or penalties. Labels and predictions are classes in the order of the examples.
    """
    size = evaluation_size(model, 256)
    batches = [
        keras.ops.convert_to_numpy(model(x[start : start + size], training=False))
        for start in range(0, len(x), size)
    ]
    return judged(as_probabilities(np.concatenate(batches)), labels)


def as_probabilities(outputs: np.ndarray) -> np.ndarray:
    """Return a classifier's outputs as probabilities of each class, shape (examples, classes).

    outputs: probabilities or logits, shape (examples, classes), or (examples, 1) for the second of
    two classes.
    """
    if outputs.shape[1] == 1:
        shares = bool(((outputs >= 0) & (outputs <= 1)).all())
        second = outputs if shares else scipy.special.expit(outputs)
        return np.concatenate([1 - second, second], axis=1)
    sums = outputs.sum(axis=1)
    if (outputs >= 0).all() and np.allclose(sums, 1, atol=1e-2):
        return outputs
    return scipy.special.softmax(outputs, axis=1)


def judged(probabilities: np.ndarray, labels: np.ndarray) -> Scores:
    """Return the results of `scored` from probabilities of shape (images, classes)."""
    predicted = probabilities.argmax(axis=1)
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return {
        "accuracy": float(np.mean(predicted == labels)),
        "loss": float(-np.mean(np.log(np.clip(given, keras.config.epsilon(), 1)))),
        "labels": labels.tolist(),
        "predicted": predicted.tolist(),
    }
