"""The cheap-gradient principle: value and gradient cost at most five times the operations of f.

Operations are counted in the program that is compiled, never timed. A sum, product, comparison or
choice counts as one, a quotient or root too, a function such as exp as four, a power as eight.

Source: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), section 4.6.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import spatial
from chainrule.engine.native.groups import VIEWS, space_of
from chainrule.engine.native.repertoire import REDUCTIONS, SIMPLE
from chainrule.engine.program import Op

RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((37, 13)), np.arange(37) % 5


def cost(op: Op) -> int:
    if op.name in VIEWS or op.name in ("input", "constant", "pad", "copy"):
        return 0
    if op.name == "matmul":
        return 2 * op.args[0].shape[1] * op.size
    if op.name == "correlate2d":
        geometry = op.params["geometry"]
        return 2 * op.size * geometry.channels * math.prod(geometry.kernel)
    if op.name == "correlate2d_weight":
        geometry = op.params["geometry"]
        return 2 * op.size * geometry.batch * math.prod(geometry.places)
    if op.name in REDUCTIONS:
        return math.prod(space_of(op))
    return op.size * (8 if op.name == "power" else 1 if op.name in SIMPLE else 4)


def operations(f: Any, args: Any) -> int:
    compiled = cr.compile(f)
    compiled(*args)
    version = next(iter(compiled.versions.values()))
    return sum(cost(op) for op in version.program.ops)


def normal(*shapes: Any) -> Any:
    return tuple(RNG.standard_normal(shape) for shape in shapes)


def network(w: Any, v: Any) -> Any:
    return cr.softmax_cross_entropy(np.tanh(X @ w) @ v, LABELS).mean()


def image(kernel: Any, x: Any) -> Any:
    return (spatial.average_pool(cr.relu(spatial.conv2d(x, kernel)), 2) ** 2).sum()


def loop(x: Any) -> Any:
    total = 0.0
    for i in range(19):
        total = total + np.sin(x[i]) * x[i + 1] / (1.0 + x[i] ** 2)
    return total


WORKS: dict[str, tuple[Any, Any]] = {
    "network": (network, normal((13, 21), (21, 5))),
    "relu": (lambda w, v: ((cr.relu(X @ w) @ v) ** 2).sum(), normal((13, 21), (21, 5))),
    "rosenbrock": (
        lambda x: (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum(), normal((100,)),
    ),
    "logistic": (
        lambda w, c: cr.sigmoid_cross_entropy(X @ w + c, (LABELS > 2) * 1.0).mean(),
        normal((13,), ()),
    ),
    "quotient": (lambda a, b: (np.sin(a) / (1 + np.exp(b))).sum(), normal((50,), (50,))),
    "roots and logarithms": (lambda a: np.log1p(np.exp(np.sqrt(1 + a * a))).sum(), normal((50,))),
    "product of many": (lambda a, b, c: (a * b * c * a).sum(), normal((40,), (40,), (40,))),
    "variance": (lambda a: a.var(0).sum() + a.std(), normal((20, 13))),
    "powers": (lambda a, b: (np.abs(a) ** b).sum(), normal((40,), (40,))),
    "image": (image, normal((3, 3, 2, 4), (2, 8, 8, 2))),
    "elements one by one": (loop, normal((20,))),
    "softmax": (lambda a: (cr.softmax(a, axis=1) * X).sum(), normal((37, 13))),
}  # fmt: skip


@pytest.mark.parametrize("name", WORKS)
def test_at_most_five_times(name: str) -> None:
    f, args = WORKS[name]
    whole = cr.value_and_grad(f, argnums=tuple(range(len(args))))
    plain, both = operations(f, args), operations(whole, args)
    assert plain > 0
    assert both <= 5 * plain, f"{both} operations for {plain}: {both / plain:.1f} times"


def test_a_product_with_a_hessian_at_most_ten_times() -> None:
    f, args = WORKS["network"]
    product = lambda w, v: cr.hvp(lambda w: f(w, v), (w,), (w,))  # noqa: E731
    assert operations(product, args) <= 10 * operations(f, args)
