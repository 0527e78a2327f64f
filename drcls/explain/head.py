"""What a classifier ends in: its scores, and how they become probabilities.

One softmax over all classes, one sigmoid for two classes, or one sigmoid for each of several findings that do not
exclude each other: each needs its own way from the score to the probability.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from scipy.special import expit, softmax

from drcls.forward.layer_graph import is_graph, output_layer, producer
from drcls.layers import ClassProbabilities

SAME_VALUES = (
    keras.layers.Identity,
    keras.layers.Dropout,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.AlphaDropout,
    keras.layers.ActivityRegularization,
)


@dataclass(frozen=True)
class Head:
    """The operation of a model after which nothing but a softmax or sigmoid follows.

    Args:
        operation: `keras.Operation`, seen with its inputs when the graph is run.
        score: function from that operation's input to the scores (N, C), Eq. 19's y.
        link: str, "softmax" or "sigmoid".
    """

    operation: keras.Operation
    score: callable
    link: str

    def probabilities(self, scores):
        """Return what the model makes of its scores: float (N, C) -> float (N, C), in 0..1."""
        return softmax(scores, axis=-1) if self.link == "softmax" else expit(np.asarray(scores))


def find_head(model):
    """Find where a model computes its scores.

    A last `Dense` without activation gives scores: of two classes where it has one unit, else of as many classes as it
    has units.

    Args:
        model: Functional or Sequential `keras.Model` with one output (N, C).

    Returns:
        `Head`.

    Raises:
        ValueError: where the model ends in anything but softmax, sigmoid or scores.
    """
    operation = output_layer(model)
    while _keeps_values(operation):
        operation = producer(operation)
        operation = output_layer(operation) if is_graph(operation) else operation
    link = _link(operation, model)
    if isinstance(operation, keras.layers.Dense):
        return Head(operation, lambda inputs: _before_activation(operation, inputs), link)
    return Head(operation, lambda inputs: inputs, link)


def _keeps_values(operation):
    if isinstance(operation, keras.layers.Activation):
        return operation.activation is keras.activations.linear
    return isinstance(operation, SAME_VALUES) or type(operation) is _operation_of(_cast)


def _link(operation, model):
    """Return "softmax" or "sigmoid", or refuse the model by the name of its last layer."""
    if isinstance(operation, ClassProbabilities):
        return "softmax"
    if isinstance(operation, keras.layers.Softmax) or type(operation) is _operation_of(ops.softmax):
        if operation.axis in (-1, 1):
            return "softmax"
    elif type(operation) is _operation_of(ops.sigmoid):
        return "sigmoid"
    elif isinstance(operation, (keras.layers.Activation, keras.layers.Dense)):
        activation = operation.activation
        if activation is keras.activations.softmax:
            return "softmax"
        if activation is keras.activations.sigmoid:
            return "sigmoid"
        if isinstance(operation, keras.layers.Dense) and activation is keras.activations.linear:
            return "sigmoid" if model.output_shape[-1] == 1 else "softmax"
    activation = getattr(operation, "activation", None)
    raise ValueError(
        f"model {model.name!r} ends in {operation.name!r}, a {type(operation).__name__}"
        f"{f' with the activation {keras.activations.serialize(activation)!r}' if activation else ''}, which does "
        "not show the score before a softmax or sigmoid; expected ClassProbabilities, Softmax, keras.ops.softmax, "
        "keras.ops.sigmoid, an Activation of softmax or sigmoid, or a Dense layer with one of them or none"
    )


def _before_activation(dense, inputs):
    return ops.matmul(inputs, dense.kernel) + (dense.bias if dense.use_bias else 0)


def _operation_of(function):
    """Return the class of what a function of `keras.ops` leaves in a graph; Keras does not export those classes."""
    inputs = keras.KerasTensor((None, 2))
    return type(keras.Function(inputs, function(inputs)).operations[-1])


def _cast(inputs):
    return ops.cast(inputs, "float16")
