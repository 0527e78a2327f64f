"""Brain Tumor MRI (Nickparvar): 7023 slices with a glioma, a meningioma, a pituitary tumour, or none.

    python -m data_prep.brain_tumor_mri --source brain-tumor-mri-dataset.zip

reads the distributed layout, `Training/CLASS/NAME.jpg` and `Testing/CLASS/NAME.jpg`, which `--source kaggle`
downloads. The distributed split stands in the manifest's `source_split`. It leaks: the set was put together
from three others, and many files lie in both parts; the counts are printed and stand in `dataset.json`. Patients
are not named: slices of one patient may lie in both parts even where no file does.
"""

from pathlib import PurePosixPath

from data_prep.command import main
from data_prep.labels import match_labels
from data_prep.prepare import DataSet, LabelledFile
from data_prep.sources import PreparationError

CLASSES = ["glioma", "meningioma", "notumor", "pituitary"]
SPLIT_COUNTS = {
    "Training": dict(zip(CLASSES, (1321, 1339, 1595, 1457), strict=True)),
    "Testing": dict(zip(CLASSES, (300, 306, 405, 300), strict=True)),
}


def list_files(source):
    """List the images; the class is the name of the folder, the split that of the folder around it.

    Files are called alike in several folders, so an image is known by its split, class and name.

    Returns:
        (list of LabelledFile, {}).

    Raises:
        PreparationError: No images are found, a folder names another class, or two files are one image's.
    """
    paths = [PurePosixPath(name) for name in source.names]
    images = [
        ("/".join([*path.parts[-3:-1], path.stem]), str(path))
        for path in paths
        if path.parent.parent.name in SPLIT_COUNTS
    ]
    if not images:
        raise PreparationError(
            f"{source.path}: no Training/CLASS/NAME.jpg and no Testing/CLASS/NAME.jpg among {len(paths)} files"
        )
    folders = {image_id: image_id.split("/")[1] for image_id, _ in images}
    matched = match_labels(
        images, list(folders.items()), dict(zip(CLASSES, CLASSES, strict=True)), "class folders"
    )
    return [
        LabelledFile(name, image_id, label, source_split=image_id.split("/")[0])
        for image_id, name, label in matched
    ], {}


BRAIN_TUMOR_MRI = DataSet(
    name="brain_tumor_mri",
    title="Brain Tumor MRI",
    classes=CLASSES,
    licence="see https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset",
    expected_counts={name: sum(counts[name] for counts in SPLIT_COUNTS.values()) for name in CLASSES},
    counts_source="the original of 7023 images",
    list_files=list_files,
    kaggle={"dataset": "masoudnickparvar/brain-tumor-mri-dataset"},
    expected_splits=SPLIT_COUNTS,
)

if __name__ == "__main__":
    raise SystemExit(main(BRAIN_TUMOR_MRI))
