"""Graphs that several tests draw."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.insight.traced import TracedGraph

HOSTILE = 'a"];}\\ <b>|`#&\x07\n*_'


def loss(W: Any, x: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-W * x))
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def logistic() -> TracedGraph:
    return cr.trace(loss)(3, 3, 1)


def arrays() -> TracedGraph:
    def network(params: Any, X: Any, t: Any) -> Any:
        hidden = np.tanh(X @ params["kernel"] + params["bias"])
        return ((hidden - t) ** 2).mean()

    rng = np.random.default_rng(0)
    params = {"kernel": rng.standard_normal((3, 2)), "bias": np.zeros(2)}
    return cr.trace(network)(params, rng.standard_normal((4, 3)), np.ones((4, 2)))


def tangled() -> TracedGraph:
    """Every step reads three earlier ones, near and far."""

    def f(x: Any) -> Any:
        made = [x[i] for i in range(6)]
        rng = np.random.default_rng(1)
        for _ in range(20):
            a, b, c = rng.integers(0, len(made), 3)
            made.append(np.sin(made[a]) + made[b] * made[c])
        return sum(made)

    return cr.trace(f)(np.linspace(0.1, 0.6, 6))


def hostile() -> TracedGraph:
    return cr.trace(lambda p: p[HOSTILE] * p["y"])({HOSTILE: 2.0, "y": 3.0})


def long_names() -> TracedGraph:
    tree = {"encoder": {"attention": {"projection_of_the_first_head": {"kernel": 2.0}}}}
    return cr.trace(lambda settings: settings["encoder"]["attention"][
        "projection_of_the_first_head"]["kernel"] ** 2)(tree)  # fmt: skip


def chain(steps: int = 30) -> TracedGraph:
    def f(x: Any) -> Any:
        for _ in range(steps):
            x = np.sin(x)
        return x

    return cr.trace(f)(1.0)


ALL = {
    "logistic": logistic, "arrays": arrays, "tangled": tangled, "hostile": hostile,
    "long_names": long_names, "chain": chain,
}  # fmt: skip
