"""Several threads for one program: the same code in each, every one its share of the rows.

A kernel that is worth it is split: along its first axis, by panels of a product, or, where that
axis is added up, into a fixed number of pieces whose sums are put together in their order. The
others are left to the first thread; between them all wait for each other. No sum depends on who
does it, so the result is the same to the last bit with any number of threads.

A call is handed to the others, and waited for, in native code (workers.py): nothing of that is left
to Python, where Ctrl-C could come in between.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from chainrule.engine.forking import Lock
from chainrule.engine.native import ir, workers
from chainrule.engine.native.ir import I32, I64, POINTER, VOID, index
from chainrule.engine.native.workers import MOST
from chainrule.errors import ArgumentError

if TYPE_CHECKING:
    from chainrule.engine.native.machine import Code

_T = TypeVar("_T")

WAKE, HAND = 15e-6, 2e-6  # seconds until one more thread is at work: that sleeps, that is awake
PAYS, PAYS_AWAKE = 200e-6, 15e-6  # seconds of work in a call from which on that pays
PAYS_IN_STEP = 12e-6  # and in one of many steps in a call
LATE = 0.1  # of the time that a call takes in one thread it may wait for those that sleep
PAUSE = 0.03e-6  # seconds of a turn of waiting, about
LINE = 64  # bytes of a line of the cache


def available() -> int:
    """How many processors this process may use, by its affinity and by its container's limit."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        count = os.cpu_count() or 1
    return min(count, granted())


def granted(folder: str = "/sys/fs/cgroup") -> int:
    """How many processors keep a container busy without being stopped for the rest of a period.

    Source: the Linux kernel's documentation, "Control Group v2" (cpu.max) and "CFS Bandwidth
    Control" (cpu.cfs_quota_us).
    """
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        words: list[str] = []
        try:
            for name in names:
                with open(f"{folder}/{name}", encoding="ascii") as file:
                    words += file.read().split()
            quota, period = map(int, words)
        except (OSError, ValueError):  # no such file, or "max"
            continue
        if quota > 0 and period > 0:
            return math.ceil(quota / period)
    return sys.maxsize


def _from_environment() -> int:
    for name in ("CHAINRULE_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").split(",")[0].strip()
        if text.isdigit() and int(text) > 0:
            return min(int(text), available())
    return available()


class Pool:
    """Workers, and the board on which they find their shares of a call.

    They never leave native code, so nothing that they use is ever freed; see
    :mod:`chainrule.engine.native.workers`.

    Attributes:
        words, board: the board, and its address.
    """

    def __init__(self) -> None:
        self._size: int | None = None
        self._lock = Lock()
        self.words = _for_ever(np.zeros(workers.SIZE, np.int64))
        self.board = self.words.ctypes.data
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Threads do not survive a fork."""
        self.words[:] = 0
        self.words[workers.SOON] = workers.OFTEN
        self.words[workers.PROCESSORS] = available()
        self.words[workers.CHOSEN] = self._size or 0

    def choose(self, count: int | None) -> None:
        """So many threads may be used, or as many as the environment says."""
        self._size = _from_environment() if count is None else count
        self.words[workers.CHOSEN] = self._size

    def threads(self) -> int:
        """How many may be used."""
        if self._size is None:
            self.choose(None)
        return int(self.words[workers.CHOSEN])

    def run(self, function: Any, table: int, count: int, worth: Worth) -> None:
        """function(table, thread, threads, board, count) in each of some threads.

        Where the workers are busy with another call, the caller does it alone.

        Args:
            function: compiled code, of :meth:`Code.function`.
            table, count: what it is given.
            worth: the threads that it is worth.
        """
        wanted = min(worth.awake, self.threads())
        if wanted < 2:
            function(table, 0, 1, 0, count)
            return
        self.start(wanted)
        self._run(self.board, function.address, table, count, *worth.words())

    @functools.cached_property
    def code(self) -> Code:
        """The functions ``run`` and ``serve``."""
        from chainrule.engine.native import machine
        from chainrule.engine.native.target import host

        target = replace(host(), effort=0)  # it mostly waits

        def make() -> list[str]:
            return [workers.source(target.triple)]

        return _for_ever(machine.build(make, "workers", ["run", "serve"], target))

    @functools.cached_property
    def _run(self) -> Any:
        return self.code.function("run", *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 4)

    def start(self, threads: int) -> None:
        """Let there be so many, the caller among them, as far as the system has them."""
        wanted = min(threads, self.threads(), MOST) - 1
        if self.words[workers.BEGUN] >= wanted:
            return
        with self._lock, contextlib.suppress(RuntimeError):
            self.words[workers.ACQUIRE] = _address_of("PyThread_acquire_lock")
            self.words[workers.RELEASE] = _address_of("PyThread_release_lock")
            serve = self.code.function("serve", ctypes.c_void_p, ctypes.c_void_p)
            while (begun := int(self.words[workers.BEGUN])) < wanted:
                given, name = (self.board, _closed_lock()), f"chainrule-{begun + 1}"
                threading.Thread(target=serve, args=given, name=name, daemon=True).start()
                self.words[workers.BEGUN] = begun + 1


def _for_ever(x: _T) -> _T:
    """The same object, which Python does not free even when it ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(x))
    return x


def _address_of(name: str) -> int:
    """Of a function of Python's."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


def _closed_lock() -> int:
    """The address of a lock of Python's for native code."""
    python, address = ctypes.pythonapi, ctypes.c_void_p
    lock = ctypes.PYFUNCTYPE(address)(("PyThread_allocate_lock", python))()
    acquire = ctypes.PYFUNCTYPE(ctypes.c_int, address, ctypes.c_int)
    acquire(("PyThread_acquire_lock", python))(lock, 0)
    return lock


POOL = Pool()


def most() -> int:
    """At most so many threads use what is compiled now: each has memory of its own there."""
    return min(max(available(), POOL.threads()), MOST)


class Worth(NamedTuple):
    """The threads that a call is worth.

    n threads take seconds/n + n · what each costs, so that n = √(seconds / cost) of them are best.

    Attributes:
        awake: so many if they look for work.
        asleep: so many if they have to be woken.
        seconds: how long to wait for those.
    """

    awake: int
    asleep: int
    seconds: float

    @classmethod
    def of(cls, seconds: float, most: int) -> Worth:
        """What a call of so much work is worth, where at most so many threads can do it."""
        awake = _best(seconds, HAND) if seconds > min(PAYS_AWAKE, PAYS) else 1
        asleep = _best(seconds, WAKE) if seconds > PAYS else 1
        return cls(min(most, awake), min(most, asleep), seconds * LATE)

    @classmethod
    def of_steps(cls, seconds: float, count: int, most: int) -> Worth:
        """What so many steps are worth, each of so much work: threads are woken once for all."""
        threads = min(most, _best(seconds, HAND)) if seconds > PAYS_IN_STEP else 1
        return cls(threads, threads, seconds * count * LATE)

    def words(self) -> tuple[int, int, int]:
        """As the native ``run`` takes them."""
        turns = max(self.seconds / PAUSE, workers.ANSWER)
        return self.awake, self.asleep, int(min(turns, 2.0**31))


def _best(seconds: float, each: float) -> int:
    return max(2, round(math.sqrt(seconds / each)))


def set_threads(count: int | None) -> None:
    """Choose how many threads compiled functions may use.

    Results do not depend on it. Without a choice it is CHAINRULE_THREADS, OMP_NUM_THREADS, or the
    number of processors that the process may use, by its affinity and by its container's limit.
    Functions that are compiled already use no more threads than there were processors, or were
    chosen, when they were compiled.

    Args:
        count: 1 or more; None for the default.

    Raises:
        ArgumentError: it is no whole number of 1 or more.

    >>> set_threads(1)
    >>> set_threads(None)
    """
    if count is not None and not (isinstance(count, int) and count >= 1):
        raise ArgumentError(
            "the number of threads is a whole number of 1 or more",
            got=repr(count),
            remedy="set_threads(2), or None for the default",
        )
    POOL.choose(count)


# In the code ------------------------------------------------------------------------------------


def barrier(module: ir.Module, triple: str) -> ir.Function:
    """``void barrier(sync, threads)``: wait until all threads are here.

    Source: Mellor-Crummey & Scott, "Algorithms for scalable synchronization on shared-memory
    multiprocessors", ACM TOCS 9 (1991): a central counter with a turn.
    """
    kind = ir.FunctionType(VOID, [POINTER, I64])
    function, is_new = module.shared("barrier", kind)
    if not is_new:
        return function
    sync, threads = function.args
    blocks = [function.append_basic_block(n) for n in ("entry", "arrive", "last", "wait", "turn",
                                                       "yield", "again", "out")]  # fmt: skip
    entry, arrive, last, wait, turn_, yield_, again, out = blocks
    b = ir.Builder(entry)
    b.cbranch(b.icmp_signed(">", threads, index(1)), arrive, out)
    b.position_at_end(arrive)
    turn = b.gep(sync, index(workers.TURN), I64)
    mine = b.load_atomic(turn, I64, "acquire")
    before = b.atomic_rmw("add", sync, index(1), "acq_rel")
    everyone = b.icmp_signed("==", b.add(before, index(1)), threads)
    b.cbranch(everyone, last, wait)
    b.position_at_end(last)
    b.atomic_rmw("xchg", sync, index(0), "acq_rel")
    b.atomic_rmw("xchg", turn, b.add(mine, index(1)), "acq_rel")
    b.branch(out)
    b.position_at_end(wait)
    count = b.phi(I64)
    count.add_incoming(index(0), arrive)
    now = b.load_atomic(turn, I64, "acquire")
    b.cbranch(b.icmp_signed("!=", now, mine), out, turn_)
    b.position_at_end(turn_)
    if triple.startswith(("x86_64", "i386", "i686")):
        b.call(module.declared("llvm.x86.sse2.pause", ir.FunctionType(VOID, [])), [])
    elif triple.startswith(("aarch64", "arm64")):
        hint = module.declared("llvm.aarch64.hint", ir.FunctionType(VOID, [I32]))
        b.call(hint, [ir.Constant(I32, 1)])  # yield
    b.cbranch(b.icmp_signed(">", count, index(workers.SPINS)), yield_, again)
    b.position_at_end(yield_)
    if os.name == "posix":
        b.call(module.declared("sched_yield", ir.FunctionType(I32, [])), [])
    b.branch(again)
    b.position_at_end(again)
    count.add_incoming(b.add(count, index(1)), again)
    b.branch(wait)
    b.position_at_end(out)
    b.ret_void()
    return function


Part: TypeAlias = "tuple[ir.Value, ir.Value] | None"  # (thread, threads) where they share a kernel


def share(b: ir.Builder, parts: int, part: Part) -> tuple[ir.Value, ir.Value]:
    """(first, last) of ``parts`` for a thread, all if it is alone."""
    if part is None:
        return index(0), index(parts)
    (thread, threads), total = part, index(parts)
    first = b.sdiv(b.mul(total, thread), threads)
    following = b.add(thread, index(1))
    return first, b.sdiv(b.mul(total, following), threads)


def shared_bytes(b: ir.Builder, size: int, thread: ir.Value, threads: ir.Value) -> Any:
    """(first, last) of so many bytes for a thread, whole lines of the cache."""
    lines = size // LINE
    first, last = (b.mul(x, index(LINE)) for x in share(b, lines, (thread, threads)))
    following = b.add(thread, index(1))
    is_end = b.icmp_signed("==", following, threads)
    return first, b.select(is_end, index(size), last)


@contextlib.contextmanager
def alone(b: ir.Builder, part: Part, wait: Callable[[], None]) -> Iterator[None]:
    """What only the first thread does, when all are here."""
    if part is None:
        yield
        return
    wait()
    with b.if_then(b.icmp_signed("==", part[0], index(0))):
        yield


__all__ = [
    "POOL",
    "Part",
    "Pool",
    "Worth",
    "alone",
    "barrier",
    "most",
    "set_threads",
    "share",
    "shared_bytes",
]
