"""Several threads for one program: the same code in each, every one its share of the rows.

A kernel that is worth it is split: along its first axis, by panels of a product, or, where that
axis is added up, into a fixed number of pieces whose sums are put together in their order. The
others are left to the first thread; between them all wait for each other. No sum depends on who
does it, so the result is the same to the last bit with any number of threads.

Code that runs in several threads ends with a barrier. So who has done the first share knows that
all are done, and nothing is left to wait for in Python, where Ctrl-C could come in between.
"""

from __future__ import annotations

import contextlib
import math
import operator
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from chainrule.engine.native import ir
from chainrule.errors import ArgumentError

# Not from target.py, which needs llvmlite: set_threads is asked for without it too.
POINTER, I32, I64 = ir.PointerType(), ir.IntType(32), ir.IntType(64)
MOST = 64  # threads
WAKE = 15e-6  # seconds until one more thread is at work
SPINS = 300  # of waiting, before the processor is offered to others: few, for it may be shared


def available() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def _from_environment() -> int:
    for name in ("CHAINRULE_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").split(",")[0].strip()
        if text.isdigit() and int(text) > 0:
            return min(int(text), available())
    return available()


class Pool:
    """Threads that wait for work in Python and do it without Python's lock."""

    def __init__(self) -> None:
        self.size: int | None = None
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Threads do not survive a fork."""
        self._queues: list[queue.SimpleQueue[Any]] = []
        self._free = deque([True])  # empty while a call has the threads
        # The barrier's counter and turn, on lines of their own. They are never set back: a thread
        # may still be on its way out of the last barrier when the next call begins.
        self.sync = np.zeros(32, np.int64)

    def threads(self) -> int:
        if self.size is None:
            self.size = _from_environment()
        return self.size

    def run(self, work: Callable[[int, int, int], Any], wanted: int) -> None:
        """work(thread, threads, address of the barrier) in each of up to ``wanted`` threads.

        Where the threads are busy with another call, the caller does it alone.

        Args:
            work: compiled code that ends with a barrier.
            wanted: how many threads pay.
        """
        threads = min(wanted, self.threads())
        if threads < 2:
            work(0, 1, 0)
            return
        while len(self._queues) < threads - 1:
            self._start()
        shares = [partial(work, k, threads, self.sync.ctypes.data) for k in range(threads)]
        others = zip(self._queues, shares[1:], strict=False)
        calls: list[Callable[[], Any]] = [
            self._free.pop,
            *(partial(waiting.put, share) for waiting, share in others),
            shares[0],
            partial(self._free.append, True),
        ]
        try:
            # One call in C, for Python answers Ctrl-C between two instructions of its own: with a
            # part of the shares handed over, the others would wait for the rest for ever.
            deque(map(operator.call, calls), maxlen=0)
        except IndexError:  # nothing to pop
            work(0, 1, 0)

    def _start(self) -> None:
        waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        name = f"chainrule-{len(self._queues) + 1}"
        threading.Thread(target=_serve, args=(waiting,), name=name, daemon=True).start()
        self._queues.append(waiting)


def _serve(waiting: queue.SimpleQueue[Any]) -> None:
    while True:
        waiting.get()()


POOL = Pool()


def most() -> int:
    """At most so many threads use what is compiled now: each has memory of its own there."""
    return min(max(available(), POOL.threads()), MOST)


def worth(seconds: float) -> int:
    """How many threads pay for a call of so much work: n that makes seconds/n + n · WAKE least."""
    return max(2, round(math.sqrt(seconds / WAKE)))


def set_threads(count: int | None) -> None:
    """Choose how many threads compiled functions may use.

    Results do not depend on it. Without a choice it is CHAINRULE_THREADS, OMP_NUM_THREADS, or the
    number of processors that the process may use. Functions that are compiled already use no more
    threads than there were processors, or were chosen, when they were compiled.

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
    POOL.size = count


# In the code ------------------------------------------------------------------------------------


def barrier(module: ir.Module, triple: str) -> ir.Function:
    """``void barrier(sync, threads)``: wait until all threads are here.

    Source: Mellor-Crummey & Scott, "Algorithms for scalable synchronization on shared-memory
    multiprocessors", ACM TOCS 9 (1991): a central counter with a turn.
    """
    kind = ir.FunctionType(ir.VoidType(), [POINTER, I64])
    function, is_new = module.shared("barrier", kind)
    if not is_new:
        return function
    sync, threads = function.args
    blocks = [function.append_basic_block(n) for n in ("entry", "arrive", "last", "wait", "turn",
                                                       "yield", "again", "out")]  # fmt: skip
    entry, arrive, last, wait, turn_, yield_, again, out = blocks
    b = ir.Builder(entry)
    b.cbranch(b.icmp_signed(">", threads, ir.Constant(I64, 1)), arrive, out)
    b.position_at_end(arrive)
    turn = b.gep(sync, [ir.Constant(I64, 16)], source_etype=I64)
    mine = b.load_atomic(turn, "acquire", 8, typ=I64)
    before = b.atomic_rmw("add", sync, ir.Constant(I64, 1), "acq_rel")
    everyone = b.icmp_signed("==", b.add(before, ir.Constant(I64, 1)), threads)
    b.cbranch(everyone, last, wait)
    b.position_at_end(last)
    b.atomic_rmw("xchg", sync, ir.Constant(I64, 0), "acq_rel")
    b.atomic_rmw("xchg", turn, b.add(mine, ir.Constant(I64, 1)), "acq_rel")
    b.branch(out)
    b.position_at_end(wait)
    count = b.phi(I64)
    count.add_incoming(ir.Constant(I64, 0), arrive)
    now = b.load_atomic(turn, "acquire", 8, typ=I64)
    b.cbranch(b.icmp_signed("!=", now, mine), out, turn_)
    b.position_at_end(turn_)
    if triple.startswith(("x86_64", "i386", "i686")):
        b.call(module.declared("llvm.x86.sse2.pause", ir.FunctionType(ir.VoidType(), [])), [])
    elif triple.startswith(("aarch64", "arm64")):
        hint = module.declared("llvm.aarch64.hint", ir.FunctionType(ir.VoidType(), [I32]))
        b.call(hint, [ir.Constant(I32, 1)])  # yield
    b.cbranch(b.icmp_signed(">", count, ir.Constant(I64, SPINS)), yield_, again)
    b.position_at_end(yield_)
    if os.name == "posix":
        b.call(module.declared("sched_yield", ir.FunctionType(I32, [])), [])
    b.branch(again)
    b.position_at_end(again)
    count.add_incoming(b.add(count, ir.Constant(I64, 1)), again)
    b.branch(wait)
    b.position_at_end(out)
    b.ret_void()
    return function


def share(b: ir.Builder, parts: int, thread: ir.Value, threads: ir.Value) -> Any:
    """(first, last) of ``parts`` for a thread."""
    total = ir.Constant(I64, parts)
    first = b.sdiv(b.mul(total, thread), threads)
    following = b.add(thread, ir.Constant(I64, 1))
    return first, b.sdiv(b.mul(total, following), threads)


@contextlib.contextmanager
def alone(
    b: ir.Builder, part: tuple[ir.Value, ir.Value] | None, wait: Callable[[], None]
) -> Iterator[None]:
    """What only the first thread does, when all are here; part is (thread, threads) if shared."""
    if part is None:
        yield
        return
    wait()
    with b.if_then(b.icmp_signed("==", part[0], ir.Constant(I64, 0))):
        yield


__all__ = ["POOL", "Pool", "alone", "barrier", "most", "set_threads", "share", "worth"]
