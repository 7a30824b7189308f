"""The library's frozen dataclasses are those of the standard library in all that they do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import KW_ONLY, field
from typing import Any, ClassVar

import pytest

import chainrule as cr
from chainrule import records

Decorator = Callable[..., Any]


def family(dataclass: Decorator) -> dict[str, Any]:
    """Classes that use what a dataclass can do, made by one decorator or the other."""

    @dataclass(frozen=True)
    class Empty:
        """No field."""

    @dataclass(frozen=True, kw_only=True)
    class Base:
        """With a name."""

        name: str | None = None
        kind: ClassVar[int] = 3

    @dataclass(frozen=True)
    class Child(Base):
        """Fields before those of the base, and a check."""

        units: int
        scale: float = 1.0
        many: list[int] = field(default_factory=list, hash=False)

        def __post_init__(self) -> None:
            if self.units < 0:
                raise ValueError("negative")
            object.__setattr__(self, "scale", float(self.scale))

    @dataclass(frozen=True)
    class Other(Child):
        """Another default, and fields that do not count."""

        scale: float = 2.0
        note: Any = field(default=None, compare=False)
        memo: Any = field(default=0, repr=False)
        _: KW_ONLY
        made: int = field(default=7, init=False)
        last: int = 5

    @dataclass(frozen=True)
    class Own(Base):
        """Methods of its own."""

        x: float = 0.0

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own)

        def __hash__(self) -> int:
            return 1

    @dataclass(frozen=True, eq=False)
    class Same(Base):
        """Equal to itself alone."""

        x: float = 0.0

    class Plain(Child):
        """No dataclass itself."""

        extra = 1

    names = (Empty, Base, Child, Other, Own, Same, Plain)
    return {c.__name__: c for c in names}


MADE = {"own": family(records.dataclass), "standard": family(dataclasses.dataclass)}
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Empty", (), {}),
    ("Empty", (1,), {}),
    ("Base", (), {}),
    ("Base", ("n",), {}),
    ("Base", (), {"name": "n"}),
    ("Child", (), {}),
    ("Child", (2,), {}),
    ("Child", (2, 3), {"name": "n"}),
    ("Child", (2, 3, [4]), {}),
    ("Child", (-2,), {}),
    ("Child", (2,), {"unit": 3}),
    ("Child", (2,), {"units": 3}),
    ("Other", (2,), {}),
    ("Other", (2, 3, [4], "note", "memo"), {"last": 6}),
    ("Other", (2,), {"made": 6}),
    ("Own", (1.0,), {}),
    ("Same", (1.0,), {}),
    ("Plain", (1, 2.0), {}),
]


def said(make: Callable[[], Any]) -> Any:
    """What comes out, or the error, as text; the functions' names are of this file in both."""
    try:
        return repr(make())
    except Exception as error:
        return type(error), str(error)


def both(of: Callable[[dict[str, Any]], Any]) -> None:
    assert said(lambda: of(MADE["own"])) == said(lambda: of(MADE["standard"]))


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_making_one(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    both(lambda of: of[name](*args, **kwargs))
    both(lambda of: vars(of[name](*args, **kwargs)))
    both(lambda of: copy.deepcopy(of[name](*args, **kwargs)))


@pytest.mark.parametrize("name", MADE["own"])
def test_what_a_class_says_of_itself(name: str) -> None:
    both(lambda of: inspect.signature(of[name]))
    both(lambda of: of[name].__match_args__)
    both(lambda of: of[name].__init__.__qualname__)
    both(lambda of: [(f.name, f.type, f.kw_only) for f in dataclasses.fields(of[name])])
    both(lambda of: sorted(k for k in vars(of[name]) if not k.startswith("__")))
    assert dataclasses.is_dataclass(MADE["own"][name])


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_equality_and_hashes(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    def made(of: dict[str, Any]) -> Any:
        return of[name](*args, **kwargs)

    both(lambda of: made(of) == made(of))
    both(lambda of: made(of) != made(of))
    both(lambda of: made(of) == 3)
    both(lambda of: made(of) == of["Child"](2))
    if name != "Same":
        both(lambda of: hash(made(of)))


def test_fields_that_do_not_count() -> None:
    both(lambda of: of["Other"](2, note=1) == of["Other"](2, note=2))
    both(lambda of: of["Other"](2, memo=1) == of["Other"](2, memo=2))
    both(lambda of: hash(of["Child"](2, many=[1])) == hash(of["Child"](2, many=[2])))
    both(lambda of: hash(of["Base"](name=[])))  # a value without a hash


@pytest.mark.parametrize("attribute", ["units", "other"])
@pytest.mark.parametrize("name", ["Child", "Other", "Plain"])
def test_nothing_can_be_changed(name: str, attribute: str) -> None:
    def changed(of: dict[str, Any]) -> Any:
        record = of[name](2)
        setattr(record, attribute, 5)
        return vars(record)

    def deleted(of: dict[str, Any]) -> Any:
        record = of[name](2)
        delattr(record, attribute)
        return vars(record)

    both(changed)
    both(deleted)


def test_replacing() -> None:
    both(lambda of: dataclasses.replace(of["Other"](2), units=3, name="n"))
    both(lambda of: dataclasses.replace(of["Other"](2), made=3))
    both(lambda of: dataclasses.replace(of["Child"](2), units=-3))
    both(lambda of: dataclasses.asdict(of["Other"](2)))


def test_the_standard_decorator_goes_on_from_one() -> None:
    def extended(of: dict[str, Any]) -> Any:
        @dataclasses.dataclass(frozen=True)
        class Mine(of["Other"]):  # type: ignore[misc]
            extra: str = "e"

        mine = Mine(1, extra="f", name="n")
        assert mine == Mine(1, extra="f", name="n")
        return mine, hash(mine), inspect.signature(Mine)

    both(extended)


def test_one_that_holds_itself() -> None:
    def nested(of: dict[str, Any]) -> Any:
        record = of["Child"](1)
        record.many.append(record)
        return record

    both(nested)


def test_patterns() -> None:
    def matched(of: dict[str, Any]) -> Any:
        child = of["Child"]
        match child(2, 3.0):
            case child(units, scale):
                return units, scale

    both(matched)


def test_pickles() -> None:
    layer = cr.nn.Dense(3, name="first")
    again = pickle.loads(pickle.dumps(layer))
    assert again == layer
    assert repr(again) == repr(layer)


def test_what_is_not_frozen_is_the_standard_one() -> None:
    @records.dataclass
    class Mutable:
        x: int = 1

    made = Mutable()
    made.x = 2
    assert made == Mutable(2)
