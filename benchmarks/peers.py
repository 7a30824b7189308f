"""The other libraries, each imported where it is first needed and set to two threads."""

from __future__ import annotations

import importlib.util
from typing import Any

from benchmarks import THREADS

# module -> distribution
PEERS = {
    "torch": "torch", "jax": "jax", "keras": "keras", "sklearn": "scikit-learn", "casadi": "casadi",
    "onnxruntime": "onnxruntime", "autograd": "autograd", "mygrad": "mygrad",
    "micrograd": "micrograd",
}  # fmt: skip


def available(*modules: str) -> bool:
    """Are they installed?"""
    return all(importlib.util.find_spec(module) is not None for module in modules)


def versions() -> tuple[list[str], list[str]]:
    """The peers with their versions, and those that are missing."""
    import importlib.metadata  # which takes long to load

    found = [f"{d} {importlib.metadata.version(d)}" for m, d in PEERS.items() if available(m)]
    return found, [d for m, d in PEERS.items() if not available(m)]


def torch() -> Any:
    import torch

    torch.set_num_threads(THREADS)
    return torch


def jax(*, double: bool = False) -> Any:
    """JAX, computing in float64 where that is asked for; it is a setting of the whole process."""
    import jax

    jax.config.update("jax_enable_x64", double)
    return jax


def casadi_call(inputs: list[Any], outputs: list[Any], *given: Any) -> Any:
    """A CasADi function called through its buffers, the quickest way there is.

    Args:
        inputs, outputs: expressions.
        given: arrays for the inputs; what is written into them counts in the next call.

    Returns:
        A callable that returns the arrays of the outputs, the same in each call.
    """
    import casadi

    function = casadi.Function("f", inputs, [casadi.densify(y) for y in outputs])
    buffer, trigger = function.buffer()
    held = [memoryview(a) for a in given]
    made = [casadi.DM(*y.shape).full().reshape(-1) for y in outputs]
    for k, a in enumerate(held):
        buffer.set_arg(k, a)
    for k, y in enumerate(made):
        buffer.set_res(k, memoryview(y))

    def call() -> Any:
        trigger()
        return made

    call.buffer = buffer, held, function  # type: ignore[attr-defined]  # they must live on
    return call
