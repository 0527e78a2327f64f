"""Measuring a trained classifier on a part of a prepared folder, its own or another."""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from drcls.data import Batches, ImageCache, load_manifest
from drcls.environment import environment
from drcls.files import read_json, write_json
from drcls.forward.layer_graph import class_names
from drcls.models.input_range import assumed_of_images
from drcls.models.saved import load_saved_model
from drcls.models.training_data import data_beside, digest, is_model_of_run, model_file
from drcls.own_images.dividing import prepared_size
from drcls.own_images.measuring import measure_classifier, reliability
from drcls.predictions import write_predictions

BATCH_SIZE = 32
FILES = ("config.json", "predictions.csv", "env.json", "metrics.json")
PAGE_FILES = (  # of `drcls.own_images.page`
    "report.md",
    "report.html",
    "figures/confusion.png",
    "figures/roc.png",
    "figures/reliability.png",
)
CONFIG_KEYS = {"model", "model_sha256", "data", "data_sha256", "part", "seed"}


def evaluate_classifier(run_or_model, data, part=None, folder=None, positive=None, seed=0):
    """Measure a classifier.

    Args:
        run_or_model: path of a run folder, or of a `.keras` file; the file of a run is that run.
        data: path of a prepared folder.
        part: "train", "validation", "test" or "all". None: the test part of the run where the data are those it was
            trained with, all images where none of them is known. Of a model without a run they are the parts that the
            source came in.
        folder: where `predictions.csv metrics.json config.json env.json` are written; None:
            `evaluation-PART` in the run folder, or `MODEL-evaluation-PART` beside the model. An earlier evaluation of
            the same model, data and part is replaced, its page goes with it.
        positive: str, the class that sensitivity and specificity are of, where there are two and a threshold can be
            chosen; None: the second.
        seed: int, of the bootstrap.

    Returns:
        dict, the content of `metrics.json`: `metrics`, `intervals`, `reliability`, `part`, `seen_in_training` (number
        of measured images whose very file the run was trained with; None where no run says), `assumed` (what the model
        does not say of its images and classes, list of str) and, with two classes
        and a validation part, `threshold` (see `drcls.own_images.measuring.measure_classifier`).

    Raises:
        ValueError: where model and images do not fit: classes, sizes, preparation, or no image of the part; where
            some images are known from the run and others are not, and no part is named; where `folder` holds files of
            these names that are no evaluation's, or the evaluation of another model, other data or another part; where
            `positive` is no class, or there is no threshold that it could be of.
        FileNotFoundError: where a path is missing.
    """
    started = time.monotonic()
    path, manifest = Path(run_or_model), load_manifest(data)
    run = run_of(path)
    model = load_classifier(path)
    described, not_known = _described(path)
    check_fit(model, path, manifest, described)
    _check_positive(positive, manifest)
    table = _read_split(run)
    part = part or _default_part(table, manifest, path)
    chosen = _select(manifest, table, part, path)
    folder = Path(folder) if folder else _default_folder(path, part)
    config = {"model": str(path), "data": str(data), "part": part, "seed": seed}
    config |= {
        "model_sha256": digest(model_file(path)),
        "data_sha256": digest(manifest.root / "manifest.csv"),
    }
    _check_target(folder, config)
    cache = ImageCache(manifest, model.input_shape[1] or prepared_size(manifest))
    validation = _validation(model, cache, manifest, table, part) if len(manifest.classes) == 2 else None
    _check_threshold(positive, validation, manifest, table)
    probabilities = predict_part(model, cache, chosen)
    measured = measure_classifier(chosen, probabilities, validation, seed, positive)
    for name in ("metrics.json", *PAGE_FILES):  # or an interruption would leave them beside other predictions
        (folder / name).unlink(missing_ok=True)
    write_json(folder / "config.json", config)
    write_predictions(folder / "predictions.csv", chosen, probabilities)
    write_json(folder / "env.json", environment(time.monotonic() - started))
    recorded = _identity(run, path, manifest, seed) | {
        "part": part,
        "num_test": len(chosen),
        "class_names": manifest.classes,
        "ordered": manifest.ordered,
        "seen_in_training": None if table is None else _count_seen(table, chosen),
        "reliability": reliability(chosen.labels, probabilities),
        "assumed": [*_assumed(model, manifest), *not_known],
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


def check_fit(model, path, manifest, described):
    """Refuse images that the model was not made for.

    Args:
        model: keras.Model of `load_classifier`.
        path: of the model, for the error.
        manifest: `Manifest` of the images.
        described: dict of what is recorded of the images that it was trained on, from `data_beside`.

    Raises:
        ValueError: on other classes, too small images or another preparation.
    """
    names = class_names(model)
    num_classes = 2 if model.output_shape[-1] == 1 else model.output_shape[-1]
    if num_classes != len(manifest.classes) or (names and names != manifest.classes):
        raise ValueError(
            f"{path} tells {num_classes} classes apart, {names or 'without names'}; "
            f"{manifest.root} has {len(manifest.classes)}: {manifest.classes}{_other_classes_remedy(names, manifest)}"
        )
    size, prepared = model.input_shape[1], prepared_size(manifest)
    if size and prepared < size:
        raise ValueError(
            f"{path} takes images of {size} pixels; {manifest.root} holds images of {prepared}; prepare them anew "
            f"with --size {size}"
        )
    wanted, found = described.get("preparation") or {}, manifest.info.get("preparation") or {}
    compared = ["crop", "filter", "clahe"]
    if wanted.get("filter", "none") != "none" or wanted.get("clahe"):
        compared.append("size")  # these two reach as many pixels, whatever the size
    different = [name for name in compared if name in wanted and wanted[name] != found.get(name)]
    if different:
        told = ", ".join(f"{name} {found.get(name)}, trained with {wanted[name]}" for name in different)
        raise ValueError(
            f"{manifest.root} is prepared otherwise than the images {path} was trained with: {told}"
        )


def _assumed(model, manifest):
    """What the model does not say of its images and classes, list of str."""
    told = assumed_of_images(model)
    if not class_names(model):
        told.append(f"the model names no classes: its outputs were taken for {', '.join(manifest.classes)}")
    return told


def _other_classes_remedy(names, manifest):
    """Say how images of some of the model's classes, or in another order, are prepared for it."""
    if not names or not set(manifest.classes) <= set(names):
        return ""
    return f"; prepare them anew: drcls prepare SOURCE {manifest.root} --classes {','.join(names)} --force"


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


def _described(path):
    """What is recorded of a model's images; where files of another model lie beside it, also why nothing is known."""
    try:
        return data_beside(path)[0], []
    except ValueError as error:
        return {}, [f"the images are prepared as the model's were, which is not known: {error}"]


def run_of(path):
    """The run folder of a model, or None where it lies alone."""
    if path.is_dir():
        return path
    return path.parent if is_model_of_run(path) else None


def _default_part(table, manifest, path):
    """The test part of the run's own data or of some of them, all images of other data; a mixture is asked about."""
    known = 0 if table is None else int(_is_known(table, manifest).sum())
    others = len(manifest) - known
    # Its own data hold more than the split does: copies, of which the clean split keeps one.
    if known and others and known < len(table):
        raise ValueError(
            f"{manifest.root} holds {known} of the {len(table)} images that {path} was trained and tested with, and "
            f"{others} others; name what to measure: --part all, or --part test for those of its test part"
        )
    return "test" if known else "all"


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
        rows = manifest.source_parts == part
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
    rows = _validation_rows(manifest, table)
    if not len(rows) or part in ("validation", "all"):
        return None
    validation = manifest.select(rows)
    return validation, predict_part(model, cache, validation)


def _validation_rows(manifest, table):
    """Return int (n,), the rows of images that are of the run's validation part."""
    if table is None:
        return np.array([], int)
    wanted = table[(table["part"] == "validation") & _is_known(table, manifest)]
    return np.flatnonzero(manifest.frame["path"].isin(set(wanted["path"])))


def _count_seen(table, part):
    """How many images of the part are files that the run was trained with."""
    trained = set(table.loc[table["part"] == "train", "sha256"])
    return int(part.frame["sha256"].isin(trained).sum())


def _check_positive(positive, manifest):
    """Refuse a class that is none, and one where there are not two."""
    if positive is None:
        return
    if positive not in manifest.classes:
        raise ValueError(f"positive: received {positive!r}, expected one of {manifest.classes}")
    if len(manifest.classes) != 2:
        raise ValueError(
            f"positive: received {positive!r}, but {manifest.root} has {len(manifest.classes)} classes; sensitivity at "
            "a threshold is measured of two; leave it out"
        )


def _check_threshold(positive, validation, manifest, table):
    """Refuse a positive class that would have no effect, as no threshold can be chosen."""
    if positive is None or validation is not None:
        return
    why = f"no validation image of the run is in {manifest.root}"
    if len(_validation_rows(manifest, table)):
        why = "a threshold is chosen on the validation part, and measured on another"
    raise ValueError(
        f"positive: received {positive!r}, but {why}, so there is no threshold with a sensitivity; leave it out"
    )


def _check_target(folder, config):
    """Refuse a folder whose files of an evaluation's names are of something else: a run, or another evaluation."""
    found = [name for name in (*FILES, *PAGE_FILES) if (folder / name).exists()]
    if not found:
        return
    described = read_json(folder / "config.json") if "config.json" in found else None
    if not _is_evaluation(described):
        raise ValueError(
            f"{folder} holds {', '.join(found)} of something else than an evaluation; name another folder"
        )
    different = [key for key in ("model", "data", "part") if not _is_same(key, described, config)]
    if different:
        told = ", ".join(f"{key}: {described[key]} there, {config[key]} now" for key in different)
        raise ValueError(f"{folder} holds another evaluation ({told}); name another folder with --to")


def _is_same(key, described, config):
    """Whether two evaluations agree: a path may be written in two ways, and a folder may have been moved."""
    if key == "part":
        return described[key] == config[key]
    is_same_path = Path(described[key]).resolve() == Path(config[key]).resolve()
    return is_same_path or described[f"{key}_sha256"] == config[f"{key}_sha256"]


def _default_folder(path, part):
    run = run_of(path)
    return run / f"evaluation-{part}" if run else path.with_name(f"{path.stem}-evaluation-{part}")


def discard_evaluations(run):
    """Delete the evaluations in a run folder, which are of a model that is about to be trained anew."""
    for folder in run.glob("evaluation-*"):
        if not _holds_an_evaluation(folder):
            continue
        for name in (*PAGE_FILES, *reversed(FILES)):  # `config.json` last: it says whose the others are
            (folder / name).unlink(missing_ok=True)
        for emptied in (folder / "figures", folder):
            if emptied.is_dir() and not any(emptied.iterdir()):
                emptied.rmdir()


def _holds_an_evaluation(folder):
    """Whether a folder's `config.json` is an evaluation's; a damaged one is nobody's."""
    try:
        return _is_evaluation(read_json(folder / "config.json"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False


def _is_evaluation(described):
    return isinstance(described, dict) and described.keys() == CONFIG_KEYS


def _identity(run, path, manifest, seed):
    """What the reports call this evaluation."""
    trained = read_json(run / "config.json") if run else {}
    return {
        "variant": run.name if run else path.stem,
        "data": manifest.info.get("name", manifest.root.name),
        "phantom": bool(manifest.info.get("phantom", False)),
        "protocol": trained.get("protocol", "not recorded"),
        "profile": "own",
        "seed": trained.get("seed", seed),
    }
