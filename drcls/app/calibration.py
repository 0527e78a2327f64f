"""Temperature scaling: probabilities that mean what they say, fitted on the validation part.

Source: C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On calibration of modern neural networks", ICML 2017,
section 4.2, Eq. 9: the scores are divided by one number, which changes no grade, only how sure it is.
"""

from pathlib import Path

import numpy as np
from scipy import stats
from scipy.optimize import brentq, minimize_scalar
from scipy.special import log_softmax, softmax

from drcls.data import load_manifest
from drcls.files import read_json, write_json
from drcls.metrics import classification_metrics
from drcls.models.training_data import recorded_preparation

# Below the smallest float32 softmax gives 0, whose logarithm is infinite.
TINY = 1e-38
COLDEST, HOTTEST = 0.05, 20.0
# A temperature is used where it is known to a factor of two either way.
WIDEST = 4.0


def calibrated(probabilities, temperature):
    """Divide the scores by the temperature: softmax(log p / T).

    Args:
        probabilities: float (..., C), a softmax's output. Its logarithm is the scores up to a constant, which
            softmax does not see.
        temperature: float above 0; 1 changes nothing.

    Returns:
        float64 (..., C).
    """
    return softmax(_scores(probabilities) / temperature, axis=-1)


def fit_temperature(probabilities, labels):
    """Find the temperature with the smallest mean negative log-likelihood.

    Args:
        probabilities: float (N, C), of the validation part.
        labels: int (N,), its classes.

    Returns:
        float, between 0.05 and 20.
    """

    def loss(log_temperature):
        return negative_log_likelihood(probabilities, labels, np.exp(log_temperature))

    bounds = (np.log(COLDEST), np.log(HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def temperature_interval(probabilities, labels, images_per_group=1.0):
    """The 95 % likelihood interval of the temperature: how well a set of images determines it.

    It holds the temperatures whose log-likelihood lies within 1.92 of the best one's (half of the 95 % quantile of
    chi-squared with one degree of freedom). Without a mistake among the images it begins at the coldest temperature.
    Images of one patient are right or wrong together: a group of k images is given the weight of one.

    Args:
        probabilities: float (N, C), of the validation part.
        labels: int (N,), its classes.
        images_per_group: float of 1 or more, on average; a group is a patient, or the copies of an image.

    Returns:
        (low, high), floats between 0.05 and 20.
    """
    best, number = fit_temperature(probabilities, labels), len(labels) / images_per_group
    limit = number * negative_log_likelihood(probabilities, labels, best) + stats.chi2.ppf(0.95, 1) / 2

    def excess(temperature):
        return number * negative_log_likelihood(probabilities, labels, temperature) - limit

    # The likelihood is log-concave in 1 / T, so that it crosses the limit at most once on either side.
    low, high = (
        float(bound if excess(bound) <= 0 else brentq(excess, *sorted((bound, best))))
        for bound in (COLDEST, HOTTEST)
    )
    return low, high


def negative_log_likelihood(probabilities, labels, temperature):
    """Mean -log p of the true class at a temperature, float."""
    likelihoods = log_softmax(_scores(probabilities) / temperature, axis=-1)
    return float(-likelihoods[np.arange(len(labels)), labels].mean())


def calibrate(grader, validation, refer_below):
    """Fit the temperature of a model on its validation part, and say what a threshold would mean.

    Args:
        grader: `Grader`.
        validation: `Manifest`.
        refer_below: float in 0..1; a case whose most probable grade is less probable is flagged "refer".

    Returns:
        dict for `calibration.json`.

    Raises:
        ValueError: where classes or preparation differ from the model's, or the threshold is no probability.
    """
    if not 0 <= refer_below <= 1:
        raise ValueError(f"--refer-below {refer_below} received; expected a probability, 0 to 1")
    check_classes(grader, validation)
    check_preparation(grader, validation)
    raw = grader.run_prepared_files(validation.paths)
    labels = validation.labels
    images_per_group = len(validation) / validation.frame["group"].nunique()
    fit = {
        "temperature": fit_temperature(raw, labels),
        "temperature_interval": list(temperature_interval(raw, labels, images_per_group)),
        "num_images": len(validation),
    }
    fit["undetermined"] = why_undetermined(fit) is not None
    temperature = 1.0 if fit["undetermined"] else fit["temperature"]
    scaled = calibrated(raw, temperature)
    before, after = (
        {
            "negative_log_likelihood": negative_log_likelihood(raw, labels, t),
            "expected_calibration_error": classification_metrics(labels, p, grader.class_names)[
                "expected_calibration_error"
            ],
        }
        for p, t in ((raw, 1.0), (scaled, temperature))
    )
    counts = np.bincount(scaled.argmax(axis=1), minlength=len(grader.class_names))
    return {
        "model_sha256": grader.sha256,
        **fit,
        "refer_below": refer_below,
        "data": validation.info.get("title", validation.root.name),
        "phantom": bool(validation.info.get("phantom")),
        "predicted_counts": dict(zip(grader.class_names, counts.tolist(), strict=True)),
        "before": before,
        "after": after,
        "thresholds": [_consequence(scaled, labels, t) for t in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)],
    }


def why_undetermined(fit):
    """Say why a fitted temperature must not be used, str, or None where it may be.

    Args:
        fit: dict of `temperature_interval` and `num_images`, as `calibrate` gives it.
    """
    number, (low, high) = fit["num_images"], fit["temperature_interval"]
    if high >= HOTTEST:
        return (
            f"the fit on {number} validation images allows temperatures up to its highest, {HOTTEST:g}: the images are "
            "too few, or the model's probabilities do not follow its mistakes"
        )
    if low <= COLDEST:
        return (
            f"the fit on {number} validation images allows temperatures down to its lowest, {COLDEST:g}: all, or "
            "nearly all, are graded right, or the probabilities hardly differ; more images are needed"
        )
    if high > WIDEST * low:
        return (
            f"the fit on {number} validation images allows temperatures from {low:.2g} to {high:.2g} (95 % interval); "
            "more images are needed"
        )
    return None


def load_calibration(path, model_sha256):
    """Return what `calibrate` wrote, or None where it has not been run for this model.

    Args:
        path: of `calibration.json`.
        model_sha256: str, of the model; the temperature of another one would say nothing of this one's probabilities.

    Raises:
        ValueError: where the file holds anything else, or another model's calibration.
    """
    if not Path(path).is_file():
        return None
    stored = read_json(path)
    if (
        not isinstance(stored, dict)
        or not {"model_sha256", "temperature_interval", "num_images", "predicted_counts"} <= set(stored)
        or not _is_interval(stored["temperature_interval"])
        or not (
            _is_number(stored.get("temperature"), COLDEST, HOTTEST)
            and _is_number(stored.get("refer_below"), 0, 1)
        )
    ):
        raise ValueError(
            f"{path} holds no calibration, or one of an earlier version; remove it and calibrate again: "
            "python -m drcls.app calibrate"
        )
    if stored["model_sha256"] != model_sha256:
        raise ValueError(
            f"{path} is the calibration of the model {str(stored['model_sha256'])[:12]}; expected that of "
            f"{model_sha256[:12]}: remove it and calibrate again: python -m drcls.app calibrate"
        )
    return stored


def _is_interval(value):
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(_is_number(one, COLDEST, HOTTEST) for one in value)
    )


def _is_number(value, lowest, highest):
    return type(value) in (int, float) and lowest <= value <= highest


def save_calibration(path, calibration):
    """Write `calibration.json`."""
    write_json(path, calibration)


def preparation_of(data_folder):
    """Read how the training images were prepared, for `prepare_image`.

    Args:
        data_folder: prepared data set, with `dataset.json`.

    Returns:
        dict of `crop`, `size`, `filter`, `clahe`. Phantoms are drawn at their final size.

    Raises:
        FileNotFoundError: where there is no `dataset.json`.
        ValueError: where it records no preparation.
    """
    return recorded_preparation(*description_of(data_folder))


def description_of(data_folder):
    """Return what a prepared data set says of itself: (dict, Path of its `dataset.json`).

    Raises:
        FileNotFoundError: where there is no `dataset.json`.
        ValueError: where it holds no description.
    """
    path = Path(data_folder) / "dataset.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; it says how the images of the model were prepared")
    description = read_json(path)
    if not isinstance(description, dict):
        raise ValueError(f"{path} holds no JSON object; expected the description that a preparation wrote")
    return description, path


def validation_part(data_folder, model_file):
    """Return the images that the model was validated on, as `split.csv` beside it names them.

    Raises:
        FileNotFoundError: where the model has no `split.csv` beside it, or the data set is not there.
        ValueError: where the data set does not hold these images.
    """
    manifest = load_manifest(data_folder)
    path, rows = read_split(model_file)
    wanted = rows[rows["part"] == "validation"]
    position = {path: row for row, path in enumerate(manifest.frame["path"])}
    unknown = [name for name in wanted["path"] if name not in position]
    found = manifest.select([position[name] for name in wanted["path"] if name in position])
    if unknown or not len(wanted) or list(found.frame["sha256"]) != list(wanted["sha256"]):
        raise ValueError(
            f"{path} names {len(wanted)} validation images, which are not those of {data_folder}; expected the "
            "data set that the model was trained on"
        )
    return found


def read_split(model_file):
    """Return which image of the model's data is of which part: (Path of `split.csv`, its table, all text).

    Raises:
        FileNotFoundError: where it does not lie beside the model.
    """
    import pandas as pd

    path = Path(model_file).with_name("split.csv")
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; it says which images the model was validated on")
    return path, pd.read_csv(path, dtype=str, keep_default_na=False)


def check_classes(grader, manifest):
    """Raise a ValueError where a data set has other classes than the model."""
    if list(manifest.classes) != list(grader.class_names):
        raise ValueError(
            f"{manifest.root} has the classes {manifest.classes}; the model {grader.file} has "
            f"{grader.class_names}"
        )


def check_preparation(grader, manifest):
    """Raise a ValueError where a data set was prepared otherwise: the network would be measured on other images."""
    preparation = preparation_of(manifest.root)
    if preparation != grader.preparation:
        raise ValueError(
            f"{manifest.root / 'dataset.json'} says that its images were prepared by {preparation}; expected "
            f"{grader.preparation}, as the images of {grader.file} were: prepare the set in the same way"
        )


def _scores(probabilities):
    return np.log(np.maximum(np.asarray(probabilities, np.float64), TINY))


def _consequence(probabilities, labels, threshold):
    """Say which share a threshold refers, and how often the grades of the others are right."""
    sure = probabilities.max(axis=1) >= threshold
    right = probabilities.argmax(axis=1) == labels
    return {
        "refer_below": threshold,
        "referred": float(1 - sure.mean()),
        "accuracy_of_others": float(right[sure].mean()) if sure.any() else None,
    }
