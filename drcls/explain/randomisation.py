"""Does an explanation depend on what the model has learned? A sanity check.

Source: Adebayo et al., "Sanity Checks for Saliency Maps" (NeurIPS 2018), section 3.
"""

import keras
import numpy as np

from drcls.explain.faithfulness import as_heat_maps, rank_correlation
from drcls.explain.scores import predicted_classes

SURVIVES_ABOVE = 0.5


def randomisation_check(model, images, explain, class_index=None, seed=0):
    """Explain the same images with a copy of the model whose weights are shuffled, and compare the maps.

    A map that stays what it was shows the image's edges, or the network's wiring, and not what was learned. All
    layers are shuffled at once, each weight tensor within itself, which keeps the scale of every layer.

    Args:
        model: `keras.Model`; not changed.
        images: as the method takes them, (N, H, W, channels).
        explain: function (model, images, class_index) -> float (N, H, W), for example `grad_cam`.
        class_index: int or int (N,), the class to explain; None: what the trained model predicts.
        seed: int, of the shuffling.

    Returns:
        dict: "correlation" float, mean rank correlation between both models' maps; "per_image" list of float;
        "passed" bool: the correlation is at most 0.5; "blank_before" and "blank_after" int, maps that are flat.
        Images whose map is flat to begin with are left out; where none is left, "correlation" and "passed" are
        None.

    Raises:
        ValueError: on a map that holds NaN or infinity.
    """
    index = predicted_classes(model, images, class_index)
    before = np.asarray(explain(model, images, index))
    before = as_heat_maps(before, before.shape, "images")
    after = as_heat_maps(
        explain(shuffled_copy(model, seed), images, index), before.shape, "those before shuffling"
    )
    blank_before, blank_after = (np.ptp(maps, axis=(1, 2)) == 0 for maps in (before, after))
    correlations = rank_correlation(before[~blank_before], after[~blank_before])
    mean = float(correlations.mean()) if len(correlations) else None
    return {
        "correlation": mean,
        "per_image": correlations.tolist(),
        "passed": None if mean is None else mean <= SURVIVES_ABOVE,
        "blank_before": int(blank_before.sum()),
        "blank_after": int(blank_after.sum()),
    }


def shuffled_copy(model, seed):
    """Return a copy of a model with every weight tensor's values in random order."""
    copy = keras.models.clone_model(model)
    rng = np.random.default_rng(seed)
    copy.set_weights([rng.permutation(w.ravel()).reshape(w.shape) for w in model.get_weights()])
    return copy
