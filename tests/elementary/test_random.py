"""Random numbers: published vectors, where each number comes from, quantiles, and statistics.

Bounds of statistics are five standard deviations of what is estimated; seeds are fixed.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import special

from chainrule import nn
from chainrule.elementary.philox import LOW, derived, halves, philox, words
from chainrule.elementary.random import random_key, random_normal, random_uniform

# Random123, tests/kat_vectors: counter, key, result.
VECTORS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip
N = 1_000_000
BOTH = pytest.mark.parametrize("dtype", ["float32", "float64"])


def numbers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def uniform(key: int, shape: Any, dtype: str = "float64", stream: int = 0) -> Any:
    return random_uniform(np.int64(key), stream=stream, shape=shape, dtype=dtype)


def normal(key: int, shape: Any, dtype: str = "float64", stream: int = 0) -> Any:
    return random_normal(np.int64(key), stream=stream, shape=shape, dtype=dtype)


@pytest.mark.parametrize("vector", VECTORS)
def test_the_published_vectors(vector: tuple[str, str, str]) -> None:
    counter, key, expected = map(numbers, vector)
    assert list(philox(counter, key)) == expected


def test_the_published_vectors_as_arrays() -> None:
    counter, key, expected = (
        np.array([numbers(vector[k]) for vector in VECTORS], np.uint64).T for k in range(3)
    )
    np.testing.assert_array_equal(philox(counter, key), expected)


def test_words_are_those_of_their_counters() -> None:
    key, stream = 0x0123456789ABCDEF, 5
    found = words(key, stream, 20_000)
    for block in (0, 1, 8191, 8192, 19_999):
        expected = philox((block, 0, stream, 1), (0x89ABCDEF, 0x01234567))
        assert found[block].tolist() == list(expected)


@pytest.mark.parametrize(
    ("shape", "places"),
    [
        ((), {(): (0, 0)}),
        ((3,), {(0,): (0, 0), (2,): (0, 2)}),
        ((1, 5, 1), {(0, 4, 0): (1, 0)}),
        ((4, 10), {(0, 9): (2, 1), (1, 0): (3, 0), (3, 7): (10, 3)}),
        ((2, 3, 4), {(1, 0, 0): (3, 0), (1, 2, 3): (5, 3)}),
        ((3, 1), {(2, 0): (0, 2)}),
    ],
)
def test_each_row_begins_with_a_counter_of_its_own(shape: Any, places: Any) -> None:
    """The element at each place comes from word k of a counter, in single precision."""
    found = uniform(77, shape, "float32")
    assert np.shape(found) == shape
    for place, (block, k) in places.items():
        word = philox((block, 0, 0, 1), halves(77))[k]
        assert found[place] == (word >> 8) / 2**24


def test_a_number_in_double_precision_has_two_words() -> None:
    found = uniform(-3, (2, 3))
    for (i, j), (block, k) in {(0, 1): (0, 2), (0, 2): (1, 0), (1, 1): (2, 2)}.items():
        c = philox((block, 0, 0, 1), halves(-3))
        assert found[i, j] == ((c[k] | c[k + 1] << 32) >> 11) / 2**53


@BOTH
def test_none_and_fewer_rows(dtype: str) -> None:
    for shape in ((0,), (3, 0), (0, 3)):
        assert uniform(1, shape, dtype).shape == normal(1, shape, dtype).shape == shape
    np.testing.assert_array_equal(uniform(1, (9, 5), dtype)[:4], uniform(1, (4, 5), dtype))


def test_keys_of_parts() -> None:
    """From the words of the generator, in as many rounds as the number has words."""
    c = philox((5, 0, 0, 0), halves(9))
    assert derived(9, 5) == c[0] | c[1] << 32
    assert int(random_key(np.int64(9), 5)) & (LOW << 32 | LOW) == derived(9, 5)
    found = {derived(k, n) for k in (0, 1, 2**63) for n in (0, 1, 2**32, 2**64, 2**96, 2**200)}
    assert len(found) == 18


@BOTH
def test_normal_numbers_are_quantiles(dtype: str) -> None:
    found = normal(5, (50,), dtype)
    digits, rest = (31, 2.0**-32) if dtype == "float32" else (52, 2.0**-53)
    bits = 32 if dtype == "float32" else 64
    raw = words(5, 0, 25).reshape(-1).tolist()
    if bits == 64:
        raw = [a | b << 32 for a, b in zip(raw[::2], raw[1::2], strict=True)]
    eps = np.finfo(dtype).eps
    with mp.workdps(40):
        for z, w in zip(found, raw, strict=False):
            k = w % 2**31 if bits == 32 else (w >> 11) % 2**digits
            size = -mp.sqrt(2) * mp.erfinv(2 * (k + mp.mpf(0.5)) * rest - 1)
            expected = float(-size if w >> (bits - 1) else size)
            # In the middle p itself is rounded, which counts as an error of ½.
            assert abs(z - expected) <= 8 * eps * abs(expected) + eps


@pytest.mark.parametrize(
    ("word", "dtype", "p"),
    [(0, "float32", 2.0**-33), (0, "float64", 2.0**-54), (LOW, "float32", 0.5),
     (LOW, "float64", 0.5 - 2.0**-54)],
)  # fmt: skip
def test_the_ends(word: int, dtype: str, p: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest and the smallest numbers that there are."""
    made = lambda key, stream, blocks: np.full((blocks, 4), word, np.uint32)  # noqa: E731
    monkeypatch.setattr("chainrule.elementary.random.words", made)
    with mp.workdps(40):
        expected = float(mp.sqrt(2) * mp.erfinv(1 - 2 * mp.mpf(p))) * (1 if word == 0 else -1)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(normal(0, (3,), dtype), expected, rtol=8 * eps, atol=eps * 1e-8)


@BOTH
def test_uniform_numbers(dtype: str) -> None:
    u = np.asarray(uniform(11, (N // 10, 10), dtype), np.float64)
    assert u.min() >= 0.0
    assert u.max() < 1.0
    assert abs(u.mean() - 0.5) < 5 * np.sqrt(1 / 12 / N)
    assert abs(np.mean((u - 0.5) ** 2) - 1 / 12) < 5 * np.sqrt(1 / 180 / N)
    for parts in (256, 10):  # χ² of a histogram
        counts = np.bincount((u.ravel() * parts).astype(int), minlength=parts)
        chi2 = np.sum((counts - N / parts) ** 2) / (N / parts)
        assert abs(chi2 - (parts - 1)) < 5 * np.sqrt(2 * (parts - 1))


@BOTH
def test_normal_numbers(dtype: str) -> None:
    z = np.asarray(normal(12, (N,), dtype), np.float64)
    # E zᵏ and the variances of zᵏ: 1, 2, 15 and 96.
    for k, (expected, variance) in {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}.items():
        assert abs(np.mean(z**k) - expected) < 5 * np.sqrt(variance / N)
    # Kolmogorov and Smirnov: √n D is above 2.3 with probability 5e-5.
    d = np.abs(special.ndtr(np.sort(z)) - (np.arange(N) + 0.5) / N).max()
    assert np.sqrt(N) * d < 2.3
    for bound in (3.0, 4.0):
        p = 2 * special.ndtr(-bound)
        assert abs(np.sum(np.abs(z) > bound) - N * p) < 5 * np.sqrt(N * p)


@BOTH
def test_nothing_depends_on_anything_else(dtype: str) -> None:
    """Correlations of neighbours, rows, streams, and keys that differ in one bit or in order."""
    shape = (1000, 500)

    def drawn(key: Any, stream: int = 0) -> Any:
        return np.asarray(random_normal(key, stream=stream, shape=shape, dtype=dtype), np.float64)

    key = random_key(np.int64(0), 3)
    x = drawn(key)
    others = [
        drawn(key, 1), drawn(key, 2**31), drawn(key ^ np.int64(1)), drawn(key ^ np.int64(2**40)),
        drawn(random_key(key, 0)), drawn(random_key(key, 1)), drawn(random_key(np.int64(0), 4)),
        np.roll(x, 1, 0), np.roll(x, 1, 1), np.roll(x, 4, 1), x[::-1],
    ]  # fmt: skip
    bound = 5 / np.sqrt(x.size)
    for k, y in enumerate(others):
        # Row i reversed meets row 999 − i twice, so that the products are half as many.
        wide = np.sqrt(2) if k == len(others) - 1 else 1
        assert abs(np.mean(x * y)) < bound * wide
        assert abs(np.mean(np.abs(x) * np.abs(y)) - 2 / np.pi) < bound * wide


class TestGenerator:
    def test_a_seed_is_a_key_of_one_number(self) -> None:
        assert nn.generator(7).random() == nn.generator((7,)).random()

    def test_keys_differ_in_every_number(self) -> None:
        keys = [0, 1, (0, 0), (1, 0), (0, 1), (0, 0, 0), 2**64, 2**70, 2**200, 2**200 + 1]
        assert len({nn.generator(key).random() for key in keys}) == len(keys)

    def test_draws_follow_one_another_and_begin_anew(self) -> None:
        first, second = nn.generator(5), nn.generator(5)
        drawn = [first.random(), first.random(), first.random()]
        assert len(set(drawn)) == 3
        assert [second.random(), second.random(), second.random()] == drawn

    def test_numpys_ways(self) -> None:
        rng = nn.generator(5)
        assert isinstance(rng, np.random.Generator)
        assert np.ndim(rng.random()) == 0
        assert rng.random(4, np.float32).dtype == np.float32
        assert rng.standard_normal((2, 3)).dtype == np.float64
        assert rng.uniform([0.0, 10.0], [[1.0, 11.0]] * 3).shape == (3, 2)
        assert rng.normal(np.zeros(3), 1.0).shape == (3,)
        low, high = rng.uniform([0.0, 10.0], [1.0, 11.0])
        assert 0 <= low < 1
        assert 10 <= high < 11
        assert nn.generator(5).integers(100) == np.random.default_rng(5).integers(100)

    def test_a_generator_stays_itself(self) -> None:
        rng = np.random.default_rng(0)
        assert nn.generator(rng) is rng
        assert nn.generator(mine := nn.generator(3)) is mine

    def test_what_else_numpy_takes(self) -> None:
        """No entropy, a sequence of seeds, a list: NumPy's own generators."""
        for make in (lambda: np.random.SeedSequence(4), lambda: [4, 5]):
            assert nn.generator(make()).random() == np.random.default_rng(make()).random()
        assert nn.generator(None).random() != nn.generator(None).random()

    def test_starting_values_are_numpys(self) -> None:
        params, _ = nn.Dense(3).build(4, (2,))
        limit = np.sqrt(6 / 5)
        expected = np.random.default_rng(4).uniform(-limit, limit, (2, 3))
        np.testing.assert_allclose(params["kernel"], expected, rtol=1e-15)
