"""Names for the numbers of a tree, and directions in terms of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.tracing import flatten, paths_of

PARTS = 4  # of a direction that are named
SMALL = 0.05  # of the largest part: what is below is left out


def element_names(tree: Any, name: str) -> list[str]:
    """A name for each number of a tree, in the order of its leaves.

    >>> element_names({"w": np.zeros((1, 2)), "b": 0.0}, "p")
    ["p['b']", "p['w'][0, 0]", "p['w'][0, 1]"]
    """
    found = []
    for leaf, path in zip(flatten(tree)[0], paths_of(tree, name), strict=True):
        shape = np.shape(leaf)
        if not shape:
            found.append(path)
        found += [f"{path}[{', '.join(map(str, at))}]" for at in np.ndindex(*shape) if shape]
    return found


def contributions(vector: NDArray[np.float64], names: Sequence[str]) -> str:
    """A direction by its largest parts.

    >>> contributions(np.array([0.0, -1.0]), ["x[0]", "x[1]"])
    'x[1]'
    >>> contributions(np.array([0.8, -0.6, 0.001]), ["a", "b", "c"])
    '0.8 a − 0.6 b'
    """
    sizes = np.abs(vector)
    order = np.argsort(-sizes, kind="stable")
    shown = [k for k in order[:PARTS] if sizes[k] > SMALL * sizes[order[0]]]
    if len(shown) == 1:
        return names[shown[0]]
    parts: list[str] = []
    for k in shown:
        sign = "− " if vector[k] < 0 else "+ " if parts else ""
        parts.append(f"{sign}{sizes[k]:.2g} {names[k]}")
    rest = sum(sizes[k] > SMALL * sizes[order[0]] for k in order[PARTS:])
    return " ".join(parts) + (f" + … ({rest} more)" if rest else "")


def leaf_shares(vector: NDArray[np.float64], sizes: Sequence[int]) -> NDArray[np.float64]:
    """How much of a direction's squared length lies in each leaf; they add up to 1.

    >>> leaf_shares(np.array([3.0, 4.0, 0.0]), [1, 2]).tolist()
    [0.36, 0.64]
    """
    total = float(vector @ vector)
    parts = np.split(vector, np.cumsum(sizes)[:-1])
    return np.array([float(p @ p) / total if total else 0.0 for p in parts])
