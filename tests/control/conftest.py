"""Every way in which a function can run: as Python, and compiled by each engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import chainrule as cr

Compile = Callable[[Callable[..., Any]], Callable[..., Any]]


@pytest.fixture(params=["python", "numpy", "native"])
def compiled(request: pytest.FixtureRequest) -> Compile:
    """A function as it is, or compiled."""
    if request.param == "python":
        return lambda f: f
    return lambda f: cr.compile(f, engine=request.param)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    patch = pytest.MonkeyPatch()
    patch.setenv("CHAINRULE_CACHE", str(tmp_path_factory.mktemp("code")))
    yield
    patch.undo()
