"""Native code touches no memory beyond what is its own."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="no mprotect")
def test_guard_pages() -> None:
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.engine.guard_pages"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "no address was out of bounds" in run.stdout
