"""Turn class folders, a table of labels or an .npz into a prepared folder.

SOURCE is a folder or a zip of class folders (CLASS/NAME.jpg, or train, val and test folders of class folders), a
folder or a zip of images with --table, or an .npz as MedMNIST ships it. Broken files are listed in rejected.csv, the
rest is prepared, and the exit status is 1 then.

examples:
  drcls prepare my_images data/mine --size 224
  drcls prepare photos data/eyes --table labels.csv --label-column grade --group-column patient
  drcls prepare my_images data/patients --group-folders
  drcls prepare my_images data/grades --ordered --classes none,mild,severe
"""

from pathlib import Path

from drcls.cli.arguments import UsageError, existing, positive_int

AFTER_INTERRUPTION = "the same command goes on where it stopped"
COLUMNS = ("image_column", "label_column", "group_column", "split_column")


def add_arguments(parser):
    parser.add_argument("source", metavar="SOURCE", type=existing, help="folder, zip or .npz")
    parser.add_argument("to", metavar="TO", type=Path, help="folder to write; its name is the data set's")
    parser.add_argument("--table", metavar="FILE", help="CSV or TSV of labels, a file or one inside SOURCE")
    parser.add_argument(
        "--image-column",
        help="column of file names or ids (default: the one that names images; with an error where several may)",
    )
    parser.add_argument("--label-column", help="column of the classes (default: the only one left)")
    parser.add_argument("--group-column", help="column of what no split may tear apart, such as the patient")
    parser.add_argument(
        "--group-folders",
        action="store_true",
        help="folders inside the class folders (CLASS/PATIENT/NAME.jpg) are what no split may tear apart; one name "
        "under two classes is one group (default: such folders mean nothing)",
    )
    parser.add_argument("--split-column", help="column of train, val and test")
    parser.add_argument(
        "--classes",
        help="class names in their order, separated by commas, those without an image too (default: sorted)",
    )
    parser.add_argument(
        "--ordered",
        action="store_true",
        help="the classes are grades, from least to most as --classes names them; whole numbers need no --classes",
    )
    parser.add_argument(
        "--size",
        type=positive_int,
        help="side in pixels of the square that every image is stretched to (default: 224; of an .npz its own)",
    )
    parser.add_argument(
        "--crop",
        choices=["none", "border", "centre"],
        default="none",
        help="before resizing; border: without dark borders; centre: the largest square in the middle",
    )
    parser.add_argument(
        "--filter",
        choices=["none", "gaussian", "ben_graham"],
        default="none",
        help="after resizing; gaussian: blurred a little; ben_graham: minus the local mean colour",
    )
    parser.add_argument("--clahe", action="store_true", help="equalise contrast locally, last")
    parser.add_argument("--title", help="what tables and figures call the data (default: the name of TO)")
    parser.add_argument("--licence", default="", help="terms of the images, for the model card")
    parser.add_argument("--allow-rejected", action="store_true", help="exit 0 although files were rejected")
    parser.add_argument("--force", action="store_true", help="prepare anew where an earlier preparation lies")


def run(options):
    """Prepare, and return the content of `dataset.json`."""
    _check(options)
    from data_prep.arrays import prepare_arrays
    from data_prep.folder import prepare_folder
    from data_prep.sources import PreparationError
    from data_prep.table import prepare_table

    described = {
        "size": options.size,
        "ordered": options.ordered,
        "classes": options.classes.split(",") if options.classes else None,
        "title": options.title,
        "licence": options.licence,
        "force": options.force,
        "options": {"crop": options.crop, "filter": options.filter, "clahe": options.clahe},
    }
    try:
        if _is_arrays(options):
            info = prepare_arrays(options.source, options.to, **described)
        elif options.table or _columns(options):
            columns = {name: getattr(options, name) for name in COLUMNS}
            info = prepare_table(options.source, options.to, options.table, **columns, **described)
        else:
            info = prepare_folder(
                options.source, options.to, group_folders=options.group_folders, **described
            )
    except PreparationError as error:
        raise UsageError(str(error)) from error
    failed = 0 if options.allow_rejected else info["rejected"]
    return info | {"folder": str(options.to), "failed": failed}


def _check(options):
    """Refuse arguments that do not go together."""
    given = [f"--{name.replace('_', '-')}" for name in _columns(options)]
    if _is_arrays(options) and (options.table or given):
        raise UsageError(
            f"{options.source} holds its labels; {', '.join(given) or '--table'} is for images with a table"
        )
    if options.group_folders and (_is_arrays(options) or options.table or given):
        raise UsageError(
            f"--group-folders is for class folders, not with {', '.join(given) or '--table or an .npz'}; a table has "
            "--group-column"
        )
    if options.size is not None and options.size < 8:
        raise UsageError(f"--size {options.size}: expected at least 8 pixels")


def _is_arrays(options):
    return options.source.suffix.lower() == ".npz"


def _columns(options):
    """Return which columns of a table were named, list of str."""
    return [name for name in COLUMNS if getattr(options, name) is not None]


def describe(result):
    from data_prep.summary import summary

    return summary(result, Path(result["folder"]))
