"""Measuring a trained classifier on a part of a prepared folder, its own or another."""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from drcls.data import Batches, ImageCache, load_manifest
from drcls.data.manifest import PART_OF_SPLIT
from drcls.models.saved import load_saved_model
from drcls.own_images.measuring import measure_classifier, reliability
from drcls.own_images.predictions import write_predictions
from drcls.runs import environment, read_json, write_json

BATCH_SIZE = 32
FILES = ("config.json", "predictions.csv", "env.json", "metrics.json")
CONFIG_KEYS = {"model", "data", "part", "seed"}


def evaluate_classifier(run_or_model, data, part=None, folder=None, positive=None, seed=0):
    """Measure a classifier.

    Args:
        run_or_model: path of a run folder, or of a `.keras` file.
        data: path of a prepared folder.
        part: "train", "validation", "test" or "all". None: the test part of the run where the data are those it was
            trained with, else all images. Of a model without a run they are the parts that the source came in.
        folder: where `predictions.csv metrics.json config.json env.json` are written; None:
            `evaluation-PART` in the run folder, or `MODEL-evaluation-PART` beside the model.
        positive: str, the class that sensitivity and specificity are of, where there are two; None: the second.
        seed: int, of the bootstrap.

    Returns:
        dict, the content of `metrics.json`: `metrics`, `intervals`, `reliability`, `part`, `seen_in_training` (number
        of measured images whose very file the run was trained with; None where no run says) and, with two classes
        and a validation part, `threshold` (see `drcls.own_images.measuring.measure_classifier`).

    Raises:
        ValueError: where model and images do not fit: classes, sizes, preparation, or no image of the part; where
            `folder` holds files of these names that are no evaluation's.
        FileNotFoundError: where a path is missing.
    """
    started = time.monotonic()
    path, manifest = Path(run_or_model), load_manifest(data)
    run = path if path.is_dir() else None
    model = load_classifier(path)
    check_fit(model, path, manifest, read_json(run / "config.json") if run else {})
    table = _read_split(run)
    part = part or ("test" if table is not None and _is_known(table, manifest).any() else "all")
    chosen = _select(manifest, table, part, path)
    folder = Path(folder) if folder else _default_folder(path, part)
    _check_target(folder)
    cache = ImageCache(manifest, model.input_shape[1] or int(manifest.frame["width"].max()))
    probabilities = predict_part(model, cache, chosen)
    validation = _validation(model, cache, manifest, table, part) if len(manifest.classes) == 2 else None
    measured = measure_classifier(chosen, probabilities, validation, seed, positive)
    write_json(folder / "config.json", {"model": str(path), "data": str(data), "part": part, "seed": seed})
    write_predictions(folder / "predictions.csv", chosen, probabilities)
    write_json(folder / "env.json", environment(time.monotonic() - started))
    recorded = _identity(run, path, manifest, seed) | {
        "part": part,
        "num_test": len(chosen),
        "class_names": manifest.classes,
        "ordered": manifest.ordered,
        "seen_in_training": None if table is None else _count_seen(table, chosen),
        "reliability": reliability(chosen.labels, probabilities),
        "folder": str(folder),
    }
    write_json(folder / "metrics.json", recorded | measured)
    return read_json(folder / "metrics.json")


def load_classifier(path):
    """Load a saved classifier with one image input.

    Raises:
        ValueError: where the file is no Keras model, or takes something else than one image (N, H, W, 3).
    """
    model = load_saved_model(path)
    shape = model.input_shape
    if len(model.inputs) != 1 or len(shape) != 4 or shape[-1] != 3 or shape[1] != shape[2]:
        raise ValueError(
            f"{path} takes inputs of shape {shape}; expected one square colour image (N, H, H, 3)"
        )
    return model


def check_fit(model, path, manifest, config):
    """Refuse images that the model was not made for.

    Args:
        model: keras.Model of `load_classifier`.
        path: of the model, for the error.
        manifest: `Manifest` of the images.
        config: dict of the run that trained it, or {}.

    Raises:
        ValueError: on other classes, too small images or another preparation.
    """
    names = getattr(model.layers[-1], "class_names", None)
    num_classes = 2 if model.output_shape[-1] == 1 else model.output_shape[-1]
    if num_classes != len(manifest.classes) or (names and names != manifest.classes):
        raise ValueError(
            f"{path} tells {num_classes} classes apart, {names or 'without names'}; "
            f"{manifest.root} has {len(manifest.classes)}: {manifest.classes}"
        )
    size, prepared = model.input_shape[1], int(manifest.frame[["width", "height"]].to_numpy().max())
    if size and prepared < size:
        raise ValueError(
            f"{path} takes images of {size} pixels; {manifest.root} holds images of {prepared}; prepare them anew "
            f"with --size {size}"
        )
    wanted, found = config.get("preparation") or {}, manifest.info.get("preparation") or {}
    different = [
        name for name in ("crop", "filter", "clahe") if name in wanted and wanted[name] != found.get(name)
    ]
    if different:
        told = ", ".join(f"{name} {found.get(name)}, trained with {wanted[name]}" for name in different)
        raise ValueError(
            f"{manifest.root} is prepared otherwise than the images {path} was trained with: {told}"
        )


def predict_part(model, cache, part):
    """Return the class probabilities of a part, float32 (N, C); one sigmoid output is that of the second class."""
    batches = Batches(cache, part, BATCH_SIZE)
    probabilities = np.asarray(model.predict(batches, verbose=0), dtype=np.float32)
    if not np.isfinite(probabilities).all():
        raise ValueError(f"the model gives NaN or infinity for images of {part.root}; expected probabilities")
    return (
        np.concatenate([1 - probabilities, probabilities], axis=1)
        if probabilities.shape[1] == 1
        else probabilities
    )


def _read_split(run):
    """The run's `split.csv`, or None."""
    if run is None or not (run / "split.csv").is_file():
        return None
    return pd.read_csv(run / "split.csv", dtype=str, keep_default_na=False)


def _is_known(table, manifest):
    """Which rows of a run's split are images of this folder, bool."""
    return (table["path"] + table["sha256"]).isin(set(manifest.frame["path"] + manifest.frame["sha256"]))


def _select(manifest, table, part, path):
    """The images of a part."""
    if part == "all":
        return manifest
    if table is None:
        rows = manifest.frame["source_split"].str.lower().map(PART_OF_SPLIT) == part
        where = f"the parts that {manifest.root} came in"
    else:
        wanted = table[(table["part"] == part) & _is_known(table, manifest)]
        rows = manifest.frame["path"].isin(set(wanted["path"]))
        where = f"the split of {path}"
    if not rows.any():
        raise ValueError(f"no image of {manifest.root} is in the {part} part by {where}; use --part all")
    return manifest.select(np.flatnonzero(rows))


def _validation(model, cache, manifest, table, part):
    """The validation part of the run and its probabilities, where a threshold may be chosen; else None."""
    if table is None or part == "validation":
        return None
    wanted = table[(table["part"] == "validation") & _is_known(table, manifest)]
    rows = np.flatnonzero(manifest.frame["path"].isin(set(wanted["path"])))
    if not len(rows):
        return None
    validation = manifest.select(rows)
    return validation, predict_part(model, cache, validation)


def _count_seen(table, part):
    """How many images of the part are files that the run was trained with."""
    trained = set(table.loc[table["part"] == "train", "sha256"])
    return int(part.frame["sha256"].isin(trained).sum())


def _check_target(folder):
    """Refuse a folder whose files of an evaluation's names are something else's, such as a run folder."""
    found = [name for name in FILES if (folder / name).exists()]
    described = read_json(folder / "config.json") if "config.json" in found else None
    if found and not (isinstance(described, dict) and described.keys() == CONFIG_KEYS):
        raise ValueError(
            f"{folder} holds {', '.join(found)} of something else than an evaluation; name another folder"
        )


def _default_folder(path, part):
    return path / f"evaluation-{part}" if path.is_dir() else path.with_name(f"{path.stem}-evaluation-{part}")


def _identity(run, path, manifest, seed):
    """What the reports call this evaluation."""
    trained = read_json(run / "config.json") if run else {}
    return {
        "variant": path.name if run else path.stem,
        "data": manifest.info.get("name", manifest.root.name),
        "phantom": bool(manifest.info.get("phantom", False)),
        "protocol": trained.get("protocol", "not recorded"),
        "profile": "own",
        "seed": trained.get("seed", seed),
    }
