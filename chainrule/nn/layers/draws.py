"""Where layers get random numbers from: seeds, keys and NumPy generators.

A key is a tuple of integers such as (seed, epoch, step); containers add a number for each of their
parts. What is drawn from a key is a pure function of it (Philox, see :mod:`elementary.random`), so
that a compiled step draws the same as one by NumPy.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from chainrule.elementary.base import is_traced, shape_of
from chainrule.elementary.random import random_key, random_normal, random_uniform
from chainrule.records import dataclass

# A seed, a key (numbers that name one use: seed, step, layer, …) or a NumPy generator.
Rng = int | tuple[int, ...] | np.random.Generator


@dataclass(frozen=True)
class Key:
    """A key whose numbers have been made one of 64 bits, which may be traced."""

    value: Any

    def child(self, number: Any) -> Key:
        """The key with one more number at its end."""
        return Key(random_key(self.value, number))


@functools.lru_cache(maxsize=64)
def _plain(key: tuple[int, ...]) -> Key:
    return _plain(key[:-1]).child(key[-1]) if key else Key(np.int64(0))


def key_of(rng: Any) -> Key:
    """A seed or key as one number, some of whose numbers may be traced.

    >>> key_of(7) == key_of((7,)), key_of((7, 0)) == key_of(7)
    (True, False)
    """
    if isinstance(rng, Key):
        return rng
    key = rng if isinstance(rng, tuple) else (rng,)
    if not any(map(is_traced, key)):
        return _plain(key)
    return functools.reduce(Key.child, key, _plain(()))


class Draws:
    """What draws from a key, one array after the other, by the names of NumPy's generators."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.count = 0

    def random(self, size: Any = None, dtype: Any = np.float64) -> Any:
        """Uniform numbers in [0, 1)."""
        return self._draw(random_uniform, size, dtype)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64) -> Any:
        """N(0, 1)."""
        return self._draw(random_normal, size, dtype)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Uniform numbers in [low, high)."""
        u = self.random(_broadcast(size, low, high))
        return np.add(low, np.subtract(high, low) * u)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """N(loc, scale²)."""
        z = self.standard_normal(_broadcast(size, loc, scale))
        return np.add(loc, np.multiply(scale, z))

    def _draw(self, record: Any, size: Any, dtype: Any) -> Any:
        shape = () if size is None else tuple(int(n) for n in np.atleast_1d(size))
        stream = self.count
        self.count += 1
        return record(self.key.value, stream=stream, shape=shape, dtype=np.dtype(dtype).name)


def _broadcast(size: Any, *given: Any) -> Any:
    return np.broadcast_shapes(*map(shape_of, given)) if size is None else size


class Numbers(Draws, np.random.Generator):  # type: ignore[misc]
    """A NumPy generator that draws by these names from a key, and by NumPy's other ones as ever."""

    def __init__(self, key: Key, seed: int | tuple[int, ...]) -> None:
        np.random.Generator.__init__(self, np.random.PCG64(seed))
        Draws.__init__(self, key)


def generator(rng: Rng) -> np.random.Generator:
    """The generator of a seed or key; a generator stays itself.

    A layer of one's own that draws in training calls it with its ``rng``, and so can be compiled
    if it draws by random, uniform, normal or standard_normal.

    >>> float(generator((1, 2)).random()) == float(generator((1, 2)).random())
    True
    """
    if not (isinstance(rng, (int, np.integer, tuple, Key)) or is_traced(rng)):
        return starting(rng)  # what else NumPy makes a generator of
    key = key_of(rng)
    if is_traced(key.value):
        return Draws(key)  # type: ignore[return-value]
    return Numbers(key, rng)  # type: ignore[arg-type]


def starting(rng: Rng) -> np.random.Generator:
    """NumPy's generator of a seed or key, for starting values; a generator stays itself."""
    return np.random.default_rng(rng)


def child(rng: Rng | None, index: int) -> Rng | None:
    """The key of a container's part: its own numbers for each; a generator is shared.

    >>> child(7, 2), child((7, 2), 0)
    ((7, 3), (7, 2, 1))
    """
    if rng is None or isinstance(rng, np.random.Generator):
        return rng
    # From 1 up: NumPy takes keys that differ in zeros at the end alone for the same.
    if isinstance(rng, Key):
        return rng.child(index + 1)  # type: ignore[return-value]
    return (*rng, index + 1) if isinstance(rng, tuple) else (rng, index + 1)


__all__ = ["Draws", "Key", "Rng", "child", "generator", "key_of", "starting"]
