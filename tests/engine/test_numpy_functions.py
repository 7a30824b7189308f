"""NumPy's functions in compiled code: traced at some values, right at others.

The cases are those of the tests of the NumPy table. What a case reads from its values (a mask, an
order, a NaN) must be computed anew at every call, or be refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import BranchError
from tests.numpy_api import test_algebra, test_reduce, test_shapes

CASES = [
    pytest.param(function, f, args, id=f"{function.__name__}-{number}")
    for module in (test_shapes, test_reduce, test_algebra)
    for number, (function, f, args) in enumerate(
        [*module.CASES, *getattr(module, "STEP_CASES", [])]
    )
]


def others(args: Any) -> list[Any]:
    """Other values of the same kinds: another order, other signs, NaN and an infinity."""
    turned = [np.roll(x[::-1], 1, 0) * -1.25 if np.ndim(x) else x * -1.25 for x in args]
    marked = [np.array(x) for x in turned]
    for x in marked:
        if x.size > 2 and x.dtype.kind == "f":
            x.reshape(-1)[1], x.reshape(-1)[-1] = np.nan, np.inf
    return [
        [x.astype(a.dtype) if np.ndim(a) else type(a)(x) for x, a in zip(xs, args, strict=True)]
        for xs in (turned, marked)
    ]


@pytest.mark.parametrize(("function", "f", "args"), CASES)
def test_traced_at_some_values_right_at_others(function: Any, f: Any, args: Any) -> None:
    compiled = cr.compile(f)
    try:
        with np.errstate(all="ignore"):
            compiled(*args)
    except BranchError:
        return
    # What LAPACK makes of NaN depends on the order of its steps.
    most = 2 if function.__module__ == "numpy.linalg" and "norm" not in function.__name__ else 3
    for values in (args, *others(args))[:most]:
        with np.errstate(all="ignore"):
            try:
                expected = f(*values)
            except (ValueError, np.linalg.LinAlgError):
                continue
            got = compiled(*values)
        for x, y in zip(leaves(got), leaves(expected), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12, equal_nan=True)


def leaves(y: Any) -> list[Any]:
    return [z for part in y for z in leaves(part)] if isinstance(y, (tuple, list)) else [y]
