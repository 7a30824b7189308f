"""Networks of several inputs, and class weights where batches are generated."""

import numpy as np

import chainrule as cr
from chainrule import nn

RNG = np.random.default_rng(1)
LEFT, RIGHT = RNG.standard_normal((50, 2)), RNG.standard_normal((50, 3))
Y = LEFT[:, :1] * 2 - RIGHT[:, 1:2]


def joined(inputs):
    return np.concatenate([inputs["left"], inputs["right"]], axis=1)


def made():
    model = cr.Model(nn.Sequential([nn.Lambda(joined), nn.Dense(1)]))
    model.compile("sgd", "mse", jit_compile=False)
    return model


def test_a_dict_of_arrays_is_the_joined_array():
    several = made()
    several.fit({"left": LEFT, "right": RIGHT}, Y, epochs=3, batch_size=16, verbose=0)
    single = cr.Model([nn.Dense(1)])
    single.compile("sgd", "mse", jit_compile=False)
    x = np.hstack([LEFT, RIGHT])
    single.fit(x, Y, epochs=3, batch_size=16, verbose=0)
    np.testing.assert_array_equal(
        several.predict({"left": LEFT, "right": RIGHT}), single.predict(x)
    )
    assert several.evaluate({"left": LEFT, "right": RIGHT}, Y) == single.evaluate(x, Y)


def test_class_weights_of_a_generator_are_sample_weights():
    x = RNG.standard_normal((40, 2))
    y = (x[:, 0] > 0.5).astype(int)

    def train(**options):
        model = cr.Model([nn.Dense(1, "sigmoid")])
        model.compile("sgd", "binary_crossentropy", jit_compile=False)
        model.fit(lambda: ((x[i : i + 8], y[i : i + 8]) for i in range(0, 40, 8)), epochs=3,
                  verbose=0, **options)  # fmt: skip
        return model.get_weights()

    by_row = cr.Model([nn.Dense(1, "sigmoid")])
    by_row.compile("sgd", "binary_crossentropy", jit_compile=False)
    weight = np.where(y == 1, 3.0, 0.5)
    by_row.fit(x, y, batch_size=8, epochs=3, shuffle=False, sample_weight=weight, verbose=0)
    weighted = train(class_weight={1: 3.0, 0: 0.5})
    for a, b in zip(weighted, by_row.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    assert not np.allclose(weighted[1], train()[1])
