"""Batch-norm statistics that belong to the weights they are used with."""

import contextlib

import keras
import numpy as np
from keras import ops

from drcls.train.torch_generators import generator_states, set_generator_states

MARK = 2.0**100  # far above every mean of features


class BatchNormReestimation:
    """Compute a network's batch-norm statistics anew from training images; no weight changes.

    The moving averages of batch normalisation lag behind weights that move fast or train briefly: with Keras'
    momentum of 0.99, 0.99^120 = 30 % of the initial values are left after 120 steps. Inference then uses statistics
    of another network. Here the initial values do not count at all: the layers average with momentum m = 1 - 1/n over
    n batches, and what is left of the initial value, m^n, is divided out. Later batches count more, the last up to e
    times as much as the first. For a layer
    that the network calls k times in a pass, n is k times the number of batches.

    Args:
        model: built keras.Model. Frozen layers keep their statistics, as they do in `fit`.
        batches: sequence of float32 or uint8 (B, H, W, 3) images, or of (images, labels) as `Batches` gives them:
            training images without augmentation, in random order.

    Raises:
        ValueError: where there is no batch.

    Example:
        >>> import keras, numpy as np
        >>> values = keras.Input((2,))
        >>> model = keras.Model(values, keras.layers.BatchNormalization(name="norm")(values))
        >>> reestimate = BatchNormReestimation(model, [np.array([[1.0, 10.0], [3.0, 30.0]], "float32")])
        >>> reestimate()
        1
        >>> keras.ops.convert_to_numpy(model.get_layer("norm").moving_mean).tolist()
        [2.0, 20.0]
    """

    def __init__(self, model, batches):
        if len(batches) == 0:
            raise ValueError(
                "batch-norm statistics need at least one batch of training images; received none"
            )
        self.batches = batches
        self.layers = [
            layer
            for layer in model._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        ]
        if self.layers:
            self._training_pass = _TrainingPass(model)
            self._training_pass.compile(jit_compile=keras.backend.backend() == "jax")
        self._num_calls = None

    def __call__(self):
        """Run one pass over the batches; return the number of layers whose statistics it changed, int."""
        if not self.layers:
            return 0
        if self._num_calls is None:
            self._num_calls = self._count_calls()
        before = [_statistics(layer) for layer in self.layers]
        updates = [calls * len(self.batches) for calls in self._num_calls]
        momenta = [1 - 1 / max(number, 1) for number in updates]
        # The first call compiles the momenta in; they stay the same for every later call.
        with self._averaging(momenta):
            for index in range(len(self.batches)):
                self._training_pass.predict_on_batch(self._images(index))
        for layer, old, momentum, number in zip(self.layers, before, momenta, updates, strict=True):
            if number:
                _forget(layer, old, share_left=momentum**number)
        return sum(number > 0 for number in updates)

    def _images(self, index):
        batch = self.batches[index]
        return batch[0] if isinstance(batch, tuple) else batch

    def _count_calls(self):
        """Return how often one pass calls each layer: with a momentum of 1/2 each call halves a large value."""
        before = [_statistics(layer) for layer in self.layers]
        try:
            with self._averaging([0.5] * len(self.layers)):
                for layer in self.layers:
                    layer.moving_mean.assign(ops.full(layer.moving_mean.shape, MARK))
                self._training_pass.network(ops.convert_to_tensor(self._images(0)), training=True)
            left = [_statistics(layer)[0].flat[0] for layer in self.layers]
        finally:
            for layer, (mean, variance) in zip(self.layers, before, strict=True):
                layer.moving_mean.assign(mean)
                layer.moving_variance.assign(variance)
        # Features that are no numbers, or float16, whose largest number is smaller, tell nothing.
        return [round(np.log2(MARK / value)) if 0 < value < np.inf else 1 for value in left]

    @contextlib.contextmanager
    def _averaging(self, momenta):
        """Let each layer average with its momentum, and leave nothing changed but their statistics."""
        others = [(variable, ops.convert_to_numpy(variable)) for variable in self._other_states()]
        generators = generator_states()
        own = [layer.momentum for layer in self.layers]
        try:
            for layer, momentum in zip(self.layers, momenta, strict=True):
                layer.momentum = momentum
            yield
        finally:
            for layer, value in zip(self.layers, own, strict=True):
                layer.momentum = value
            for variable, value in others:
                variable.assign(value)
            set_generator_states(generators)

    def _other_states(self):
        """Return what a pass in training mode moves besides the statistics: counted steps and random states."""
        statistics = {id(v) for layer in self.layers for v in (layer.moving_mean, layer.moving_variance)}
        states = self._training_pass.network.non_trainable_variables
        return [variable for variable in states if id(variable) not in statistics]


class _TrainingPass(keras.Model):
    """A model whose `predict` runs the network in training mode: batch statistics, and their averaging."""

    def __init__(self, network):
        super().__init__(name="training_pass")
        self.network = network

    def call(self, images):
        return self.network(images, training=True)


def _statistics(layer):
    return [ops.convert_to_numpy(value) for value in (layer.moving_mean, layer.moving_variance)]


def _forget(layer, initial, share_left):
    """Divide the initial values out of a layer's averages."""
    for variable, value, first in zip(
        (layer.moving_mean, layer.moving_variance), _statistics(layer), initial, strict=True
    ):
        variable.assign((value - share_left * first) / (1 - share_left))
