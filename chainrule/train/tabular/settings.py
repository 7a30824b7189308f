"""All that a training on a table depends on, and its TOML file."""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from chainrule.data.table import nearest
from chainrule.errors import ArgumentError
from chainrule.nn.activations import ACTIVATIONS
from chainrule.optim.names import OPTIMIZERS
from chainrule.records import dataclass

SCHEDULES = (
    "constant", "step", "exponential", "linear", "cosine", "warmup-cosine", "one-cycle", "plateau",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What a training run depends on, beside the table. The same settings give the same result.

    Attributes:
        target: the column to predict.
        data: the file or the bundled data set, for a run that shall be repeated from its settings.
        encoding: how the file spells its characters.
        task: "auto", "classification" or "regression".
        numeric, categorical, drop: columns to read as numbers, as categories, to leave out.
        test_size: the share of the rows to hold out.
        layers: units in each hidden layer; none trains the linear model only.
        activation: of the hidden layers.
        batch_norm: normalise each hidden layer's outputs over the batch, before the activation.
        dropout: the share of each hidden layer's outputs that a step leaves out.
        optimizer: its name.
        learning_rate: None for the optimizer's own; for sgd one that the data allow.
        schedule: how the rate changes over the epochs.
        weight_decay: λ of the penalty ½λ‖w‖² on the kernels.
        clip_norm: the largest norm of a gradient; None for any.
        batch_size: rows in a step.
        batch_growth: the factor by which the batch size grows every ``growth_every`` epochs.
        growth_every: epochs between two growths.
        epochs: passes over the training rows.
        early_stopping: stop after so many epochs without a better validation loss; None for never.
        validation_size: the share of the training rows that early stopping, the plateau schedule
            and restarts judge by; 0 for none.
        restarts: networks that are trained from different starts; the best is kept.
        class_weight: "none", "balanced", or {class: weight}.
        seed: the start of all random numbers.

    Raises:
        ArgumentError: one is out of range; its name, what it was, and the option are told.
    """

    target: str = ""
    data: str = ""
    encoding: str = "utf-8"
    task: str = "auto"
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    test_size: float = 0.25
    layers: tuple[int, ...] = (16,)
    activation: str = "relu"
    batch_norm: bool = False
    dropout: float = 0.0
    optimizer: str = "sgd"
    learning_rate: float | None = None
    schedule: str = "constant"
    weight_decay: float = 0.03
    clip_norm: float | None = None
    batch_size: int = 32
    batch_growth: float = 1.0
    growth_every: int = 10
    epochs: int = 100
    early_stopping: int | None = None
    validation_size: float | None = None
    restarts: int = 1
    class_weight: str | Mapping[str, float] = "none"
    seed: int = 0

    @property
    def validation_share(self) -> float:
        """The share of the training rows to validate on: 0.2 where something judges by it."""
        if self.validation_size is not None:
            return self.validation_size
        judges = self.early_stopping is not None or self.schedule == "plateau" or self.restarts > 1
        return 0.2 if judges else 0.0

    def __post_init__(self) -> None:
        for name, low, high, remedy in _RANGES:
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and low <= value <= high):
                raise _wrong(name, value, f"a number from {low:g} to {high:g}", remedy)
        for name in ("layers", "batch_size", "epochs", "restarts", "growth_every", "seed"):
            values = getattr(self, name) if name == "layers" else (getattr(self, name),)
            least = 0 if name == "seed" else 1
            if any(not isinstance(v, int) or isinstance(v, bool) or v < least for v in values):
                raise _wrong(name, getattr(self, name), f"a whole number of {least} or more", "")
        rate = self.learning_rate
        if rate is not None and not 0.0 < rate < math.inf:
            raise _wrong("learning_rate", rate, "a positive number", "choose one such as 0.1")
        choices = {
            "optimizer": tuple(OPTIMIZERS), "schedule": SCHEDULES, "activation": _ACTIVATIONS,
            "task": ("auto", "classification", "regression"),
        }  # fmt: skip
        for name, allowed in choices.items():
            value = getattr(self, name)
            if value not in allowed:
                near = nearest(str(value), allowed)
                remedy = f"{near} " if near else ""
                raise _wrong(name, value, f"one of {', '.join(allowed)}", remedy.strip())
        needs = self.early_stopping is not None or self.schedule == "plateau"
        if needs and not self.validation_share:
            raise _wrong(
                "validation_size", self.validation_size,
                "above 0 with early stopping or the plateau schedule, which judge by those rows",
                "choose one such as 0.2",
            )  # fmt: skip

    # The TOML file ---------------------------------------------------------------------------

    def to_toml(self) -> str:
        """The settings as a TOML file; `read_toml` gives them back.

        >>> print(Settings("price", "houses.csv", layers=(32, 16)).to_toml()[:37])
        target = "price"
        data = "houses.csv"
        """
        lines = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                lines.append(f"# {field.name} = not set")
            else:
                lines.append(f"{field.name} = {_toml(value)}")
        return "\n".join(lines) + "\n"

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], source: str = "the settings") -> Settings:
        """Settings from names and values; the others have their defaults.

        Raises:
            ArgumentError: a key that does not exist, or a value of another type.
        """
        known = {field.name: field for field in fields(cls)}
        values: dict[str, Any] = {}
        for key, value in content.items():
            name = key.replace("-", "_")
            if name not in known:
                raise ArgumentError(
                    f"{source} has a key that is no setting",
                    got=f"{key} = {value!r}",
                    remedy=nearest(name, list(known)) or f"the settings are {', '.join(known)}",
                )
            values[name] = _typed(name, value, source)
        return cls(**values)


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The names and values in a TOML file, checked to be settings.

    Raises:
        ArgumentError: the file is missing, is not TOML, or holds something that is no setting.
    """
    source = os.fspath(path)
    try:
        with open(source, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ArgumentError(
            f"the settings in {source} cannot be read",
            got=error.strerror or type(error).__name__,
            remedy="name a TOML file, such as the settings.toml of an earlier run",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArgumentError(
            f"{source} is not a TOML file",
            got=str(error),
            remedy='write one setting a line, such as  target = "price"',
        ) from None
    settings = Settings.from_mapping(content, source)
    return {key.replace("-", "_"): getattr(settings, key.replace("-", "_")) for key in content}


# What values must be ---------------------------------------------------------------------------

_ACTIVATIONS = tuple(ACTIVATIONS)
_RANGES = (
    ("validation_size", 0.0, 0.9, "choose one such as 0.2"),
    ("dropout", 0.0, 0.95, "choose one such as 0.2"),
    ("weight_decay", 0.0, 1e6, "choose one such as 0.03, or 0 for none"),
    ("clip_norm", 1e-12, 1e12, "choose one such as 1, or leave it out"),
    ("batch_growth", 1.0, 100.0, "2 doubles the batch; 1 leaves it as it is"),
    ("early_stopping", 1, 10**6, "choose one such as 10, or leave it out"),
)
_NUMBERS = {
    "test_size", "dropout", "learning_rate", "weight_decay", "clip_norm", "batch_growth",
    "validation_size",
}  # fmt: skip
_WHOLE = {"batch_size", "growth_every", "epochs", "early_stopping", "restarts", "seed"}
_LISTS = {"numeric": str, "categorical": str, "drop": str, "layers": int}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrong(name: str, value: Any, must: str, remedy: str) -> ArgumentError:
    option = f"(command line: --{name.replace('_', '-')})"
    words = name.replace("_", " ")
    return ArgumentError(
        f"the setting {words} must be {must}",
        got=f"{name}={value!r}",
        remedy=f"{remedy} {option}".strip(),
    )


def _typed(name: str, value: Any, source: str) -> Any:
    """A value of a TOML file as the setting wants it."""
    kind, good = "a text", isinstance(value, str)
    if name in _NUMBERS:
        kind, good = "a number", _is_number(value)
        value = float(value) if good else value
    elif name in _WHOLE:
        kind, good = "a whole number", isinstance(value, int) and not isinstance(value, bool)
    elif name == "batch_norm":
        kind, good = "true or false", isinstance(value, bool)
    elif name in _LISTS:
        member = _LISTS[name]
        kind = f"a list of {'whole numbers' if member is int else 'texts'}"
        good = isinstance(value, (list, tuple)) and all(type(v) is member for v in value)
        value = tuple(value) if good else value
    elif name == "class_weight":
        kind = '"none", "balanced", or a table of numbers by class'
        if isinstance(value, Mapping):
            good = all(_is_number(v) for v in value.values())
            value = {str(k): float(v) for k, v in value.items()} if good else value
        else:
            good = value in ("none", "balanced")
    if not good:
        raise ArgumentError(
            f"the setting {name} in {source} is {kind}",
            got=f"{name} = {value!r}",
            remedy=f"write for example  {name} = {_EXAMPLES.get(name, _toml(_default(name)))}",
        )
    return value


_EXAMPLES = {
    "learning_rate": "0.01", "clip_norm": "1.0", "early_stopping": "10", "validation_size": "0.2",
    "numeric": '["age"]', "categorical": '["year"]', "drop": '["name"]', "target": '"price"',
    "data": '"houses.csv"', "class_weight": '"balanced"',
}  # fmt: skip


def _default(name: str) -> Any:
    return next(field.default for field in fields(Settings) if field.name == name)


def _toml(value: Any) -> str:
    """A value as TOML spells it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    return "[" + ", ".join(map(_toml, value)) + "]"


__all__ = ["SCHEDULES", "Settings", "read_toml"]
