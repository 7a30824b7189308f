"""Several threads: the same bits with any number, calls from many at once, and after a fork."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.native import threads, workers


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(threads, "PAYS", 0.0)  # short calls are shared too
    monkeypatch.setattr(threads, "LATE", 1e5)  # and no thread comes too late
    yield
    cr.set_threads(None)


def loss(w: Any, x: Any) -> Any:
    h = np.tanh(x @ w)
    return (h * h).mean() + (x.sum(0) * x.max(0)).sum() + np.exp(-x).sum(1).std()


def given(rows: int = 600, columns: int = 200) -> Any:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 300)).astype(np.float32)
    return rng.standard_normal((300, columns)).astype(np.float32), x


def bits(result: Any) -> tuple[bytes, ...]:
    return tuple(np.asarray(x).tobytes() for x in result)


@pytest.mark.parametrize("size", [(600, 200), (60, 500), (400, 800)])  # rows are shared, columns
def test_the_same_bits_with_any_number(size: tuple[int, int]) -> None:
    found = set()
    for count in (1, 2, 3, 7):
        cr.set_threads(count)
        compiled = cr.compile(cr.value_and_grad(loss))
        found.add(bits(compiled(*given(*size))))
        assert count == 1 or next(iter(compiled.versions.values())).run.splits
    assert len(found) == 1


def test_the_same_bits_for_a_convolution() -> None:
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((20, 28, 28, 1), (5, 5, 1, 16)))
    v = rng.standard_normal((5, 5, 16, 32)).astype(np.float32)
    compiled = cr.compile(
        cr.grad(lambda w, v: (np.tanh(cr.conv2d(cr.conv2d(x, w), v)) ** 2).sum(), argnums=(0, 1))
    )
    found = set()
    for count in (1, 2, 3, 7):
        cr.set_threads(count)
        found.add(bits(compiled(w, v)))
    assert len(found) == 1


def test_the_same_bits_for_a_loop_whose_state_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "PAYS_IN_STEP", 0.0)
    x = np.random.default_rng(0).standard_normal((2, 20_001))

    def step(carry: Any, _: Any) -> Any:
        a, b = carry  # the next a needs neighbours of the one before
        return (np.concatenate([a[1:], b[:1]]) * 0.9, a - b * 0.1), None

    expected = tuple(x)
    for _ in range(5):
        expected = step(expected, None)[0]
    for count in (1, 2, 3, 7):
        cr.set_threads(count)
        compiled = cr.compile(lambda a, b: cr.scan(step, (a, b), None, length=5)[0])
        assert bits(compiled(*x)) == bits(expected)


def test_the_number_may_change_between_calls() -> None:
    cr.set_threads(3)
    compiled = cr.compile(cr.value_and_grad(loss))
    found = set()
    for count in (3, 1, 2, 7, 3):  # more than there are memory for are not used
        cr.set_threads(count)
        found.add(bits(compiled(*given())))
    assert len(found) == len(compiled.versions) == 1


def test_calls_from_many_threads_at_once() -> None:
    cr.set_threads(2)
    large, small = cr.compile(cr.value_and_grad(loss)), cr.compile(lambda x: np.sin(x) * x)
    args = given()
    expected, few = bits(large(*args)), small(0.7)
    wrong = []

    def work() -> None:
        for _ in range(8):
            if bits(large(*args)) != expected or small(0.7) != few:
                wrong.append(1)

    started = [threading.Thread(target=work) for _ in range(4)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("pays", [0.0, math.inf], ids=["sleepers are woken", "are not"])
def test_no_share_is_lost_when_threads_fall_asleep(
    pays: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "PAYS", pays)
    monkeypatch.setattr(threads, "PAYS_AWAKE", 0.0)
    cr.set_threads(3)
    compiled, x = cr.compile(lambda x: np.tanh(x @ x) @ x), np.ones((80, 80)) / 80
    expected, right = compiled(x).tobytes(), []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(100):
            right.append(compiled(x).tobytes() == expected)
            time.sleep(chance.choice([0.0, 1e-4, 2e-4, 5e-4]))

    callers = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60.0)
    assert right == [True] * 300  # none hangs
    if pays == 0.0:
        assert any(_wakes_others(lambda: compiled(x)) for _ in range(200))


def _wakes_others(call: Callable[[], Any]) -> bool:
    """Does a call wake a thread that sleeps? On a busy machine it may come too late for a share."""
    threads.POOL.words[workers.THREADS] = 0
    time.sleep(0.02)
    call()
    return bool(threads.POOL.words[workers.THREADS] >= 2)


def test_a_signature_is_compiled_once_by_many_threads() -> None:
    compiled = cr.compile(lambda x: np.cos(x) * x)
    results: list[float] = []
    started = [threading.Thread(target=lambda: results.append(compiled(0.3))) for _ in range(6)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert len(compiled.versions) == 1
    assert len(set(results)) == 1


INTERRUPTS = """
import numpy as np
import chainrule as cr
from chainrule.engine.native import threads
threads.PAYS, threads.LATE = 0.0, 1e9  # short calls: most of their time is the hand-over
cr.set_threads(3)
x = np.random.default_rng(0).standard_normal((80, 80))
compiled = cr.compile(lambda x: np.tanh(x @ x) @ x)
expected = compiled(x).tobytes()
assert next(iter(compiled.versions.values())).run.splits
for _ in range(300):
    try:
        print("ready", flush=True)
        while True:
            assert compiled(x).tobytes() == expected
    except KeyboardInterrupt:
        pass
print("done", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are sent")
def test_ctrl_c_at_any_moment_of_a_call_leaves_no_thread_waiting() -> None:
    chance, said = random.Random(0), ""
    with subprocess.Popen([sys.executable, "-c", INTERRUPTS], stdout=subprocess.PIPE) as child:
        late = threading.Timer(100.0, child.kill)
        late.start()
        assert child.stdout is not None
        for line in child.stdout:
            said = line.decode().strip()
            if said == "ready":
                time.sleep(chance.uniform(0.0, 2e-3))
                child.send_signal(signal.SIGINT)
        late.cancel()
    assert (said, child.returncode) == ("done", 0)


FORK = """
import os, sys
import numpy as np
import chainrule as cr
from chainrule.engine.native import threads
from tests.engine.test_threads import bits, given, loss
threads.PAYS, threads.LATE = 0.0, 1e9
cr.set_threads(2)
compiled, args = cr.compile(cr.value_and_grad(loss)), given()
expected = bits(compiled(*args))  # the threads are running
child = os.fork()
if child == 0:
    os._exit(0 if bits(compiled(*args)) == expected else 3)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(status or bits(compiled(*args)) != expected)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_after_a_fork() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0


FORKS = """
import gc, os, sys, threading, time
import numpy as np
import chainrule as cr
from llvmlite.binding import ffi
from chainrule.engine.native import objects
from chainrule.train import plans

x = np.ones((4, 4))

def compiled(k):
    return np.isfinite(cr.compile(lambda x: np.sin(x * k) @ x)(x)).all()

def trained():
    model = cr.Model([cr.nn.Dense(1)])
    model.compile(jit_compile=True, loss="mse")
    model.fit(x, x[:, :1], verbose=0)
    return True

def in_child(work):
    child = os.fork()
    if child == 0:
        os._exit(0 if work() else 3)
    end = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        time.sleep(0.01)
        if time.monotonic() > end:
            os.kill(child, 9)
    if ended[1]:
        sys.exit(f"the child of {work} ended with {ended[1]}")

def beside(work):
    inside = threading.Event()
    threading.Thread(target=work, args=(inside,), daemon=True).start()
    inside.wait()

compiled(1.0)  # LLVM is there
"""
HELD = """
for lock in (objects._lock, plans._lock, ffi.lib._lock):
    def hold(inside):
        with lock:
            inside.set()
            time.sleep(0.2)
    beside(hold)
    in_child(lambda: compiled(2.0) and trained())
"""
TRACED = """
slow = True
def held(inside):
    def f(x):
        inside.set()
        while slow:
            time.sleep(0.001)
        return 2 * x
    global shared
    shared = cr.compile(f)
    shared(x)
beside(held)

def work():
    global slow
    slow = False
    return gc.isenabled() and np.array_equal(shared(x), 2 * x)

in_child(work)
"""
COMPILED = """
def compile_on(inside):
    inside.set()
    k = 2.0
    while True:
        compiled(k := k + 1)
beside(compile_on)
for k in range(8):
    time.sleep(0.003 * k)
    in_child(lambda: compiled(1000.0 + k))
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("beside", [HELD, TRACED, COMPILED], ids=["held", "traced", "compiled"])
def test_after_a_fork_while_other_threads_compile(beside: str) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS + beside]
    env = {**os.environ, "CHAINRULE_CACHE": "off"}
    ran = subprocess.run(command, timeout=100, check=False, env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"OMP_NUM_THREADS": "1"}, "1"),
        ({"OMP_NUM_THREADS": "1,4"}, "1"),
        ({"CHAINRULE_THREADS": "1", "OMP_NUM_THREADS": "2"}, "1"),
        ({"OMP_NUM_THREADS": "many"}, None),
    ],
)
def test_the_environment_decides(names: dict[str, str], expected: str | None) -> None:
    script = "from chainrule.engine.native.threads import POOL; print(POOL.threads())"
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_THREADS")}
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=clean | names,
        capture_output=True,
        text=True,
        check=True,
    )
    from chainrule.engine.native.threads import available

    assert run.stdout.strip() == (expected or str(available()))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000\n"}, sys.maxsize),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, sys.maxsize),
        ({}, sys.maxsize),
    ],
)
def test_the_limit_of_a_container(files: dict[str, str], expected: int, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert threads.granted(str(tmp_path)) == expected


@pytest.mark.parametrize("seconds", [2e-4, 1e-3, 7e-3, 0.1])
def test_no_more_threads_than_waking_them_pays(seconds: float) -> None:
    def cost(n: int) -> float:
        return seconds / n + n * threads.WAKE

    found = threads.Worth.of(seconds, 200).asleep
    assert cost(found) <= 1.05 * min(map(cost, range(2, 200)))
