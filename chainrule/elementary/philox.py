"""Philox4x32-10: random bits as a pure function of a key and a counter.

The words of one counter need no others, so that any of them can be made anywhere, in any order and
by any thread, and the same come out. The native engine makes the same bits in vector registers.

Source: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85  # what the two words of the key grow by from round to round
ROUNDS = 10
LOW = 0xFFFFFFFF
KEYS, NUMBERS = 0, 1  # the last word of a counter: a key is made, or numbers are
CHUNK = 8192  # counters whose words stay in the cache


def philox(counter: Sequence[Any], key: Sequence[Any]) -> tuple[Any, Any, Any, Any]:
    """Four random words of 32 bits, from a counter of four such words and a key of two.

    In each round (p₁, p₀) = M₀ c₀ and (q₁, q₀) = M₁ c₂ are products of 64 bits in two halves, and
    c ← (q₁ ⊕ c₁ ⊕ k₀, q₀, p₁ ⊕ c₃ ⊕ k₁, p₀).

    Args:
        counter, key: Python integers, or arrays of uint64 with numbers below 2³².

    >>> [f"{word:08x}" for word in philox((0, 0, 0, 0), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        p, q = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (q >> 32) ^ c1 ^ k0, q & LOW, (p >> 32) ^ c3 ^ k1, p & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return c0, c1, c2, c3


def halves(key: int) -> tuple[int, int]:
    """The two words of a key of 64 bits."""
    return key & LOW, key >> 32 & LOW


def derived(key: int, number: int) -> int:
    """The key of a part of what a key is for: another for each number, 64 bits.

    >>> derived(derived(0, 1), 2) == derived(derived(0, 2), 1)
    False
    """
    while True:
        counter = number & LOW, number >> 32 & LOW, number >> 64 & LOW, KEYS
        c0, c1, _, _ = philox(counter, halves(key))
        key, number = c0 | c1 << 32, number >> 96
        if number <= 0:
            return key


def words(key: int, stream: int, blocks: int) -> np.ndarray:
    """The random words of the first so many counters of a stream: uint32, shape (blocks, 4)."""
    found = np.empty((blocks, 4), np.uint32)
    for start in range(0, blocks, CHUNK):
        part = found[start : start + CHUNK]
        block = np.arange(start, start + len(part), dtype=np.uint64)
        zero = np.zeros_like(block)
        counter = block & LOW, block >> 32, zero + stream, zero + NUMBERS
        for k, word in enumerate(philox(counter, halves(key))):
            part[:, k] = word
    return found
