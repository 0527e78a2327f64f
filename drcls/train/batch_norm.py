"""Batch-norm statistics that belong to the weights they are used with."""

import keras
import numpy as np
from keras import ops


class BatchNormReestimation:
    """Compute a network's batch-norm statistics anew from training images; no weight changes.

    The moving averages of batch normalisation lag behind weights that move fast or train briefly: with Keras'
    momentum of 0.99, 0.99^120 = 30 % of the initial values are left after 120 steps. Inference then uses statistics
    of another network. Here every batch counts nearly alike and the initial values not at all: the layers average
    with momentum m = 1 - 1/n over n batches, and what is left of the initial value, m^n, is divided out.

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

    def __call__(self):
        """Run one pass over the batches; return the number of layers whose statistics it changed, int."""
        if not self.layers:
            return 0
        momentum = 1 - 1 / len(self.batches)
        before = [_statistics(layer) for layer in self.layers]
        others = [(variable, ops.convert_to_numpy(variable)) for variable in self._other_states()]
        own = [layer.momentum for layer in self.layers]
        try:
            # The first call compiles the momentum in; it stays the same for every later call.
            for layer in self.layers:
                layer.momentum = momentum
            for index in range(len(self.batches)):
                batch = self.batches[index]
                self._training_pass.predict_on_batch(batch[0] if isinstance(batch, tuple) else batch)
        finally:
            for layer, value in zip(self.layers, own, strict=True):
                layer.momentum = value
            for variable, value in others:
                variable.assign(value)
        share_left = momentum ** len(self.batches)
        changed = [_forget(layer, old, share_left) for layer, old in zip(self.layers, before, strict=True)]
        return sum(changed)

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
    """Divide the initial values out of a layer's averages; return whether the pass had changed them."""
    averaged = _statistics(layer)
    if all(np.array_equal(a, b) for a, b in zip(averaged, initial, strict=True)):
        return False
    for variable, value, first in zip(
        (layer.moving_mean, layer.moving_variance), averaged, initial, strict=True
    ):
        variable.assign((value - share_left * first) / (1 - share_left))
    return True
