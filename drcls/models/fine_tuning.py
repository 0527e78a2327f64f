"""Which part of a backbone is trained further: its last block, found by name."""

import keras

# Backbone: a layer at whose input or output its last block begins.
LAST_BLOCK = {
    "ResNet50": ("conv5_block2_out", "output"),
    "InceptionV3": ("mixed9", "output"),
    "Xception": ("block14_sepconv1", "input"),
    "InceptionResNetV2": ("block8_9_ac", "output"),
    "MobileNet": ("conv_pw_12_relu", "output"),
    "MobileNetV2": ("block_15_add", "output"),
    "EfficientNetLite0": ("block6d_add", "output"),
}


def unfreeze_last_block(backbone, name, first_layer=None):
    """Make the last block of a backbone trainable and everything before it, and all batch norms, not.

    Args:
        backbone: keras.Model from `build_backbone`; changed in place.
        name: what it was built from: a name of `LAST_BLOCK`, or the path of a saved model. There the last block
            is the layers that share the beginning of the last layer with weights, up to the first underscore:
            `fire9_squeeze1x1` ... `fire9_expand3x3`.
        first_layer: str, name of the layer at whose input the block begins, instead of the above.

    Returns:
        list of str, the names of the layers that are trained.

    Raises:
        ValueError: where the layer is unknown, or nothing or everything would be trained.
    """
    boundary = _boundary(backbone, name, first_layer)
    frozen = {layer.name for layer in keras.Model(backbone.inputs, boundary).layers}
    learning = [
        layer
        for layer in backbone.layers
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
    ]
    trained = [layer.name for layer in learning if layer.name not in frozen]
    if not trained or len(trained) == len(learning):
        raise ValueError(
            f"backbone {name!r}: {len(trained)} of {len(learning)} layers would be trained; expected some of "
            "them, from the first layer of the last block on"
        )
    backbone.trainable = True
    for layer in backbone.layers:
        layer.trainable = layer.name in trained
    return trained


def _boundary(backbone, name, first_layer):
    """Return the tensor that enters the last block."""
    names = [layer.name for layer in backbone.layers]
    if first_layer is None and name in LAST_BLOCK:
        layer, side = LAST_BLOCK[name]
        return getattr(backbone.get_layer(layer), side)
    if first_layer is None:
        last = next(layer.name for layer in reversed(backbone.layers) if layer.weights)
        prefix = last.split("_")[0]
        first_layer = next(layer for layer in names if layer.split("_")[0] == prefix)
    if first_layer not in names:
        raise ValueError(f"backbone {name!r} has no layer {first_layer!r}; its last layers are {names[-8:]}")
    return backbone.get_layer(first_layer).input
