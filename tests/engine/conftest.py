"""The cache of object code lies in a folder of the tests' own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    patch = pytest.MonkeyPatch()
    patch.setenv("CHAINRULE_CACHE", str(tmp_path_factory.mktemp("code")))
    yield
    patch.undo()
