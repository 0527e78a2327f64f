"""Blood cells of eight classes: Acevedo et al. (2020), and what was made of their images.

    python -m data_prep.blood_cells --source PBC_dataset_normal_DIB.zip
    python -m data_prep.blood_cells --source training_set.npz
    python -m data_prep.blood_cells --source PBC_dataset_normal_DIB.zip --inject-outliers 1800

reads the original layout, `CLASS/NAME.jpg` (https://doi.org/10.17632/snkd93bnjr.1), a NumPy file of `images` and
`labels` (the layout of the homework that the paper answers) or MedMNIST's `bloodmnist*.npz`. NumPy files are
never unpickled.

The homework's 13,759 images were 11,959 cells, the training part of BloodMNIST, and 1,800 more with an unrelated
picture blended over them. `--inject-outliers N` rebuilds such a set: N cells are stored once more under a picture
drawn here, one of ten of that number once more as they are. `injected.csv` beside the manifest says which.
"""

import hashlib
from collections import Counter
from contextlib import suppress
from pathlib import Path, PurePosixPath

from data_prep import command
from data_prep.arrays import ArrayFile
from data_prep.labels import match_labels
from data_prep.outlier_injection import DUPLICATE, blend, plan_injections
from data_prep.prepare import DataSet, LabelledFile
from data_prep.sources import PreparationError, Source, UnreadableFileError, shorten
from data_prep.verify import FORMAT_OF_SUFFIX, decode_verified
from drcls.data.image_files import ImageFileError, read_header
from drcls.files import encode_png

CLASSES = [
    "basophil",
    "eosinophil",
    "erythroblast",
    "ig",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
]
ACEVEDO_COUNTS = dict(zip(CLASSES, (1218, 3117, 1551, 2895, 1214, 1420, 3329, 2348), strict=True))
PAPER_SIZE = 96
# Pictures of one camera differ by a few pixels (360 x 363, 366 x 369); more is another magnification.
SIDE_TOLERANCE = 0.1


class InjectedSource:
    """A source with overlays and duplicates of its cells added.

    Args:
        source: `Source` or `ArrayFile`; closed with this one.
        files: its list of `LabelledFile`.
        num_overlays: how many cells to store once more under an unrelated picture.
        seed: non-negative integer.

    Raises:
        PreparationError: There are fewer cells than injected images.
    """

    def __init__(self, source, files, num_overlays, seed):
        self.path, self._source, self._task = source.path, source, f"{num_overlays} {seed}"
        try:
            plan = plan_injections(len(files), num_overlays, seed)
        except ValueError as error:
            raise PreparationError(f"{source.path}: --inject-outliers: {error}") from error
        self.files, self._injected = list(files), {}
        for number, row in enumerate(plan.itertuples()):
            cell = files[row.cell]
            suffix = PurePosixPath(cell.name).suffix if row.kind == DUPLICATE else ".png"
            # The order of names decides the split, and recorded runs were split with this name.
            image_id = f"planted/{number:05d}"
            self._injected[f"{image_id}{suffix}"] = (cell.name, row)
            # The group of its cell: no split may part them.
            group = cell.group or cell.image_id
            self.files.append(
                LabelledFile(f"{image_id}{suffix}", image_id, cell.label, group, cell.source_split, row.kind)
            )
        self.names = sorted([*source.names, *self._injected])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._source.close()

    def size(self, name):
        """Return the number of bytes of a file, or of the cell that it was injected on."""
        return self._source.size(self._injected[name][0] if name in self._injected else name)

    def read(self, name):
        """Return the bytes of a file; an overlay is blended now.

        Raises:
            RejectedImageError: The cell that an overlay was injected on cannot be used.
        """
        if name not in self._injected:
            return self._source.read(name)
        cell, row = self._injected[name]
        data = self._source.read(cell)
        if row.kind == DUPLICATE:
            return data
        return encode_png(blend(decode_verified(data, cell), row.picture, row.opacity))

    def fingerprint(self):
        """Return the digests of the source, the first of them with what is injected in it."""
        names, *contents = self._source.fingerprint().split("+")
        return "+".join([hashlib.sha256(f"{names} {self._task}".encode()).hexdigest(), *contents])


def list_files(source):
    """List the labelled images of any of the three layouts, with what is injected among them.

    Returns:
        (list of LabelledFile, dict of notes).

    Raises:
        PreparationError: Folders are empty or name a ninth class, or images are of mixed size.
    """
    return (list_folders(source) if isinstance(source, Source) else source.files), {}


def list_folders(source):
    """List the images of `CLASS/NAME.jpg`; see `list_files`."""
    paths = [PurePosixPath(name) for name in source.names]
    images = [path for path in paths if path.suffix.lower() in FORMAT_OF_SUFFIX and path.parent.name]
    if not images:
        raise PreparationError(f"{source.path}: no CLASS/NAME.jpg among {len(paths)} files")
    folders = {f"{path.parent.name}/{path.stem}": path.parent.name for path in images}
    matched = match_labels(
        [(f"{path.parent.name}/{path.stem}", str(path)) for path in images],
        list(folders.items()),
        dict(zip(CLASSES, CLASSES, strict=True)),
        "class folders",
    )
    empty = [name for name in CLASSES if name not in folders.values()]
    if empty:
        raise PreparationError(
            f"{source.path}: no image in the class folders {empty}; all of {CLASSES} expected"
        )
    _check_sizes(source, [name for _, name, _ in matched])
    return [LabelledFile(name, image_id, label) for image_id, name, label in matched]


def _check_sizes(source, names):
    """Refuse images of another size than most: resized, their cells would be larger or smaller than the rest."""
    sizes = {}
    for name in names:
        # What cannot be read is rejected later, with its reason.
        with suppress(ImageFileError, UnreadableFileError):
            header = read_header(source.read(name))
            sizes[name] = (header.width, header.height)
    if not sizes:
        return
    usual = Counter(sizes.values()).most_common(1)[0][0]
    others = [
        f"{name} {width} x {height}"
        for name, (width, height) in sizes.items()
        if max(abs(width / usual[0] - 1), abs(height / usual[1] - 1)) > SIDE_TOLERANCE
    ]
    if others:
        raise PreparationError(
            f"{source.path}: images of mixed size; expected {usual[0]} x {usual[1]} pixels within a tenth; "
            f"others, {shorten(others)}"
        )


BLOOD_CELLS = DataSet(
    name="blood_cells",
    title="Blood cells (Acevedo et al. 2020)",
    classes=CLASSES,
    licence="CC BY 4.0, Acevedo et al., https://doi.org/10.17632/snkd93bnjr.1",
    expected_counts=ACEVEDO_COUNTS,
    counts_source="the original of 17,092 images, Acevedo et al. 2020",
    list_files=list_files,
)


def main(arguments=None):
    """Run the command line; see `data_prep.command.main` for the exit status."""
    parser = command.build_parser(BLOOD_CELLS)
    parser.set_defaults(size=PAPER_SIZE)
    parser.add_argument(
        "--inject-outliers", type=int, metavar="N", default=0, help="store N cells once more under a picture"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what is injected (default: 0)")
    return command.main(BLOOD_CELLS, arguments, parser, open_source)


def open_source(path, args):
    """Open a folder, a zip or a NumPy file, with junk injected in it where that is asked for."""
    if args.inject_outliers < 0 or args.seed < 0:
        raise PreparationError(
            f"--inject-outliers {args.inject_outliers} --seed {args.seed}: at least 0 expected"
        )
    source = ArrayFile(path, CLASSES) if Path(path).suffix == ".npz" else Source(path)
    if not args.inject_outliers:
        return source
    return InjectedSource(source, list_files(source)[0], args.inject_outliers, args.seed)


if __name__ == "__main__":
    raise SystemExit(main())
