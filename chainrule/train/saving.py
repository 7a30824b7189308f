"""A model in one safetensors file: parameters as tensors, everything else as JSON beside them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np

from chainrule.errors import ArgumentError, ChainruleError, ModelFileError
from chainrule.nn.layers.base import Layer, zeros
from chainrule.nn.naming import user_line
from chainrule.tracing import flatten, unflatten
from chainrule.train.architecture import describe, restore
from chainrule.train.files import write_whole
from chainrule.train.labels import Labels
from chainrule.train.loop import Run
from chainrule.train.step import TrainState

if TYPE_CHECKING:
    from chainrule.train.model import Model

FORMAT = "chainrule model"
VERSION = 1
# An input with more numbers than this is no input of a saved model but an attack on the memory.
_LARGEST = 2**28


def save(model: Model, path: str | os.PathLike[str], include_optimizer: bool = True) -> None:
    """Write a model to a file; see `Model.save`."""
    state = model.training_state("save")
    compiled = model._compiled
    content = {
        "format": FORMAT,
        "version": VERSION,
        "name": model.name,
        "layer": describe(model.layer),
        "input_shape": describe(model.input_shape),
        "dtype": (model.dtype or np.dtype(np.float64)).name,
        "columns": model.columns,
        "preprocessing": model.preprocessing,
        "labels": None
        if model.labels is None
        else {
            "kind": model.labels.kind,
            "classes": model.labels.classes,
            "outputs": model.labels.outputs,
        },
        "compiled": None
        if compiled is None
        else {
            "optimizer": describe(compiled.optimizer, "the optimizer"),
            "loss": describe(compiled.loss, "the loss"),
            "metrics": {name: describe(m, name) for name, m in compiled.metrics.items()},
            "weighted": sorted(compiled.weighted),
        },
    }
    tensors = {
        **_flat(state.params, "params"),
        **_flat(state.layers, "state"),
    }
    content["order"] = list(tensors)  # that of the layers; the file sorts them
    if include_optimizer and state.optimizer is not None:
        memory = flatten(state.optimizer)[0]
        tensors |= {f"optimizer/{k}": np.array(leaf, order="C") for k, leaf in enumerate(memory)}
        content["learning_rate"] = model.override
    from safetensors.numpy import save as to_bytes

    content["checksum"] = _checksum(tensors, content)
    write_whole(Path(path), to_bytes(tensors, {"chainrule": _json(content)}))


def load(path: str | os.PathLike[str], custom: Mapping[str, Any] | None = None) -> Model:
    """A model from a file that `Model.save` has written, ready to predict and to train on.

    Reading a file never runs code from it: layers and functions are found by name in the library,
    or in ``custom``.

    Args:
        path: the file.
        custom: layers, losses and functions of one's own that the model uses, by their names.

    Raises:
        ModelFileError: no such file, another kind of file, one that is cut off or changed, one of
            a newer version, or a name that is not known.

    >>> import tempfile, os
    >>> from chainrule import nn
    >>> from chainrule.train.model import Model
    >>> model = Model([nn.Dense(1)]).build((3,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(os.path.join(folder, "model.safetensors"))
    ...     again = load(os.path.join(folder, "model.safetensors"))
    >>> bool(np.all(again.predict([[1, 2, 3]]) == model.predict([[1, 2, 3]])))
    True
    """
    from chainrule.train.model import Model

    content, tensors = _read(Path(path))
    custom = custom or {}
    try:
        layer = restore(content["layer"], custom)
        if not isinstance(layer, Layer):
            raise _damaged(path, "its network is no layer")
        model = Model(layer, dtype=_dtype(content["dtype"]), name=str(content["name"]))
        model.input_shape = restore(content["input_shape"], custom)
        columns, labels = content["columns"], content["labels"]
        model.preprocessing = content.get("preprocessing")
        model.columns = None if columns is None else tuple(map(str, columns))
        if labels is not None:
            classes = labels["classes"]
            model.labels = Labels(
                str(labels["kind"]),
                None if classes is None else tuple(classes),
                tuple(int(n) for n in labels["outputs"]),
            )
        if content["compiled"] is not None:
            parts = content["compiled"]
            _compile(model, parts, custom)
        ordered = {name: tensors[name] for name in content.get("order", tensors)}
        params, state = _tree(ordered, "params"), _tree(ordered, "state")
        model.run = Run(TrainState(params, None, state))
        _try(model)
        if "optimizer/0" in tensors:
            memory = _memory(model, tensors)
            model.run = Run(TrainState(params, memory, state))
            model.override = content.get("learning_rate")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError,
            MemoryError, ArithmeticError) as error:  # fmt: skip
        if isinstance(error, ModelFileError):
            raise
        reason = error.cause if isinstance(error, ChainruleError) else f"{error!r}"
        raise _damaged(path, reason) from None
    return model


def _compile(model: Model, parts: Any, custom: Mapping[str, Any]) -> None:
    metrics = {str(name): restore(m, custom) for name, m in parts["metrics"].items()}
    model.compile(
        restore(parts["optimizer"], custom), restore(parts["loss"], custom), list(metrics.values())
    )
    # The names under which the user had them.
    weighted = frozenset(map(str, parts.get("weighted", ())))
    model._compiled = replace(model.compiled("load"), metrics=metrics, weighted=weighted)


def _read(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    """The description and the tensors of a whole file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise ModelFileError(
            "there is no such model file", got=str(path), line=user_line(), remedy="check the path"
        ) from None
    except (SafetensorError, OSError, ValueError, TypeError, MemoryError) as error:
        raise _damaged(path, str(error)) from None
    if "chainrule" not in metadata:
        raise ModelFileError(
            f"{path} is a safetensors file, but not a model of chainrule",
            got=f"{len(tensors)} tensors and no description of a network",
            line=user_line(),
            remedy="build the network yourself and put the tensors in with set_weights",
        )
    import json

    try:
        content = json.loads(metadata["chainrule"])
        version = content["version"] if content["format"] == FORMAT else None
        whole = content.pop("checksum", "") == _checksum(tensors, content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, repr(error)) from None
    if version != VERSION:
        raise ModelFileError(
            f"{path} has a format that this version of chainrule does not know",
            got=f"format version {version!r}, known is {VERSION}",
            line=user_line(),
            remedy="use the version of chainrule that wrote it, or a newer one",
        )
    if not whole:
        raise _damaged(path, "its checksum is wrong")
    return content, tensors


def _damaged(path: Any, reason: str) -> ModelFileError:
    return ModelFileError(
        f"{path} is not a whole model file",
        got=reason[:300],
        line=user_line(),
        remedy="use a file that model.save has written; it is damaged, cut off, or something else",
    )


def _json(content: Any) -> str:
    import json

    # Standard JSON knows no NaN and no infinity; describe has spelt them out.
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


def _checksum(tensors: Mapping[str, np.ndarray], content: Any) -> str:
    found = hashlib.sha256(_json(content).encode())
    for name in sorted(tensors):
        array = tensors[name]
        found.update(f"\n{name} {array.dtype.name} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _flat(tree: Any, prefix: str) -> dict[str, np.ndarray]:
    """The arrays of a tree of dicts, by their paths: params/dense/kernel."""
    if isinstance(tree, dict):
        parts: dict[str, np.ndarray] = {}
        for key, part in tree.items():
            parts |= _flat(part, f"{prefix}/{quote(str(key), safe=' ')}")
        return parts
    array = np.array(tree, order="C")
    if array.dtype.kind not in "fiub":
        raise ArgumentError(
            f"the model cannot be saved: {prefix} is not an array of numbers",
            got=repr(tree)[:200],
            remedy="keep dicts of arrays as the parameters and the state of a layer",
        )
    return {prefix: array}


def _tree(tensors: Mapping[str, np.ndarray], kind: str) -> dict[str, Any]:
    """The dicts of arrays that `_flat` had taken apart."""
    tree: dict[str, Any] = {}
    for path, array in tensors.items():
        first, *keys = path.split("/")
        if first == kind:
            *above, last = map(unquote, keys)
            inside = tree
            for key in above:
                inside = inside.setdefault(key, {})
            inside[last] = array
    return tree


def _memory(model: Model, tensors: Mapping[str, np.ndarray]) -> Any:
    """The optimizer's state, in the structure that it has for these parameters."""
    optimizer = model.compiled("load").optimizer
    leaves, spec = flatten(optimizer.init(model.training_state("load").params))
    found = [tensors[f"optimizer/{k}"] for k in range(len(leaves))]
    for old, new in zip(leaves, found, strict=True):
        if np.shape(old) != new.shape:
            raise ValueError(f"the optimizer's state of shape {new.shape}, not {np.shape(old)}")
    typed = [
        type(old)(new) if isinstance(old, (int, float)) else new
        for old, new in zip(leaves, found, strict=True)
    ]
    return unflatten(spec, typed)


def _dtype(name: Any) -> np.dtype:
    if name not in ("float64", "float32", "float16"):
        raise ValueError(f"dtype {name!r}")
    return np.dtype(name)


def _try(model: Model) -> None:
    """Do the tensors fit the architecture? One example of zeros goes through it."""
    shapes = _shapes(model.input_shape)
    if any(n < 0 for shape in shapes for n in shape) or sum(map(prod, shapes)) > _LARGEST:
        raise ValueError(f"an input of shape {model.input_shape}")
    state = model.training_state("load")
    x = zeros(model.input_shape, 1, model.dtype)
    with np.errstate(all="ignore"):
        try:
            y, _ = model.layer(state.params, state.layers, x, training=False)
        except IndexError:  # an embedding takes whole numbers
            x = zeros(model.input_shape, 1, int)
            y, _ = model.layer(state.params, state.layers, x, training=False)
    labels = model.labels
    if labels is not None and labels.kind != "own" and np.shape(y)[1:] != labels.outputs:
        raise ValueError(f"outputs of shape {np.shape(y)[1:]} for targets of {labels.outputs}")


def _shapes(shape: Any) -> list[tuple[int, ...]]:
    """The shapes of all inputs."""
    if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape):
        return [shape]
    parts = shape.values() if isinstance(shape, dict) else shape
    return [found for part in parts for found in _shapes(part)]
