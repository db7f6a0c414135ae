"""Search a classifier of table rows by its area under the ROC curve (AUC).

The hypermodel is a class with a `fit` of its own, so that the batch size and the weight of the rarer
class are tuned too. Run it with `python examples/tabular.py`. The data come with scikit-learn.
"""

import keras
import keras_tuner as kt
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import search


class Tumours(kt.HyperModel):
    """A network that tells malignant from benign tumours."""

    def __init__(self, x):
        super().__init__()
        self.mean, self.variance = x.mean(axis=0), x.var(axis=0)

    def build(self, hp):
        """Return a compiled model of rows of numbers."""
        model = keras.Sequential(
            [
                keras.Input((self.mean.size,)),
                keras.layers.Normalization(mean=self.mean, variance=self.variance),
                keras.layers.Dense(hp.Int("units", 8, 64, step=8), activation="relu"),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile(
            optimizer=keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")),
            loss="binary_crossentropy",
            metrics=[keras.metrics.AUC(name="auc")],
        )
        return model

    def fit(self, hp, model, *args, **kwargs):
        """Train with a tuned batch size and a tuned weight of the rarer class."""
        weight = hp.Float("weight", 0.5, 4.0, default=1.0)
        return model.fit(
            *args,
            batch_size=hp.Choice("batch_size", [16, 32, 64]),
            class_weight={0: weight, 1: 1.0},
            **kwargs,
        )


def main(directory="tuner_logs", max_trials=12, epochs=20):
    """Search, and return the tuner and the best model's AUC on rows that chose nothing."""
    x, y = load_breast_cancer(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    tuner = search.RandomSearch(
        Tumours(x),
        objective=kt.Objective("val_auc", direction="max"),
        max_trials=max_trials,
        executions_per_trial=2,
        directory=directory,
        project_name="tabular",
        seed=1,
    )
    tuner.search(x, y, validation_split=0.25, epochs=epochs)
    (model,) = tuner.get_best_models()
    auc = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["auc"]
    print(f"AUC of the best model on the test rows: {auc:.3f}")
    return tuner, auc


if __name__ == "__main__":
    main()
