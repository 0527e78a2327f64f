"""Feature extractors: the networks that the papers start from, or any saved Keras model.

Every backbone takes images in 0..255 and holds the preprocessing its weights were trained with.
"""

import os
from pathlib import Path

import h5py
import keras
from keras import ops

from drcls.models.efficientnet_lite import efficientnet_lite0
from drcls.models.saved import load_saved_model

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STANDARD_DEVIATION = (0.229, 0.224, 0.225)
CAFFE_MEAN_RGB = (123.68, 116.779, 103.939)
NUM_CHEXNET_FINDINGS = 14


def _standardise(images):
    """0..255 to zero mean and unit variance of ImageNet (CheXNet-CBAM paper, Eq. 4)."""
    variance = [deviation**2 for deviation in IMAGENET_STANDARD_DEVIATION]
    images = keras.layers.Rescaling(1 / 255, name="rescaling")(images)
    return keras.layers.Normalization(mean=IMAGENET_MEAN, variance=variance, name="normalization")(images)


def _rescale(images):
    """0..255 to -1..1."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(images)


def _rescale_lite(images):
    """0..255 to about -1..1, as EfficientNet-Lite was trained: (x - 127) / 128."""
    return keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")(images)


def _centre_bgr(images):
    """0..255 RGB to BGR with the mean of Caffe's ImageNet subtracted."""
    centred = keras.layers.Normalization(mean=CAFFE_MEAN_RGB, variance=(1, 1, 1), name="normalization")(
        images
    )
    return ops.flip(centred, axis=-1)


# name -> (architecture, preprocessing, last convolutional layer or the activation after it)
BACKBONES = {
    "CheXNet": (keras.applications.DenseNet121, _standardise, "relu"),
    "DenseNet121": (keras.applications.DenseNet121, _standardise, "relu"),
    "MobileNetV2": (keras.applications.MobileNetV2, _rescale, "out_relu"),
    "MobileNet": (keras.applications.MobileNet, _rescale, "conv_pw_13_relu"),
    "Xception": (keras.applications.Xception, _rescale, "block14_sepconv2_act"),
    "InceptionV3": (keras.applications.InceptionV3, _rescale, "mixed10"),
    "DenseNet201": (keras.applications.DenseNet201, _standardise, "relu"),
    "VGG19": (keras.applications.VGG19, _centre_bgr, "block5_conv4"),
    "InceptionResNetV2": (keras.applications.InceptionResNetV2, _rescale, "conv_7b_ac"),
    "ResNet50": (keras.applications.ResNet50, _centre_bgr, "conv5_block3_out"),
    "EfficientNetLite0": (efficientnet_lite0, _rescale_lite, "top_activation"),
}


def build_backbone(name, image_size, weights="none"):
    """Build a feature extractor.

    Args:
        name: a key of `BACKBONES`, or the path of a saved `.keras` model that maps images in 0..255 to a
            feature map (its weights come with it).
        image_size: int, height and width of the images in pixels.
        weights: `"none"` (random; batch normalisation then averages with momentum 0.9), `"imagenet"` (in this
            package for EfficientNetLite0; Keras downloads the others), or the
            path of a `.keras`, `.weights.h5` or legacy `.h5` file. The public CheXNet file (DenseNet121 with
            14 chest findings) is a legacy `.h5`; its head is dropped.

    Returns:
        keras.Model from float32 or uint8 (N, image_size, image_size, 3) in 0..255 to (N, h, w, C).

    Raises:
        ValueError: on an unknown name, weights that do not fit, or a saved model without a feature map.
        FileNotFoundError: where a file does not exist, or ImageNet weights cannot be downloaded.
    """
    if name not in BACKBONES:
        if weights != "none":
            raise ValueError(
                f"backbone {name!r} brings its own weights; received weights={weights!r} besides"
            )
        return _load_feature_extractor(name)
    architecture, preprocess, _ = BACKBONES[name]
    images = keras.Input((image_size, image_size, 3), name="images")
    if weights == "imagenet":
        backbone = _with_imagenet_weights(architecture, preprocess(images), name)
    else:
        backbone = architecture(include_top=False, weights=None, input_tensor=preprocess(images))
    backbone.name = name.lower()
    if weights == "none":
        _settle_quickly(backbone)
    if weights not in ("none", "imagenet"):
        _load_weights(backbone, Path(weights))
    return backbone


def _settle_quickly(backbone):
    """Let moving averages forget their initial values within tens of steps; Keras' 0.99 takes hundreds.

    Weights from a file keep their own momentum. Without this, a network trained briefly from random weights
    is as good as chance in inference, whatever it has learned.
    """
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9


def _load_feature_extractor(path):
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"backbone {str(path)!r} is neither a file nor one of {list(BACKBONES)}; "
            "expected a name or a .keras file"
        )
    model = load_saved_model(path)
    if len(model.output_shape) != 4:
        raise ValueError(
            f"{path}: a backbone must give (N, h, w, C) features; this model gives {model.output_shape}"
        )
    return model


def _with_imagenet_weights(architecture, images, name):
    try:
        return architecture(include_top=False, weights="imagenet", input_tensor=images)
    except Exception as error:  # noqa: BLE001 - keras.utils.get_file raises a plain Exception
        if "URL fetch failure" not in str(error):
            raise
        url = str(error).split("URL fetch failure on ")[1].split(":", 2)
        file = ":".join(url[:2]).rsplit("/", 1)[-1].strip()
        keras_home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
        raise FileNotFoundError(
            f"the ImageNet weights of {name} could not be downloaded; put the file {file} into "
            f"{keras_home / 'models'} or use weights='none'"
        ) from error


def _load_weights(backbone, path):
    if not path.is_file():
        raise FileNotFoundError(f"weights {path} do not exist; expected none, imagenet or a file")
    if path.suffix not in (".keras", ".h5"):
        raise ValueError(f"weights {path}: expected a .keras, .weights.h5 or .h5 file")
    trained = load_saved_model(path).get_weights() if path.suffix == ".keras" else None
    try:
        if trained is not None:
            backbone.set_weights(trained)
        elif path.name.endswith(".weights.h5"):
            backbone.load_weights(path)
        else:
            _load_legacy_weights(backbone, path)
    except Exception as error:  # noqa: BLE001 - a file can break h5py and Keras in any way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path}: its weights are not those of {backbone.name}: {reason[:300]}") from error


def _load_legacy_weights(backbone, path):
    """Load a Keras 2 weight file, with or without the 14-way head of the public CheXNet."""
    with h5py.File(path) as file:
        group = file.get("model_weights", file)
        if "layer_names" not in group.attrs:
            raise ValueError(f"{path} is not a Keras weight file: it has no layer_names")
        layers = [n.decode() if isinstance(n, bytes) else n for n in group.attrs["layer_names"]]
        has_head = bool(layers) and len(group[layers[-1]].attrs["weight_names"]) == 2 and "pred" in layers[-1]
    if not has_head:
        backbone.load_weights(path)
        return
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    head = keras.layers.Dense(NUM_CHEXNET_FINDINGS, activation="sigmoid", name="predictions")(pooled)
    keras.Model(backbone.input, head).load_weights(path)
