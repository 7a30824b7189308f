"""Sums of products over letters (np.einsum) as matrix products, stacks of them, or plain sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.engine.algebra import product
from chainrule.engine.building import Builder, Rule, are_arrays
from chainrule.engine.program import Op, Shape

Term = tuple[Op, str]  # an array, and a letter for each of its axes


def einsum(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    if dtype.kind != "f" or not are_arrays(args, dtype):
        return None
    inputs, output = params["subscripts"].split("->")
    terms: list[Term] = list(zip(args, inputs.split(","), strict=True))
    sizes: dict[str, int] = {}
    for a, letters in terms:
        for n, c in zip(a.shape, letters, strict=True):
            sizes[c] = max(n, sizes.get(c, 1))
    terms = [(_stretched(b, a, letters, sizes), letters) for a, letters in terms]
    for chosen in _order(terms, output):
        picked = [terms[k] for k in chosen]
        terms = [t for k, t in enumerate(terms) if k not in chosen]
        needed = output + "".join(letters for _, letters in terms)
        found = picked[0]
        for other in picked[1:]:
            found = _pair(b, found, other, needed)
        terms.append(_summed(b, found, needed))
    return _arranged(b, terms[0], output)


def _stretched(b: Builder, a: Op, letters: str, sizes: dict[str, int]) -> Any:
    """An axis of length one goes with any other of its letter."""
    shape = tuple(sizes[c] for c in letters)
    return a if a.shape == shape else b.broadcast_to(a, shape)


def _order(terms: Sequence[Term], output: str) -> list[Sequence[int]]:
    """Which terms to contract one after the other; of many in the order that NumPy takes."""
    if len(terms) < 3:
        return [range(len(terms))]
    text = ",".join(letters for _, letters in terms) + "->" + output
    ghosts = [as_strided(np.empty(1), a.shape, (0,) * len(a.shape)) for a, _ in terms]
    return list(np.einsum_path(text, *ghosts, optimize=True)[0][1:])


def _summed(b: Builder, term: Term, needed: str) -> Term:
    """A term without the axes that nobody else needs."""
    a, letters = term
    axes = tuple(k for k, c in enumerate(letters) if c not in needed)
    return b.reduce("sum", a, axes, False), "".join(c for c in letters if c in needed)


def _arranged(b: Builder, term: Term, letters: str) -> Any:
    a, old = term
    axes = tuple(map(old.index, letters))
    return b.transpose(a, axes)


def _pair(b: Builder, left: Term, right: Term, needed: str) -> Term:
    """The contraction of two terms over the letters that only they have."""
    left = _summed(b, left, needed + right[1])
    right = _summed(b, right, needed + left[1])
    sizes = dict(zip(left[1] + right[1], left[0].shape + right[0].shape, strict=True))
    both = [c for c in left[1] if c in right[1]]
    stack = "".join(c for c in both if c in needed)
    over = "".join(c for c in both if c not in needed)
    rows = "".join(c for c in left[1] if c not in right[1])
    columns = "".join(c for c in right[1] if c not in left[1])
    x, y = _arranged(b, left, stack + rows + over), _arranged(b, right, stack + over + columns)

    def shaped(a: Op, *parts: str) -> Any:
        """An array with one axis for each of the parts, but for the stack its own."""
        shape = [*(sizes[c] for c in stack), *(math.prod(sizes[c] for c in p) for p in parts)]
        return b.reshape(a, tuple(shape))

    if not over or not (rows or columns):
        x, y = shaped(x, rows, over, ""), shaped(y, "", over, columns)
        found = b.like("multiply", x, y)
        found = b.reduce("sum", found, (len(stack) + 1,), False) if over else found
    else:
        found = product(b, shaped(x, rows, over), shaped(y, over, columns))
    letters = stack + rows + columns
    return b.reshape(found, tuple(sizes[c] for c in letters)), letters


RULES: dict[str, Rule] = {"einsum": einsum}

__all__ = ["RULES"]
