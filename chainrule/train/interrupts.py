"""Ctrl-C between two steps, never in the middle of writing one down."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Interrupts:
    """While it is entered, `held` puts Ctrl-C off to the end of a block.

    Elsewhere Ctrl-C raises KeyboardInterrupt at once, as usual. It changes nothing outside of the
    main thread, or where the program handles the signal itself.
    """

    def __init__(self) -> None:
        self._before: Any = None
        self._holding = self._pending = False
        self._held = Held(self)

    def __enter__(self) -> Interrupts:
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if usual and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _handle(self, number: int, frame: Any) -> None:
        if self._holding:
            self._pending = True
        else:
            signal.default_int_handler(number, frame)

    def held(self) -> Held:
        """Put Ctrl-C off to the end of the block."""
        return self._held

    def hold(self) -> None:
        self._holding = True

    def let_go(self) -> None:
        self._holding = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt


class Held:
    """A block that Ctrl-C waits for."""

    def __init__(self, interrupts: Interrupts) -> None:
        self.interrupts = interrupts

    def __enter__(self) -> None:
        self.interrupts.hold()

    def __exit__(self, *error: object) -> None:
        self.interrupts.let_go()


__all__ = ["Interrupts"]
