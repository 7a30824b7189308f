"""The computational graph: immutable nodes on a tape, and the graph that is read off it.

A node is one application of an elementary function: the function, its arguments (other nodes or
constants), its static parameters, its value, and the user's line that made it. A tape lists the
nodes in the order in which they were made, which is a topological order. Derivatives are more
nodes on the same tape, so orders and modes nest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Any

import numpy as np

from chainrule.errors import LeakedTraceError, ShapeError, code_line

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_is_internal: dict[str, bool] = {}  # file name -> is it a file of this package?
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
        """The name of an input, the name of the function otherwise."""
        return self.params.get("name", "input") if self.fn is None else self.fn.name


class Tape:
    """The nodes of one trace in the order in which they were made.

    Nested traces share the tape of the outermost one: a node of an inner trace may use any node
    of an outer one, and what an inner derivative returns is again nodes of the outer function.
    """

    __slots__ = ("closed", "held", "node_type", "nodes")

    def __init__(self, node_type: type[Node]) -> None:
        self.node_type = node_type
        self.nodes: list[Node] = []
        self.held: list[np.ndarray] = []
        self.closed = False

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
        """Evaluate fn at the arguments' values and add the node; ``depth`` frames below the user."""
        code, lasti = user_code(depth + 1)
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
            value = fn.value(*values, **params)
        except (ValueError, np.linalg.LinAlgError) as error:
            raise evaluation_error(fn, values, error, code, lasti) from error
        return self.append(fn, args, params, value, code, lasti)

    def hold(self, array: np.ndarray) -> None:
        """Make a constant of the graph read-only until the trace ends.

        The backward pass reads it again; changing it in between would silently give a wrong
        derivative, so NumPy is made to refuse the change.
        """
        target: Any = array
        while isinstance(target, np.ndarray):
            if target.flags.writeable:
                target.flags.writeable = False
                self.held.append(target)
            target = target.base

    def close(self) -> None:
        """End the trace: constants become writable again and the list of nodes is let go."""
        self.closed = True
        for array in sorted(self.held, key=_view_depth):  # a view only after its base
            array.flags.writeable = True
        self.held = []
        self.nodes = []


def _view_depth(array: np.ndarray) -> int:
    depth, base = 0, array.base
    while isinstance(base, np.ndarray):
        depth, base = depth + 1, base.base
    return depth


def user_code(depth: int) -> tuple[CodeType, int]:
    """The code and instruction of the nearest frame outside chainrule, from ``depth`` frames up."""
    frame = _frame(depth)
    while True:
        code = frame.f_code
        internal = _is_internal.get(code.co_filename)
        if internal is None:
            internal = code.co_filename.startswith(_PACKAGE)
            _is_internal[code.co_filename] = internal
        if not internal:
            return code, frame.f_lasti
        if frame.f_back is None:
            return code, frame.f_lasti
        frame = frame.f_back


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
    """NumPy's complaint about shapes or singular matrices, with the function and the user's line."""
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
