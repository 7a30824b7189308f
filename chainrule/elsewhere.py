"""What names of other libraries are called here, for the errors of names that do not exist.

Of modules, of models, of arrays while a function is traced, and of keywords.
"""

from __future__ import annotations

import importlib
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
    "RNN": "cr.nn.SimpleRNN",
    "LSTMCell": "cr.nn.LSTM, or cr.scan with a step of your own",
    "GRUCell": "cr.nn.GRU, or cr.scan with a step of your own",
    "Masking": "sequences padded at the front, which a recurrent layer forgets; there are no masks",
    "RepeatVector": "cr.nn.Lambda(lambda x: np.repeat(x[:, None], n, axis=1))",
    "Permute": "cr.nn.Lambda(lambda x: np.swapaxes(x, 1, 2))",
    "UpSampling1D": "cr.nn.Lambda(lambda x: np.repeat(x, 2, axis=1))",
    "UpSampling2D": "cr.nn.Lambda(lambda x: np.repeat(np.repeat(x, 2, axis=1), 2, axis=2))",
    "ZeroPadding1D": "cr.nn.Lambda with np.pad, or padding='same' in the convolution",
    "ZeroPadding2D": "cr.nn.Lambda with np.pad, or padding='same' in the convolution",
    "GaussianNoise": "a layer of your own, which gets training and rng",
    "SpatialDropout1D": "cr.nn.Dropout(0.2, noise_shape=(None, 1, None))",
    "SpatialDropout2D": "cr.nn.Dropout(0.2, noise_shape=(None, 1, 1, None))",
    "TimeDistributed": "the layer itself: cr.nn.Dense takes the last axis, and keeps the others",
    "MultiHeadAttention": "cr.nn.Graph with cr.softmax and @",
    "MultiheadAttention": "cr.nn.Graph with cr.softmax and @",
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
        "out_features": "use units", "hidden_size": "use units", "input_size": _SHAPE,
        "dropout": "use cr.nn.Dropout before the layer",
        "recurrent_dropout": "use cr.nn.Dropout before the layer",
        "bidirectional": "use cr.nn.Bidirectional(layer)",
        "batch_first": "leave it out: the batch is the first axis",
        "num_layers": "put several layers, with return_sequences=True before the last",
        "stateful": "a state between batches is a layer of your own, around cr.scan",
        "return_state": "a layer of your own, around cr.scan, gives what it likes",
        "reset_after": "leave it out: it is True",
        "unroll": "leave it out: the loop is compiled",
        "mask_zero": "pad sequences at the front, which a recurrent layer forgets; there are no "
        "masks",
        "out_channels": "use filters", "bias": "use use_bias",
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
    "chainrule.train": {
        "hidden_layer_sizes": "use layers=[cr.nn.Dense(64, 'relu')]",
        "activation": "it belongs to a layer: layers=[cr.nn.Dense(64, 'relu')]",
        "solver": "use optimizer",
        "alpha": "use optimizer=cr.optim.Adam(l2=1e-4, penalize=cr.optim.kernels_only)",
        "learning_rate": "use optimizer=cr.optim.Adam(0.01), or a schedule in its place",
        "learning_rate_init": "use optimizer=cr.optim.Adam(0.01)",
        "max_iter": "use epochs",
        "early_stopping": "use validation_split=0.1 and callbacks=[cr.train.EarlyStopping()]",
        "n_iter_no_change": "use callbacks=[cr.train.EarlyStopping(patience=10)]",
        "validation_fraction": "use validation_split",
        "tol": "use callbacks=[cr.train.EarlyStopping('loss', min_delta=1e-4)]",
        "warm_start": "a second fit of the cr.Model in model_ goes on",
        "shuffle": "rows are always shuffled",
        "seed": "use random_state",
        "loss": "the loss follows from y; a cr.Model takes any",
        "metrics": "use history_ and scikit-learn's scoring; a cr.Model takes metrics",
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
_ARRAY = {
    "detach": "cr.stop_gradient(x)",
    "numpy": "x itself, which behaves like an array of NumPy; x.value for printing or a decision",
    "at": "an assignment, x[i] = v or x[i] += v, after x = x.copy() where x is still needed",
    "grad": "cr.grad(f)(x)",
    "backward": "cr.grad(f)(x)",
    "requires_grad": "cr.grad(f)(x), which differentiates what argnums=… names",
    "requires_grad_": "cr.grad(f)(x), which differentiates what argnums=… names",
    "retain_grad": "cr.intermediates(f)(x)",
    "register_hook": "cr.intermediates(f)(x)",
    "clone": "x.copy()",
    "contiguous": "x itself",
    "to": "x.astype(dtype); there are no devices",
    "cpu": "x itself; there are no devices",
    "cuda": "x itself; there are no devices",
    "block_until_ready": "x itself: results are there at once",
    "float": "x.astype(np.float32)",
    "double": "x.astype(np.float64)",
    "dim": "x.ndim",
    "numel": "x.size",
    "view": "x.reshape(shape)",
    "permute": "x.transpose(axes)",
    "t": "x.T",
    "unsqueeze": "np.expand_dims(x, axis)",
    "expand": "np.broadcast_to(x, shape)",
    "pow": "x**n",
    "mm": "x @ y",
    "mv": "x @ y",
    "bmm": "x @ y",
    "add_": "x += y",
    "mul_": "x *= y",
    "fill_": "x.fill(value)",
    "zero_": "x.fill(0.0)",
    "values": "x itself, which behaves like an array of NumPy",
    "to_numpy": "x itself, which behaves like an array of NumPy",
    "iloc": "x[i]",
    "loc": "x[i]",
}
_TRAIN = {
    "MLPClassifier": "cr.train.Classifier",
    "MLPRegressor": "cr.train.Regressor",
    "load_model": "cr.load",
    "DataLoader": "model.fit(x, y, batch_size=32), or batches",
}
# In the order in which a name that is written without its package is looked for.
_PACKAGES = ("chainrule.nn", "chainrule.optim", "chainrule.train", "chainrule.data")
_TABLES = {
    "chainrule": _ROOT, "chainrule.nn": _LAYERS, "chainrule.optim": _OPTIMIZERS,
    "chainrule.train": _TRAIN, "Model": _MODEL, "Traced": _ARRAY,
}  # fmt: skip
_SCIPY = "scipy.optimize.minimize(cr.value_and_grad(f), x0, jac=True, …)"
_KEYWORDS = {
    "minimize": {
        "method": "optimizer='l-bfgs', or another name in lower case",
        "jac": "nothing: the gradient is taken of f",
        "hess": "nothing: f is differentiated twice where the optimizer asks for it",
        "hessp": "nothing: f is differentiated twice where the optimizer asks for it",
        "bounds": _SCIPY,
        "constraints": _SCIPY,
        "args": "cr.minimize(lambda x: f(x, a), x0)",
        "tol": "tolerance=1e-6",
        "options": "steps=1000 and tolerance=1e-6",
        "maxiter": "steps=1000",
        "max_iter": "steps=1000",
        "epochs": "steps=1000",
        "lr": "learning_rate=0.01",
        "callback": "record=True, and the path of the result",
        "verbose": "record=True, and the path of the result",
        "jit": "jit_compile=True",
    },
    "compile": {
        "static_argnums": "static_argnames=('n',)",
        "backend": "engine='native' or engine='numpy'",
        "donate_argnums": "nothing: memory is reused by itself",
        "fullgraph": "nothing: a function is compiled whole",
        "nopython": "nothing: a function is compiled whole",
    },
}


def missing(owner: Any, name: str) -> AttributeError:
    """The error for an attribute that a module or a model does not have.

    It says what the name of another library is called here; otherwise Python adds the nearest name.

    Args:
        owner: the name of the module, a model, or a traced array.
        name: that was asked for.

    >>> print(missing("chainrule.nn", "Linear"))
    module 'chainrule.nn' has no attribute 'Linear'; use cr.nn.Dense(outputs); the number of \
inputs comes from the data
    >>> print(missing("chainrule", "Adagrad"))
    module 'chainrule' has no attribute 'Adagrad'; use cr.optim.AdaGrad
    """
    if isinstance(owner, str):
        subject, answer = f"module {owner!r}", _here(owner, name)
        owner = importlib.import_module(owner)
    else:
        traced = type(owner).__name__ == "Traced"
        subject = "a traced value" if traced else f"{type(owner).__name__!r} object"
        answer = _of_array(name) if traced else _MODEL.get(name, "")
    text = f"{subject} has no attribute {name!r}"
    if answer:
        return AttributeError(f"{text}; use {answer}", name=name)
    return AttributeError(text, name=name, obj=owner)


def unexpected(kind: Any, name: str) -> TypeError:
    """The error for a keyword that a layer, a loss, an optimizer or a function does not have.

    Args:
        kind: the class or the function.
        name: of the keyword.

    >>> from chainrule import minimize
    >>> from chainrule.nn import Dense
    >>> print(unexpected(Dense, "in_features"))
    Dense() got an unexpected keyword argument 'in_features'; leave it out: the shape comes from \
the data, or from model.build(input_shape)
    >>> print(unexpected(minimize, "tol"))
    minimize() got an unexpected keyword argument 'tol'; use tolerance=1e-6
    """
    import difflib
    import inspect

    package = ".".join(kind.__module__.split(".")[:2])
    answer = _SETTINGS.get(package, {}).get(name, "")
    if kind.__name__ in _KEYWORDS and name in _KEYWORDS[kind.__name__]:
        answer = f"use {_KEYWORDS[kind.__name__][name]}"
    fields = getattr(kind, "__dataclass_fields__", None) or inspect.signature(kind).parameters
    near = difflib.get_close_matches(name, fields, 1, cutoff=0.6)
    if not answer and near:
        answer = f"did you mean {near[0]!r}?"
    text = f"{kind.__name__}() got an unexpected keyword argument {name!r}"
    return TypeError(f"{text}; {answer}" if answer else text)


def _of_array(name: str) -> str:
    """What the attribute of an array is called here, or nothing."""
    if name in _ARRAY or name.startswith("_"):
        return _ARRAY.get(name, "")
    root = importlib.import_module("chainrule")
    known = root.supported()
    for prefix, module in (("np", "numpy"), ("np.linalg", "numpy.linalg")):
        if f"{module}.{name}" in known:
            return f"{prefix}.{name}(x)"
    functions = importlib.import_module("chainrule.functions")
    return f"cr.{name}(x)" if name in root.__all__ and hasattr(functions, name) else ""


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
