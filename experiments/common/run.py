"""One row of a results table: train, evaluate, record, unless that is done."""

import contextlib
import shutil
import time

import keras
import numpy as np
import pandas as pd

from drcls.data import audit_leakage, leaked_images
from drcls.data.leakage import describe_leakage
from drcls.environment import environment
from drcls.evaluate import evaluate
from drcls.files import read_json, remove_partial, write_csv, write_json
from drcls.metrics import (
    accuracy,
    choose_cut_points,
    confusion_matrix,
    cut_grades,
    expected_grades,
    macro_f1,
    macro_recall,
    quadratic_kappa,
)
from drcls.runs import check_split, is_current, sole_user, with_file_digests, write_split
from drcls.train import check_devices, trained_seconds, use_devices

VALIDATION = "validation.npy"
IDENTITY = ("variant", "data", "phantom", "protocol", "profile", "seed")


def audit(parts, protocol):
    """Say how much of the test part training has seen; a clean protocol that leaks is an error."""
    leakage = audit_leakage(parts["train"], parts["test"])
    sizes = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
    print(f"{protocol} protocol: {sizes}; {describe_leakage(leakage)}")
    if protocol == "clean" and leakage["group"] > 0:
        raise RuntimeError(
            f"the clean protocol must not leak, but {leakage['group']:.2%} of the test images do"
        )
    return leakage


def run_set_name(data, protocol, profile, seed):
    """Name the folder that holds the rows of one setting.

    >>> run_set_name("aptos2019", "clean", "short", 0)
    'aptos2019-clean-short-s0'
    """
    return f"{data}-{protocol}-{profile}-s{seed}"


def identity(options, protocol):
    """Return what names the rows of one setting beside their variant: dict, as their `config.json` has it.

    Args:
        options: from `resolve_options`.
        protocol: str.
    """
    return {
        "data": options.data,
        "protocol": protocol,
        "profile": options.profile,
        "seed": options.seed,
    }


def check_rows(home, parts, apart=()):
    """Refuse a folder of rows that holds one of other images: the rows of a table are compared on the same ones.

    Args:
        home: Path that holds a folder for each row.
        parts: dict of `Manifest` that rows would be trained on now.
        apart: names of rows that are not looked at: they are trained anew, or have a split of their own.

    Raises:
        ValueError: as `check_split`.
    """
    for file in sorted(home.glob("*/split.csv")):
        if file.parent.name not in apart:
            check_split(file.parent, parts)


def run_variant(folder, config, parts, leakage, fit, force=False, devices=1, leaked=None, locked=False):
    """Train, evaluate and record one row, unless it is finished.

    Args:
        folder: Path of the run folder.
        config: dict of everything the row depends on, with the fields of `IDENTITY` but `phantom`, which is a fact of
            the data set, as `sample` is. A backbone file is recorded by its name and SHA-256.
        parts: dict of `Manifest`, from `split`.
        leakage: dict, from `audit`.
        fit: function () -> (float (N, C) probabilities of the test part, str note), called with seeded generators
            and the precision of the row's `policy`, float32 where it names none. One that leaves those of the
            validation part as `validation.npy` has its ordered classes measured by their expected grade too.
        force: bool, remove what is in the folder and train anew.
        devices: int, that `fit` builds and trains its network on. Like the machine, it is no part of what a row is:
            `env.json` has it, and a row begun on one device goes on on several.
        leaked: bool (N,), which test images leaked; None: those with a copy in training. Rows made of several images
            leak in ways that the parts do not tell.
        locked: bool, whether the caller keeps other processes out of the folder, as `run_trials` does.

    Raises:
        ValueError: where the folder holds a row of other settings, of other images or of another split, another
            process trains in it, the devices do not divide a batch, or the data set does not say whether its classes
            are ordered.
    """
    check_devices(devices, config.get("batch_size"))
    info = parts["test"].info
    config = with_file_digests(config) | {"phantom": bool(info.get("phantom"))}
    if "sample" in info:
        config["sample"] = info["sample"]
    with contextlib.nullcontext() if locked else sole_user(folder):
        record(folder, config, parts, leakage, fit, force, devices, leaked)
    accuracy = read_json(folder / "metrics.json")["metrics"]["accuracy"]
    print(f"{config['variant']}, {config['protocol']} protocol: accuracy {accuracy:.4f}")


def record(folder, config, parts, leakage, fit, force, devices, leaked):
    """Train, evaluate and record one row in a folder that no other process uses; arguments as for `run_variant`."""
    ordered, info = parts["test"].ordered, parts["test"].info
    if force and folder.exists():
        shutil.rmtree(folder.resolve())  # or the checkpoint would be found, and nothing trained
        folder.resolve().mkdir()  # what a link leads to
    current = is_current(folder, config)
    check_split(folder, parts)
    if not current:
        started = time.monotonic() - trained_seconds(folder)
        remove_partial(folder)
        write_json(folder / "config.json", config)
        write_json(folder / "dataset.json", info)
        write_split(folder, parts)
        print(f"\n{folder}")
        with use_devices(devices):
            begin(config)
            probabilities, note = fit()
        if leaked is None:
            leaked = leaked_images(parts["train"], parts["test"])
        write_csv(folder / "leaked.csv", pd.DataFrame({"leaked": leaked}))
        measured = evaluate(parts["test"], probabilities, folder, seed=config["seed"])
        write_json(folder / "env.json", environment(time.monotonic() - started, devices))
        row = {key: config[key] for key in IDENTITY} | {
            "num_test": len(parts["test"]),
            "class_names": parts["test"].classes,
            "ordered": ordered,
        }
        learned = read_json(folder / "training.json") if (folder / "training.json").is_file() else None
        write_json(
            folder / "metrics.json",
            row
            | measured
            | {"leakage": leakage, "note": note, "training": learned}
            | {"seen_and_unseen": seen_and_unseen(parts["test"], probabilities, leaked)}
            | {"prior_corrected": prior_corrected(parts, probabilities)}
            | {"expected_grade": expected_grade(parts, probabilities, folder / VALIDATION)},
        )


def begin(config):
    """Seed every random generator and set the precision, so that no row depends on the row before it."""
    keras.utils.set_random_seed(config["seed"])
    keras.config.set_dtype_policy(config.get("policy", "float32"))


def seen_and_unseen(test, probabilities, leaked):
    """Measure the accuracy on leaked and on unseen test images apart.

    Args:
        test: `Manifest` of the test part.
        probabilities: float (N, C) of the test part.
        leaked: bool (N,).

    Returns:
        dict from `leaked` and `unseen` to `images`, int, and `accuracy`, float or None where there is no image.
    """
    right = probabilities.argmax(axis=1) == test.labels
    return {
        name: {"images": int(rows.sum()), "accuracy": float(right[rows].mean()) if rows.any() else None}
        for name, rows in (("leaked", leaked), ("unseen", ~leaked))
    }


def prior_corrected(parts, probabilities):
    """Measure the same probabilities under the decisions for other class frequencies.

    A network answers for the class frequencies that its loss saw. Accuracy asks for those of the test part, macro
    recall for equal ones: two operating points of one network. Probabilities are multiplied or divided by the class
    shares of the training part and the largest is taken; nothing is trained or chosen.

    Args:
        parts: dict of `Manifest`, from `split`.
        probabilities: float (N, C) of the test part.

    Returns:
        dict from `times_prior` and `over_prior` to accuracy, macro recall, macro F1 and, of grades, quadratic kappa.
    """
    prior = parts["train"].counts() / len(parts["train"])
    decisions = {"times_prior": probabilities * prior, "over_prior": probabilities / prior}
    return {
        name: measure_decision(parts["test"], scores.argmax(axis=1)) for name, scores in decisions.items()
    }


def expected_grade(parts, probabilities, validation):
    """Measure ordered classes by the mean of their grades, cut where the validation part's kappa is largest.

    Args:
        parts: dict of `Manifest`, from `split`.
        probabilities: float (N, C) of the test part.
        validation: Path of the probabilities of the validation part, float (M, C); there or not.

    Returns:
        dict of `cut_points` and the measures of `measure_decision`; None for classes without order, or where the
        validation part was not predicted.
    """
    if not parts["test"].ordered or not validation.is_file():
        return None
    expected = expected_grades(np.load(validation))
    cuts = choose_cut_points(parts["validation"].labels, expected, probabilities.shape[1])
    grades = cut_grades(expected_grades(probabilities), cuts)
    return {"cut_points": cuts.tolist()} | measure_decision(parts["test"], grades)


def measure_decision(part, predicted):
    """Return dict of accuracy, macro recall, macro F1 and, of ordered classes, quadratic kappa.

    One that does not exist is None.
    """
    confusion = confusion_matrix(part.labels, predicted, len(part.classes))
    statistics = (accuracy, macro_recall, macro_f1, *((quadratic_kappa,) if part.ordered else ()))
    return {
        statistic.__name__: None if np.isnan(value := float(statistic(confusion))) else value
        for statistic in statistics
    }
