"""The search space: dense networks, their optimizers and their regularisers."""

import keras_tuner as kt

from search.records.trial import Values

AUGMENTATIONS: dict[str, tuple[bool, int]] = {
    "none": (False, 0),
    "flip": (True, 0),
    "flip_shift": (True, 1),
}
"""By name: whether half of the images are mirrored left to right, and the largest shift in pixels,
vertical and horizontal. Background fills the shifted image."""


ACTIVATIONS = ["sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu"]


INITIALIZERS = [
    "zeros",
    "random_normal",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_normal",
]


OPTIMIZERS = ["sgd", "momentum", "rmsprop", "adam", "adamw", "nadam"]


SCHEDULES = ["constant", "cosine", "warmup"]


MAX_LAYERS = 5


UNSEARCHED = {"augmentation": "none", "precision": "float32"}
"""Fixed at these values unless --fix names them. Augmentation changes the training images, and
precision concerns speed."""


def declare(hp: kt.HyperParameters) -> Values:
    """Declare the whole space, and return the values of one configuration.

    Inactive values are None. Defaults are the assignment's network of exercises 1 to 3.
    """
    v: Values = {}

    def log(name: str, low: float, high: float, default: float) -> None:
        v[name] = hp.Float(name, low, high, sampling="log", default=default)

    # Exercise 1 trains deeper networks than a search draws.
    deepest = max(MAX_LAYERS, hp.values.get("layers", 0))
    v["layers"] = hp.Int("layers", 1, deepest, default=3)
    for i in range(1, deepest + 1):
        with hp.conditional_scope("layers", list(range(i, deepest + 1))):
            v[f"units_{i}"] = hp.Int(f"units_{i}", 32, 2048, step=2, sampling="log", default=128)
    v["activation"] = hp.Choice("activation", ACTIVATIONS, default="relu")
    v["initializer"] = hp.Choice("initializer", INITIALIZERS, default="glorot_uniform")
    v["batch_size"] = hp.Choice("batch_size", [32, 64, 128, 256, 512], default=32)

    v["optimizer"] = hp.Choice("optimizer", OPTIMIZERS, default="adam")
    with hp.conditional_scope("optimizer", ["sgd"]):
        log("sgd_lr", 1e-3, 1.0, 0.01)
    with hp.conditional_scope("optimizer", ["momentum"]):
        log("momentum_lr", 1e-4, 0.3, 0.01)
        v["momentum"] = hp.Float("momentum", 0.5, 0.99, default=0.9)
        v["nesterov"] = hp.Boolean("nesterov", default=False)
    with hp.conditional_scope("optimizer", ["rmsprop"]):
        log("rmsprop_lr", 1e-5, 1e-2, 1e-3)
        v["rmsprop_rho"] = hp.Float("rmsprop_rho", 0.8, 0.99, default=0.9)
    for name in ("adam", "adamw", "nadam"):
        with hp.conditional_scope("optimizer", [name]):
            log(f"{name}_lr", 1e-5, 1e-2, 1e-3)
            v[f"{name}_beta_1"] = hp.Float(f"{name}_beta_1", 0.8, 0.99, default=0.9)
            v[f"{name}_beta_2"] = hp.Choice(f"{name}_beta_2", [0.99, 0.999], default=0.999)
    with hp.conditional_scope("optimizer", ["adamw"]):
        log("adamw_decay", 1e-4, 0.1, 4e-3)
    v["schedule"] = hp.Choice("schedule", SCHEDULES, default="constant")

    v["input_dropout"] = hp.Float("input_dropout", 0.0, 0.3, default=0.0)
    v["dropout"] = hp.Float("dropout", 0.0, 0.6, default=0.0)
    v["batch_norm"] = hp.Boolean("batch_norm", default=False)
    with hp.conditional_scope("batch_norm", [True]):
        v["norm_first"] = hp.Boolean("norm_first", default=False)
    v["label_smoothing"] = hp.Float("label_smoothing", 0.0, 0.2, default=0.0)
    for name in ("l1", "l2"):
        v[f"use_{name}"] = hp.Boolean(f"use_{name}", default=False)
        with hp.conditional_scope(f"use_{name}", [True]):
            log(name, 1e-7, 1e-2, 1e-5)

    v["augmentation"] = hp.Choice("augmentation", list(AUGMENTATIONS), default="none")
    v["precision"] = hp.Choice("precision", ["float32", "bfloat16"], default="float32")
    return v
