"""EyePACS, the 2015 Kaggle competition: graded photographs of both eyes of each patient.

    python -m data_prep.eyepacs2015 --source eyepacs2015.zip

reads `images/PATIENT_{left,right}.jpeg` or the competition's own `train/PATIENT_{left,right}.jpeg`, with
`trainLabels.csv`; also out of the competition's archive in five parts (`train.zip.001` to `.005`, 35 GB),
which `--source kaggle` downloads.
"""

from pathlib import PurePosixPath

from data_prep.command import main
from data_prep.labels import DR_CLASSES, DR_GRADES, match_labels, read_label_table
from data_prep.prepare import DataSet, LabelledFile
from data_prep.sources import PreparationError, shorten

FOLDERS = ("images", "train")
EYES = ("left", "right")


def list_files(source):
    """List the graded images; the group is the patient.

    Returns:
        (list of LabelledFile, {}).

    Raises:
        PreparationError: No images are found, or the labels contradict the files.
    """
    paths = [PurePosixPath(name) for name in source.names]
    images = [(path.stem, str(path)) for path in paths if path.parent.name in FOLDERS]
    if not images:
        raise PreparationError(
            f"{source.path}: no images/ or train/PATIENT_left.jpeg among {len(paths)} files"
        )
    labels = read_label_table(source, "trainLabels.csv", "image", "level")
    odd = [image_id for image_id, _ in labels if image_id.rpartition("_")[2] not in EYES]
    if odd:
        raise PreparationError(f"trainLabels.csv: ids that do not end in _left or _right, {shorten(odd)}")
    matched = match_labels(images, labels, DR_GRADES, "trainLabels.csv")
    return [LabelledFile(name, i, label, group=i.rpartition("_")[0]) for i, name, label in matched], {}


EYEPACS2015 = DataSet(
    name="eyepacs2015",
    title="EyePACS 2015",
    classes=DR_CLASSES,
    ordered=True,
    licence="Kaggle competition rules of Diabetic Retinopathy Detection (2015)",
    expected_counts=dict(zip(DR_CLASSES, (25810, 2443, 5292, 873, 708), strict=True)),
    counts_source="the whole training set of the competition",
    list_files=list_files,
    kaggle={
        "competition": "diabetic-retinopathy-detection",
        "files": ("trainLabels.csv.zip", *(f"train.zip.00{part}" for part in range(1, 6))),
    },
)

if __name__ == "__main__":
    raise SystemExit(main(EYEPACS2015))
