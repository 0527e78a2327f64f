"""APTOS 2019 blindness detection: 3662 graded fundus photographs.

    python -m data_prep.aptos2019 --source aptos2019.zip

reads the public 224 px, Gaussian-filtered copy (`gaussian_filtered_images/CLASS/ID.png` and `train.csv`),
which the CheXNet-CBAM paper used and which `--source kaggle` downloads; also the competition's own files
(`train_images/ID.png` and `train.csv`).
"""

from pathlib import PurePosixPath

from data_prep.command import main
from data_prep.labels import DR_CLASSES, DR_GRADES, match_labels, read_label_table
from data_prep.prepare import DataSet, LabelledFile
from data_prep.sources import PreparationError, shorten

FILTERED, ORIGINAL = "gaussian_filtered_images", "train_images"


def list_files(source):
    """List the graded images of either layout.

    Returns:
        (list of LabelledFile, {}).

    Raises:
        PreparationError: Neither layout is found, or the labels contradict the files or the folders.
    """
    paths = [PurePosixPath(name) for name in source.names]
    # A folder is expected between: the public copy also holds a pickled network beside the class folders.
    filtered = [path for path in paths if FILTERED in path.parts[:-2] and path.parent.name != FILTERED]
    images = filtered or [path for path in paths if path.parent.name == ORIGINAL]
    if not images:
        raise PreparationError(
            f"{source.path}: no {FILTERED}/CLASS/ID.png and no {ORIGINAL}/ID.png among {len(paths)} files"
        )
    labels = read_label_table(source, "train.csv", "id_code", "diagnosis")
    matched = match_labels([(path.stem, str(path)) for path in images], labels, DR_GRADES, "train.csv")
    if filtered:
        _check_folders(matched)
    return [LabelledFile(name, image_id, label) for image_id, name, label in matched], {}


def _check_folders(matched):
    """Refuse images whose folder names another class than train.csv does."""
    wrong = [
        f"{name} -> {label}"
        for _, name, label in matched
        if label and PurePosixPath(name).parent.name != label
    ]
    if wrong:
        raise PreparationError(f"train.csv gives another class than the folder, {shorten(wrong)}")


APTOS2019 = DataSet(
    name="aptos2019",
    title="APTOS 2019",
    classes=DR_CLASSES,
    ordered=True,
    licence="Kaggle competition rules of APTOS 2019 Blindness Detection (research use)",
    expected_counts=dict(zip(DR_CLASSES, (1805, 370, 999, 193, 295), strict=True)),
    counts_source="Table 1 of the CheXNet-CBAM paper",
    list_files=list_files,
    kaggle={"dataset": "sovitrath/diabetic-retinopathy-224x224-gaussian-filtered"},
)

if __name__ == "__main__":
    raise SystemExit(main(APTOS2019))
