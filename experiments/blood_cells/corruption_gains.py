"""Which corrupted images a row gets right, as `robustness.json` keeps it, and what an augmentation changes there."""

import numpy as np

from drcls.metrics import gain_under_corruption, mean_corruption_error
from drcls.report import interval, interval_over_seeds, mean_sd

# What training has seen of the tested corruptions, or something much like it: the printed augmentation, which every
# row has but a head on frozen features, holds brightness and Gaussian noise. Both policies stretch or equalise each
# channel on its own, which changes contrast and stain; RandAugment also smooths. MixUp blends images, CutMix covers
# parts of them.
SEEN = {
    "printed": ("brightness", "noise"),
    "RandAugment": ("contrast", "stain", "blur"),
    "MixUp": ("overlay",),
    "CutMix": ("occlusion",),
    "AugMix": ("contrast", "stain"),
}


def packed(measured):
    """Return what `measure_robustness` gave with the answers as one hexadecimal text of bits a corruption."""
    bits = {name: np.packbits(answers).tobytes().hex() for name, answers in measured["right"].items()}
    return measured | {"right": bits}


def unpacked(measured, names):
    """Return the answers under some corruptions: bool (corruptions, 5, N); None where an older run kept none."""
    if "right" not in measured:
        return None
    shape = len(names), len(measured["corrupted"][names[0]]), measured["num_images"]
    packs = [np.frombuffer(bytes.fromhex(measured["right"][name]), np.uint8) for name in names]
    return np.unpackbits(packs, axis=1, count=shape[1] * shape[2]).reshape(shape).astype(bool)


def gain_rows(measured):
    """Return one row for each augmentation whose network was also trained without it, and each averaged prediction.

    Args:
        measured: list of (run, what was measured under corruptions), of one data set, protocol and profile.
    """
    by_row = {(run["variant"], run["seed"]): values for run, values in measured}
    pairs = {}
    for run, values in sorted(measured, key=lambda one: (one[0]["variant"], one[0]["seed"])):
        variant, seed, strong = run["variant"], run["seed"], run["config"].get("strong_augmentation")
        if strong and (variant.removesuffix(f"+{strong}"), seed) in by_row:
            base = by_row[variant.removesuffix(f"+{strong}"), seed]
            pairs.setdefault((variant, (*SEEN["printed"], *SEEN[strong])), {})[seed] = base, values
        elif not strong and "tta" in values:
            seen = SEEN["printed"] if run["config"]["augmentation"] else ()
            pairs.setdefault((f"{variant}, TTA", seen), {})[seed] = values, values["tta"]
    return [gain_row(variant, seen, seeds) for (variant, seen), seeds in pairs.items()]


def gain_row(variant, seen, seeds):
    """What one augmentation changes.

    Args:
        variant: str, the row.
        seen: names of corruptions, what training has seen of them.
        seeds: dict, seed -> (what was measured without it, what was measured with it).
    """
    unseen = [name for name in next(iter(seeds.values()))[0]["corrupted"] if name not in seen]
    plain, stronger = (np.array([pair[i]["clean"] for pair in seeds.values()]) for i in (0, 1))
    before, after = (
        np.array([1 - mean_corruption_error(pair[i], names=unseen) for pair in seeds.values()])
        for i in (0, 1)
    )
    return {
        "row": variant,
        "seeds": ", ".join(map(str, seeds)),
        "clean (points)": mean_sd(stronger - plain, 100, 1, "+"),
        "corruptions that it did not train on": ", ".join(unseen),
        "without it (%)": mean_sd(before, 100, 1),
        "with it (%)": mean_sd(after, 100, 1),
        "gained (points)": mean_sd(after - before, 100, 1, "+"),
        "95 % interval over images": gain_interval(seeds.values(), unseen),
        "95 % interval over seeds": interval_over_seeds(after - before, 100),
        "gap to clean closed (%)": closed(plain.mean(), before.mean(), after.mean()),
    }


def gain_interval(pairs, names):
    """Return the interval of the gain over the images of all seeds, as text."""
    answers = [[unpacked(one, names) for one in pair] for pair in pairs]
    if any(one is None for pair in answers for one in pair):
        return "not kept"
    before, after = (np.concatenate(one, axis=-1) for one in zip(*answers, strict=True))
    return interval(gain_under_corruption(before, after)[1:], 100, 1, "+")


def closed(clean, before, after):
    """Return which share of the accuracy lost to corruptions came back, in percent, as text."""
    return f"{100 * (after - before) / (clean - before):.0f}" if clean > before else "no gap"
