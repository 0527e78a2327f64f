"""DDR: 13,673 fundus photographs from 147 Chinese hospitals, of which 12,522 are gradable.

    python -m data_prep.ddr --source DDR-dataset.zip

reads the distributed layout: `DR_grading/{train,valid,test}/NAME.jpg` with `train.txt`, `valid.txt` and
`test.txt` beside these folders, one `NAME.jpg GRADE` a line. Grade 5, ungradable, is dropped and counted, as
in the paper; the distributed split stands in the manifest's `source_split`. The copy on Kaggle
(`DR_grading.csv` and `DR_grading/DR_grading/NAME.jpg`), which has neither grade 5 nor the split, is read too,
and is what `--source kaggle` downloads.
"""

from pathlib import PurePosixPath

from data_prep.command import main
from data_prep.labels import DR_CLASSES, DR_GRADES, match_labels, read_label_table, read_text
from data_prep.prepare import DataSet, LabelledFile
from data_prep.sources import PreparationError, shorten

SPLITS = ("train", "valid", "test")
UNGRADABLE = "5"
KAGGLE_LABELS = "DR_grading.csv"


def list_files(source):
    """List the gradable images of either layout.

    Returns:
        (list of LabelledFile, {"ungradable_dropped": number of images of grade 5}).

    Raises:
        PreparationError: The layout is another one, or the labels contradict the files.
    """
    if any(PurePosixPath(name).name == KAGGLE_LABELS for name in source.names):
        return _list_kaggle_copy(source), {"ungradable_dropped": 0}
    root = _find_root(source)
    paths = [PurePosixPath(name) for name in source.names]
    images = [
        (f"{path.parent.name}/{path.name}", str(path))
        for path in paths
        if path.parent.parent == root and path.parent.name in SPLITS
    ]
    labels = [label for split in SPLITS for label in _read_labels(source, root / f"{split}.txt", split)]
    known = DR_GRADES | {UNGRADABLE: UNGRADABLE}
    matched = match_labels(images, labels, known, f"{root}/{{train,valid,test}}.txt")
    files = [
        LabelledFile(
            name, str(PurePosixPath(image_id).with_suffix("")), label, source_split=image_id.split("/")[0]
        )
        for image_id, name, label in matched
        if label != UNGRADABLE
    ]
    return files, {"ungradable_dropped": len(matched) - len(files)}


def _list_kaggle_copy(source):
    """List the images of the copy on Kaggle, whose labels stand in one table."""
    paths = [PurePosixPath(name) for name in source.names]
    images = [
        (path.name, str(path))
        for path in paths
        if path.parent.name == "DR_grading" and path.name != KAGGLE_LABELS
    ]
    labels = read_label_table(source, KAGGLE_LABELS, "id_code", "diagnosis")
    matched = match_labels(images, labels, DR_GRADES, KAGGLE_LABELS)
    return [LabelledFile(name, PurePosixPath(image_id).stem, label) for image_id, name, label in matched]


def _find_root(source):
    """Return the folder that holds the three label files."""
    names = set(source.names)
    for name in source.names:
        folder = PurePosixPath(name).parent
        if all(str(folder / f"{split}.txt") in names for split in SPLITS) and folder.name == "DR_grading":
            return folder
    if source.path.name == "DR_grading" and all(f"{split}.txt" in names for split in SPLITS):
        return PurePosixPath(".")
    raise PreparationError(
        f"{source.path}: no DR_grading folder with train.txt, valid.txt and test.txt among {len(names)} files"
    )


def _read_labels(source, path, split):
    """Read `NAME.jpg GRADE` lines as (split/NAME.jpg, grade)."""
    lines = [line.split() for line in read_text(source, str(path)).splitlines() if line.strip()]
    odd = [" ".join(line) for line in lines if len(line) != 2]
    if odd:
        raise PreparationError(f"{path}: lines that are not 'NAME.jpg GRADE', {shorten(odd)}")
    return [(f"{split}/{name}", grade) for name, grade in lines]


DDR = DataSet(
    name="ddr",
    title="DDR",
    classes=DR_CLASSES,
    ordered=True,
    licence="MIT, Li et al. 2019, https://github.com/nkicsl/DDR-dataset",
    expected_counts=dict(zip(DR_CLASSES, (6266, 630, 4477, 236, 913), strict=True)),
    counts_source="Table 2 of the CheXNet-CBAM paper",
    list_files=list_files,
    kaggle={"dataset": "mariaherrerot/ddrdataset"},
)

if __name__ == "__main__":
    raise SystemExit(main(DDR))
