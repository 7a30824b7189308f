"""Starting values of kernels, drawn so that signals neither grow nor fade from layer to layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def he_normal(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Normal with variance 2/fan_in, for a layer that relu follows.

    He, Zhang, Ren & Sun (2015), "Delving deep into rectifiers", eq. 10.

    Args:
        rng: where the random numbers come from.
        shape: (fan_in, fan_out).

    >>> he_normal(np.random.default_rng(0), (2, 3)).shape
    (2, 3)
    """
    return rng.normal(0.0, np.sqrt(2.0 / shape[0]), shape)


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Uniform in ±√(6/(fan_in + fan_out)), for a layer without relu; also called Xavier.

    Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural
    networks", eq. 16.

    Args:
        rng: where the random numbers come from.
        shape: (fan_in, fan_out).

    >>> bool(np.all(np.abs(glorot_uniform(np.random.default_rng(0), (2, 4))) <= 1.0))
    True
    """
    limit = np.sqrt(6.0 / (shape[0] + shape[1]))
    return rng.uniform(-limit, limit, shape)
