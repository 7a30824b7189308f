"""The names that the user's variables give to traced values, seen while a function runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

from chainrule.graph import Node, is_users

MOST = 64  # members of a container that are named
_NO_ATTRIBUTES = (type, ModuleType, FunctionType)
_STANDARD = os.path.dirname(os.__file__) + os.sep
_INSTALLED = "site-packages"
_TREES = f"{os.sep}optree{os.sep}"


class Sighting(NamedTuple):
    """A variable that held a node.

    Attributes:
        node: the node.
        depth: how many of the user's functions lie between the traced one and this.
        name: of the variable, with its function's before it below the traced one: ``layer.z``.
    """

    node: Node
    depth: int
    name: str


class Watch:
    """While it is entered, notes which variables of the user's functions hold which nodes.

    It looks at the variables of each of the user's functions line by line, so that a variable that
    is assigned again in a loop is seen each time. A debugger or a coverage tool that watches too
    goes on doing so.

    Attributes:
        sightings: by the identity of the node, the outermost name that it had first.
    """

    def __init__(self) -> None:
        self.sightings: dict[int, Sighting] = {}
        self._before: Any = None
        self._base: FrameType | None = None

    def __enter__(self) -> Watch:
        self._before, self._base = sys.gettrace(), sys._getframe(1)
        sys.settrace(self._called)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before)
        self._base = None

    def _called(self, frame: FrameType, event: str, arg: Any) -> Any:
        before = self._before(frame, event, arg) if self._before is not None else None
        if not _is_looked_at(frame.f_code):
            return before
        depth, name = self._depth(frame), frame.f_code.co_name.strip("<>")
        inside = before

        def looked(frame: FrameType, event: str, arg: Any) -> Any:
            nonlocal inside
            if inside is not None:
                inside = inside(frame, event, arg)
            if event in ("line", "return"):
                for variable, value in frame.f_locals.items():
                    if variable[0] != ".":  # the hidden argument of a comprehension
                        self._note(value, depth, f"{name}.{variable}" if depth else variable)
            return looked

        return looked

    def _depth(self, frame: FrameType) -> int:
        """How many of the user's functions a frame stands below the traced one."""
        count, outer = 0, frame.f_back
        while outer is not None and outer is not self._base:
            count += _is_looked_at(outer.f_code)
            outer = outer.f_back
        return count

    def _note(self, value: Any, depth: int, name: str) -> None:
        for node, path in _nodes(value, name):
            known = self.sightings.get(id(node))
            if known is None or depth < known.depth:
                self.sightings[id(node)] = Sighting(node, depth, path)


def _is_looked_at(code: CodeType) -> bool:
    """Is this the user's code? Python's own, made by it, and that of trees have variables too."""
    name = code.co_filename
    standard = name.startswith((_STANDARD, "<frozen", "<string>")) and _INSTALLED not in name
    return is_users(code) and not standard and _TREES not in name


def _nodes(value: Any, name: str, inner: bool = True) -> Iterator[tuple[Node, str]]:
    """The nodes in a variable: itself, the members of a list, tuple or dict, its attributes."""
    if isinstance(value, Node):
        yield value, name
    elif type(value) in (list, tuple, dict) and inner and len(value) <= MOST:
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in members:
            yield from _nodes(member, f"{name}[{key!r}]", type(member) is not dict)
    elif inner and isinstance(getattr(value, "__dict__", None), dict) and not isinstance(
        value, _NO_ATTRIBUTES
    ):  # fmt: skip
        for key, member in list(value.__dict__.items())[:MOST]:
            if isinstance(member, Node):
                yield member, f"{name}.{key}"


def unique_names(sightings: list[Sighting], taken: set[str]) -> dict[str, Node]:
    """Each node by a name of its own: what is assigned again is ``x#2``, ``x#3``, …

    Args:
        sightings: the nodes; they are numbered in the order in which they were made.
        taken: names that others have.
    """
    found: dict[str, Node] = {}
    numbers = dict.fromkeys(taken, 1)  # how often each name was given
    for seen in sorted(sightings, key=lambda s: s.node.index):
        number = numbers[seen.name] = numbers.get(seen.name, 0) + 1
        found[seen.name if number == 1 else f"{seen.name}#{number}"] = seen.node
    return found
