"""The digits that come with scikit-learn."""

import hashlib

import numpy as np

DIGITS_TEST_SHARE = 0.2


DIGITS_TEST_SEED = 0
"""A constant: the digits come without a test set, and all studies must use the same test images."""


def read_digits() -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Return images, labels and the SHA-256 of both by name.

    Images are uint8 of shape (images, 64), 0 to 16; labels are uint8 of shape (images,).
    """
    from sklearn.datasets import load_digits

    bundle = load_digits()
    images = bundle.data.astype(np.uint8)
    labels = bundle.target.astype(np.uint8)
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    return images, labels, {"scikit-learn digits": digest}
