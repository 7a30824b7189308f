"""Compiled training steps, kept for the next training of the same kind, on disk too."""

from __future__ import annotations

import contextlib
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from chainrule.engine.capture import is_number
from chainrule.engine.forking import fork_outside
from chainrule.tracing import flatten

MOST = 16  # plans that are kept
_plans: OrderedDict[Any, Any] = OrderedDict()
_lock = threading.RLock()
fork_outside(_lock)


def recipe(x: Any) -> Any:
    """What a layer, a loss or an optimizer is made of, as something that can be compared.

    Raises:
        TypeError: it holds something whose behaviour its fields do not tell, such as a function.
    """
    if isinstance(x, float):
        return type(x), x.hex()  # the sign of a zero counts, and NaN equals itself
    if x is None or isinstance(x, (bool, int, str)):
        return type(x), x
    if isinstance(x, np.dtype):
        return np.dtype, x.str
    if isinstance(x, (tuple, list)):
        return type(x), tuple(map(recipe, x))
    if isinstance(x, dict):
        return dict, tuple((k, recipe(v)) for k, v in x.items())
    ours = type(x).__module__.startswith("chainrule.")
    if ours and is_dataclass(x):
        return type(x), tuple((f.name, recipe(getattr(x, f.name))) for f in fields(x))
    raise TypeError(f"{x!r} may behave in any way")


def is_known(parts: Any) -> bool:
    """Is what is made of these kept for the next process? Not with functions of the user's own."""
    try:
        recipe(parts)
    except TypeError:
        return False
    return True


def signature(tree: Any) -> Any:
    """The structure, shapes and dtypes of a tree, and the values of what is not traced."""
    leaves, spec = flatten(tree)
    return spec, tuple(
        (type(x), np.shape(x), _dtype(x)) if is_number(x) else (type(x), x) for x in leaves
    )


def _dtype(x: Any) -> str | None:
    """As text, which is quick to compare and to write down."""
    return x.dtype.str if hasattr(x, "dtype") else None


def plan_for(parts: Any, trees: Any, make: Callable[[bool], Any]) -> Any:
    """What was made before from equal parts for trees of the same kind, or what is made now.

    It is looked for in this process, and then on the disk, where it saves tracing and compiling.

    Args:
        parts: layers, losses, optimizers: what the step is made of.
        trees: its arguments.
        make: make(are all parts the library's own?) → something that can be pickled.
    """
    try:
        key = recipe(parts), signature(trees)
        plan = _plans.get(key)
    except TypeError:
        return make(False)
    if plan is None:
        plan = _kept(repr(key), make)
    with _lock:  # several trainings may run at once
        _plans[key] = plan
        _plans.move_to_end(key)
        while len(_plans) > MOST:
            _plans.popitem(last=False)
    return plan


def _kept(key: str, make: Callable[[bool], Any]) -> Any:
    """What is on the disk, or what is made now and put there."""
    from chainrule.engine.native import cache
    from chainrule.engine.native.target import host
    from chainrule.engine.native.threads import most

    name = cache.key(f"plan\n{np.__version__}\n{most()}\n{key}", host())
    data = cache.load(name)
    if data is not None:
        # Of another version of Python, say, or its machine code is no longer there.
        with contextlib.suppress(Exception):
            return pickle.loads(data)
    made = make(True)
    with contextlib.suppress(pickle.PicklingError, TypeError, AttributeError):
        cache.store(name, pickle.dumps(made))
    return made


__all__ = ["is_known", "plan_for", "recipe", "signature"]
