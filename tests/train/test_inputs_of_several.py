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


def branches(layers, inputs):
    left, right = layers.turn(inputs["left"]), inputs["right"]
    return layers.out(np.concatenate([left, layers.turn(left), right], axis=1))


def test_a_graph_of_layers_takes_a_dict(capsys):
    layers = {"turn": nn.Dense(2, use_bias=False), "out": nn.Residual(nn.Dense(1), nn.Dense(1))}
    model = cr.Model(nn.Graph(branches, layers))
    model.compile("sgd", "mse")
    inputs = {"left": LEFT, "right": RIGHT}
    model.fit(inputs, Y, epochs=2, verbose=0)
    turn, out = model.params["turn"]["kernel"], model.params["out"]
    joined = np.hstack([LEFT @ turn, LEFT @ turn @ turn, RIGHT])
    by_hand = sum(joined @ out[k]["kernel"] + out[k]["bias"] for k in ("inner", "shortcut"))
    np.testing.assert_allclose(model.predict(inputs), by_hand, rtol=1e-12)
    model.summary()
    shown = capsys.readouterr().out.splitlines()
    assert [line.split("│")[0].strip() for line in shown[3:6]] == [
        "turn (Dense)", "out.inner (Dense)", "out.shortcut (Dense)",
    ]  # fmt: skip
    assert shown[-1].split("│")[2].strip() == "20"


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
