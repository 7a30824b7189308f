"""`cr.compile`: a function is traced once for each signature and run by an engine from then on."""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MethodType
from typing import TYPE_CHECKING, Any, Literal, Never

import numpy as np

from chainrule.engine.capture import Captured, capture, capture_long, is_number, without_collection
from chainrule.engine.forking import Lock
from chainrule.engine.program import Program
from chainrule.engine.reference import Reference
from chainrule.engine.simplifying import simplified
from chainrule.errors import ArgumentError, code_line
from chainrule.graph import Graph, Node, user_code
from chainrule.tracing import flatten, leaf_names, name_of

if TYPE_CHECKING:
    from chainrule.insight.traced import TracedGraph

EngineName = Literal["native", "numpy"]
_ENGINES = ("native", "numpy")
FAST = 4  # signatures that are tried before one is looked up


@dataclass
class Version:
    """A function as compiled for one signature.

    Attributes:
        captured: its graph and trees.
        program: the simplified graph; None for the reference engine.
        run: outputs from the values of the inputs.
    """

    captured: Captured[Any]
    program: Program | None
    run: Any
    _quick: Any = None  # a built-in function of the inputs, False where there is none

    def outputs(self, numbers: list[Any]) -> Any:
        """The outputs at the values of the inputs."""
        if self._quick is None:
            flat = tuple(range(len(self.captured.graph.outputs)))
            self._quick = self.quick_call(numbers, flat) or False
        if self._quick:
            outputs = self._quick(*numbers)
            if outputs is not NotImplemented:  # its answer to what it is not made for
                return outputs
        return self.run(numbers)

    def quick_call(self, leaves: list[Any], shape: Any) -> Any:
        """A built-in function for arguments like these, where there is one."""
        if self.program is None:
            return None
        from chainrule.engine.native.calls import quick_call

        return quick_call(self.run, leaves, shape)


class Compiled:
    """A compiled function; made by :func:`compile`.

    Attributes:
        versions: signature → what was compiled for it, in the order of first use.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        static_argnames: Sequence[str],
        engine: EngineName,
        explain: bool,
    ) -> None:
        self.f = f
        self.engine = engine
        self.explain = explain
        self.static = _static_names(f, static_argnames)
        self.versions: dict[Any, Version] = {}
        self._lock = Lock()
        self._fast: tuple[Any, ...] = ()  # built-in functions for plain arguments, the last first
        functools.update_wrapper(self, f)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            for fast in self._fast:
                result = fast(*args)
                if result is not NotImplemented:
                    return result
        given = args, kwargs
        fixed: dict[str, Any] = {}
        if self.static:
            args, kwargs, fixed = self._split(args, kwargs)
        leaves, spec = flatten((args, kwargs))
        if any(isinstance(x, Node) for x in leaves):  # an enclosing function is being traced
            return self.f(*args, **kwargs, **fixed)
        key = (spec, tuple(map(_signature, leaves)), _static(fixed))
        try:
            version = self.versions.get(key)
        except TypeError:
            raise self._unhashable(fixed, leaves) from None
        if version is None:
            self._compile(key, leaves, spec, fixed)
            return self(*given[0], **given[1])
        numbers = [x for x in leaves if is_number(x)]
        return version.captured.pack(version.outputs(numbers))

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        """As a method it gets the object as its first argument."""
        return self if owner is None else MethodType(self, owner)

    def __reduce__(self) -> Any:
        """By name, as functions are: its own where it is a decorated one, or that of the other.

        Code is made anew, or loaded from the disk.
        """
        name = getattr(self, "__qualname__", "")
        with contextlib.suppress(AttributeError, KeyError):
            if operator.attrgetter(name)(sys.modules[self.__module__]) is self:
                return name
        return Compiled, (self.f, self.static, self.engine, self.explain)

    def _compile(self, key: Any, leaves: list[Any], spec: Any, fixed: dict[str, Any]) -> None:
        with self._lock:
            if key in self.versions:
                return
            if self.explain:
                print(self._reason(key), file=sys.stderr)
            f = functools.partial(self.f, **fixed) if fixed else self.f
            with without_collection():
                captured = (capture_long if self._is_native() else capture)(f, leaves, spec)
                version = self._made(captured)
            if self.explain and version.program is not None:
                print(f"{name_of(self.f)}: {version.run.summary()}", file=sys.stderr)
            self.versions[key] = version
            self._choose_fast(version, leaves, spec)

    def _choose_fast(self, version: Version, leaves: list[Any], spec: Any) -> None:
        """Go straight to the built-in function where arguments and results need no trees."""
        shape = version.captured.pack(list(range(len(version.captured.graph.outputs))))
        plain = spec == flatten((tuple(leaves), {}))[1] and not self.static
        fast = version.quick_call(leaves, shape) if plain and _only_tuples(shape) else None
        if fast is not None:
            self._fast = (fast, *self._fast[: FAST - 1])

    def _is_native(self) -> bool:
        return self.engine == "native" and _has_native()

    def _made(self, captured: Captured[Any]) -> Version:
        graph = captured.graph
        if isinstance(graph, Graph) and not self._is_native():
            return Version(captured, None, Reference(graph))
        from chainrule.engine.native.compiler import Compiled as Native

        if isinstance(graph, Graph):
            program = simplified(graph)
        else:
            from chainrule.engine.condensing import condensed

            program = condensed(graph)
        return Version(captured, program, Native(program))

    def graph(self, *args: Any, **kwargs: Any) -> TracedGraph:
        """The function's graph with the values of one call, by NumPy: to print, tabulate or draw.

        >>> import numpy as np
        >>> print(compile(lambda x: np.exp(-x)).graph(0.0))
        graph of <lambda>(x)
          x  = 0
          ξ₁ = −x       = 0
          ξ₂ = exp(ξ₁)  = 1
          returns ξ₂
        """
        from chainrule.insight.tracing import trace

        return trace(self.f)(*args, **kwargs)

    # What it is made of ------------------------------------------------------------------------

    def source(self) -> str:
        """The LLVM IR of the version that was compiled last.

        Before each kernel stand, as comments, the steps that it does and the lines that they come
        from; inputs have their own names.
        """
        version = self._last()
        if version.program is None:
            return str(version.captured.graph)
        return str(version.run.source())

    def report(self, *args: Any, **kwargs: Any) -> Any:
        """The kernels of a call, each measured by itself: steps, operations, bytes, time.

        >>> import numpy as np
        >>> square = compile(lambda x: np.sum(x * x))
        >>> [kernel.steps for kernel in square.report(np.ones(1000))]
        [('multiply', 'sum')]
        """
        self(*args, **kwargs)
        version = self._last()
        if version.program is None:
            raise ArgumentError(
                "the NumPy engine has no kernels",
                got="engine='numpy'" if self.engine == "numpy" else "no llvmlite",
                line=code_line(*user_code(2)),
                remedy="compile with engine='native'"
                if self.engine == "numpy"
                else "python -m pip install llvmlite",
            )
        from chainrule.engine.native.report import report

        numbers = [x for x in flatten((args, kwargs))[0] if is_number(x)]
        return report(version.run, numbers)

    def _last(self) -> Version:
        if not self.versions:
            raise ArgumentError(
                f"{name_of(self.f)} is not compiled yet",
                line=code_line(*user_code(2)),
                remedy="call it once: a function is compiled for the arguments that it is given",
            )
        return next(reversed(self.versions.values()))

    # Signatures ----------------------------------------------------------------------------------

    def _split(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
        """Arguments without the static ones, all by name where there are any."""
        bound = inspect.signature(self.f).bind(*args, **kwargs)
        fixed = {k: v for k, v in bound.arguments.items() if k in self.static}
        first = next((k for k in bound.arguments if k in self.static), "")
        names = list(bound.signature.parameters)
        before = [n for n in names[: names.index(first)] if n in bound.arguments] if first else []
        left = {
            k: v for k, v in bound.arguments.items() if k not in self.static and k not in before
        }
        return tuple(bound.arguments[n] for n in before), left, fixed

    def _unhashable(self, fixed: dict[str, Any], leaves: list[Any]) -> ArgumentError:
        tables = [type(x).__name__ for x in leaves if hasattr(x, "__array__") and not is_number(x)]
        if tables:
            return ArgumentError(
                f"an argument of {name_of(self.f)} is no array of NumPy",
                got=f"a {tables[0]}",
                line=code_line(*user_code(2)),
                remedy="pass np.asarray(…) of it",
            )
        static = [f"{k}={type(v).__name__}" for k, v in fixed.items()]
        others = [f"a {type(x).__name__}" for x in leaves if not is_number(x)]
        return ArgumentError(
            f"a static argument of {name_of(self.f)} cannot be compared with later ones",
            got=", ".join(static or others),
            line=code_line(*user_code(2)),
            remedy="static arguments are hashable: numbers, texts, tuples",
        )

    def _reason(self, key: Any) -> str:
        """Why a signature is compiled."""
        name = name_of(self.f)
        if not self.versions:
            return f"{name}: compiled for the first time"
        spec, leaves, fixed = key
        old_spec, old_leaves, old_fixed = next(reversed(self.versions))
        if spec != old_spec:
            return f"{name}: compiled again: the arguments have another structure"
        for path, new, old in zip(leaf_names(spec, "args"), leaves, old_leaves, strict=True):
            if new != old:
                return f"{name}: compiled again: {path} is {_words(new)}, it was {_words(old)}"
        new_values, old_values = dict(fixed), dict(old_fixed)
        changed = [k for k in new_values | old_values if new_values.get(k) != old_values.get(k)]
        return f"{name}: compiled again: the static argument {', '.join(changed)} has changed"


@functools.cache
def _has_native() -> bool:
    """Is llvmlite there? Where it is not, one notice says what runs instead."""
    try:
        import llvmlite  # noqa: F401
    except ImportError:
        warnings.warn(
            "llvmlite is not installed: compiled functions are run step by step by NumPy, with the "
            "same results but slower; python -m pip install llvmlite",
            RuntimeWarning,
            stacklevel=5,
        )
        return False
    return True


def _only_tuples(shape: Any) -> bool:
    return type(shape) is int or (type(shape) is tuple and all(map(_only_tuples, shape)))


def _signature(x: Any) -> Any:
    """What a compiled version depends on: dtype and shape of a number, the value of the rest."""
    if isinstance(x, np.ndarray):
        return x.dtype.char, x.shape
    return type(x) if is_number(x) else (type(x), x)


def _static(fixed: dict[str, Any]) -> tuple[Any, ...]:
    """What a compiled version depends on of its static arguments: 1, 1.0 and True are three."""
    return tuple((name, _distinct(x)) for name, x in fixed.items())


def _distinct(x: Any) -> Any:
    """A value that equals another's only if they have the same types, and signs of zeros too."""
    if type(x) is tuple:
        return tuple, tuple(map(_distinct, x))
    return type(x), x, np.signbit(x) if isinstance(x, float) else None


def _words(signature: Any) -> str:
    if isinstance(signature, type):
        return f"a {signature.__name__}"
    first, second = signature
    if isinstance(first, str):
        return f"{np.dtype(first)}{list(second)}"
    return repr(second)


def _static_names(f: Callable[..., Any], names: Sequence[str] | str) -> tuple[str, ...]:
    wanted = (names,) if isinstance(names, str) else tuple(names)
    if wanted:
        known = list(inspect.signature(f).parameters)
        for name in wanted:
            if name not in known:
                raise ArgumentError(
                    f"static_argnames names what is no argument of {name_of(f)}",
                    got=repr(name),
                    line=code_line(*user_code(3)),
                    remedy=f"its arguments are {', '.join(known)}",
                )
    return wanted


def compile(
    f: Callable[..., Any] | None = None,
    *,
    static_argnames: Sequence[str] | str = (),
    engine: EngineName = "native",
    explain: bool = False,
    **other: Never,
) -> Any:
    """The function as native code: traced once for each signature, run without Python after that.

    A signature is the dtypes and shapes of all numbers and arrays among the arguments, the
    containers they are in, and the values of truth values, texts and static arguments. The
    result is what the function itself returns, within rounding; NaN and infinities are as in
    NumPy. What the function assigns to an argument's elements counts inside; the caller's array
    stays. What it reads without being given it (global variables, attributes of an object that is
    no dataclass) is what it was at the first call. Functions of derivatives compile like others:

    >>> import numpy as np, chainrule as cr
    >>> slope = cr.compile(cr.value_and_grad(lambda w: np.log(1 + np.exp(-3 * w))))
    >>> value, derivative = slope(0.0)
    >>> print(f"{value:.4f} {derivative:.1f}")
    0.6931 -1.5

    Args:
        f: a function of NumPy code; without it a decorator is returned.
        static_argnames: names of arguments that are not traced: each value is compiled anew.
        engine: "native", or "numpy" for the reference, which evaluates node by node.
        explain: say on standard error when and why a signature is compiled.

    Returns:
        A callable with ``source()``, the code that was made, ``report(…)``, each kernel's time,
        ``graph(…)``, its steps with their values, and ``versions``.

    Raises:
        BranchError: the function decides by a traced value (``if x > 0``); np.where chooses.
        ArgumentError: it returns something that is not made of numbers.
    """
    if other:
        from chainrule.elsewhere import unexpected

        raise unexpected(compile, next(iter(other)))
    if engine not in _ENGINES:
        raise ArgumentError(
            "there is no such engine",
            got=repr(engine),
            line=code_line(*user_code(2)),
            remedy=f"choose one of {', '.join(map(repr, _ENGINES))}",
        )
    if f is None:
        return functools.partial(
            compile, static_argnames=static_argnames, engine=engine, explain=explain
        )
    return Compiled(f, static_argnames, engine, explain)


__all__ = ["Compiled", "compile"]
