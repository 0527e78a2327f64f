"""Batch normalisation in training as one TensorFlow operation."""

import types
from contextlib import contextmanager

import keras

from drcls.train.devices import num_devices


@contextmanager
def fused_batch_norm(model):
    """Let a model's batch normalisation run in training as TensorFlow's fused operation, for a while.

    Keras computes mean, variance and the normalised map by separate operations, each of which reads or writes the whole
    feature map. TensorFlow has one operation for all, and one for its gradient; the equations are the same (Ioffe and
    Szegedy, 2015, Algorithm 1), so that outputs, gradients and moving averages are, but for rounding. Steps get faster,
    and a large network is traced sooner.

    Nothing changes in inference, for frozen layers, on other backends, on several devices, in reduced precision, and
    for inputs that are no feature maps with channels last.

    Args:
        model: keras.Model. Its layers are as before when the context ends; what was traced inside stays fused.

    Example:
        >>> import keras, numpy as np
        >>> images = keras.Input((4, 4, 2))
        >>> model = keras.Model(images, keras.layers.BatchNormalization()(images))
        >>> with fused_batch_norm(model):
        ...     outputs = model(np.arange(64, dtype="float32").reshape(2, 4, 4, 2), training=True)
        >>> round(float(keras.ops.std(outputs)), 2)
        1.0
    """
    layers = []
    if keras.backend.backend() == "tensorflow" and num_devices() == 1:
        layers = [layer for layer in model._flatten_layers() if _can_be_fused(layer)]
    for layer in layers:
        layer.call = types.MethodType(_call, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _can_be_fused(layer):
    """Subclasses and patched layers have a call of their own, and renormalisation other statistics."""
    plain = type(layer) is keras.layers.BatchNormalization and "call" not in vars(layer)
    return plain and not (layer.renorm or layer.synchronized)


def _call(layer, inputs, training=None, mask=None):
    """Do what the layer's own `call` does."""
    import tensorflow as tf

    is_map = inputs.dtype == tf.float32 and len(inputs.shape) == 4 and layer.axis in (-1, 3)
    if not (training and layer.trainable and is_map and mask is None and layer.compute_dtype == "float32"):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    channels = inputs.shape[-1]
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=layer.gamma if layer.scale else tf.ones([channels]),
        offset=layer.beta if layer.center else tf.zeros([channels]),
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=layer.epsilon,
        is_training=True,
    )
    # TensorFlow gives the unbiased variance; Keras averages that of the batch.
    count = tf.cast(tf.size(inputs, tf.int64) // channels, tf.float32)
    # Of one value the unbiased variance may be NaN on a GPU; its own is zero.
    variance = tf.math.multiply_no_nan(variance, (count - 1) / count)
    for average, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        average.assign(average * layer.momentum + value * (1 - layer.momentum))
    return outputs
