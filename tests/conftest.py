"""What all tests share."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Hear of Ctrl-C, which tests send themselves, in a shell's background jobs too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
