"""Names that do not exist: what they are called here, or the nearest."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from operator import attrgetter
from typing import Any

import pytest

import chainrule as cr
from chainrule import elsewhere, nn, optim, train
from chainrule.array import Traced


@pytest.mark.parametrize(
    ("owner", "name", "answer"),
    [
        (cr, "load_model", "module 'chainrule' has no attribute 'load_model'; use cr.load"),
        (cr, "np", "NumPy itself: import numpy as np"),
        (cr, "jit", "cr.compile"),
        (cr, "Dense", "cr.nn.Dense"),
        (cr, "Adam", "cr.optim.Adam"),
        (cr, "RMSprop", "cr.optim.RMSProp"),
        (cr, "EarlyStopping", "cr.train.EarlyStopping"),
        (cr, "CrossEntropyLoss", "sparse_categorical_crossentropy"),
        (nn, "Linear", "cr.nn.Dense(outputs)"),
        (nn, "Conv2d", "use cr.nn.Conv2D"),
        (optim, "SGDM", "use cr.optim.Momentum"),
        (optim, "Nadam", "use cr.optim.NAdam"),
        (train, "load_model", "use cr.load"),
        (cr.Model([nn.Dense(1)]), "parameters", "'Model' object has no attribute 'parameters'"),
        (cr.Sequential(), "load_state_dict", "cr.load(path)"),
    ],
)  # fmt: skip
def test_a_name_of_another_library(owner: Any, name: str, answer: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(answer)):
        getattr(owner, name)
    assert not hasattr(owner, name)


@pytest.mark.parametrize(
    ("kind", "name", "answer"),
    [
        (nn.Dense, "input_shape", "the shape comes from the data"),
        (nn.Dense, "kernel_regularizer", "penalize=cr.optim.kernels_only"),
        (nn.Dense, "unit", "did you mean 'units'?"),
        (optim.Adam, "lr", "use learning_rate"),
        (optim.Adam, "clipnorm", "cr.optim.Clipped(optimizer, by_norm=…)"),
    ],
)
def test_a_setting_of_another_library(kind: Any, name: str, answer: str) -> None:
    args = (3,) if kind is nn.Dense else ()
    unknown = rf"{kind.__name__}\(\) got an unexpected keyword argument '{name}'"
    with pytest.raises(TypeError, match=f"{unknown}.*{re.escape(answer)}"):
        kind(*args, **{name: 1})
    assert all(p.kind != p.VAR_KEYWORD for p in inspect.signature(kind).parameters.values())
    assert "params" in inspect.signature(nn.Dense(3)).parameters  # a layer is called


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("detach", "a traced value has no attribute 'detach'; use cr.stop_gradient(x)"),
        ("at", "use an assignment, x[i] = v"),
        ("exp", "use np.exp(x)"),
        ("det", "use np.linalg.det(x)"),
        ("relu", "use cr.relu(x)"),
        ("spam", "a traced value has no attribute 'spam'"),
    ],
)
def test_an_attribute_of_another_librarys_arrays(name: str, answer: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(answer)):
        cr.grad(attrgetter(name))(1.0)


def test_a_keyword_of_another_library() -> None:
    with pytest.raises(TypeError, match="argument 'method'; use optimizer='l-bfgs'"):
        cr.minimize(abs, 1.0, method="BFGS")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="argument 'static_argnums'; use static_argnames="):
        cr.compile(abs, static_argnums=0)  # type: ignore[arg-type]
    for name, keywords in elsewhere._KEYWORDS.items():
        assert not keywords.keys() & inspect.signature(getattr(cr, name)).parameters.keys()


def test_all_names_in_the_answers_exist() -> None:
    model = cr.Model([nn.Dense(1)]).build((1,))
    model.compile(loss="mse")
    for table in (*elsewhere._TABLES.values(), *elsewhere._SETTINGS.values()):
        for answer in table.values():
            for root, path in re.findall(r"\b(cr|model)\.(\w+(?:\.\w+)*)", answer):
                attrgetter(path)({"cr": cr, "model": model}[root])


def test_no_name_that_exists_is_said_to_be_elsewhere() -> None:
    owners = {
        "chainrule": cr, "chainrule.nn": nn, "chainrule.optim": optim, "chainrule.train": train,
        "Model": cr.Model, "Traced": Traced,
    }  # fmt: skip
    for owner, table in elsewhere._TABLES.items():
        assert not table.keys() & set(dir(owners[owner]))


@pytest.mark.parametrize(
    ("code", "near"),
    [
        ("cr.grads", "Did you mean: 'grad'?"),
        ("cr.nn.Densee", "Did you mean: 'Dense'?"),
        ("cr.Model([cr.nn.Dense(1)]).summery()", "Did you mean: 'summary'?"),
    ],
)
def test_python_says_the_nearest_name(code: str, near: str) -> None:
    command = [sys.executable, "-c", f"import chainrule as cr; {code}"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.stderr.rstrip().endswith(near)


def test_an_error_in_a_property_is_told_as_it_is() -> None:
    class Broken(cr.Model):
        @property
        def width(self) -> int:
            return self.layer.no_such_field  # type: ignore[attr-defined,no-any-return]

    with pytest.raises(AttributeError, match="no_such_field"):
        _ = Broken([nn.Dense(1)]).width


def test_it_is_loaded_for_an_error_alone() -> None:
    code = "import sys, chainrule; assert 'chainrule.elsewhere' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
