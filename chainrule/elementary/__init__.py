"""The table of elementary functions: one record each, by family."""

from __future__ import annotations

from chainrule.elementary import (
    arithmetic,
    convolution,
    exponential,
    indexing,
    linalg,
    logic,
    network,
    normal,
    products,
    random,
    reductions,
    shaping,
    softmax,
    special,
    trigonometric,
)
from chainrule.elementary.base import Elementary

_FAMILIES = (
    arithmetic, exponential, trigonometric, normal, special, logic, network, shaping, indexing,
    reductions, softmax, products, linalg, convolution, random,
)  # fmt: skip

TABLE: dict[str, Elementary] = {f.name: f for family in _FAMILIES for f in family.FUNCTIONS}

if len(TABLE) != sum(len(family.FUNCTIONS) for family in _FAMILIES):
    raise TypeError("two elementary functions have the same name")
