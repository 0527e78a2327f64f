"""The names that Keras keeps to itself and `layer_graph` uses are there, in the versions that setup.cfg allows."""

import configparser
from pathlib import Path

import keras
from packaging.requirements import Requirement

REQUIRED = configparser.ConfigParser()
REQUIRED.read(Path(__file__).parents[2] / "setup.cfg")


def test_this_keras_lies_in_a_bounded_range():
    (wanted,) = [
        Requirement(line)
        for line in REQUIRED["options"]["install_requires"].split("\n")
        if line.startswith("keras")
    ]
    assert keras.__version__ in wanted.specifier
    assert "9.0" not in wanted.specifier  # private names may go with any version that nobody has tried


def test_the_private_names_are_there():
    inputs = keras.Input((4,))
    layer = keras.layers.Dense(2)
    model = keras.Model(inputs, layer(inputs))
    assert callable(model._run_through_graph) and callable(model._standardize_inputs)
    assert [node.operation for node in model._nodes_by_depth[0]] == [layer]
    assert layer.input._keras_history.operation is model.layers[0]
    assert isinstance(keras.Sequential([inputs, layer])._functional, keras.Model)
