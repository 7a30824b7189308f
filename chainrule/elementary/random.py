"""Random numbers as elementary functions: of a key, which is one number of 64 bits.

An array is drawn row by row, and each row begins with a new counter of the generator, which gives
four numbers in single precision and two in double. So each element depends on the key, on the
stream (how many arrays were drawn from that key before) and on its own place alone.

A normal number is the quantile of a uniform one, so that each needs one and the same bits give the
same tails everywhere.

Source: for the quantiles Wichura, "Algorithm AS 241: the percentage points of the normal
distribution", Applied Statistics 37 (1988).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.elementary.base import Step
from chainrule.elementary.philox import derived, words

Shape = tuple[int, ...]
# (numerator, denominator), the constant term first: Φ⁻¹(½ + q)/q in 0.180625 − q² for q up to
# 0.425; and −Φ⁻¹(p) in r − 1.6 and r − 5 with r = √(−log p), up to r = 5 and from there on.
Rational = tuple[tuple[float, ...], tuple[float, ...]]
SINGLE: tuple[Rational, ...] = (
    ((3.3871327179, 50.434271938, 159.29113202, 59.109374720),
     (1.0, 17.895169469, 78.757757664, 67.187563600)),
    ((1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103),
     (1.0, 0.73700164250, 0.12021132975)),
)  # fmt: skip
DOUBLE: tuple[Rational, ...] = (
    ((3.3871328727963666080, 1.3314166789178437745e2, 1.9715909503065514427e3,
      1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
      3.3430575583588128105e4, 2.5090809287301226727e3),
     (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
      2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
      5.2264952788528545610e3)),
    ((1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550,
      3.64784832476320460504, 1.27045825245236838258, 2.41780725177450611770e-1,
      2.27238449892691845833e-2, 7.74545014278341407640e-4),
     (1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
      1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
      1.05075007164441684324e-9)),
    ((6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580,
      2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
      2.71155556874348757815e-5, 2.01033439929228813265e-7),
     (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
      7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
      2.04426310338993978564e-15)),
)  # fmt: skip
CENTRE, SQUARE, NEAR, FAR = 0.425, 0.180625, 1.6, 5.0


def per_block(dtype: Any) -> int:
    """How many numbers come from one counter."""
    return 4 if np.dtype(dtype) == np.float32 else 2


def row_of(shape: Sequence[int]) -> int:
    """The length of a row: of the last axis that is longer than 1."""
    return next((n for n in reversed(shape) if n != 1), 1)


def _bits(key: Any, stream: int, shape: Shape, dtype: str) -> np.ndarray:
    """For all elements in turn: 32 random bits in single precision (uint32), else 64 (uint64)."""
    row, many = row_of(shape), per_block(dtype)
    blocks = -(-row // many)
    rows = math.prod(shape) // row if row else 0
    w = words(int(key), stream, rows * blocks)
    found: np.ndarray = w if many == 4 else w[:, ::2] | w[:, 1::2].astype(np.uint64) << 32
    return found.reshape(rows, blocks * many)[:, :row].reshape(-1)


def _key(key: Any, number: Any) -> np.int64:
    return np.uint64(derived(int(key), int(number))).astype(np.int64)


def _uniform(key: Any, stream: int, shape: Shape, dtype: str) -> Any:
    """k 2⁻²⁴ with k from 24 bits, or k 2⁻⁵³ from 53."""
    w = _bits(key, stream, shape, dtype)
    if w.dtype == np.uint32:
        u = (w >> 8).astype(np.float32) * np.float32(2.0**-24)
    else:
        u = (w >> 11) * 2.0**-53
    return u.reshape(shape)[()]


def _normal(key: Any, stream: int, shape: Shape, dtype: str) -> Any:
    """±Φ⁻¹(p), p = (k + ½) 2⁻³² with k from 31 bits or (k + ½) 2⁻⁵³ from 52; the first bit is the
    sign.
    """
    w = _bits(key, stream, shape, dtype)
    if w.dtype == np.uint32:
        p = ((w & 0x7FFFFFFF).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
        size, below = _quantile(p, SINGLE), w >> 31
    else:
        size, below = _quantile(((w >> 11 & (2**52 - 1)) + 0.5) * 2.0**-53, DOUBLE), w >> 63
    return np.where(below, -size, size).reshape(shape)[()]


def _quantile(p: np.ndarray, table: Sequence[Rational]) -> np.ndarray:
    """−Φ⁻¹(p) for 0 < p ≤ ½."""
    q = 0.5 - p
    size = q * _ratio(table[0], SQUARE - q * q)
    tail = q > CENTRE
    r = np.sqrt(-np.log(p[tail]))
    far = _ratio(table[1], r - NEAR)
    for rational in table[2:]:
        far = np.where(r > FAR, _ratio(rational, r - FAR), far)
    size[tail] = far
    return size


def _ratio(rational: Rational, x: np.ndarray) -> np.ndarray:
    top, bottom = (_polynomial(c, x) for c in rational)
    quotient: np.ndarray = top / bottom
    return quotient


def _polynomial(coefficients: Sequence[float], x: np.ndarray) -> np.ndarray:
    total = np.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * x + x.dtype.type(c)
    return total


# A key of its own for each number: random_key(key, number).
random_key = Step("random_key", _key, formula="random_key(a, b)")
# Uniform in [0, 1), and N(0, 1).
random_uniform = Step("random_uniform", _uniform)
random_normal = Step("random_normal", _normal)

FUNCTIONS = (random_key, random_uniform, random_normal)
