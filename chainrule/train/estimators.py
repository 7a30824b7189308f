"""Networks with scikit-learn's manners, for its cross validation, grid search and pipelines.

scikit-learn itself is not needed. It takes whatever has the methods of an estimator.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.elsewhere import unexpected
from chainrule.errors import ArgumentError, DataError, ShapeError
from chainrule.nn.layers import Dense
from chainrule.nn.layers.base import Layer
from chainrule.nn.metrics import BinaryAccuracy, R2Score
from chainrule.nn.naming import user_line
from chainrule.train.callbacks.base import Callback
from chainrule.train.callbacks.history import History
from chainrule.train.inputs import as_inputs, same_rows
from chainrule.train.model import Model

Array = NDArray[Any]


class Estimator:
    """What `Classifier` and `Regressor` have in common: settings by name, `fit` and `predict`.

    The arguments are kept as they are, under their names, as scikit-learn's ``clone`` wants it.
    """

    _estimator_type = ""

    def __new__(cls, *_: Any, **settings: Any) -> Self:
        """Say what an unknown setting, as of MLPClassifier, is called here."""
        known = inspect.signature(cls.__init__).parameters
        if cls.__module__ == __name__ and not settings.keys() <= known.keys():
            raise unexpected(cls, next(name for name in settings if name not in known))
        return super().__new__(cls)

    def __init__(
        self,
        layers: Sequence[Layer] = (Dense(100, "relu"),),
        *,
        optimizer: Any = "adam",
        epochs: int = 100,
        batch_size: int = 32,
        validation_split: float = 0.0,
        callbacks: Sequence[Callback] = (),
        random_state: Any = 0,
        verbose: Any = 0,
    ) -> None:
        self.layers, self.optimizer = layers, optimizer
        self.epochs, self.batch_size = epochs, batch_size
        self.validation_split, self.callbacks = validation_split, callbacks
        self.random_state, self.verbose = random_state, verbose

    # Settings --------------------------------------------------------------------------------

    @classmethod
    def _names(cls) -> list[str]:
        return list(inspect.signature(cls.__init__).parameters)[1:]

    def _inner(self) -> list[str]:
        """The names of the optimizer's settings."""
        record = is_dataclass(self.optimizer) and not isinstance(self.optimizer, type)
        return [f.name for f in fields(self.optimizer)] if record else []

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by their names; ``deep`` adds those of the optimizer: optimizer__…"""
        found = {name: getattr(self, name) for name in self._names()}
        if deep:
            found |= {f"optimizer__{name}": getattr(self.optimizer, name) for name in self._inner()}
        return found

    def set_params(self, **params: Any) -> Self:
        """Change settings; ``optimizer__learning_rate=…`` changes one of the optimizer's.

        Raises:
            ArgumentError: there is no such setting.
        """
        known = self.get_params() | params  # an optimizer that comes along is the one to change
        for name in sorted(params, key=lambda name: "__" in name):
            owner, _, inner = name.partition("__")
            if owner == "optimizer" and inner in self._inner():
                self.optimizer = replace(self.optimizer, **{inner: params[name]})
            elif name in self._names():
                setattr(self, name, params[name])
            else:
                raise ArgumentError(
                    f"{type(self).__name__} has no setting of that name",
                    got=repr(name),
                    line=user_line(),
                    remedy=f"there are {', '.join(n for n in known if n not in params)}"
                    + ("" if is_dataclass(self.optimizer) else "; an optimizer that is a record, "
                       "such as cr.optim.Adam(), has settings of its own"),
                )  # fmt: skip
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if value is not defaults[name].default and value != defaults[name].default
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    # Training and using it -------------------------------------------------------------------

    def _fit(
        self, X: Any, y: Any, last: Layer, loss: str, sample_weight: Any, class_weight: Any = None
    ) -> Self:
        layers = [self.layers] if isinstance(self.layers, Layer) else self.layers
        if not isinstance(layers, Sequence) or isinstance(layers, str):
            raise ArgumentError(
                "layers is a list of layers, all but the last",
                got=repr(layers),
                line=user_line(),
                remedy="give layers=[cr.nn.Dense(64, 'relu')]",
            )
        model = Model([*layers, last])
        model.compile(self.optimizer, loss)
        self.history_: History = model.fit(
            X, y, batch_size=self.batch_size, epochs=self.epochs, verbose=self.verbose,
            callbacks=self.callbacks, validation_split=self.validation_split,
            class_weight=class_weight, sample_weight=sample_weight, seed=self._seed(),
        )  # fmt: skip
        self.model_ = model
        shape = model.input_shape
        if isinstance(shape, tuple) and len(shape) == 1:
            self.n_features_in_ = shape[0]
        if model.columns is not None:
            self.feature_names_in_ = np.array(model.columns, object)
        return self

    def _seed(self) -> int:
        """random_state as a whole number: drawn from a generator, or anew where it is None."""
        state = np.random.default_rng() if self.random_state is None else self.random_state
        if isinstance(state, np.random.Generator):
            return int(state.integers(2**31))
        return int(state.randint(2**31)) if isinstance(state, np.random.RandomState) else state

    def _fitted(self) -> Model:
        if not hasattr(self, "model_"):
            raise ArgumentError(
                f"the {type(self).__name__} has not been fitted",
                got=repr(self),
                line=user_line(),
                remedy="call fit(X, y) first",
            )
        return self.model_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn, from 1.6 on, wants to know of an estimator."""
        from sklearn.utils import (  # type: ignore[import-not-found]
            ClassifierTags,
            RegressorTags,
            Tags,
            TargetTags,
        )

        classifier = self._estimator_type == "classifier"
        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if classifier else None,
            regressor_tags=None if classifier else RegressorTags(),
        )


class Classifier(Estimator):
    """A network that separates classes, as an estimator of scikit-learn.

    The last layer is added by `fit`: one unit for two classes, one for each where there are more.

    Args:
        layers: all layers but the last.
        optimizer: a name, or one of cr.optim, whose settings are settings here too:
            ``optimizer__learning_rate``.
        epochs, batch_size, validation_split, callbacks, class_weight, verbose: as for `Model.fit`.
        random_state: the seed, or a generator of NumPy's; None for another one in each `fit`.

    Attributes:
        classes_: the labels, sorted.
        model_: the `Model`.
        history_: its training.
        n_features_in_, feature_names_in_: the number of columns, and their names in a data frame.

    >>> from chainrule import data, nn, optim
    >>> x, y = data.make_moons(300, seed=0)
    >>> found = Classifier([nn.Dense(16, "relu")], optimizer=optim.Adam(0.02), epochs=30)
    >>> found.fit(x[:200], y[:200]).score(x[200:], y[200:]) > 0.85
    True
    >>> found.predict_proba(x[:1]).shape, found.get_params()["optimizer__learning_rate"]
    ((1, 2), 0.02)
    """

    _estimator_type = "classifier"

    def __init__(
        self,
        layers: Sequence[Layer] = (Dense(100, "relu"),),
        *,
        optimizer: Any = "adam",
        epochs: int = 100,
        batch_size: int = 32,
        validation_split: float = 0.0,
        callbacks: Sequence[Callback] = (),
        class_weight: Any = None,
        random_state: Any = 0,
        verbose: Any = 0,
    ) -> None:
        super().__init__(
            layers, optimizer=optimizer, epochs=epochs, batch_size=batch_size,
            validation_split=validation_split, callbacks=callbacks, random_state=random_state,
            verbose=verbose,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network.

        Raises:
            DataError: there are fewer than two classes, several labels for a row, numbers with
                fractions, or missing labels.
        """
        labels = np.asarray(y)
        labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.ndim != 1:
            raise DataError(
                "a Classifier takes one class for each row",
                got=f"y of shape {labels.shape}",
                line=user_line(),
                remedy="give np.argmax(y, axis=1) of one-hot rows; for several labels train a "
                "cr.Model with a unit for each, 'sigmoid' and binary_crossentropy",
            )
        _refuse_other_than_classes(labels)
        self.classes_ = np.unique(labels)
        count = len(self.classes_)
        if count < 2:
            same_rows(as_inputs(X)[0], labels, "y")
            raise DataError(
                "a Classifier needs rows of two classes or more",
                got=f"{len(labels)} rows of class {labels.tolist()[0]!r}",
                line=user_line(),
                remedy="give rows of all classes; divide them with stratify=",
            )
        codes = np.searchsorted(self.classes_, labels)
        last, loss = Dense(1, "sigmoid"), "binary_crossentropy"
        if count > 2:
            last, loss = Dense(count, "softmax"), "sparse_categorical_crossentropy"
        return self._fit(X, codes, last, loss, sample_weight, self._weights())

    def _weights(self) -> Any:
        """The weights of the classes by their codes."""
        if not isinstance(self.class_weight, dict):
            return self.class_weight
        classes = self.classes_.tolist()
        unknown = [label for label in self.class_weight if label not in classes]
        if unknown:
            raise ArgumentError(
                "class_weight names a class that there is not",
                got=repr(unknown[0]),
                line=user_line(),
                remedy=f"the classes are {', '.join(map(repr, classes))}",
            )
        return {classes.index(label): weight for label, weight in self.class_weight.items()}

    def predict_proba(self, X: Any) -> Array:
        """The probabilities of the classes, in the order of ``classes_``, shape (rows, classes)."""
        found = self._fitted().predict_proba(X)
        return np.hstack([1.0 - found, found]) if found.shape[1] == 1 else found

    def predict(self, X: Any) -> Array:
        """The most probable class of each row."""
        codes = self._fitted().predict_classes(X)
        return np.asarray(self.classes_[codes])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy."""
        right = self.predict(X) == np.asarray(y).reshape(-1)
        return BinaryAccuracy()(np.ones(len(right)), right.astype(float), sample_weight)


class Regressor(Estimator):
    """A network that predicts one number or several, as an estimator of scikit-learn.

    The last layer, with a unit for each number, is added by `fit`; the loss is the mean square.

    Args:
        layers, optimizer, epochs, batch_size, validation_split, callbacks, random_state, verbose:
            as for `Classifier`.

    Attributes:
        model_, history_, n_features_in_, feature_names_in_: as of a `Classifier`.

    >>> from chainrule import nn, optim
    >>> x = np.linspace(-1.0, 1.0, 100)[:, None]
    >>> found = Regressor([nn.Dense(16, "tanh")], optimizer=optim.Adam(0.02), epochs=100)
    >>> found.fit(x, x[:, 0] ** 2).score(x, x[:, 0] ** 2) > 0.9
    True
    """

    _estimator_type = "regressor"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network.

        Raises:
            ShapeError: the targets are neither numbers nor rows of numbers.
        """
        if np.ndim(y) not in (1, 2):
            raise ShapeError(
                "a Regressor takes a number for each row, or a row of them",
                got="y=None" if y is None else f"y of shape {np.shape(y)}",
                line=user_line(),
                remedy="give an array of shape (rows,) or (rows, outputs)",
            )
        units = 1 if np.ndim(y) == 1 else int(np.shape(y)[1])
        self._flat = np.ndim(y) == 1
        return self._fit(X, y, Dense(units), "mse", sample_weight)

    def predict(self, X: Any) -> Array:
        """The numbers, shaped as the targets were."""
        found = self._fitted().predict(X)
        return found[:, 0] if self._flat else found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R²."""
        return R2Score()(np.asarray(y), self.predict(X), sample_weight)


def _refuse_other_than_classes(labels: Array) -> None:
    """Numbers to be predicted, and missing labels, are no classes."""
    if labels.dtype.kind == "f":
        missing, fractions = np.isnan(labels), labels != np.floor(labels)
    else:
        missing = fractions = np.zeros(len(labels), bool)
        if labels.dtype == object:  # None, NaN, and what pandas has beside them
            missing = np.array([_is_missing(x) for x in labels])
    if np.any(missing):
        raise DataError(
            "y has missing values",
            got=f"{np.count_nonzero(missing)} of {len(labels)} labels are missing",
            line=user_line(),
            remedy="drop those rows",
        )
    if np.any(fractions):
        raise DataError(
            "a Classifier takes classes, and y holds numbers with fractions",
            got=f"{labels[fractions][0]} among {len(np.unique(labels))} different numbers",
            line=user_line(),
            remedy="use a Regressor to predict numbers; for classes round them or cut them into "
            "intervals: np.digitize(y, edges)",
        )


def _is_missing(label: Any) -> bool:
    """None, NaN, or the NA of pandas, for which a comparison has no answer."""
    same = label == label
    return label is None or not (isinstance(same, (bool, np.bool_)) and same)


__all__ = ["Classifier", "Estimator", "Regressor"]
