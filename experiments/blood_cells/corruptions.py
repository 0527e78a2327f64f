"""A trained row under corrupted test images: `robustness.json` in its run folder."""

import numpy as np

from drcls.files import read_json, write_json
from drcls.metrics import mean_corruption_error
from drcls.models.saved import load_saved_model
from drcls.robustness import dihedral_tta, measure_robustness
from experiments.blood_cells.corruption_gains import packed

BATCH_SIZE = 64


def measure_corrupted(folder, cache, part, config, num_images, tta, force=False):
    """Measure a finished row under all corruptions, unless that is done.

    Args:
        folder: Path of the run folder, with `model.keras`.
        cache: `ImageCache` at the row's image size.
        part: `Manifest` of the test part.
        config: the row's configuration.
        num_images: how many test images to corrupt, the same for all rows of a split.
        tta: bool, whether to measure test-time augmentation too.
        force: bool, measure anew.
    """
    target = folder / "robustness.json"
    found = read_json(target) if target.is_file() and not force else {}
    if found and ("tta" in found or not tta):
        return
    model = load_saved_model(folder)
    rows = choose(part, num_images, config["seed"])
    images, labels = cache.images[cache.rows(part)[rows]], part.labels[rows]

    def forward(shown):
        batches = np.split(shown, range(BATCH_SIZE, len(shown), BATCH_SIZE))
        return np.concatenate([model.predict_on_batch(batch) for batch in batches])

    measured = found or packed(measure_robustness(forward, images, labels, config["seed"]))
    content = measured | {"mean_corruption_error": mean_corruption_error(measured), "image_size": cache.size}
    if tta:
        content["tta"] = packed(measure_robustness(dihedral_tta(forward), images, labels, config["seed"]))
    write_json(target, content)


def choose(part, num_images, seed):
    """Choose test images at random: the same rows for every model of a split."""
    order = np.random.default_rng([seed, 11]).permutation(len(part))
    return np.sort(order[:num_images])
