"""A network of Keras's own layers alone, for places without this package, and how its classes get their names back."""

import json
import zipfile

import keras

from drcls.forward.inference import iterate_leaves
from drcls.layers import ClassProbabilities

# An entry of the `.keras` archive, which Keras passes over.
NAMES = "drcls.json"


def own_layers(model):
    """Return the names of the layers of this package that a network is made of, sorted list of str.

    Args:
        model: `keras.Model`.
    """
    leaves = map(type, iterate_leaves(model))
    return sorted({kind.__name__ for kind in leaves if kind.__module__.split(".")[0] == "drcls"})


def plain_model(model):
    """Put Keras's softmax in the place of `ClassProbabilities`, where that is the only layer of this package.

    Args:
        model: Functional or Sequential `keras.Model`, built.

    Returns:
        (`keras.Model` that shares all other layers, dict of what `ClassProbabilities` carried); the model itself and
        {} where it needs this package for other layers too, or not at all.
    """
    carried = {}

    def replace(layer):
        if not isinstance(layer, ClassProbabilities):
            return None
        carried.update(class_names=layer.class_names, explain_layer=layer.explain_layer)
        return keras.layers.Softmax(dtype="float32", name=layer.name)

    if own_layers(model) == [ClassProbabilities.__name__]:
        model = _with_output(model, replace)
    return model, carried


def save_plain(model, file):
    """Save the network of `plain_model` as a `.keras` file, with what was carried as an entry that Keras passes over.

    Args:
        model: Functional or Sequential `keras.Model`, built.
        file: Path of the `.keras` file.
    """
    plain, carried = plain_model(model)
    plain.save(file)
    if carried:
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(NAMES, json.dumps(carried))


def restore_names(model, file):
    """Put `ClassProbabilities` back where `save_plain` took it away.

    Args:
        model: `keras.Model`, loaded from `file`.
        file: Path of the `.keras` file.

    Returns:
        `keras.Model` that shares all other layers; the model itself where nothing was taken away.
    """
    with zipfile.ZipFile(file) as archive:
        if NAMES not in archive.namelist():
            return model
        carried = json.loads(archive.read(NAMES))
    return _with_output(model, lambda layer: ClassProbabilities(**carried, name=layer.name))


def _with_output(model, replace):
    """Build the same network with another last layer, also of a nested network.

    Args:
        model: `keras.Model` with one output.
        replace: function, layer -> the layer in its place, or None where the network stays as it is.
    """
    if len(model.outputs) != 1:
        return model
    last, node, _ = model.outputs[0]._keras_history
    before = last._inbound_nodes[node].input_tensors
    new = _with_output(last, replace) if isinstance(last, keras.Model) else replace(last)
    if new is None or new is last or len(before) != 1:
        return model
    inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    return keras.Model(inputs, new(before[0]), name=model.name)
