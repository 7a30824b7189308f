"""Frozen dataclasses that cost little to define.

The standard decorator writes and compiles six methods for each class, which takes half a
millisecond, and a training begins with some 130 classes, of which it uses few. Here no code is
written: the methods are the same functions for all classes and look the fields up.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import reprlib
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass  # it is the same to whoever reads a class
else:

    def dataclass(
        cls: Any = None, /, *, frozen: bool = False, kw_only: bool = False, eq: bool = True
    ) -> Any:
        """What the standard decorator makes with the same arguments, in a tenth of the time.

        >>> @dataclass(frozen=True)
        ... class Point:
        ...     x: float
        ...     y: float = 0.0
        >>> Point(1.0), Point(1.0) == Point(1.0, 0.0), dataclasses.replace(Point(1.0), y=2.0)
        (Point(x=1.0, y=0.0), True, Point(x=1.0, y=2.0))
        >>> Point(1.0).x = 2.0
        Traceback (most recent call last):
        dataclasses.FrozenInstanceError: cannot assign to field 'x'
        """
        if not frozen:
            return dataclasses.dataclass(cls, kw_only=kw_only, eq=eq)
        return functools.partial(_frozen, kw_only=kw_only, eq=eq)


def _frozen(cls: Any, kw_only: bool, eq: bool) -> Any:
    """The class, with its fields and methods."""
    own = inspect.get_annotations(cls)
    given = {name: cls.__dict__[name] for name in own if name in cls.__dict__}
    # The standard library says what is a field, on a class that has nothing else.
    alone: Any = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(
        _bare(cls, own, given)
    )
    fields: dict[str, Field[Any]] = {}
    for base in reversed(cls.__mro__[1:]):
        fields |= getattr(base, "__dataclass_fields__", {})
    fields |= alone.__dataclass_fields__
    for name, value in given.items():
        if isinstance(value, Field):
            if name in vars(alone):
                setattr(cls, name, vars(alone)[name])
            else:
                delattr(cls, name)
    cls.__dataclass_fields__ = fields
    cls.__dataclass_params__ = _Frozen.__dataclass_params__  # type: ignore[attr-defined]
    positional = tuple(f.name for f in fields.values() if f.init and not f.kw_only)
    methods = {"__init__": _init(cls), "__signature__": _Signature(), "__repr__": _repr,
               "__setattr__": _set, "__delattr__": _delete, "__replace__": dataclasses.replace,
               "__match_args__": positional}  # fmt: skip
    if eq:
        methods |= {"__eq__": _equal, "__hash__": _hash}
    for name, method in methods.items():
        if cls.__dict__.get(name) is None:
            setattr(cls, name, method)
    return cls


def _bare(cls: type, annotations: Any, values: Any) -> type:
    """A class of the same name with these fields; without a docstring it would be given one."""
    names = {"__module__": cls.__module__, "__doc__": "_", "__annotations__": annotations}
    return type(cls.__name__, (), names | values)


@dataclasses.dataclass(frozen=True)
class _Frozen:
    """What a frozen dataclass tells the standard decorator when that is given a subclass."""


def _init(cls: Any) -> Callable[..., None]:
    """An ``__init__`` that sets the fields, and calls ``__post_init__`` where there is one."""

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        names, defaults, required, made = _parameters(cls)
        values = defaults | dict(zip(names, args, strict=False)) | kwargs
        if (
            len(args) > len(names)
            or len(values) > len(defaults)
            or not kwargs.keys().isdisjoint(names[: len(args)])
            or not kwargs.keys() >= required.difference(names[: len(args)])
        ):
            _refuse(cls, args, kwargs, defaults)
        for name, make in made:
            if values.get(name, MISSING) is MISSING:
                values[name] = make()
        vars(self).update(values)
        if hasattr(self, "__post_init__"):
            self.__post_init__()

    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    return __init__


def _refuse(cls: Any, args: Any, kwargs: Any, known: Any) -> None:
    """Say what is wrong with the arguments, as Python does, or what a setting is called here."""
    unknown = next((name for name in kwargs if name not in known), None)
    if unknown is not None and cls.__module__.startswith(("chainrule.nn.", "chainrule.optim.")):
        from chainrule.elsewhere import unexpected

        raise unexpected(cls, unknown)
    _standard(cls)(*args, **kwargs)


@functools.cache
def _parameters(cls: Any) -> tuple[tuple[str, ...], dict[str, Any], frozenset[str], Any]:
    """The names that go by position, all with their defaults, the required, the factories."""
    fields = dataclasses.fields(cls)
    given = [f for f in fields if f.init]
    return (
        tuple(f.name for f in given if not f.kw_only),
        {f.name: f.default for f in given},
        frozenset(f.name for f in given if f.default is f.default_factory),  # both are missing
        tuple((f.name, f.default_factory) for f in fields if f.default_factory is not MISSING),
    )


@functools.cache
def _standard(cls: Any) -> Any:
    """What the standard decorator makes of the same fields, for its signature and its errors."""
    options = ("default", "default_factory", "init", "kw_only")
    fields = [
        (f.name, f.type, dataclasses.field(**{name: getattr(f, name) for name in options}))
        for f in dataclasses.fields(cls)
    ]
    return dataclasses.make_dataclass(
        cls.__name__, fields, namespace={"__qualname__": cls.__qualname__}
    )


class _Signature:
    """The signature of a class, made when it is asked for."""

    def __get__(self, record: Any, cls: Any) -> inspect.Signature:
        maker = next(c for c in cls.__mro__ if "__init__" in c.__dict__)
        if record is not None or "__signature__" not in maker.__dict__:  # it has its own __init__
            raise AttributeError("__signature__")
        return inspect.signature(_standard(cls))


@reprlib.recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _equal(self: Any, other: Any) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    kind: Any = type(self)
    names = _compared(kind)
    return _values(self, names) == _values(other, names)


def _hash(self: Any) -> int:
    kind: Any = type(self)
    return hash(_values(self, _hashed(kind)))


def _values(self: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in names])


@functools.cache
def _compared(cls: Any) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(cls) if f.compare)


@functools.cache
def _hashed(cls: Any) -> tuple[str, ...]:
    fields = dataclasses.fields(cls)
    return tuple(f.name for f in fields if (f.compare if f.hash is None else f.hash))


_HINTS = {  # what Keras assigns
    "trainable": "; cr.nn.Frozen(layer) keeps its parameters as they are",
    "learning_rate": "; model.learning_rate = … is the rate of a model's next steps",
}


def _set(self: Any, name: str, value: Any) -> None:
    if _held(self, name):
        raise FrozenInstanceError(f"cannot assign to field {name!r}{_HINTS.get(name, '')}")
    object.__setattr__(self, name, value)


def _delete(self: Any, name: str) -> None:
    if _held(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")
    object.__delattr__(self, name)


def _held(self: Any, name: str) -> bool:
    """Is it a field, or an attribute of a record that is no more than its fields?"""
    return "__dataclass_fields__" in type(self).__dict__ or name in self.__dataclass_fields__


__all__ = ["dataclass"]
