"""When `minimize` compiles its function: once it has been called often enough for that to pay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from chainrule.tracing import flatten

Choice = bool | Literal["auto"]
AFTER = 100  # calls; compiling takes about as long as so many of a function on small arrays


class Eventually:
    """A function that is run as it is at first, and compiled from the 101st call on.

    The number of calls decides, not the clock, so that a run repeats itself to the last bit. A
    function that cannot be compiled goes on as it is, and so does one whose compiled form gives
    other numbers: what it computes never changes by being compiled.

    Args:
        f: the function.
        choice: "auto" for the above, True to compile at the first call, with its errors, False to
            leave it as it is.

    Attributes:
        reason: why it was not compiled; None if it was, or was not tried.
    """

    def __init__(self, f: Callable[..., Any], choice: Choice) -> None:
        self.f, self.choice = f, choice
        self.calls = 0
        self.reason: str | None = None
        self._compiled: Any = None

    @property
    def compiled(self) -> bool:
        return self._compiled is not None

    def __call__(self, *args: Any) -> Any:
        if self._compiled is not None:
            return self._compiled(*args)
        self.calls += 1
        if self.choice is True:
            from chainrule.engine.compiling import compile

            self._compiled = compile(self.f)
            return self._compiled(*args)
        result = self.f(*args)
        if self.choice == "auto" and self.calls == AFTER + 1:
            self._try(args, result)
        return result

    def _try(self, args: Any, expected: Any) -> None:
        from chainrule.engine.compiling import compile

        compiled = compile(self.f)
        try:
            found = compiled(*args)
        except Exception as error:  # whatever it is, the function itself has just been run
            self.reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            return
        if _same(found, expected):
            self._compiled = compiled
        else:
            self.reason = "traced once, it gives other numbers than when it is run"


def _same(found: Any, expected: Any) -> bool:
    pairs = zip(flatten(found)[0], flatten(expected)[0], strict=True)
    return all(
        np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-6, atol=1e-12, equal_nan=True)
        for a, b in pairs
    )


__all__ = ["AFTER", "Choice", "Eventually"]
