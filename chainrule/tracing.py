"""A Python function becomes nodes on a tape: its inputs, its run, and what it depends on."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from types import TracebackType
from typing import Any

import numpy as np

from chainrule.array import Traced, plain_array
from chainrule.elementary.base import is_step, is_traced, value_of
from chainrule.elementary.shaping import identity
from chainrule.errors import (
    ArgumentError,
    AssignmentError,
    ChainruleError,
    LostTraceError,
    NoDependenceError,
    NotDifferentiableError,
    TreeError,
    code_line,
)
from chainrule.graph import NO_PARAMS, Node, Tape, user_code
from chainrule.methods import complex_error

_current: ContextVar[Tape | None] = ContextVar("chainrule_tape", default=None)
_LEAVES = frozenset({float, int, np.ndarray, np.float64, np.float32, Traced})
_NAMESPACE = "chainrule"  # of the dataclasses that optree is told about

_UNNAMED = {"name": "input"}

# The name of a node that stands for a derivative which is constant: an outer derivative of it is
# truly zero, not a function that forgot its input.
CONSTANT_DERIVATIVE = "constant derivative"

ArgNums = int | str | Sequence[int | str]


class Trace:
    """The stretch of a tape that one function's run fills; nested traces share one tape.

    Used as a context manager: the outermost trace opens the tape and closes it. While it is open,
    Python's cyclic garbage collector is paused: a graph has no cycles, and searching a growing
    one for them again and again would be a third of the time of recording it.
    """

    __slots__ = ("_collecting", "_token", "inputs", "nested", "start", "tape")

    def __init__(self) -> None:
        self.inputs = 0

    def __enter__(self) -> Trace:
        tape = _current.get()
        self.nested = tape is not None and not tape.closed
        if tape is None or tape.closed:
            tape = Tape(Traced)
            self._token = _current.set(tape)
            self._collecting = gc.isenabled()
            gc.disable()
        else:
            tape.depth += 1
        self.tape = tape
        self.start = len(tape.nodes)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.nested:
            _current.reset(self._token)
            self.tape.close()
            if self._collecting:
                gc.enable()
        else:
            self.tape.depth -= 1
        plain = isinstance(error, TypeError) and not isinstance(error, ChainruleError)
        if plain and self.tape.refused is not None:  # np.zeros(n) speaks of other things
            raise self.tape.refused from None
        hidden = isinstance(error, (ValueError, SystemError))
        if hidden and isinstance(error.__cause__, LostTraceError):  # type: ignore[union-attr]
            # NumPy hides it behind "setting an array element", SciPy's solvers behind no words.
            raise error.__cause__ from None  # type: ignore[union-attr]
        if isinstance(error, ValueError) and "read-only" in str(error):
            raise AssignmentError(
                "an array that the traced function has used is changed afterwards",
                got=str(error),
                line=_line_of(traceback),
                remedy="the backward pass needs the old numbers: write the new ones to a new array",
            ) from error

    def input(self, x: Any, name: str = "") -> Traced:
        """One number or array as an input; all inputs come before anything else is traced."""
        tape = self.tape
        self.inputs += 1
        if type(x) is float or type(x) is np.float64 or type(x) is int:
            value: Any = np.float64(x)
        elif type(x) is Traced:
            if x.value.dtype.kind != "f":
                x = _floating(x, name)
            return tape.append(identity, (x,), NO_PARAMS, x.value, None, 0)  # type: ignore[return-value]
        else:
            value = leaf_value(x, name)
            if type(value) is np.ndarray:
                tape.hold(value)
        params = {"name": name} if name else _UNNAMED
        return tape.append(None, (), params, value, None, 0)  # type: ignore[return-value]

    def tree(self, x: Any, name: str) -> Any:
        """An argument, any tree of containers, with named traced leaves."""
        leaves, spec = flatten(x)
        names = paths_of(x, name)
        return unflatten(
            spec, [self.input(leaf, path) for leaf, path in zip(leaves, names, strict=True)]
        )

    def depends_on_outer(self) -> bool:
        """Does any node of this stretch use a value of an enclosing traced function?"""
        if not self.nested:
            return False
        start = self.start
        return any(
            isinstance(a, Node) and a.index < start
            for node in self.tape.nodes[start:]
            for a in node.args
        )

    def constant(self, value: Any) -> Any:
        """A derivative as the enclosing traced function shall see it, also if it is constant.

        One that depends on the outer variables through a step alone (the slope of |x|) is constant
        as well; the tape notes that a derivative was taken here.
        """
        if not self.nested:
            return value
        plain = value_of(value)
        note = self.tape.append(None, (), {"name": CONSTANT_DERIVATIVE}, plain, None, 0)
        return value if is_traced(value) else note


def in_static_trace() -> bool:
    """Is a function traced just now whose graph will be evaluated at other values?"""
    tape = _current.get()
    return tape is not None and not tape.closed and tape.static


def _line_of(traceback: TracebackType | None) -> str:
    """The innermost line of the user's in a traceback."""
    line = ""
    while traceback is not None:
        code, lasti = traceback.tb_frame.f_code, traceback.tb_lasti
        if "chainrule" not in traceback.tb_frame.f_globals.get("__name__", ""):
            line = code_line(code, lasti)
        traceback = traceback.tb_next
    return line


def _floating(x: Traced, name: str) -> Any:
    """A traced whole number as a floating-point one, if it was given as a Python int."""
    if not x.params.get("whole"):
        leaf_value(x.value, name)  # raises
    return x.astype(np.float64)


def leaf_value(x: Any, name: str) -> Any:
    """A leaf of an argument to differentiate as a floating-point array or number."""
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return plain_array(x, f"argument '{name}'")
    if isinstance(x, np.floating):
        return x
    if isinstance(x, int) and not isinstance(x, bool):
        return np.float64(x)
    if isinstance(x, (complex, np.complexfloating)) or (
        isinstance(x, np.ndarray) and x.dtype.kind == "c"
    ):
        raise complex_error(x)
    if hasattr(x, "__array__") and not isinstance(x, (np.ndarray, np.generic)):
        raise NotDifferentiableError(
            f"argument '{name}' cannot be differentiated: it is not an array of NumPy",
            got=f"a {type(x).__name__}",
            line=code_line(*user_code(2)),
            remedy=f"pass np.asarray({name}, float)",
        )
    kind = f"an array of {x.dtype}, shape {x.shape}" if isinstance(x, np.ndarray) else repr(x)
    whole = isinstance(x, (np.integer, bool, np.bool_)) or getattr(x, "dtype", None) is not None
    raise NotDifferentiableError(
        f"argument '{name}' cannot be differentiated: it is not made of floating-point numbers",
        got=kind,
        line=code_line(*user_code(2)),
        remedy=f"convert it ({name}.astype(float)), or differentiate with respect to another "
        "argument (argnums=…)"
        if whole
        else "pass numbers, arrays, or containers of them; choose the argument with argnums=…",
    )


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The leaves of a tree and what puts them together again; None for a single leaf.

    Trees are what optree knows (tuples, lists, dicts, named tuples, …) and dataclasses.
    """
    if type(tree) in _LEAVES:
        return [tree], None
    import optree

    leaves, spec = optree.tree_flatten(tree, namespace=_NAMESPACE)
    new = [kind for kind in set(map(type, leaves)) if is_dataclass(kind)]
    if new:
        for kind in new:
            _register_dataclass(kind)
        leaves, spec = optree.tree_flatten(tree, namespace=_NAMESPACE)
    return leaves, spec


def unflatten(spec: Any, leaves: Sequence[Any]) -> Any:
    """Put leaves together to the tree that :func:`flatten` took apart."""
    if spec is None:
        return leaves[0]
    import optree

    return optree.tree_unflatten(spec, leaves)


def paths_of(tree: Any, name: str) -> list[str]:
    """A readable name for each leaf: ``params['w'][0]``."""
    return leaf_names(flatten(tree)[1], name)


def leaf_names(spec: Any, name: str) -> list[str]:
    """The same from what :func:`flatten` has found."""
    if spec is None:
        return [name]
    import optree

    return [accessor.codify(name) for accessor in optree.treespec_accessors(spec)]


def _register_dataclass(kind: type) -> None:
    """Let optree see the fields of a dataclass as the members of a container."""
    import optree

    names = tuple(field.name for field in fields(kind))

    def take_apart(x: Any) -> tuple[list[Any], None, tuple[Any, ...]]:
        return [getattr(x, name) for name in names], None, names

    def put_together(_: None, members: Any) -> Any:
        x: Any = object.__new__(kind)
        for name, member in zip(names, members, strict=True):
            object.__setattr__(x, name, member)  # frozen ones too; nothing is checked again
        return x

    optree.register_pytree_node(
        kind,  # type: ignore[arg-type]
        take_apart,  # type: ignore[arg-type]
        put_together,  # type: ignore[arg-type]
        path_entry_type=optree.GetAttrEntry,
        namespace=_NAMESPACE,
    )


def strip(tree: Any) -> Any:
    """The tree with every traced value replaced by its plain value."""
    if is_traced(tree):
        return tree.value
    if tree is None or isinstance(tree, (float, int, str, np.ndarray, np.generic)):
        return tree
    leaves, spec = flatten(tree)
    return unflatten(spec, [value_of(x) for x in leaves])


def same_structure(a: Any, b: Any, what: str) -> None:
    """Refuse two trees whose containers or leaf shapes differ."""
    leaves_a, spec_a = flatten(a)
    leaves_b, spec_b = flatten(b)
    if spec_a != spec_b:
        raise TreeError(
            f"the structure of {what} differs from that of the argument",
            got=f"{spec_b if spec_b is not None else 'a single array'} instead of "
            f"{spec_a if spec_a is not None else 'a single array'}",
            line=code_line(*user_code(3)),
            remedy="use the same containers, keys and lengths as the argument has",
        )
    for x, y in zip(leaves_a, leaves_b, strict=True):
        if np.shape(value_of(x)) != np.shape(value_of(y)):
            raise TreeError(
                f"a leaf of {what} has another shape than the argument's",
                got=f"shape {np.shape(value_of(y))} instead of {np.shape(value_of(x))}",
                line=code_line(*user_code(3)),
                remedy="give every leaf the shape of the leaf it belongs to",
            )


def name_of(f: Any) -> str:
    return getattr(f, "__name__", type(f).__name__)


def parameter_names(f: Any) -> list[str]:
    """The names of the positional parameters of f; invented ones where it does not tell."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def takes(f: Any, name: str) -> bool:
    """May f be called with an argument of this name? Yes where it does not tell."""
    try:
        parameters = inspect.signature(f).parameters
    except (TypeError, ValueError):
        return True
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def argument_name(f: Any, position: int) -> str:
    names = parameter_names(f)
    return names[position] if position < len(names) else f"argument {position}"


def no_dependence(f: Any, trace: Trace, output: Any, name: str) -> NoDependenceError:
    """Why no derivative arrives: the input is not used, or only by functions without a slope."""
    step = _step_on_the_way(trace, output) if is_traced(output) else None
    if step is not None:
        return NoDependenceError(
            f"the output of {name_of(f)} depends on '{name}' only through {step.name}, "
            "which has no derivative (it is constant between its jumps)",
            got=f"an output made by '{output.name}'",
            line=step.line,
            remedy="use a smooth function instead (softmax or a weighted mean for argmax, a "
            "sigmoid for a step), or cr.stop_gradient where the zero is meant",
        )
    what = "a plain value" if not is_traced(output) else f"a value of '{output.name}'"
    return NoDependenceError(
        f"the output of {name_of(f)} does not depend on '{name}'",
        got=f"{what} that was not computed from it",
        line=getattr(output, "line", "") or code_line(*user_code(3)),
        remedy="compute the output from the argument with NumPy operations; .value, float() and "
        "global arrays cut the graph",
    )


def _step_on_the_way(trace: Trace, output: Node) -> Node | None:
    """The first function without a derivative between the inputs and the output."""
    nodes, start = trace.tape.nodes, trace.start
    reached = [False] * (output.index + 1 - start)
    reached[: trace.inputs] = [True] * min(trace.inputs, len(reached))
    step_of: dict[int, Node] = {}
    for position in range(start + trace.inputs, output.index + 1):
        node = nodes[position]
        for a in node.args:
            if isinstance(a, Node) and a.index >= start and reached[a.index - start]:
                reached[position - start] = True
                if a.index in step_of:
                    step_of[position] = step_of[a.index]
                elif is_step(node.fn) or _is_step_of(node, a):
                    step_of[position] = node
    return step_of.get(output.index)


def _is_step_of(node: Node, a: Node) -> bool:
    """Is a node one of the outputs of a function that have no derivative?"""
    return node.fn.name == "pick" and node.params["k"] in getattr(a.fn, "steps", ())


def has_constant_derivative(trace: Trace) -> bool:
    return any(
        node.fn is None and node.params.get("name") == CONSTANT_DERIVATIVE
        for node in trace.tape.nodes[trace.start :]
    )


def resolve(f: Any, argnums: ArgNums) -> tuple[tuple[int | str, ...], bool]:
    """(positions or keyword names, is it a single one). Names of positional parameters become
    positions."""
    if not callable(f):
        raise ArgumentError(
            "what is to be differentiated is not a function",
            got=f"{type(f).__name__}: {f!r:.60}",
            line=code_line(*user_code(3)),
            remedy="cr.grad(f)(x), not cr.grad(f(x))",
        )
    single = isinstance(argnums, str) or not isinstance(argnums, Iterable)
    wanted: list[Any] = [argnums] if single else list(argnums)  # type: ignore[arg-type]
    if not wanted:
        raise ArgumentError(
            "no argument to differentiate is named", got="argnums=()", remedy="argnums=0"
        )
    names = parameter_names(f) if any(isinstance(w, str) for w in wanted) else []
    result: list[int | str] = []
    for w in wanted:
        if isinstance(w, str):
            result.append(names.index(w) if w in names else w)
        elif isinstance(w, (int, np.integer)) and not isinstance(w, bool):
            result.append(int(w))
        else:
            raise ArgumentError(
                "argnums takes positions and argument names",
                got=repr(w),
                line=code_line(*user_code(3)),
                remedy="argnums=0, argnums='w' or argnums=('w', 1); the arguments themselves are "
                "given afterwards: cr.grad(f)(x)",
            )
    if len(set(result)) < len(result):
        raise ArgumentError(
            "an argument is named twice",
            got=f"argnums={argnums!r}",
            line=code_line(*user_code(3)),
            remedy="name each argument once",
        )
    return tuple(result), single
