"""Gradients without compiling: each step is recorded, then the tape is gone through backward."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import chainrule as cr
from benchmarks import peers
from benchmarks.harness import Contestants, Row, agree, measure
from benchmarks.peers import available


def logistic_loss(lib: Any) -> Callable[[Any, float, float], Any]:
    def loss(w: Any, x: float, y: float) -> Any:
        p = 1 / (1 + lib.exp(-w * x))
        return -(y * lib.log(p) + (1 - y) * lib.log(1 - p))

    return loss


def scalar_logistic() -> Row:
    """Value and gradient of the logistic loss of one number, a Python float in and out."""
    own = cr.grad(logistic_loss(np))
    contestants: Contestants = {"chainrule": lambda: own(3.0, 3.0, 1.0)}
    if available("autograd"):
        import autograd
        import autograd.numpy as anp

        peer = autograd.grad(logistic_loss(anp))
        contestants["autograd"] = lambda: peer(3.0, 3.0, 1.0)
    if available("mygrad"):
        import mygrad

        loss = logistic_loss(mygrad)

        def by_mygrad() -> float:
            w = mygrad.tensor(3.0)
            loss(w, 3.0, 1.0).backward()
            return float(w.grad)

        contestants["MyGrad"] = by_mygrad
    if available("micrograd"):
        contestants["micrograd"] = lambda: micrograd_logistic()[1]
    if available("torch"):
        torch = peers.torch()
        torch_loss = logistic_loss(torch)

        def by_torch() -> float:
            w = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
            torch_loss(w, 3.0, 1.0).backward()
            return float(w.grad)

        contestants["PyTorch"] = by_torch
    if available("jax"):
        jax = peers.jax(double=True)
        eager = jax.grad(logistic_loss(jax.numpy))
        contestants["JAX"] = lambda: float(eager(3.0, 3.0, 1.0))
    agree(contestants, lambda r: np.array(float(r)))
    row = Row("recorded scalar logistic loss, gradient", "µs", 1e6, 15.0, 9.0)
    row.seconds = measure(contestants)
    return row


def micrograd_logistic() -> tuple[float, float]:
    """micrograd has no exp and log; these are written in its own style."""
    from micrograd.engine import Value

    def unary(x: Any, value: float, slope: float) -> Any:
        out = Value(value, (x,))

        def backward() -> None:
            x.grad += slope * out.grad

        out._backward = backward
        return out

    w = Value(3.0)
    z = -w * 3.0
    e = unary(z, math.exp(z.data), math.exp(z.data))
    p = 1 / (1 + e)
    log_p = unary(p, math.log(p.data), 1 / p.data)
    q = 1 - p
    log_q = unary(q, math.log(q.data), 1 / q.data)
    loss = -(1.0 * log_p + (1 - 1.0) * log_q)
    loss.backward()
    return float(loss.data), float(w.grad)


def rosen(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def rosen_by_hand(x: np.ndarray) -> tuple[float, np.ndarray]:
    a, b = x[1:] - x[:-1] ** 2, 1 - x[:-1]
    gradient = np.zeros_like(x)
    gradient[1:] = 200 * a
    gradient[:-1] -= 400 * a * x[:-1] + 2 * b
    return (100 * a**2 + b**2).sum(), gradient


def rosen_product_by_hand(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    head, tail = x[:-1], x[1:]
    product = np.zeros_like(x)
    product[:-1] = (1200 * head**2 - 400 * tail + 2) * v[:-1] - 400 * head * v[1:]
    product[1:] += 200 * v[1:] - 400 * head * v[:-1]
    return product


def rosenbrock(n: int, order: int) -> Row:
    """Value and gradient (order 1) or Hessian product (order 2) of Rosenbrock's function."""
    x = np.random.default_rng(0).standard_normal(n)
    v = np.ones(n)
    both = cr.value_and_grad(rosen)
    contestants: Contestants = {
        "chainrule": (lambda: both(x)[1]) if order == 1 else (lambda: cr.hvp(rosen, (x,), (v,))),
        "NumPy by hand": (lambda: rosen_by_hand(x)[1])
        if order == 1
        else (lambda: rosen_product_by_hand(x, v)),
    }
    if available("autograd"):
        import autograd

        value_and_grad = autograd.value_and_grad(rosen)
        product = autograd.hessian_vector_product(rosen)
        contestants["autograd"] = (
            (lambda: value_and_grad(x)[1]) if order == 1 else (lambda: product(x, v))
        )
    if available("mygrad") and order == 1:
        import mygrad

        def by_mygrad() -> np.ndarray:
            t = mygrad.tensor(x)
            rosen(t).backward()
            return np.asarray(t.grad)

        contestants["MyGrad"] = by_mygrad
    if available("torch"):
        torch = peers.torch()
        tv = torch.ones(n, dtype=torch.float64)

        def by_torch() -> np.ndarray:
            t = torch.tensor(x, requires_grad=True)
            (g,) = torch.autograd.grad(rosen(t), t, create_graph=order == 2)
            if order == 2:
                (g,) = torch.autograd.grad(g, t, tv)
            return np.asarray(g)

        contestants["PyTorch"] = by_torch
    agree(contestants, np.asarray)
    what = "value and gradient" if order == 1 else "Hessian product"
    row = Row(f"recorded Rosenbrock, n = {n:,}, {what}", "µs", 1e6, 1.5, 1.0)
    row.seconds = measure(contestants, rounds=5)
    return row


def chain_steps(sin: Callable[[Any], Any], x: Any, n: int) -> Any:
    """n elementary steps: a sine, two products, a sum, over and over."""
    for _ in range(n // 4):
        x = sin(x)
        x = x * 1.0001
        x = x + 0.1
        x = x * x
    return x


def scalar_chain(n: int) -> Row:
    """Record and backward of a chain of scalar steps: nanoseconds a node."""
    own = cr.grad(lambda x: chain_steps(np.sin, x, n))
    contestants: Contestants = {"chainrule": lambda: own(0.5)}
    if available("autograd") and n <= 10_000:
        import autograd
        import autograd.numpy as anp

        peer = autograd.grad(lambda x: chain_steps(anp.sin, x, n))
        contestants["autograd"] = lambda: peer(0.5)
    if available("mygrad") and n <= 10_000:
        import mygrad

        def by_mygrad() -> float:
            t = mygrad.tensor(0.5)
            chain_steps(mygrad.sin, t, n).backward()
            return float(t.grad)

        contestants["MyGrad"] = by_mygrad
    if available("micrograd"):
        contestants["micrograd"] = lambda: _micrograd_chain(n)
    if available("torch"):
        torch = peers.torch()

        def by_torch() -> float:
            t = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
            chain_steps(torch.sin, t, n).backward()
            return float(t.grad)

        contestants["PyTorch"] = by_torch
    row = Row(
        f"recorded scalar chain of {n:,} steps, gradient",
        "ns a node",
        1e9 / n,
        2_500,
        2_000 if n == 10_000 else 9_000,
    )
    if "autograd" in contestants or "MyGrad" in contestants:
        _deep(contestants)
    agree(contestants, lambda r: np.array(float(r)))
    row.seconds = measure(contestants, rounds=5)
    row.notes.append(
        f"Peak memory of chainrule, {n:,} steps: {_bytes_a_node(own, n):.0f} bytes a node "
        "(target: under 500)."
    )
    return row


def _deep(contestants: Contestants) -> None:
    """Drop contestants that a long chain breaks (recursion limits), and say so."""
    for name in ("autograd", "MyGrad"):
        if name in contestants:
            try:
                contestants[name]()
            except RecursionError:
                print(f"{name}: RecursionError on the long chain; left out")
                del contestants[name]


def _bytes_a_node(call: Callable[[float], object], n: int) -> float:
    tracemalloc.start()
    call(0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / n


def _micrograd_chain(n: int) -> float:
    """micrograd's backward() recurses; its topological order is therefore built iteratively."""
    from micrograd.engine import Value

    tape: list[Any] = []

    def keep(v: Any) -> Any:
        tape.append(v)
        return v

    x = first = Value(0.5)
    for _ in range(n // 4):
        source = x
        x = keep(Value(math.sin(source.data), (source,)))

        def backward(out: Any = x, source: Any = source) -> None:
            source.grad += math.cos(source.data) * out.grad

        x._backward = backward
        x = keep(x * 1.0001)
        x = keep(x + 0.1)
        x = keep(x * x)
    x.grad = 1.0
    for v in reversed(tape):
        v._backward()
    return float(first.grad)


def rows() -> Iterator[Row]:
    """All of them."""
    yield scalar_logistic()
    for n in (10_000, 100_000):
        yield scalar_chain(n)
    for order in (1, 2):
        for n in (1_000, 100_000, 1_000_000):
            yield rosenbrock(n, order)
