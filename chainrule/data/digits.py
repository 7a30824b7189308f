"""The bundled handwritten digits."""

from __future__ import annotations

import io
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def load_digits5k() -> tuple[Bytes, Bytes]:
    """5,000 handwritten digits of MNIST, 500 of each, sorted by label.

    LeCun, Cortes & Burges, CC BY-SA 3.0.

    Returns:
        (images of shape (5000, 28, 28) with grey values from 0 to 255, labels of shape (5000,)).

    >>> images, labels = load_digits5k()
    >>> images.shape, np.bincount(labels).tolist() == [500] * 10
    ((5000, 28, 28), True)

    Source: LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document
    recognition", Proc. IEEE 86 (1998).
    """
    content = resources.files("chainrule.data").joinpath("files", "digits5k.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"]
