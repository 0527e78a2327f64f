"""The scores that every explainer explains: what a classifier computes before its softmax or sigmoid.

A probability saturates, and it falls when another class rises; the score of a class is its own evidence.
"""

import contextlib
import warnings

import cv2
import keras
import numpy as np
from keras import ops

from drcls.explain.head import find_head
from drcls.forward import ForwardPass
from drcls.forward.layer_graph import is_graph, last_call, own_graph, run_graph
from drcls.models.input_range import expects_bytes

PREDICTED = -1


def score_function(model, batch_size=32, engine="auto"):
    """Return the model's forward pass up to the scores, compiled once for many calls.

    `model.predict` spends more time on starting than a small network on its batch.

    Args:
        model: Functional or Sequential `keras.Model` from images to class probabilities or scores.
        batch_size: int, images per step of Keras, at most.
        engine: str, see `ForwardPass`.

    Returns:
        `ForwardPass` from float or uint8 (N, H, W, channels) on the model's scale to float32 NumPy scores (N, C).
    """
    check_model(model)
    head = find_head(model)

    def forward(images):
        seen = {}

        def observe(layer, inputs, outputs):
            if layer is head.operation:
                seen["scores"] = ops.cast(head.score(inputs), "float32")
            return outputs

        run_graph(model, images, observe)
        return seen["scores"]

    return ForwardPass(forward, model, "scores", batch_size, engine)


def reported(scores, progress):
    """Return a score function that tells `progress` how many images each of its calls has scored."""
    if progress is None:
        return scores

    def observed(images):
        result = scores(images)
        progress(len(images))
        return result

    return observed


def score_model(model):
    """Return a model that shares all layers and weights and ends in the scores; the given one is unchanged.

    Raises:
        ValueError: where the last layer stands in a nested model, out of reach of the outer graph.
    """
    check_model(model)
    head = find_head(model)
    if head.operation not in own_graph(model).operations:
        raise ValueError(
            f"the last layer {head.operation.name!r} of model {model.name!r} stands in a nested model; this method "
            "needs it in the outermost one"
        )
    scores = head.score(last_call(model, head.operation).input_tensors[0])
    return keras.Model(model.inputs, scores, name=f"{model.name}_scores")


def predicted_classes(model, images, class_index, scores=None):
    """Return int (N,): the class to explain of each image, the predicted one where `class_index` is None.

    `scores` is a score function of the model that is compiled already, or None.
    """
    images = check_images(images, model)
    index = check_class_index(class_index, len(images), model.output_shape[-1])
    if np.any(index == PREDICTED):
        index = (scores or score_function(model))(images).argmax(axis=1)
    return index


def check_model(model):
    if not is_graph(model):
        raise ValueError(
            f"explaining needs a Functional or Sequential keras.Model; received {type(model).__name__}"
        )
    if not model.built:
        raise ValueError(f"model {model.name!r} is not built; give it an Input or call it once")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"explaining needs one input and one output; model {model.name!r} has {len(model.inputs)} and "
            f"{len(model.outputs)}"
        )
    if len(model.input_shape) != 4 or len(model.output_shape) != 2:
        raise ValueError(
            f"explaining needs a model from (N, H, W, channels) to (N, C); model {model.name!r} maps "
            f"{model.input_shape} to {model.output_shape}"
        )
    if model.input_shape[1] in (1, 3) and model.input_shape[3] not in (1, 3):
        raise ValueError(
            f"explaining needs images (N, H, W, channels); model {model.name!r} takes {model.input_shape}, with the "
            "channels first. Put keras.layers.Permute((3, 1, 2)) before it"
        )


def check_differentiable(model):
    """Raise a ValueError where a model takes integers: no gradient passes through them."""
    if not keras.backend.is_float_dtype(model.inputs[0].dtype):
        raise ValueError(
            f"this method needs gradients of the image; model {model.name!r} takes {model.inputs[0].dtype}. "
            "grad_cam, lime and shap_partition explain it"
        )


def check_images(images, model):
    images = np.asarray(images)
    if images.ndim and not len(images):
        raise ValueError("no image to explain; expected one or more")
    expected = model.input_shape
    fits = images.ndim == 4 and all(
        size in (None, got) for size, got in zip(expected[1:], images.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(f"images have the shape {images.shape}; model {model.name!r} expects {expected}")
    if images.dtype.kind not in "uif" or not np.isfinite(images).all():
        raise ValueError(
            f"images must be finite numbers; received dtype {images.dtype} or a NaN or infinity in it"
        )
    if images.dtype.kind == "f" and images.size and 0 < images.max() <= 1 and expects_bytes(model):
        warnings.warn(
            f"images lie in {images.min():.3g}..{images.max():.3g}; model {model.name!r} expects 0..255. Multiply by "
            "255 where they were divided by it",
            stacklevel=3,
        )
    return images


def check_class_index(class_index, num_images, num_classes):
    """Return int32 (N,), PREDICTED where the predicted class is asked for."""
    if class_index is None:
        return np.full(num_images, PREDICTED, "int32")
    index = np.asarray(class_index)
    if index.dtype.kind not in "iu" or index.shape not in ((), (num_images,)):
        raise ValueError(
            f"class_index must be an int or one int for each of the {num_images} images; received "
            f"{index.dtype} of shape {index.shape}"
        )
    if index.size and (index.min() < 0 or index.max() >= num_classes):
        raise ValueError(f"class_index must lie in 0..{num_classes - 1}; received {class_index}")
    return np.broadcast_to(index, (num_images,)).astype("int32")


def divide_by_maximum(heat_maps):
    """Bring each map into 0..1; a map of zeros stays one."""
    maximum = heat_maps.max(axis=(1, 2), keepdims=True)
    return np.divide(heat_maps, maximum, out=np.zeros_like(heat_maps), where=maximum > 0)


def positive_evidence(attributions, normalise):
    """Return float32 maps: the signed attributions, or their positive part divided by its maximum."""
    attributions = np.asarray(attributions, "float32")
    return divide_by_maximum(np.maximum(attributions, 0)) if normalise else attributions


def blurred(images):
    """Blur images (N, H, W, channels) until their lesions are gone, by a Gaussian of a tenth of their height."""
    # OpenCV takes the only channel of a grey image away.
    return np.stack(
        [cv2.GaussianBlur(image, (0, 0), image.shape[0] / 10).reshape(image.shape) for image in images]
    )


@contextlib.contextmanager
def numpy_seeded(seed):
    """Seed NumPy's global generator for a library that draws from it, and give it back as it was."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
