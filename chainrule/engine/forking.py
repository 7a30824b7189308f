"""Locks in a process that forks: only the thread that forks goes on in the child.

What another thread held would stay locked there for ever.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakSet


class Lock:
    """A lock for long work; in a child it is open, for nobody is left there to finish that."""

    def __init__(self) -> None:
        self._renew()
        _locks.add(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


_locks: WeakSet[Lock] = WeakSet()


def _renew_all() -> None:
    for lock in list(_locks):
        lock._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


def fork_outside(*locks: AbstractContextManager[Any]) -> None:
    """Let no process fork while a thread holds one of these locks: what they guard is whole.

    Args:
        locks: for short work, and in the order in which a thread takes them. The thread that forks
            may hold them if they are reentrant.
    """

    def take() -> None:
        for lock in locks:
            lock.__enter__()

    def give() -> None:
        for lock in reversed(locks):
            lock.__exit__(None, None, None)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=take, after_in_parent=give, after_in_child=give)


__all__ = ["Lock", "fork_outside"]
