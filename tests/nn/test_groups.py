"""Convolutions in groups: each filter sees its own channels."""

import numpy as np
import pytest
from scipy.signal import correlate

from chainrule import nn
from chainrule.check import check_grads
from chainrule.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("channels", "filters", "groups"), [(4, 6, 2), (3, 3, 3), (2, 8, 2)])
def test_each_group_is_a_correlation_of_its_own_channels(channels, filters, groups):
    layer = nn.Conv2D(filters, (2, 3), groups=groups)
    params, _ = layer.build(0, (6, 7, channels))
    kernel = params["kernel"]
    assert kernel.shape == (2, 3, channels // groups, filters)
    x = RNG.standard_normal((2, 6, 7, channels))
    y, _ = layer(params, {}, x, training=False)
    own, made = channels // groups, filters // groups
    for b in range(2):
        for f in range(filters):
            start = f // made * own
            expected = correlate(x[b, :, :, start : start + own], kernel[..., f], "valid")[..., 0]
            np.testing.assert_allclose(y[b, :, :, f], expected, rtol=1e-12, atol=1e-12)
    assert layer.output_shape((6, 7, channels)) == y.shape[1:]


def test_gradients_of_groups():
    layer = nn.Conv1D(4, 3, groups=2, padding="same", strides=2)
    params, _ = layer.build(0, (7, 2))
    x = RNG.standard_normal((2, 7, 2))
    check_grads(lambda p, x: layer(p, {}, x, training=True)[0].sum() ** 2)(params, x)


def test_groups_that_do_not_divide():
    with pytest.raises(ArgumentError, match="every group has the same number of filters"):
        nn.Conv2D(5, 3, groups=2)
    with pytest.raises(ShapeError, match="divided among 2 groups\n  received: 3 channels"):
        nn.Conv2D(4, 3, groups=2).build(0, (8, 8, 3))
