"""A trained model together with the encoder of its table: from rows of a table to predictions."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.encode import Encoder
from chainrule.data.frames import as_table
from chainrule.data.table import Column, Table, listed
from chainrule.data.target import Target
from chainrule.errors import DataError, ModelFileError
from chainrule.nn.metrics import evaluate
from chainrule.records import dataclass
from chainrule.train.model import Model
from chainrule.train.saving import load
from chainrule.train.tabular.study import Scores

KIND = "table"


@dataclass(frozen=True)
class TableModel:
    """A network, and how a table's columns become its inputs and its outputs a prediction.

    Tables may be data frames of pandas, Polars or PyArrow too.

    Attributes:
        model: the network; its outputs are logits, or a standardised number.
        encoder: what was learnt of the columns in training.
        target: what is predicted.

    >>> import tempfile, os
    >>> from chainrule.data import read_text
    >>> from chainrule.train.tabular import Settings, prepare, train_models
    >>> rows = "".join(f"{x},{'yes' if x > 9 else 'no'}\\n" for x in range(20))
    >>> study = prepare(read_text("x,y\\n" + rows), Settings("y", layers=(), epochs=50))
    >>> [trained] = train_models(study)
    >>> model = TableModel(trained.model, study.encoder, study.target)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     model.save(path)
    ...     again = TableModel.load(path)
    >>> again.predict(read_text("x\\n2\\n19\\n"))["y"]
    ('no', 'yes')
    """

    model: Model
    encoder: Encoder
    target: Target

    def outputs(self, table: Table | Any) -> NDArray[np.float64]:
        """What the network gives for each row, shape (rows, outputs).

        Raises:
            DataError: a column is missing, or holds text where numbers were trained on.
        """
        table = as_table(table)
        missing = [c.name for c in self.encoder.inputs if c.name not in table.cells]
        if missing:
            raise DataError(
                f"{table.source} lacks columns that the model was trained on",
                got=f"no {listed(missing)} among {listed(table.names)}",
                remedy="give a table with the same columns, in any order",
            )
        return np.asarray(self.model.predict(self.encoder.transform(table), batch_size=1024))

    def evaluate(self, table: Table | Any) -> Scores:
        """Loss and metrics on a table that has the target.

        Raises:
            DataError: a column or a target is missing, or a class is not known.
        """
        table = as_table(table)
        absent = np.flatnonzero(table.missing(self.target.name))
        if len(absent):
            raise DataError(
                "a model is evaluated on rows that have the target",
                got=f"{len(absent)} of {len(table)} rows without {self.target.name}",
                line=f"{table.source}:{table.lines[int(absent[0])]}",
                remedy="leave these rows out, or predict for them",
            )
        y = self.target.encode(self.target.values(table))
        return evaluate(self.target.kind, self.outputs(table), y, scale=self.target.std)

    def probabilities(self, table: Table | Any) -> NDArray[np.float64]:
        """The probability of each class, shape (rows, classes).

        Raises:
            DataError: the target is a number.
        """
        if not self.target.classes:
            raise DataError(
                "there are probabilities for classes only",
                got=f"{self.target.name}, which is a number",
                remedy="use predict",
            )
        return probabilities(self.target.kind, self.outputs(table))

    def predict(self, table: Table | Any) -> dict[str, Column]:
        """The prediction of each row under the target's name, and each class's probability.

        Returns:
            Columns: the class as text and ``p(class)`` for each; or the number.
        """
        outputs = self.outputs(table)
        if not self.target.classes:
            return {self.target.name: outputs[:, 0] * self.target.std + self.target.mean}
        p, classes = probabilities(self.target.kind, outputs), self.target.classes
        columns: dict[str, Column] = {
            self.target.name: tuple(classes[k] for k in np.argmax(p, axis=1))
        }
        return columns | {f"p({name})": p[:, k] for k, name in enumerate(classes)}

    # Files -----------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all of it to one safetensors file."""
        self.model.preprocessing = {
            "kind": KIND,
            "encoder": self.encoder.describe(),
            "target": asdict(self.target),
        }
        self.model.save(path, include_optimizer=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """A model from a file, or from the folder that a training wrote.

        Raises:
            ModelFileError: no such file, a damaged one, or a model that was not trained on a table.
        """
        place = Path(path)
        if place.is_dir():
            place = place / "model.safetensors"
        model = load(place)
        content: Any = model.preprocessing
        if not isinstance(content, dict) or content.get("kind") != KIND:
            raise ModelFileError(
                f"{place} holds a model that was not trained on a table",
                got="a network without the encoding of columns",
                remedy="use cr.load and model.predict, or a model of `chainrule train`",
            )
        try:
            target = content["target"]
            return cls(
                model,
                Encoder.restored(content["encoder"]),
                Target(
                    str(target["name"]), target["kind"], tuple(map(str, target["classes"])),
                    float(target["mean"]), float(target["std"]),
                ),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{place} is not a whole model file",
                got=f"an encoding of columns that cannot be read: {error!r}",
                remedy="use a file that `chainrule train` has written",
            ) from None


def probabilities(kind: str, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability of each class from a network's logits, shape (rows, classes)."""
    if kind == "binary":
        with np.errstate(over="ignore"):
            p = 1.0 / (1.0 + np.exp(-outputs[:, 0]))
        return np.stack([1.0 - p, p], axis=1)
    e = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


__all__ = ["TableModel", "probabilities"]
