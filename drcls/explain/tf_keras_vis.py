"""Grad-CAM++, Score-CAM and saliency maps, computed by tf-keras-vis.

The library is given a model of its own that shares the weights and ends in the scores: its usual way of removing
the softmax changes the activation of the model that it is given. It runs on the TensorFlow backend alone.
"""

import keras
import numpy as np
from tqdm import tqdm

from drcls.explain.head import find_head
from drcls.explain.scores import (
    check_differentiable,
    check_images,
    check_model,
    positive_evidence,
    predicted_classes,
    score_model,
)
from drcls.forward import check_batch_size
from drcls.forward.layer_graph import find_layer, is_channels_first, is_graph, last_call, last_feature_map


def grad_cam_plus_plus(model, images, class_index=None, layer=None, batch_size=16, normalise=True):
    """Compute Grad-CAM++ heat maps, which weigh each place of a feature map by itself.

    Where a class stands in several places of an image, Grad-CAM's mean over them favours the largest.

    Args:
        model: Functional or Sequential `keras.Model` from images to class probabilities (or scores).
        images: uint8 or float (N, H, W, channels), on the model's own scale: 0..255 for the models of this package.
        class_index: int or int (N,), the class to explain; None: the predicted class of each image, and of a single
            sigmoid its positive class.
        layer: str, name of the layer to explain, in the outermost model; None: as in `GradCAM`.
        batch_size: int, images per step.
        normalise: bool, divide each map by its maximum.

    Returns:
        float32 (N, H, W), in 0..1 where normalised.

    Raises:
        ValueError: on a model, layer, image or class that cannot be explained.

    Reference: Chattopadhay et al., "Grad-CAM++" (WACV 2018).
    """
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus

    return _explain_layer(GradcamPlusPlus, model, images, class_index, layer, batch_size, normalise)


def score_cam(model, images, class_index=None, layer=None, batch_size=16, normalise=True):
    """Compute Score-CAM heat maps, which need no gradient: each channel masks the image and is weighed by the score.

    One forward pass per channel of the layer and image: slow on a CPU. Arguments, result and errors as for
    `grad_cam_plus_plus`.

    Reference: Wang et al., "Score-CAM" (CVPR workshops 2020).
    """
    from tf_keras_vis.scorecam import Scorecam

    return _explain_layer(Scorecam, model, images, class_index, layer, batch_size, normalise)


def saliency(model, images, class_index=None, batch_size=16, normalise=True):
    """Compute saliency maps: how strongly the score answers to each pixel, the largest over the channels.

    Arguments, result and errors as for `grad_cam_plus_plus`; no layer is needed. The values are absolute.

    Reference: Simonyan et al., "Deep inside convolutional networks" (2013).
    """
    from tf_keras_vis.saliency import Saliency

    explainer = Saliency(score_model(model))

    def explain(score, part):
        return explainer(score, part, normalize_map=False)

    return _in_batches(explain, model, images, class_index, batch_size, normalise, "saliency")


class _Output(keras.layers.Layer):
    """What tf-keras-vis asks a layer for: its output, here in the graph of the model that is explained."""

    def __init__(self, output):
        super().__init__()
        self._symbolic = output

    @property
    def output(self):
        return self._symbolic


def _explain_layer(method, model, images, class_index, layer, batch_size, normalise):
    check_model(model)
    name = layer or getattr(find_head(model).operation, "explain_layer", None)
    target = find_layer(model, name) if name else last_feature_map(model)
    if target not in model.layers or is_graph(target):
        raise ValueError(
            f"layer {target.name!r} is or stands in a nested model; {method.__name__} of tf-keras-vis explains layers "
            "of the outermost one"
        )
    if is_channels_first(target):
        raise ValueError(
            f"layer {target.name!r} has its channels first; {method.__name__} of tf-keras-vis explains feature maps "
            "(N, h, w, K). grad_cam explains it"
        )
    explainer, output = method(score_model(model)), _Output(last_call(model, target).output_tensors[0])

    def explain(score, part):
        options = {"penultimate_layer": output, "seek_penultimate_conv_layer": False, "normalize_cam": False}
        return explainer(score, part, **options)

    return _in_batches(explain, model, images, class_index, batch_size, normalise, method.__name__)


def _in_batches(explain, model, images, class_index, batch_size, normalise, name):
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            f"tf-keras-vis needs the TensorFlow backend; this is {keras.backend.backend()!r}"
        )
    check_batch_size(batch_size)
    check_differentiable(model)
    images = check_images(images, model).astype("float32")
    index = predicted_classes(model, images, class_index)
    maps = np.zeros(images.shape[:3], "float32")
    for start in tqdm(range(0, len(images), batch_size), desc=name, unit="batch", leave=False):
        part = slice(start, start + batch_size)
        classes = index[part]

        def score(outputs, classes=classes):
            return [output[chosen] for output, chosen in zip(outputs, classes, strict=True)]

        maps[part] = explain(score, images[part])
    return positive_evidence(maps, normalise)
