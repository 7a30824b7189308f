"""What names of other libraries are called here, for the errors of names that do not exist."""

from __future__ import annotations

import importlib
import sys
from typing import Any

_LAYERS = {
    "Linear": "cr.nn.Dense(outputs); the number of inputs comes from the data",
    "ReLU": "cr.nn.Activation('relu'), or cr.nn.Dense(16, 'relu')",
    "Sigmoid": "cr.nn.Activation('sigmoid')",
    "Tanh": "cr.nn.Activation('tanh')",
    "Softmax": "cr.nn.Activation('softmax')",
    "LeakyReLU": "cr.nn.Activation('leaky_relu')",
    "GELU": "cr.nn.Activation('gelu')",
    "BatchNorm": "cr.nn.BatchNormalization",
    "BatchNorm1d": "cr.nn.BatchNormalization",
    "BatchNorm2d": "cr.nn.BatchNormalization",
    "LayerNorm": "cr.nn.LayerNormalization",
    "MaxPool1d": "cr.nn.MaxPooling1D",
    "MaxPool2d": "cr.nn.MaxPooling2D",
    "AvgPool1d": "cr.nn.AveragePooling1D",
    "AvgPool2d": "cr.nn.AveragePooling2D",
    "AdaptiveAvgPool2d": "cr.nn.GlobalAveragePooling2D",
    "Dropout1d": "cr.nn.Dropout",
    "Dropout2d": "cr.nn.Dropout",
    "Rescaling": "cr.nn.Normalization",
    "Identity": "cr.nn.Activation('linear')",
    "Input": "cr.nn.Graph(function, {name: layer}) for the functional API; otherwise nothing: the "
    "shape comes from the data, or from model.build(input_shape)",
    "InputLayer": "model.build(input_shape), or nothing: the shape comes from the data",
    "Add": "cr.nn.Residual, or cr.nn.Graph with +",
    "Concatenate": "cr.nn.Graph with np.concatenate",
    "Module": "cr.nn.Layer",
    "Model": "cr.Model",
    "MSELoss": "model.compile(loss='mse')",
    "L1Loss": "model.compile(loss='mae')",
    "CrossEntropyLoss": "model.compile(loss='sparse_categorical_crossentropy')",
    "BCELoss": "model.compile(loss='binary_crossentropy')",
    "BCEWithLogitsLoss": "model.compile(loss='binary_crossentropy')",
    "init": "cr.nn.initializers",
    "functional": "cr.relu, cr.softmax and the others of cr",
}
_OPTIMIZERS = {
    "SGDM": "cr.optim.Momentum",
    "LBFGS": "cr.minimize, whose default it is",
    "lr_scheduler": "a schedule as the learning rate: cr.optim.Adam(cr.optim.Cosine(0.001, 1000))",
    "ExponentialDecay": "cr.optim.Exponential",
    "ExponentialLR": "cr.optim.Exponential",
    "CosineDecay": "cr.optim.Cosine",
    "CosineAnnealingLR": "cr.optim.Cosine",
    "StepLR": "cr.optim.StepDecay",
    "PiecewiseConstantDecay": "cr.optim.StepDecay",
    "PolynomialDecay": "cr.optim.Polynomial",
    "OneCycleLR": "cr.optim.OneCycle",
    "ReduceLROnPlateau": "cr.optim.OnPlateau, or the callback cr.train.ReduceLROnPlateau",
    "clip_by_global_norm": "cr.optim.Clipped(optimizer, by_global_norm=1.0)",
    "apply_updates": "optimizer.update(gradients, state, params), which returns the parameters",
}
_ROOT = {
    "np": "NumPy itself: import numpy as np",
    "numpy": "NumPy itself: import numpy as np",
    "tensor": "np.array of NumPy itself",
    "Tensor": "np.ndarray: arrays are NumPy's",
    "Variable": "np.array: every argument of a function can be differentiated",
    "jit": "cr.compile",
    "function": "cr.compile",
    "gradient": "cr.grad",
    "derivative": "cr.grad",
    "diff": "cr.grad",
    "elementwise_grad": "cr.grad of the sum: cr.grad(lambda x: f(x).sum())",
    "backward": "cr.grad(f)(x)",
    "autograd": "cr.grad(f)(x)",
    "GradientTape": "cr.grad(f)(x)",
    "jacfwd": "cr.jacobian(f, mode='forward')",
    "jacrev": "cr.jacobian(f, mode='reverse')",
    "no_grad": "cr.stop_gradient(x); nothing is recorded outside of cr.grad",
    "detach": "cr.stop_gradient",
    "gradcheck": "cr.check_grads",
    "make_jaxpr": "cr.trace",
    "vmap": "broadcasting, np.einsum, or @ over leading axes; there is no vmap",
    "fori_loop": "cr.scan, or cr.while_loop",
    "lax": "cr.cond, cr.scan and cr.while_loop",
    "checkpoint": "cr.scan(…, checkpoint=True)",
    "load_model": "cr.load",
    "models": "cr.Model, and cr.load",
    "layers": "cr.nn",
    "losses": "cr.nn.losses",
    "metrics": "cr.nn.metrics",
    "initializers": "cr.nn.initializers",
    "optimizers": "cr.optim",
    "callbacks": "cr.train",
    "datasets": "cr.data",
    "Input": _LAYERS["Input"],
    "random": "np.random; draws of layers have the seed of fit and build",
    "manual_seed": "model.fit(x, y, seed=0)",
}
_SHAPE = "leave it out: the shape comes from the data, or from model.build(input_shape)"
_PENALTY = "penalties are the optimizer's: cr.optim.Adam(l2=0.01, penalize=cr.optim.kernels_only)"
_SETTINGS = {  # what settings of layers and optimizers are called here
    "chainrule.nn": {
        "input_shape": _SHAPE, "input_dim": _SHAPE, "in_features": _SHAPE, "in_channels": _SHAPE,
        "batch_input_shape": _SHAPE,
        "kernel_regularizer": _PENALTY, "bias_regularizer": _PENALTY,
        "activity_regularizer": "add it to a loss of your own",
        "trainable": "use cr.nn.Frozen(layer)",
        "dtype": "use cr.Model(layers, dtype=…)",
        "out_features": "use units", "out_channels": "use filters", "bias": "use use_bias",
        "p": "use rate", "eps": "use epsilon", "stride": "use strides", "dilation": "use "
        "dilation_rate", "num_embeddings": "use input_dim", "embedding_dim": "use output_dim",
        "affine": "use center and scale",
    },
    "chainrule.optim": {
        "lr": "use learning_rate",
        "clipnorm": "use cr.optim.Clipped(optimizer, by_norm=…)",
        "global_clipnorm": "use cr.optim.Clipped(optimizer, by_global_norm=…)",
        "clipvalue": "use cr.optim.Clipped(optimizer, by_value=…)",
        "beta_1": "use rho1", "beta1": "use rho1", "b1": "use rho1",
        "beta_2": "use rho2", "beta2": "use rho2", "b2": "use rho2",
        "betas": "use rho1 and rho2",
        "epsilon": "use delta", "eps": "use delta", "alpha": "use rho",
        "momentum": "use cr.optim.Momentum",
        "nesterov": "use cr.optim.NesterovReformulated",
        "amsgrad": "use cr.optim.AMSGrad",
    },
}  # fmt: skip
_MODEL = {
    "parameters": "model.params",
    "weights": "model.params, or model.get_weights()",
    "variables": "model.params, or model.get_weights()",
    "trainable_variables": "model.params",
    "trainable_weights": "model.params",
    "state_dict": "model.get_weights(), or model.save(path)",
    "load_state_dict": "model.set_weights(weights), or cr.load(path)",
    "save_weights": "model.save(path)",
    "load_weights": "cr.load(path), or model.take_weights(other)",
    "forward": "model(x), or model.predict(x)",
    "call": "model(x), or model.predict(x)",
    "apply": "model(x), or model.predict(x)",
    "train": "model.fit(x, y)",
    "eval": "model.predict(x), which is never in training mode",
    "zero_grad": "model.fit(x, y); nothing accumulates",
    "score": "model.evaluate(x, y)",
    "fit_generator": "model.fit(batches)",
    "predict_on_batch": "model.predict(x)",
    "test_on_batch": "model.evaluate(x, y)",
    "get_layer": "model.params[name], or model.layer",
    "metrics_names": "model.evaluate(x, y, return_dict=True)",
    "to_json": "model.save(path)",
    "get_config": "model.save(path)",
    "count_params": "model.summary()",
    "layers": "model.layer, or cr.Sequential, which has layers",
    "add": "cr.Sequential, which grows layer by layer",
    "lr": "model.learning_rate",
    "plot": "model.draw()",
}
_TRAIN = {"load_model": "cr.load", "DataLoader": "model.fit(x, y, batch_size=32), or batches"}
# In the order in which a name that is written without its package is looked for.
_PACKAGES = ("chainrule.nn", "chainrule.optim", "chainrule.train", "chainrule.data")
_TABLES = {
    "chainrule": _ROOT, "chainrule.nn": _LAYERS, "chainrule.optim": _OPTIMIZERS,
    "chainrule.train": _TRAIN, "Model": _MODEL,
}  # fmt: skip


def missing(owner: Any, name: str) -> AttributeError:
    """The error for an attribute that a module or a model does not have.

    It says what the name of another library is called here; otherwise Python adds the nearest name.

    Args:
        owner: the name of the module, or a model.
        name: that was asked for.

    >>> print(missing("chainrule.nn", "Linear"))
    module 'chainrule.nn' has no attribute 'Linear'; use cr.nn.Dense(outputs); the number of \
inputs comes from the data
    >>> print(missing("chainrule", "Adagrad"))
    module 'chainrule' has no attribute 'Adagrad'; use cr.optim.AdaGrad
    """
    if isinstance(owner, str):
        subject, answer = f"module {owner!r}", _here(owner, name)
        owner = sys.modules[owner]
    else:
        subject, answer = f"{type(owner).__name__!r} object", _MODEL.get(name, "")
    text = f"{subject} has no attribute {name!r}"
    if answer:
        return AttributeError(f"{text}; use {answer}", name=name)
    return AttributeError(text, name=name, obj=owner)


def unexpected(kind: type, name: str) -> TypeError:
    """The error for a setting that a layer, a loss, a metric or an optimizer does not have.

    >>> from chainrule.nn import Dense
    >>> print(unexpected(Dense, "in_features"))
    Dense() got an unexpected keyword argument 'in_features'; leave it out: the shape comes from \
the data, or from model.build(input_shape)
    """
    import difflib

    package = ".".join(kind.__module__.split(".")[:2])
    answer = _SETTINGS.get(package, {}).get(name, "")
    fields = getattr(kind, "__dataclass_fields__", {})
    near = difflib.get_close_matches(name, fields, 1, cutoff=0.6)
    if not answer and near:
        answer = f"did you mean {near[0]!r}?"
    text = f"{kind.__name__}() got an unexpected keyword argument {name!r}"
    return TypeError(f"{text}; {answer}" if answer else text)


def _here(module: str, name: str) -> str:
    """What a name is called here, or nothing."""
    table = _TABLES.get(module, {})
    if name in table or name.startswith("_"):
        return table.get(name, "")
    # Names of classes may be looked for in all packages, which takes a moment to import.
    packages = _PACKAGES if module == "chainrule" and name[:1].isupper() else (module,)
    for package in packages:
        exported = getattr(importlib.import_module(package), "__all__", ())
        for other in exported:
            if other.lower() == name.lower():
                return f"{package.replace('chainrule', 'cr')}.{other}"
    return next((_TABLES[p][name] for p in packages if name in _TABLES.get(p, {})), "")


__all__ = ["missing", "unexpected"]
