"""Where llvmlite is missing NumPy serves, and one notice says so."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
sys.modules["llvmlite"] = None  # as if it were not installed
import numpy as np
import chainrule as cr

slope = cr.compile(cr.value_and_grad(lambda x: (np.sin(x) * x).sum()))
x = np.linspace(0.0, 1.0, 5)
value, gradient = slope(x)
np.testing.assert_allclose(gradient, np.sin(x) + x * np.cos(x), rtol=1e-15)
slope(np.ones(4))
cr.compile(lambda x: x + 1)(2.0)
cr.set_threads(1)
assert "sin" in slope.source()
try:
    slope.report(x)
except cr.errors.ArgumentError as error:
    assert "python -m pip install llvmlite" in str(error)
else:
    raise AssertionError
"""


def test_the_reference_serves_with_one_notice() -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert run.stderr.count("RuntimeWarning") == 1
    assert "<string>:9" in run.stderr  # the line that called the first compiled function
    assert "llvmlite is not installed" in run.stderr
