"""Writes a data set of synthetic fundus photographs, the stand-in for APTOS 2019 that needs no download.

    python -m data_prep.phantoms.fundus --output data/fundus_phantom --num-images 600 --size 64 --seed 0

It has what makes APTOS hard to use honestly: the class proportions of its 3662 images, several photographs
of one patient, files stored twice, some of them under two different labels, and graders who disagree. The
lesions are drawn, not real: figures measured on it say how software behaves, nothing about the disease.
"""

import argparse
import hashlib
import json
import shutil
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from data_prep.phantoms.retina import CAMERAS, CLASSES, MIN_SIZE, Eye, draw_fundus
from drcls.data.duplicates import conflicting, find_duplicates, perceptual_hash, unite_groups

__all__ = ["draw_fundus", "write_fundus"]

APTOS_COUNTS = np.array([1805, 370, 999, 193, 295])
APTOS_DUPLICATES, APTOS_CONFLICTING = 123, 30  # groups of identical files; those with two labels among them
SMALLEST_CLASS = 5
MIN_IMAGES = 40
DRAWING = 1  # raise it with every change of the pictures: an older phantom is then not taken for this one
LABEL_NOISE = 0.04  # share of the images with lesions whose label is one grade beside what was drawn


def write_fundus(folder, num_images=600, size=96, seed=0, progress=True, force=False):
    """Write a phantom data set: images, lesion masks, `manifest.csv`, `rejected.csv` and `dataset.json`.

    Every image has a generator of its own, seeded by `(seed, its number)`, so the same arguments and library
    versions give the same bytes. A folder that was finished with the same arguments is left alone. The folder
    is built beside its final place and moved there when complete, so an interrupted run leaves nothing half
    done.

    Args:
        folder: where to write; its images are in `images/`, the masks under the same names in `masks/`.
        num_images: how many images, planted duplicates included; at least 40.
        size: side of the images in pixels, at least 32.
        seed: non-negative integer.
        progress: whether to show a progress bar.
        force: whether to replace a finished phantom, whatever its arguments were.

    Returns:
        Path of the folder.

    Raises:
        ValueError: for too few images, too small a size or a negative seed.
        FileExistsError: where `folder` holds something else, or a phantom of other arguments without `force`.
    """
    folder = Path(folder)
    if num_images < MIN_IMAGES:
        raise ValueError(
            f"num_images must be at least {MIN_IMAGES} for five classes of use, got {num_images}"
        )
    if size < MIN_SIZE:
        raise ValueError(f"size must be at least {MIN_SIZE} pixels for lesions to be visible, got {size}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    options = {"num_images": num_images, "size": size, "seed": seed, "drawing": DRAWING}
    if _is_finished(folder, options, force):
        return folder
    partial = folder.with_name(folder.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    for name in ("images", "masks"):
        (partial / name).mkdir(parents=True)

    plan = plan_images(num_images, seed)
    digests, hashes = [], []
    for index in tqdm(range(num_images), desc=f"Drawing {folder.name}", unit="image", disable=not progress):
        image, mask = _draw_planned(plan, index, size, seed)
        content = _png(image[..., ::-1])
        name = f"{index:05d}.png"
        (partial / "images" / name).write_bytes(content)
        (partial / "masks" / name).write_bytes(_png(mask))
        digests.append(hashlib.sha256(content).hexdigest())
        hashes.append(perceptual_hash(image))
    _write_tables(partial, plan, digests, hashes, options)
    if folder.exists():
        shutil.rmtree(folder)
    partial.replace(folder)
    return folder


def _is_finished(folder, options, force):
    """Tell whether `folder` holds this phantom and may stay; refuse a folder that holds anything else."""
    if not folder.exists() or not any(folder.iterdir()):
        return False
    info_file = folder / "dataset.json"
    info = json.loads(info_file.read_text()) if info_file.is_file() else {}
    if info.get("name") != "fundus_phantom":
        raise FileExistsError(f"{folder} is not empty and holds no fundus phantom; name another folder")
    if force:
        return False
    if info["preparation"] != options:
        raise FileExistsError(
            f"{folder} holds a phantom of {info['preparation']}, asked for was {options}; "
            "name another folder or use --force"
        )
    numbers = range(options["num_images"])
    names = [f"{kind}/{number:05d}.png" for kind in ("images", "masks") for number in numbers]
    return all((folder / name).is_file() for name in ["manifest.csv", *names])


# --- What to draw


def class_counts(num_images):
    """Share `num_images` out in the proportions of APTOS 2019, int64 (5,), at least five images to a class."""
    exact = num_images * APTOS_COUNTS / APTOS_COUNTS.sum()
    counts = np.maximum(np.floor(exact).astype(np.int64), SMALLEST_CLASS)
    for _ in range(num_images - counts.sum()):
        counts[np.argmax(exact - counts)] += 1
    counts[0] -= max(0, counts.sum() - num_images)
    return counts


def plan_images(num_images, seed):
    """Decide who is photographed, with which lesions, under which label.

    Args:
        num_images: number of images.
        seed: non-negative integer.

    Returns:
        DataFrame with one row an image: `label` and `drawn` (grades 0..4; they differ by the label noise),
        `patient` (number), `eye` (0 or 1: the patient's first or second), `source` (the row whose file this
        row repeats, or -1).
    """
    rng = np.random.default_rng([seed, 0])
    labels = np.repeat(np.arange(len(CLASSES)), class_counts(num_images))
    repeats = np.zeros(num_images, np.int64)  # 1: the same file again; 2: again under a neighbouring label
    num_conflicting = max(1, round(num_images * APTOS_CONFLICTING / APTOS_COUNTS.sum()))
    num_identical = max(1, round(num_images * APTOS_DUPLICATES / APTOS_COUNTS.sum()) - num_conflicting)
    repeats[_spread(np.arange(num_images), num_identical)] = 1
    repeats[_spread(np.flatnonzero((labels > 0) & (repeats == 0)), num_conflicting)] = 2

    originals = _plan_patients(labels[repeats == 0], rng)
    copies = _plan_copies(originals, labels[repeats == 1], labels[repeats == 2], rng)
    plan = pd.concat([originals, copies], ignore_index=True)
    order = rng.permutation(num_images)  # the number of an image must not tell its grade
    row_of = np.argsort(order)
    plan["source"] = np.where(plan["source"] < 0, -1, row_of[plan["source"]])
    return plan.iloc[order].reset_index(drop=True)


def _spread(rows, count):
    """Pick `count` rows at even distances, so that every class has its share of them."""
    return rows[((np.arange(count) + 0.5) * len(rows) / count).astype(np.int64)]


def _plan_patients(labels, rng):
    """Deal the labels out to patients of two to five photographs, whose two eyes are graded nearly alike.

    A second photograph of an eye is of a later visit: the same vessels, lesions of its own.
    """
    severity = labels + rng.normal(0, 0.45, len(labels))
    labels = labels[np.argsort(severity)]
    sizes = rng.choice((2, 3, 4), size=len(labels), p=(0.6, 0.25, 0.15))
    ends = np.cumsum(sizes)
    ends = [0, *ends[ends <= len(labels) - 2], len(labels)]
    numbers = rng.permutation(len(ends) - 1)  # the number of a patient must not tell the grade either
    patient = np.concatenate(
        [[number] * (b - a) for number, (a, b) in zip(numbers, pairwise(ends), strict=True)]
    )
    eye = np.concatenate([np.arange(b - a) * 2 // (b - a) for a, b in pairwise(ends)])

    noisy = (labels > 0) & (rng.random(len(labels)) < LABEL_NOISE)
    drawn = np.where(noisy, _neighbour(labels, rng), labels)
    return pd.DataFrame({"label": labels, "drawn": drawn, "patient": patient, "eye": eye, "source": -1})


def _neighbour(labels, rng):
    """Return a grade beside each of `labels`, in 1..4: no healthy eye is misjudged, so its mask is empty."""
    step = rng.choice((-1, 1), size=len(labels))
    step = np.where(labels <= 1, 1, np.where(labels == len(CLASSES) - 1, -1, step))
    return labels + step


def _plan_copies(originals, identical, differing, rng):
    """Choose which files stand in the data twice, given the labels of the copies that agree and that differ."""
    wanted = np.concatenate([identical, _neighbour(differing, rng)])  # the label of the file that is repeated
    sources = []
    for label in wanted:
        free = originals.index[originals["label"] == label].difference(sources)
        sources.append(rng.choice(free))
    copies = originals.loc[sources].reset_index(drop=True)
    return copies.assign(label=np.concatenate([identical, differing]), source=sources)


def _draw_planned(plan, index, size, seed):
    """Draw one row of the plan: a copy is drawn as its source was, which gives the same bytes."""
    row = plan.iloc[index]
    if row["source"] >= 0:
        return _draw_planned(plan, row["source"], size, seed)
    patient = np.random.default_rng([seed, 1, row["patient"]])
    first_side, pigment, camera = patient.integers(2), patient.random(), patient.integers(len(CAMERAS))
    vessels = patient.integers(2**32, size=2)
    side = ("left", "right")[(first_side + row["eye"]) % 2]
    eye = Eye(side, float(pigment), int(vessels[row["eye"]]), int(camera))
    return draw_fundus(int(row["drawn"]), np.random.default_rng([seed, 2, index]), size, eye)


# --- What to write


def _png(image):
    """Encode an image, BGR or grey, as PNG."""
    return cv2.imencode(".png", image)[1].tobytes()


def _write_tables(folder, plan, digests, hashes, options):
    """Write `manifest.csv`, an empty `rejected.csv` and `dataset.json` for images numbered as in the plan."""
    labels = [CLASSES[label] for label in plan["label"]]
    patients = [f"patient_{number:05d}" for number in plan["patient"]]
    manifest = pd.DataFrame(
        {
            "path": [f"images/{index:05d}.png" for index in range(len(plan))],
            "label": labels,
            "group": unite_groups(patients, digests, hashes),
            "sha256": digests,
            "phash": hashes,
            "width": options["size"],
            "height": options["size"],
            "source_split": "",
        }
    )
    manifest.to_csv(folder / "manifest.csv", index=False)
    (folder / "rejected.csv").write_text("path,reason\n")
    identical, near = find_duplicates(digests, hashes)
    info = {
        "name": "fundus_phantom",
        "title": "Synthetic fundus photographs in APTOS 2019 proportions (drawn, not real)",
        "classes": CLASSES,
        "counts": {name: labels.count(name) for name in CLASSES},
        "source": "data_prep.phantoms.fundus",
        "licence": "CC0-1.0",
        "preparation": options,
        "phantom": True,
        "drcls_version": version("drcls"),
        "duplicates": {
            "identical_groups": len(identical),
            "identical_files": sum(map(len, identical)),
            "conflicting_groups": len(conflicting(identical, labels)),
            "near_groups": len(near),
            "near_files": sum(map(len, near)),
        },
        "planted": {
            "copies": int((plan["source"] >= 0).sum()),
            "misjudged_images": int((plan["label"] != plan["drawn"])[plan["source"] < 0].sum()),
        },
    }
    (folder / "dataset.json").write_text(json.dumps(info, indent=2) + "\n")


def main(arguments=None):
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Write a data set of synthetic fundus photographs.")
    parser.add_argument("--output", type=Path, default=Path("data/fundus_phantom"), help="folder to write")
    parser.add_argument("--num-images", type=int, default=600, help="images in all")
    parser.add_argument("--size", type=int, default=64, help="side of an image in pixels")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same bytes")
    parser.add_argument("--force", action="store_true", help="replace a phantom written with other options")
    args = parser.parse_args(arguments)
    try:
        folder = write_fundus(args.output, args.num_images, args.size, args.seed, force=args.force)
    except (ValueError, FileExistsError) as error:
        parser.error(str(error))
    info = json.loads((folder / "dataset.json").read_text())
    print(f"{folder}: {info['counts']}, duplicates {info['duplicates']}")


if __name__ == "__main__":
    main()
