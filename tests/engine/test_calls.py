"""Compiled functions as built-in functions of Python."""

from __future__ import annotations

import subprocess
import sys

NO_MEMORY = """
import ctypes
import numpy as np
import chainrule as cr
from chainrule.engine.native import calls

refused = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64)(lambda size: None)
address = calls._Writer._address
calls._Writer._address = lambda self, name: (
    ctypes.cast(refused, ctypes.c_void_p).value
    if name == "PyMem_RawMalloc" else address(self, name)
)
compiled = cr.compile(lambda x: np.cumsum(np.cumsum(x)[::-1]))
try:
    compiled(np.ones(5000))
except MemoryError:
    print("refused")
"""


def test_no_memory_for_what_is_made_on_the_way_is_an_error() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", NO_MEMORY], check=False, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (0, "refused\n"), ran.stderr
