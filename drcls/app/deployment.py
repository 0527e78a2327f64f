"""Which model is deployed: found, loaded, calibrated at its first use, and of the grades the folder was begun with."""

import json
from pathlib import Path

from drcls.app import audit
from drcls.app.calibration import calibrate, description_of, save_calibration, validation_part
from drcls.app.db import transaction
from drcls.app.inference import Grader
from drcls.app.quality import assess, is_gradable
from drcls.data.image_ops import read_image
from drcls.files import read_json
from drcls.models.training_data import data_beside, recorded_preparation

# A row of the quick profile: what `make reproduce-chexnet-cbam` leaves.
DEMONSTRATION = Path(
    "runs/chexnet_cbam/fundus_phantom-clean-quick-s0/EfficientNetLite0_CBAM_DropBlock_Transformer/model.keras"
)
REFER_BELOW = 0.5
# The start of a server waits for them.
MOST_TRIED = 200
ALMOST_NONE = 0.1


def load_grader(folder, model=None, trained_on=None, num_threads=0, gate="fundus"):
    """Load a model for a data folder.

    Args:
        folder: Path of the data folder.
        model: Path of a `.keras` file; None: the demonstration.
        trained_on: Path of the prepared data set it was trained on, which must agree with what the model card or the
            data set's description beside the model records; None: what these record, else `data/NAME`, from its
            run folder.
        num_threads: int, cores that the network may use; 0: all.
        gate: one of `quality.GATES`.

    Returns:
        `Grader`.

    Raises:
        FileNotFoundError: where the model or the preparation of its images is not to be found.
        ValueError: where the file is no model that can grade, or `trained_on` was prepared otherwise than the images
            of the model.
    """
    if model is None and not DEMONSTRATION.is_file():
        raise FileNotFoundError(
            f"{DEMONSTRATION} does not exist: `make reproduce-chexnet-cbam` makes this demonstration model; or name "
            "another with --model"
        )
    model = model or DEMONSTRATION
    if not model.is_file():
        raise FileNotFoundError(f"--model {model}: no such file; expected a saved .keras model")
    preparation, phantom = _training_images(model, trained_on)
    return Grader(model, folder, preparation, num_threads, gate, phantom)


def load_validation(grader, trained_on=None):
    """Return the `Manifest` of the images that the model was validated on; arguments and errors as above."""
    return validation_part(trained_on or _find_data(grader.file), grader.file)


def find_validation(grader, trained_on=None):
    """Return what `load_validation` does, or None where these images are not at hand."""
    if not grader.file.with_name("split.csv").is_file():
        return None
    data = trained_on or _find_data(grader.file)
    return load_validation(grader, data) if (data / "manifest.csv").is_file() else None


def deploy_calibration(connection, grader, validation, refer_below=REFER_BELOW):
    """Fit the temperature, store it with the threshold for this very model, and log it; return what was fitted."""
    fitted = calibrate(grader, validation, refer_below)
    with transaction(connection):
        audit.append(connection, "command line", "calibration", **fitted)
        save_calibration(grader.folder / "calibration.json", fitted)
    grader.reload_calibration()
    return fitted


def calibrate_once(connection, grader, trained_on=None):
    """Calibrate a model at its first use, where the images that it was validated on are at hand.

    Where they are not, every page says that the model is not calibrated.
    """
    if grader.calibration is not None:
        return
    validation = find_validation(grader, trained_on)
    if validation is not None:
        deploy_calibration(connection, grader, validation)


def keep_grades(connection, grader, folder):
    """Hold the model's classes against those the data folder was begun with.

    Raises:
        ValueError: where they differ: cases of two scales in one list would be misread.
    """
    names = json.dumps(grader.class_names)
    with transaction(connection):
        begun = connection.execute("SELECT value FROM facts WHERE name = 'grades'").fetchone()
        if begun is None:
            connection.execute("INSERT INTO facts VALUES ('grades', ?)", (names,))
            audit.append(connection, "command line", "grades", names=names)
    if begun and begun["value"] != names:
        raise ValueError(
            f"{grader.file} has the {len(grader.class_names)} classes {grader.class_names}; {folder} was begun with "
            f"{json.loads(begun['value'])}: use that model, or another --folder"
        )


def describe(grader):
    """Say in a line which model is deployed."""
    kind = "demonstration trained on synthetic images" if grader.phantom else "model"
    why = grader.why_not_calibrated
    state = f"NOT CALIBRATED ({why})" if why else f"temperature {grader.temperature:.3f}"
    return f"{kind}: {grader.version} ({grader.sha256[:12]}), {state}, refer below {grader.refer_below}"


def describe_gate(grader, validation=None):
    """Say in a line which quality check is made, and how many validation images (`Manifest`) would pass it."""
    if grader.gate == "none":
        return "No quality check of photographs is made (--gate none)"
    line = "Quality gate for photographs of the retina"
    if validation is None:
        return line
    if _changes_looks(grader.preparation):
        return f"{line}; not tried on the validation images, whose preparation changed what it measures"
    paths = validation.paths[:: -(-len(validation.paths) // MOST_TRIED)]
    passed = sum(is_gradable(assess(read_image(path))) for path in paths)
    line += f": {passed} of {len(paths)} validation images pass it"
    if passed < ALMOST_NONE * len(paths):
        line += "; almost none, so a model of other images is served with --gate none"
    return line


def _changes_looks(preparation):
    """Whether prepared images cannot stand for photographs as they are sent: the gate measures the latter."""
    return preparation["crop"] == "centre" or preparation["filter"] != "none" or preparation["clahe"]


def _training_images(model, trained_on):
    """Return how the model's images were prepared, and whether they are known to be synthetic: (dict, bool).

    What is recorded beside the model and what the given data set says are held against each other: the network would
    answer other images than those it was trained on, and nothing would show it.
    """
    info, path = data_beside(model)
    recorded = recorded_preparation(info, path) if info.get("preparation") else None
    if recorded and trained_on is None:
        return recorded, bool(info.get("phantom"))
    description, source = description_of(trained_on or _find_data(model))
    preparation = recorded_preparation(description, source)
    if recorded and preparation != recorded:
        raise ValueError(
            f"{source} says that its images were prepared by {preparation}; expected {recorded}, which {path} records "
            f"for {model.name}: name the data set that the model was trained on with --trained-on, or leave it out"
        )
    return preparation, bool(description.get("phantom"))


def _find_data(model):
    path = model.with_name("config.json")
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist, so how the model's images were prepared is not known; name its prepared data "
            "set with --trained-on"
        )
    config = read_json(path)
    name = config.get("data") if isinstance(config, dict) else None
    if not isinstance(name, str):
        raise ValueError(
            f"{path} does not say on which data set the model was trained; name it with --trained-on"
        )
    return Path("data") / name
