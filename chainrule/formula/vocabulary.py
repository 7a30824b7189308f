"""What the words and signs of a formula mean: operators, functions and constants."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.elementary import TABLE
from chainrule.elementary.base import Pointwise

Function = Callable[..., Any]

OPERATORS: dict[str, Function] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "**": operator.pow, ">": operator.gt, ">=": operator.ge, "<": operator.lt,
    "<=": operator.le, "==": operator.eq, "!=": operator.ne, "negative": operator.neg,
}  # fmt: skip
_ALIASES = {
    "ln": "log", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "logistic": "sigmoid",
    "σ": "sigmoid", "swish": "silu", "lgamma": "gammaln", "psi": "digamma", "round": "rint",
    "absolute": "abs",
}  # fmt: skip

FUNCTIONS: dict[str, Function] = {
    **{name: record for name, record in TABLE.items() if isinstance(record, Pointwise)},
    **{alias: TABLE[name] for alias, name in _ALIASES.items()},
    "where": TABLE["where"],
    # NumPy's own names choose the record that treats a tie with a constant rightly.
    "max": np.maximum, "maximum": np.maximum, "min": np.minimum, "minimum": np.minimum,
}  # fmt: skip
CONSTANTS = {"pi": math.pi, "π": math.pi, "e": math.e}
