"""Make torch.json: outputs and gradients of PyTorch's layers and losses for fixed inputs.

Run by hand where PyTorch is installed: ``python tests/nn/reference/torch_figures.py``. The tests
read the file and don't need it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
RNG = np.random.default_rng(21)


def plain(x: Any) -> Any:
    return x.detach().numpy().tolist() if isinstance(x, torch.Tensor) else np.asarray(x).tolist()


def batch_norm() -> dict[str, Any]:
    """Three steps with PyTorch's momentum 0.1, and the gradient of Σ c y in the last."""
    made = nn.BatchNorm1d(3)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([0.5, 1.0, 1.5]))
        made.bias.copy_(torch.tensor([0.1, 0.0, -0.2]))
    batches = [RNG.normal(1.0, 2.0, size=(4, 3)) for _ in range(3)]
    c = RNG.normal(size=(4, 3))
    for b in batches:
        x = torch.tensor(b, requires_grad=True)
        y = made(x)
    made.zero_grad()
    (y * torch.tensor(c)).sum().backward()
    after = {"mean": plain(made.running_mean), "variance": plain(made.running_var)}
    gradients = {
        "x": plain(x.grad),
        "gamma": plain(made.weight.grad),
        "beta": plain(made.bias.grad),
    }
    made.eval()
    single = plain(made(torch.tensor(batches[0][:1])))
    found = {"batches": plain(batches), "c": plain(c), "y": plain(y), "single": single}
    return {**found, "after": after, "gradients": gradients}


def network() -> dict[str, Any]:
    """Conv → pool → dense with cross-entropy on labels: the loss and every gradient."""
    conv, dense = nn.Conv2d(2, 3, 3, stride=2), nn.Linear(12, 4)
    x = torch.tensor(RNG.normal(size=(2, 9, 9, 2)))
    h = F.max_pool2d(torch.tanh(conv(x.permute(0, 3, 1, 2))), 2)
    loss = F.cross_entropy(dense(h.permute(0, 2, 3, 1).flatten(1)), torch.tensor([3, 1]))
    loss.backward()
    return {
        "x": plain(x),
        "labels": [3, 1],
        "conv": {
            "kernel": plain(conv.weight.permute(2, 3, 1, 0)),
            "bias": plain(conv.bias),
            "kernel_gradient": plain(conv.weight.grad.permute(2, 3, 1, 0)),
            "bias_gradient": plain(conv.bias.grad),
        },
        "dense": {
            "kernel": plain(dense.weight.T),
            "bias": plain(dense.bias),
            "kernel_gradient": plain(dense.weight.grad.T),
            "bias_gradient": plain(dense.bias.grad),
        },
        "loss": plain(loss),
    }


def losses() -> list[dict[str, Any]]:
    z, y = RNG.normal(size=(4, 3)) * 20.0, RNG.normal(size=(4, 3))
    bits = (RNG.random((4, 3)) < 0.5).astype(float)
    labels, counts = RNG.integers(0, 3, 4), RNG.poisson(2.0, (4, 3)).astype(float)
    class_weight = np.array([0.5, 1.0, 3.0])
    t = torch.tensor
    rows = [
        ("SparseCategoricalCrossentropy", {}, z, labels, None, F.cross_entropy(t(z), t(labels))),
        (
            "SparseCategoricalCrossentropy",
            {"reduction": "mean_with_sample_weight"},
            z,
            labels,
            class_weight[labels],
            F.cross_entropy(t(z), t(labels), weight=t(class_weight)),
        ),
        (
            "BinaryCrossentropy",
            {},
            z,
            bits,
            None,
            F.binary_cross_entropy_with_logits(t(z), t(bits)),
        ),
        ("Poisson", {}, y, counts, None, F.poisson_nll_loss(t(y), t(counts))),
        ("Huber", {"delta": 2.0}, z, y, None, F.huber_loss(t(z), t(y), delta=2.0)),
        ("MeanSquaredError", {}, z, y, None, F.mse_loss(t(z), t(y))),
        ("MeanAbsoluteError", {}, z, y, None, F.l1_loss(t(z), t(y))),
    ]
    keys = ("loss", "options", "p", "y", "w", "value")
    made = [dict(zip(keys, row, strict=True)) for row in rows]
    return [{k: plain(v) if k in "pywvalue" and v is not None else v for k, v in m.items()}
            for m in made]  # fmt: skip


def embedding() -> dict[str, Any]:
    table = torch.tensor(RNG.normal(size=(5, 2)), requires_grad=True)
    index, c = RNG.integers(0, 5, (3, 4)), RNG.normal(size=(3, 4, 2))
    y = F.embedding(torch.tensor(index), table)
    (y * torch.tensor(c)).sum().backward()
    found = {"table": plain(table), "index": plain(index), "c": plain(c), "y": plain(y)}
    return {**found, "gradient": plain(table.grad)}


def recurrent(name: str, layer: Any) -> dict[str, Any]:
    """Weights as PyTorch keeps them, all outputs, the last one, and the gradients."""
    layer = layer.double()
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.tensor(RNG.normal(size=tuple(p.shape))))
    x, c = (torch.tensor(RNG.normal(size=(2, 4, n))) for n in (3, layer.hidden_size))
    c = torch.cat([c] * (1 + layer.bidirectional), dim=2)
    x.requires_grad_()
    y, _ = layer(x)
    (y * c).sum().backward()
    weights = dict(layer.named_parameters())
    return {
        "layer": name, "x": plain(x), "c": plain(c), "y": plain(y), "x_gradient": plain(x.grad),
        "weights": {k: plain(p) for k, p in weights.items()},
        "gradients": {k: plain(p.grad) for k, p in weights.items()},
    }  # fmt: skip


figures = {
    "versions": {"python": sys.version.split()[0], "torch": torch.__version__.split("+")[0],
                 "numpy": np.__version__},
    "batch_norm": batch_norm(),
    "network": network(),
    "losses": losses(),
    "embedding": embedding(),
    "recurrent": [
        recurrent("SimpleRNN", torch.nn.RNN(3, 2, batch_first=True)),
        recurrent("GRU", torch.nn.GRU(3, 2, batch_first=True)),
        recurrent("LSTM", torch.nn.LSTM(3, 2, batch_first=True)),
        recurrent("LSTM", torch.nn.LSTM(3, 2, batch_first=True, bidirectional=True)),
    ],
}  # fmt: skip
Path(__file__).with_name("torch.json").write_text(json.dumps(figures) + "\n")
