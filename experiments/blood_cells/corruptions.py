"""A trained row under corrupted test images: `robustness.json` in its run folder."""

import numpy as np

from drcls.data.corruptions import SEVERITIES
from drcls.models.saved import load_saved_model
from drcls.robustness import dihedral_tta, mean_corruption_error, measure_robustness
from drcls.runs import read_record, write_json

BATCH_SIZE = 64
# What training has seen of the tested corruptions, or something much like it: the printed augmentation, which every
# row has, holds brightness and Gaussian noise. Both policies stretch or equalise each channel on its own, which
# changes contrast and stain; RandAugment also smooths. MixUp blends images, CutMix covers parts of them.
SEEN = {
    "printed": ("brightness", "noise"),
    "RandAugment": ("contrast", "stain", "blur"),
    "MixUp": ("overlay",),
    "CutMix": ("occlusion",),
    "AugMix": ("contrast", "stain"),
    # Test-time augmentation trains on nothing.
    "TTA": (),
}


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
    found = read_record(target) if target.is_file() and not force else {}
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


def packed(measured):
    """Return what `measure_robustness` gave with the answers as one hexadecimal text of bits a corruption."""
    bits = {name: np.packbits(answers).tobytes().hex() for name, answers in measured["right"].items()}
    return measured | {"right": bits}


def unpacked(measured, names):
    """Return the answers under some corruptions: bool (corruptions, 5, N); None where an older run kept none."""
    if "right" not in measured:
        return None
    shape = len(names), len(SEVERITIES), measured["num_images"]
    packs = [np.frombuffer(bytes.fromhex(measured["right"][name]), np.uint8) for name in names]
    return np.unpackbits(packs, axis=1, count=shape[1] * shape[2]).reshape(shape).astype(bool)


def choose(part, num_images, seed):
    """Choose test images at random: the same rows for every model of a split."""
    order = np.random.default_rng([seed, 11]).permutation(len(part))
    return np.sort(order[:num_images])
