"""A configuration of the built-in networks as Keras code that anyone can run."""

import itertools
import math

from search.records.datasets import Dataset
from search.records.schedule import WARMUP_SHARE
from search.records.trial import Values


def code(values: Values, facts: Dataset, epochs: int) -> str:
    """Return a program's function that builds and compiles the network.

    The weights are drawn anew: this is the architecture and its training, not the trained model.
    epochs: over which a schedule falls.
    """
    lines = ["import keras", "", "model = keras.Sequential(", "    ["]
    lines += [f"        {layer}," for layer in layers(values, facts)]
    lines += ["    ]", ")"]
    lines += schedule(values, facts, epochs)
    labels = "one-hot" if values.get("label_smoothing") else "integers"
    lines += [
        "model.compile(",
        f"    optimizer={optimizer(values)},",
        f"    loss={loss(values)},  # labels: {labels}",
        '    metrics=["accuracy"],',
        ")",
        f"# model.fit(x, y, batch_size={values['batch_size']}, epochs={epochs})",
    ]
    return "\n".join(lines) + "\n"


def layers(values: Values, facts: Dataset) -> list[str]:
    """Return an expression for each layer, the input first."""
    found = [f"keras.Input({tuple(facts.shape)})"]
    if len(facts.shape) > 1:
        found.append("keras.layers.Flatten()")
    if facts.levels != 1:
        found.append(f"keras.layers.Rescaling(1 / {facts.levels:g})")
    if values.get("input_dropout"):
        found.append(f"keras.layers.Dropout({values['input_dropout']!r})")
    for n in range(1, int(values["layers"]) + 1):
        found += hidden(values, n)
    options = [f"kernel_initializer={values['initializer']!r}", *penalties(values)]
    listed = ", ".join(["activation='softmax'", *options])
    return [*found, f"keras.layers.Dense({len(facts.classes)}, {listed})"]


def hidden(values: Values, n: int) -> list[str]:
    """Return the expressions of hidden layer n, counted from 1."""
    norm_first = bool(values.get("norm_first"))
    dtype = ", dtype='mixed_bfloat16'" if values.get("precision") == "bfloat16" else ""
    options = [f"kernel_initializer={values['initializer']!r}", *penalties(values)]
    options.insert(0, "use_bias=False" if norm_first else f"activation={values['activation']!r}")
    found = [f"keras.layers.Dense({values[f'units_{n}']}, {', '.join(options)}{dtype})"]
    if values.get("batch_norm"):
        found.append(f"keras.layers.BatchNormalization({dtype.removeprefix(', ')})")
    if norm_first:
        found.append(f"keras.layers.Activation({values['activation']!r}{dtype})")
    if values.get("dropout"):
        found.append(f"keras.layers.Dropout({values['dropout']!r}{dtype})")
    return found


def penalties(values: Values) -> list[str]:
    """Return the argument of the kernels' penalty, if there is any."""
    used = [f"{name}={values[name]!r}" for name in ("l1", "l2") if values.get(f"use_{name}")]
    return [f"kernel_regularizer=keras.regularizers.L1L2({', '.join(used)})"] if used else []


def schedule(values: Values, facts: Dataset, epochs: int) -> list[str]:
    """Return the lines that make the learning rate `rate`."""
    peak = values[f"{values['optimizer']}_lr"]
    if values["schedule"] == "constant":
        return [f"rate = {peak!r}"]
    steps = math.ceil(facts.train_size / int(values["batch_size"])) * epochs
    if values["schedule"] == "cosine":
        return [f"rate = keras.optimizers.schedules.CosineDecay({peak!r}, {steps})"]
    rising = int(WARMUP_SHARE * steps)
    return [
        "rate = keras.optimizers.schedules.CosineDecay(",
        f"    0.0, {steps - rising}, warmup_target={peak!r}, warmup_steps={rising}",
        ")",
    ]


def optimizer(values: Values) -> str:
    """Return the expression of the optimizer, with the learning rate `rate`."""
    name = str(values["optimizer"])
    if name == "sgd":
        return "keras.optimizers.SGD(rate)"
    if name == "momentum":
        options = f"momentum={values['momentum']!r}, nesterov={values['nesterov']!r}"
        return f"keras.optimizers.SGD(rate, {options})"
    if name == "rmsprop":
        return f"keras.optimizers.RMSprop(rate, rho={values['rmsprop_rho']!r})"
    options = f"beta_1={values[f'{name}_beta_1']!r}, beta_2={values[f'{name}_beta_2']!r}"
    if name == "adamw":
        options += f", weight_decay={values['adamw_decay']!r}"
    names = {"adam": "Adam", "adamw": "AdamW", "nadam": "Nadam"}
    return f"keras.optimizers.{names[name]}(rate, {options})"


def loss(values: Values) -> str:
    """Return the expression of the loss."""
    if values.get("label_smoothing"):
        return (
            f"keras.losses.CategoricalCrossentropy(label_smoothing={values['label_smoothing']!r})"
        )
    return "keras.losses.SparseCategoricalCrossentropy()"


def parameters(values: Values, facts: Dataset) -> int:
    """Return the number of parameters, those of moving statistics included."""
    units = [int(values[f"units_{n}"]) for n in range(1, int(values["layers"]) + 1)]
    widths = [facts.features, *units]
    bias = 0 if values.get("norm_first") else 1
    norm = 4 if values.get("batch_norm") else 0
    inner = sum((a + bias + norm) * b for a, b in itertools.pairwise(widths))
    return inner + (widths[-1] + 1) * len(facts.classes)
