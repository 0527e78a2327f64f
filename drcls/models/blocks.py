"""Building blocks that several networks share, on channels-last feature maps."""

from keras import layers

from drcls.layers import SqueezeExcitation


def convolve(features, filters, kernel_size, strides=1, activation="relu", name=None):
    """Convolution, batch normalisation and activation: (N, h, w, C) -> (N, h/strides, w/strides, filters)."""
    features = layers.Conv2D(
        filters, kernel_size, strides, padding="same", use_bias=False, name=f"{name}_convolution"
    )(features)
    # Keras' momentum of 0.99 needs hundreds of steps to forget its initial values.
    features = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(features)
    return layers.Activation(activation, name=name)(features) if activation else features


def residual_block(features, filters, reduction_ratio, name):
    """Two convolutions beside the identity (He et al., 2016); without a reduction ratio SE is left out."""
    x = convolve(features, filters, 3, name=f"{name}_first")
    x = convolve(x, filters, 3, activation=None, name=f"{name}_second")
    if reduction_ratio:
        x = SqueezeExcitation(reduction_ratio, name=f"{name}_excitation")(x)
    return layers.ReLU(name=name)(layers.Add(name=f"{name}_sum")([features, x]))
