"""Grad-CAM: where in the image the evidence for a class was found.

Source: "Enhancing fundus image analysis for diabetic retinopathy using CheXNet with CBAM and Grad-CAM
visualization" (Frontiers in Medicine 2026, doi 10.3389/fmed.2026.1732109), section 2.3.6, Eq. 19-20; the
method is Selvaraju et al., "Grad-CAM" (ICCV 2017).
"""

import keras
import numpy as np
from keras import ops

from drcls.explain.head import find_head
from drcls.explain.scores import (
    PREDICTED,
    check_class_index,
    check_images,
    check_model,
    divide_by_maximum,
)
from drcls.forward import check_batch_size
from drcls.forward.layer_graph import find_layer, is_channels_first, last_feature_map, map_places, run_graph


def grad_cam(model, images, class_index=None, layer=None, batch_size=32, normalise=True):
    """Compute Grad-CAM heat maps of images. To explain images one by one, build a `GradCAM` once instead.

    Args:
        model: Functional or Sequential `keras.Model` from images to class probabilities (or logits).
        images: uint8 or float (N, H, W, channels), on the model's own scale: 0..255 for the models of this package.
        class_index: int or int (N,), the class to explain; None: the predicted class of each image, and of a single
            sigmoid its positive class.
        layer: str, see `GradCAM`.
        batch_size: int, images per step.
        normalise: bool, divide each map by its maximum; otherwise the values of Eq. 20.

    Returns:
        float32 (N, H, W), in 0..1 where normalised. A map without positive evidence is all zeros.
    """
    return GradCAM(model, layer)(images, class_index, batch_size, normalise)


class GradCAM:
    """Grad-CAM of one model and one layer, compiled once for many calls. The model is not changed.

    The zero of Eq. 20 means "no evidence for the class", so a map is divided by its maximum and not shifted
    to its minimum, which would hide evidence that is everywhere. Maps are upscaled bilinearly with half-pixel
    centres, as OpenCV and TensorFlow resize images.

    Args:
        model: Functional or Sequential `keras.Model` with one (N, H, W, channels) input and one (N, C)
            output, which ends in one softmax, in one or several sigmoids, or in a `Dense` layer of scores.
            It may hold nested models.
        layer: str, name of the layer to explain, or its path `"outer/inner"` in a nested model; None: the
            `explain_layer` of the last layer where it has one, else the last layer with an (N, h, w, K)
            output. A layer that the model calls more than once is explained at its last call.

    Raises:
        ValueError: on a model or layer that cannot be explained.
        NotImplementedError: on a Keras backend other than TensorFlow, JAX and torch.
    """

    def __init__(self, model, layer=None):
        check_model(model)
        self.model = model
        self.head = find_head(model)
        name = layer or getattr(self.head.operation, "explain_layer", None)
        self.layer = find_layer(model, name) if name else last_feature_map(model)
        self._raw_maps = _compile(self._forward, self._weigh, model)

    @property
    def places(self):
        """(rows, columns) of the feature map that is explained; None where the model takes images of any size."""
        places = map_places(self.layer)
        return None if None in places else places

    def __call__(self, images, class_index=None, batch_size=32, normalise=True):
        """Compute the heat maps; arguments and result as for `grad_cam`."""
        check_batch_size(batch_size)
        images = check_images(images, self.model)
        class_index = check_class_index(class_index, len(images), self.model.output_shape[-1])
        dtype = self.model.inputs[0].dtype
        heat_maps = np.zeros(images.shape[:3], "float32")
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            raw_maps = self._raw_maps(images[part].astype(dtype), class_index[part])
            resized = ops.image.resize(raw_maps[..., None], images.shape[1:3], data_format="channels_last")
            heat_maps[part] = ops.convert_to_numpy(resized)[..., 0]
        return divide_by_maximum(heat_maps) if normalise else heat_maps

    def _forward(self, images, watch):
        """Return the feature maps A, float32 or lower (N, h, w, K), and the scores y, float32 (N, C)."""
        seen, channels_first = {}, is_channels_first(self.layer)

        def observe(layer, inputs, outputs):
            if layer is self.layer:
                outputs = ops.transpose(outputs, (0, 2, 3, 1)) if channels_first else outputs
                outputs = seen["features"] = watch(outputs)
                outputs = ops.transpose(outputs, (0, 3, 1, 2)) if channels_first else outputs
            if layer is self.head.operation:
                seen["scores"] = ops.cast(self.head.score(inputs), "float32")
            return outputs

        run_graph(self.model, images, observe)
        return seen["features"], seen["scores"]

    def _weigh(self, features, gradients):
        """Weigh the feature maps by their mean gradient: (N, h, w, K), (N, h, w, K) -> float32 (N, h, w)."""
        if gradients is None:
            raise ValueError(
                f"no gradient of the score reaches the layer {self.layer.name!r} of model {self.model.name!r}; explain "
                "one that the score is computed from, after operations without a gradient"
            )
        features, gradients = ops.cast(features, "float32"), ops.cast(gradients, "float32")
        alpha = ops.mean(gradients, axis=(1, 2), keepdims=True)  # Eq. 19
        return ops.relu(ops.sum(alpha * features, axis=-1))  # Eq. 20


def _score_of_class(scores, class_index):
    """Sum over the batch of the score of each image's class; images do not interact in inference."""
    class_index = ops.where(class_index == PREDICTED, ops.argmax(scores, axis=-1), class_index)
    return ops.sum(scores * ops.one_hot(class_index, scores.shape[-1]))


def _compile(forward, weigh, model):
    """Compile forward(images, watch) -> (features, scores) to (images, class_index) -> maps (N, h, w).

    `weigh` makes the maps of the features and their gradient, None where there is none; on JAX it is then zeros.
    """
    compilers = {"tensorflow": _compile_tensorflow, "jax": _compile_jax, "torch": _compile_torch}
    backend = keras.backend.backend()
    if backend not in compilers:
        raise NotImplementedError(
            f"Grad-CAM needs one of the Keras backends {list(compilers)}; this is {backend!r}"
        )
    return compilers[backend](forward, weigh, model)


def _compile_tensorflow(forward, weigh, model):
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def raw_maps(images, class_index):
        with tf.GradientTape(watch_accessed_variables=False) as tape:

            def watch(features):
                tape.watch(features)
                return features

            features, scores = forward(images, watch)
            score = _score_of_class(scores, class_index)
        return weigh(features, tape.gradient(score, features))

    return raw_maps


def _compile_jax(forward, weigh, model):
    import jax

    @jax.jit
    def raw_maps(values, images, class_index):
        def score_at(offset):
            features, scores = forward(images, lambda features: features + offset)
            return _score_of_class(scores, class_index), features

        with keras.StatelessScope(zip(model.variables, values, strict=True)):
            shape = jax.eval_shape(lambda: forward(images, lambda features: features)[0])
            gradients, features = jax.grad(score_at, has_aux=True)(ops.zeros(shape.shape, shape.dtype))
        return weigh(features, gradients)

    # Weights are handed over at each call: what is compiled would keep those of the first.
    return lambda images, class_index: raw_maps(
        [variable.value for variable in model.variables], images, class_index
    )


def _compile_torch(forward, weigh, model):
    import torch

    def raw_maps(images, class_index):
        images, class_index = ops.convert_to_tensor(images), ops.convert_to_tensor(class_index)
        with torch.enable_grad():
            features, scores = forward(images, lambda features: features.detach().requires_grad_())
            (gradients,) = torch.autograd.grad(
                _score_of_class(scores, class_index), features, allow_unused=True
            )
        return weigh(features.detach(), gradients)

    return raw_maps
