"""The digits that come with scikit-learn."""

import hashlib

import numpy as np

DIGITS_TEST_SHARE = 0.2


DIGITS_TEST_SEED = 0
"""The digits come as one bundle; which of them are the test set does not depend on a study."""


def _digits() -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    images = bundle.data.astype(np.uint8)
    labels = bundle.target.astype(np.uint8)
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    return images, labels, {"scikit-learn digits": digest}
