"""The computational graph: immutable nodes on a tape, and the graph that is read off it.

A node is one application of an elementary function: the function, its arguments (other nodes or
constants), its static parameters, its value, and the user's line that made it. A tape lists the
nodes in the order in which they were made, which is a topological order. Derivatives are more
nodes on the same tape, so orders and modes nest.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np

from chainrule.constants import Frozen
from chainrule.errors import LeakedTraceError, ShapeError, code_line

# Frames of these packages are never the user's line: NumPy's and SciPy's Python code calls back
# into ours. SciPy, which is not imported here, lies beside NumPy.
_NUMPY = os.path.dirname(os.path.abspath(np.__file__))
_BESIDE = [
    os.path.join(os.path.dirname(_NUMPY), name) for name in ("scipy", "pandas", "sklearn", "joblib")
]
_OWN = os.path.dirname(os.path.abspath(__file__))
_PACKAGES = tuple(folder + os.sep for folder in (_OWN, _NUMPY, *_BESIDE))
_is_internal: dict[str, bool] = {}  # file name -> is it a file of these packages?
_frame = sys._getframe

NO_PARAMS: dict[str, Any] = {}


class Node:
    """One elementary function applied to its arguments.

    Attributes:
        fn: the elementary function, or None for an input of the graph.
        args: its arguments, in order: nodes or constants.
        params: its static parameters (an axis, a shape); for an input its ``name``.
        value: the concrete value, a NumPy scalar or array (a tuple where fn returns several).
        index: the position on the tape.
        tape: the tape that holds the node.
        code, lasti: the user's code object and instruction that made the node.
    """

    __slots__ = ("args", "code", "fn", "index", "lasti", "params", "tape", "value")

    def __init__(
        self,
        fn: Any,
        args: tuple[Any, ...],
        params: dict[str, Any],
        value: Any,
        index: int,
        tape: Tape,
        code: CodeType | None,
        lasti: int,
    ) -> None:
        self.fn = fn
        self.args = args
        self.params = params
        self.value = value
        self.index = index
        self.tape = tape
        self.code = code
        self.lasti = lasti

    @property
    def line(self) -> str:
        """The user's file, line and source that made this node."""
        return code_line(self.code, self.lasti)

    @property
    def name(self) -> str:
        """The name of an input, the name of the function otherwise; of which output it is one."""
        if self.fn is None:
            return self.params.get("name", "input")  # type: ignore[no-any-return]
        if self.fn.name == "pick":
            return f"{self.args[0].name}[{self.params['k']}]"
        return self.fn.name  # type: ignore[no-any-return]


class Tape:
    """The nodes of one trace in the order in which they were made.

    Nested traces share the tape of the outermost one: a node of an inner trace may use any node
    of an outer one, and what an inner derivative returns is again nodes of the outer function.

    Attributes:
        nodes: all of them, in order.
        node_type: the class of a node.
        held: the arrays that are read-only until the trace ends.
        closed: the trace has ended.
        static: the graph will be evaluated again at other values, so that no decision may
            depend on these.
        free: the positions of the inputs at which a static graph will be evaluated.
        origin: the user's code and instruction that a sweep was asked for with, while it runs
            the derivative rules on nodes.
        refused: the last decision by a value that was refused; NumPy may hide its error.
        depth: how many functions are traced within the outermost one just now.
        sweeps: those of a function that is traced twice; see ``sweeps.py``.
    """

    __slots__ = (
        "closed", "depth", "free", "held", "node_type", "nodes", "origin", "refused", "static",
        "sweeps",
    )  # fmt: skip

    def __init__(self, node_type: type[Node], *, static: bool = False) -> None:
        self.node_type = node_type
        self.nodes: list[Node] = []
        self.held: list[np.ndarray] = []
        self.closed = False
        self.static = static
        self.free: list[range] = []
        self.origin: tuple[CodeType | None, int] | None = None
        self.refused: Exception | None = None
        self.depth = 0
        self.sweeps: Any = None

    def input(self, value: Any, name: str) -> Node:
        """Add an input of the graph."""
        return self.append(None, (), {"name": name}, value, None, 0)

    def append(
        self,
        fn: Any,
        args: tuple[Any, ...],
        params: dict[str, Any],
        value: Any,
        code: CodeType | None,
        lasti: int,
    ) -> Node:
        if self.closed:
            raise leaked(args, code, lasti)
        nodes = self.nodes
        node = self.node_type(fn, args, params, value, len(nodes), self, code, lasti)
        nodes.append(node)
        return node

    def record(
        self, fn: Any, args: tuple[Any, ...], params: dict[str, Any] = NO_PARAMS, depth: int = 1
    ) -> Node:
        """Evaluate fn and add the node to the tape; the user is ``depth`` frames up."""
        code, lasti = self.origin or user_code(depth + 1)
        values = []
        for a in args:
            if isinstance(a, Node):
                if a.tape is not self:
                    raise leaked((a,) if a.tape.closed else args, code, lasti)
                values.append(a.value)
            else:
                if type(a) is np.ndarray:
                    self.hold(a)
                values.append(a)
        try:
            value = self._evaluate(fn, values, params)
        except (ValueError, np.linalg.LinAlgError) as error:
            raise evaluation_error(fn, values, error, code, lasti) from error
        return self.append(fn, args, params, value, code, lasti)

    @contextlib.contextmanager
    def sweeping(self) -> Iterator[None]:
        """What is recorded now are derivatives, and comes from the line that asks for them."""
        before, self.origin = self.origin, self.origin or user_code(3)
        try:
            yield
        finally:
            self.origin = before

    def _evaluate(self, fn: Any, values: Sequence[Any], params: dict[str, Any]) -> Any:
        try:
            return fn.value(*values, **params)
        except np.linalg.LinAlgError:
            if len(self.free) < 2:
                raise
            # The branch that is not taken is traced too, perhaps because a matrix is singular:
            # there any value of the right shape will do.
            return fn.value(*map(_regular, values), **params)

    def hold(self, array: np.ndarray) -> None:
        """Make a constant of the graph read-only until the trace ends.

        The backward pass reads it again; changing it in between would silently give a wrong
        derivative, so NumPy is made to refuse the change. Memory that another library lends (a
        tensor of PyTorch, what MINPACK gives to a callback) could not be made writable again.
        """
        target: Any = array
        while isinstance(target, np.ndarray):
            if target.flags.writeable and _is_restorable(target):
                target.flags.writeable = False
                self.held.append(target)
            target = target.base

    def own(self) -> None:
        """Give the nodes copies of what is only held, for sweeps after the trace has ended."""
        held = {id(array) for array in self.held}
        copies: dict[int, np.ndarray] = {}

        def owned(x: Any) -> Any:
            base = x
            while isinstance(base, np.ndarray):
                if id(base) in held:
                    return copies.setdefault(id(x), np.array(x))
                base = base.base
            return x

        for node in self.nodes:
            node.value = owned(node.value)
            if any(type(a) is np.ndarray for a in node.args):
                node.args = tuple(owned(a) for a in node.args)

    def close(self) -> None:
        """End the trace: constants become writable again and the list of nodes is let go."""
        self.closed = True
        for array in sorted(self.held, key=_view_depth):  # a view only after its base
            array.flags.writeable = True
        self.held = []
        self.nodes = []


def _regular(x: Any) -> Any:
    """A unit matrix in place of a square one."""
    if np.ndim(x) < 2 or x.shape[-1] != x.shape[-2]:
        return x
    return np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape)


def _is_restorable(array: np.ndarray) -> bool:
    """Whether NumPy would make it writable again, once it is read-only."""
    if array.flags.owndata or isinstance(array.base, np.ndarray):
        return True
    try:
        return not memoryview(array.base).readonly  # type: ignore[arg-type]
    except TypeError:  # there is no base, or none that tells
        return False


def _view_depth(array: np.ndarray) -> int:
    depth, base = 0, array.base
    while isinstance(base, np.ndarray):
        depth, base = depth + 1, base.base
    return depth


def user_code(depth: int) -> tuple[CodeType, int]:
    """The code and instruction of the user's nearest frame, from ``depth`` frames up."""
    frame = _frame(depth)
    while True:
        code = frame.f_code
        internal = _is_internal.get(code.co_filename)
        if internal is None:
            internal = code.co_filename.startswith(_PACKAGES)
            _is_internal[code.co_filename] = internal
        if not internal:
            return code, frame.f_lasti
        if frame.f_back is None:
            return code, frame.f_lasti
        frame = frame.f_back


def is_users(code: CodeType) -> bool:
    """Is this the user's code, not that of NumPy, of what is beside it, or the library's own?"""
    return not code.co_filename.startswith(_PACKAGES)


def leaked(args: Sequence[Any], code: CodeType | None, lasti: int) -> LeakedTraceError:
    """The error for using a traced value whose trace has ended."""
    made = next((a for a in args if isinstance(a, Node) and a.tape.closed), None)
    where = f" (made at {made.line})" if made is not None and made.line else ""
    return LeakedTraceError(
        "a traced value is used after the function that made it has returned",
        got=f"a value of '{made.name}'{where}" if made is not None else "a traced value",
        line=code_line(code, lasti),
        remedy="return the value from the function (has_aux=True hands out extra results) "
        "instead of storing it in a global, a closure or an attribute; its .value is plain",
    )


def evaluation_error(
    fn: Any, values: Sequence[Any], error: Exception, code: CodeType | None, lasti: int
) -> Exception:
    """NumPy's complaint about shapes or singular matrices, with the function and the line."""
    if isinstance(error, ShapeError):
        return error
    shapes = ", ".join(str(np.shape(v)) for v in values)
    if isinstance(error, np.linalg.LinAlgError):
        return np.linalg.LinAlgError(f"{fn.name}: {error}\n  at:       {code_line(code, lasti)}")
    if "read-only" in str(error):
        return error
    return ShapeError(
        f"{fn.name}: {error}",
        got=f"shapes {shapes}",
        line=code_line(code, lasti),
        remedy="print the arguments' .shape on that line; reshape or transpose one of them",
    )


def predecessors(node: Node) -> Iterator[tuple[int, Node]]:
    """The arguments of a node that are nodes, with their positions."""
    for position, a in enumerate(node.args):
        if isinstance(a, Node):
            yield position, a


class Graph:
    """A computation read off a tape: inputs, nodes in topological order, outputs.

    The nodes are copies with positions of their own, so a graph outlives its trace and never
    changes. What does not depend on an input is a constant in the arguments of the nodes.

    Args:
        inputs: the nodes of a tape that become the inputs.
        outputs: the results, in a flat order: nodes, or plain values that are constant.
        structure: what puts the outputs together again (it has ``unflatten``); None for one.
        names: nodes on the way that shall be known by a name.

    Attributes:
        inputs, nodes, outputs: tuples; ``nodes`` begins with the inputs, ``node.index`` is the
            position of a node in it.
        names: those of the named nodes that lead to an output.

    >>> tape = Tape(Node)
    >>> x = tape.input(np.float64(3.0), "x")
    >>> from chainrule.elementary.arithmetic import square
    >>> graph = Graph([x], [square(x)])
    >>> print(graph)
    graph of 1 input, 1 step
      %0 = input x
      %1 = square(%0)
      return %1
    >>> print(graph(5.0))
    25.0
    """

    __slots__ = ("inputs", "names", "nodes", "outputs", "structure")

    def __init__(
        self,
        inputs: Sequence[Node],
        outputs: Sequence[Any],
        structure: Any = None,
        names: Mapping[str, Any] | None = None,
    ) -> None:
        tape = Tape(Node)
        copies: dict[Node, Any] = {}
        # A running trace makes the user's arrays read-only, but only for a while.
        held = {id(array) for t in {node.tape for node in inputs} for array in t.held}
        frozen = Frozen(held)
        for node in inputs:
            value = frozen(node.value)
            copies[node] = tape.append(None, (), {"name": node.name}, value, None, 0)
        for node in _ancestors(outputs, copies):
            if any(isinstance(a, Node) and isinstance(copies[a], Node) for a in node.args):
                args = tuple([copies[a] if isinstance(a, Node) else frozen(a) for a in node.args])
                copies[node] = tape.append(
                    node.fn, args, node.params, node.value, node.code, node.lasti
                )
            else:
                copies[node] = frozen(node.value)
        tape.closed = True
        self.nodes = tuple(tape.nodes)
        self.inputs = self.nodes[: len(inputs)]
        self.outputs = tuple(copies[y] if isinstance(y, Node) else frozen(y) for y in outputs)
        self.structure = structure
        known = {name: copies.get(x) for name, x in (names or {}).items() if isinstance(x, Node)}
        self.names = {name: x for name, x in known.items() if isinstance(x, Node)}

    def walk(self, *, backward: bool = False) -> Iterator[Node]:
        """The nodes in topological order, or from the outputs back to the inputs."""
        return iter(reversed(self.nodes) if backward else self.nodes)

    def users(self) -> list[list[Node]]:
        """For each node those that read it, once each, in order."""
        found: list[list[Node]] = [[] for _ in self.nodes]
        for node in self.nodes:
            for index in sorted({a.index for _, a in predecessors(node)}):
                found[index].append(node)
        return found

    def evaluate(self, values: Sequence[Any]) -> list[Any]:
        """The value of every node at new values of the inputs, by the records' ``value``.

        Raises:
            ShapeError: the number or the shapes of the inputs differ from the traced ones, which
                the steps rely on.
        """
        if len(values) != len(self.inputs):
            raise ShapeError(
                "the graph has another number of inputs",
                got=f"{len(values)} values for {len(self.inputs)} inputs",
                remedy=f"pass {', '.join(n.name for n in self.inputs)}",
            )
        results = [_like(x, node) for x, node in zip(values, self.inputs, strict=True)]
        for node in self.nodes[len(results) :]:
            args = [results[a.index] if isinstance(a, Node) else a for a in node.args]
            try:
                results.append(node.fn.value(*args, **node.params))
            except (ValueError, np.linalg.LinAlgError) as error:
                raise evaluation_error(node.fn, args, error, node.code, node.lasti) from error
        return results

    def run(self, values: Sequence[Any]) -> list[Any]:
        """The outputs in their flat order at new values of the inputs."""
        results = self.evaluate(values)
        return [results[y.index] if isinstance(y, Node) else y for y in self.outputs]

    def __call__(self, *values: Any) -> Any:
        """The outputs at new values of the inputs. Branches stay as they were traced."""
        return self.unflatten(self.run(values))

    def unflatten(self, outputs: Sequence[Any]) -> Any:
        return outputs[0] if self.structure is None else self.structure.unflatten(outputs)

    def validate(self) -> None:
        """Check that positions, order and membership are right.

        Raises:
            ValueError: naming the node that breaks the order.
        """
        for position, node in enumerate(self.nodes):
            if node.index != position or (node.fn is None) != (position < len(self.inputs)):
                raise ValueError(f"node {position} ({node.name}) is out of place")
            for _, a in predecessors(node):
                if a.index >= position or self.nodes[a.index] is not a:
                    raise ValueError(f"node {position} ({node.name}) reads what is not before it")
        for y in self.outputs:
            if isinstance(y, Node) and (y.index >= len(self) or self.nodes[y.index] is not y):
                raise ValueError(f"the output {y.name} is not a node of the graph")

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"<{self._words()}>"

    def _words(self) -> str:
        steps = len(self.nodes) - len(self.inputs)
        return (
            f"graph of {len(self.inputs)} input{'s' * (len(self.inputs) != 1)}, "
            f"{steps} step{'s' * (steps != 1)}"
        )

    def __str__(self) -> str:
        lines = [self._words()]
        for node in self.nodes:
            words = [_word(a) for a in node.args]
            words += [f"{key}={value!r}" for key, value in node.params.items()]
            call = f"input {node.name}" if node.fn is None else f"{node.name}({', '.join(words)})"
            lines.append(f"  %{node.index} = {call}")
        lines.append(f"  return {', '.join(_word(y) for y in self.outputs)}")
        return "\n".join(lines)


def _ancestors(outputs: Sequence[Any], known: dict[Node, Any]) -> list[Node]:
    """Every node that leads to an output, without the known ones, in the order of the tape."""
    found: set[Node] = set()
    waiting = [y for y in outputs if isinstance(y, Node) and y not in known]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [
                a for a in node.args if isinstance(a, Node) and a not in known and a not in found
            ]
    return sorted(found, key=lambda node: node.index)


def _like(x: Any, node: Node) -> Any:
    """A new value for an input, in its dtype."""
    value = np.asarray(x, node.value.dtype)
    if value.shape != np.shape(node.value):
        raise ShapeError(
            f"'{node.name}' has another shape than when the graph was traced",
            got=f"shape {value.shape} instead of {np.shape(node.value)}",
            remedy="trace the function again with arguments of the new shape",
        )
    return value if isinstance(node.value, np.ndarray) else value[()]


def _word(x: Any) -> str:
    """A constant or the number of a node, for one line of text."""
    if isinstance(x, Node):
        return f"%{x.index}"
    return f"<array {x.shape}>" if isinstance(x, np.ndarray) and x.ndim else f"{x}"
