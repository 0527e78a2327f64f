"""LIME: a linear model of what happens to the score when parts of the image are hidden, computed by lime."""

import numpy as np
from tqdm import tqdm

from drcls.explain.scores import check_images, positive_evidence, predicted_classes, reported, score_function


def lime(
    model,
    images,
    class_index=None,
    num_samples=1000,
    num_segments=64,
    seed=0,
    batch_size=64,
    normalise=True,
    progress=None,
    scores=None,
):
    """Compute LIME maps: each superpixel has the weight of its presence in a linear model of the score.

    The image is cut into superpixels (SLIC), half of them are painted over with their mean colour at random,
    and a ridge regression weighted by similarity to the image explains the scores.

    Args:
        model: Functional or Sequential `keras.Model` from images to class probabilities (or scores).
        images: uint8 or float (N, H, W, channels) on the model's scale.
        class_index: int or int (N,), the class to explain; None: the predicted class of each image, and of a single
            sigmoid its positive class.
        num_samples: int, images with hidden parts, for each image.
        num_segments: int, superpixels, about.
        seed: int; the same seed gives the same maps.
        batch_size: int, images per forward pass.
        normalise: bool, keep positive weights and divide each map by its maximum; otherwise signed weights.
        progress: function called with the number of images of each forward pass, or None.
        scores: `ForwardPass` from `drcls.explain.scores.score_function`, for many calls on one model; None: compile
            one. Where many samples pay for it, onnxruntime computes them.

    Returns:
        float32 (N, H, W), in 0..1 where normalised.

    Raises:
        ValueError: on a model, image or class that cannot be explained.

    Reference: Ribeiro et al., "Why should I trust you?" (KDD 2016).
    """
    from lime.lime_image import LimeImageExplainer

    images = check_images(images, model)
    scores = scores or score_function(model, batch_size)
    scores.expect(len(images) * num_samples)
    index = predicted_classes(model, images, class_index, scores)
    scores = reported(scores, progress)
    maps = np.zeros(images.shape[:3], "float32")
    for number, image in enumerate(tqdm(images, desc="LIME", unit="image", leave=False)):
        segments = superpixels(image, num_segments)
        explainer = LimeImageExplainer(random_state=seed)
        explainer.data_labels = hide_at_once(explainer.random_state)
        explanation = explainer.explain_instance(
            image.astype("float64"),
            scores,
            hide_color=mean_colours(image, segments),
            labels=(index[number],),
            top_labels=None,
            num_samples=num_samples,
            batch_size=batch_size,
            segmentation_fn=lambda _, segments=segments: segments,
            random_seed=seed,
        )
        weights = np.zeros(segments.max() + 1)
        for segment, weight in explanation.local_exp[index[number]]:
            weights[segment] = weight
        maps[number] = weights[segments]
    return positive_evidence(maps, normalise)


def superpixels(image, num_segments):
    """Cut an image (H, W, channels) into about `num_segments` superpixels: int (H, W), counted from 0.

    Colours are compared on the scale of 0..255, or of 0..1 where the image lies in it.
    """
    from skimage.segmentation import slic

    scale = 255 if image.dtype.kind in "ui" or image.max() > 1 else 1
    segments = slic(image.astype("float64") / scale, n_segments=num_segments, compactness=10, start_label=0)
    return np.unique(segments, return_inverse=True)[1].reshape(segments.shape)


def mean_colours(image, segments):
    """Paint every superpixel in its mean colour, for images of any number of channels: float64 (H, W, channels).

    lime itself does this for three.
    """
    sizes = np.bincount(segments.ravel())
    means = [
        np.bincount(segments.ravel(), weights=channel.ravel()) / sizes
        for channel in np.moveaxis(image.astype("float64"), -1, 0)
    ]
    return np.stack(means, axis=-1)[segments]


def hide_at_once(random_state):
    """Return lime's `data_labels`, which hides superpixels one by one, for a whole batch: with the same draws."""

    def data_labels(image, fudged_image, segments, classifier_fn, num_samples, batch_size):
        num_segments = segments.max() + 1
        shown = random_state.randint(0, 2, num_samples * num_segments).reshape(num_samples, -1)
        shown[0] = 1
        visible, hidden = image.astype("float32"), fudged_image.astype("float32")
        labels = []
        for start in range(0, num_samples, batch_size):
            mask = shown[start : start + batch_size][:, segments].astype(bool)  # (B, H, W)
            labels.append(classifier_fn(np.where(mask[..., None], visible, hidden)))
        return shown, np.concatenate(labels)

    return data_labels
