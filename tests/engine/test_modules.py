"""Code that takes next to nothing of a run is made quickly, the rest well."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr


def functions(n: int) -> dict[str, bool]:
    """The functions of a program for n × n matrices: is LLVM quick with them?"""
    rng = np.random.default_rng(0)
    a, b, x = rng.standard_normal((n, n)), rng.standard_normal((n, n)), rng.standard_normal(9)

    def f(a: Any, b: Any, x: Any) -> Any:
        return np.tanh(a @ b), np.sin(x).sum(), np.tanh(b @ a)

    compiled = cr.compile(f)
    for mine, other in zip(compiled(a, b, x), f(a, b, x), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)
    modules = list(next(iter(compiled.versions.values())).run.emit())
    return {
        name: module.quick
        for module in modules
        for name, x in module.globals.items()
        if getattr(x, "blocks", None)
    }


def test_what_calls_long_products_is_made_quickly_and_they_are_made_well() -> None:
    found = functions(200)
    products = {name: quick for name, quick in found.items() if name.startswith("product")}
    assert products
    assert not any(products.values())
    assert all(quick for name, quick in found.items() if name.startswith("stretch"))


def test_where_all_is_short_all_is_made_well() -> None:
    assert not any(functions(4).values())
