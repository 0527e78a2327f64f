"""Shapley values of pixels and of image regions, computed by shap.

Its DeepExplainer is not used: it cannot follow products of layers (squeeze and excitation, attention) and
layer normalisation, which these networks hold.
"""

import keras
import numpy as np
from tqdm import tqdm

from drcls.explain.scores import (
    blurred,
    check_differentiable,
    check_images,
    numpy_seeded,
    positive_evidence,
    predicted_classes,
    reported,
    score_function,
    score_model,
)
from drcls.forward import check_batch_size


def shap_gradient(
    model, images, class_index=None, background=None, num_samples=50, seed=0, batch_size=16, normalise=True
):
    """Compute expected gradients: the gradient along random ways from background images, times the difference.

    Args:
        model: Functional or Sequential `keras.Model` from images to class probabilities (or scores).
        images: uint8 or float (N, H, W, channels) in 0..255.
        class_index: int or int (N,), the class to explain; None: the predicted class of each image, and of a single
            sigmoid its positive class.
        background: uint8 or float (M, H, W, channels), what the score is compared with; None: the images, blurred.
        num_samples: int, gradients for each image.
        seed: int; the same seed gives the same maps.
        batch_size: int, gradients per step.
        normalise: bool, keep positive values and divide each map by its maximum; otherwise signed values.

    Returns:
        float32 (N, H, W), summed over the channels; in 0..1 where normalised.

    Raises:
        ValueError: on a model, image or class that cannot be explained.
        NotImplementedError: on a backend other than TensorFlow.

    Reference: Lundberg and Lee (NIPS 2017); Erion et al., "expected gradients" (2021).
    """
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            f"shap's GradientExplainer needs the TensorFlow backend; this is {keras.backend.backend()!r}"
        )
    import shap

    check_batch_size(batch_size)
    check_differentiable(model)
    images = check_images(images, model).astype("float32")
    background = blurred(images) if background is None else check_images(background, model).astype("float32")
    index = predicted_classes(model, images, class_index)
    explainer = shap.GradientExplainer(score_model(model), background, batch_size=batch_size)
    with numpy_seeded(seed):
        values, _ = explainer.shap_values(
            images, num_samples, ranked_outputs=index[:, None], output_rank_order="custom", rseed=seed
        )
    return positive_evidence(np.reshape(values, images.shape).sum(axis=-1), normalise)


def shap_partition(
    model,
    images,
    class_index=None,
    max_evaluations=500,
    batch_size=64,
    normalise=True,
    progress=None,
    scores=None,
):
    """Compute Owen values: Shapley values over a hierarchy of rectangles, which are shown or blurred.

    Arguments, result and errors as for `shap_gradient`; nothing is drawn at random.

    Args:
        max_evaluations: int, forward passes for each image, about.
        progress: function called with the number of images of each forward pass, or None.
        scores: as for `lime`.
    """
    import shap

    images = check_images(images, model)
    scores = scores or score_function(model, batch_size)
    scores.expect(len(images) * max_evaluations)
    index = predicted_classes(model, images, class_index, scores)
    scores = reported(scores, progress)
    side = max(3, images.shape[1] // 4)
    masker = shap.maskers.Image(f"blur({side},{side})", images.shape[1:])
    explainer = shap.PartitionExplainer(scores, masker)
    maps = np.zeros(images.shape[:3], "float32")
    for number, image in enumerate(tqdm(images, desc="SHAP partitions", unit="image", leave=False)):
        with numpy_seeded(0):
            values = explainer(
                image[None].astype("float32"),
                max_evals=max_evaluations,
                batch_size=batch_size,
                outputs=[int(index[number])],
                silent=True,
            ).values
        maps[number] = values.reshape(image.shape).sum(axis=-1)
    return positive_evidence(maps, normalise)
