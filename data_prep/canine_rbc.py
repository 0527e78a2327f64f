"""Red cells cut out of blood smears by Algorithm 1 of the canine red cell paper: normal, codocyte, hypochromia.

    python -m data_prep.canine_rbc --source chula_rbc_smears.zip
    python -m data_prep.canine_rbc --source chula_rbc_smears.zip --size 64 --output data/chula_rbc_64

reads three layouts, each under its own name:

- `chula_rbc`: Chula RBC-12, human smears, `Dataset/N.jpg` and `Label/N.txt`;
- `smear_phantom`: what `data_prep.phantoms.smear` draws, in the same layout;
- `canine_rbc`: the paper's cells. It says that cells were cut out of 22 smears and sorted by a pathologist, not
  how files are called. Expected are `CLASS/SMEAR_NUMBER.png`, CLASS of normal, codocyte and hypochromia.

The smear is the `group`; smears that show one field of view are one group. Cells of other types, cells without a
label and labels without a cell are counted in `dataset.json` under `cells`. `stages.png` shows the stages on one
smear (the paper's Figure 7).
"""

import argparse
import os
import sys
from pathlib import Path

from data_prep.cell_source import CENTRES, PAPER_DIAMETER, CellsOfSmears, CutCells
from data_prep.prepare import DataSet, prepare
from data_prep.smears import CLASSES, has_smears, read_description
from data_prep.sources import PreparationError, Source
from data_prep.stages_figure import draw_stages
from data_prep.summary import summary
from data_prep.target import holds_preparation

MIN_SIZE = 64  # below, different cells look alike to the hash that finds near-identical images
OPTIONS = {"crop": "none", "filter": "none", "clahe": False}


def _list_files(source):
    return source.list_files()


CANINE_RBC = DataSet(
    name="canine_rbc",
    title="Canine red cells",
    classes=CLASSES,
    licence="not public; Veterinary Teaching Hospital, Kasetsart University, Hua Hin",
    expected_counts={"normal": 2691, "codocyte": 345, "hypochromia": 356},
    counts_source="Section 4.1 of the canine red cell paper",
    list_files=_list_files,
)
CHULA_RBC = DataSet(
    name="chula_rbc",
    title="Chula RBC-12 (human), cells of three types",
    classes=CLASSES,
    licence="MIT, Chula PIC Lab 2021, Naruenatthanaset et al., arXiv 2012.01321",
    expected_counts={"normal": 2470, "codocyte": 886, "hypochromia": 401},
    counts_source="the labels of its 222 smears",
    list_files=_list_files,
)


def recognise(source):
    """Tell by the layout of a source which data set it is.

    Args:
        source: `Source`.

    Returns:
        `DataSet`.
    """
    if not has_smears(source):
        return CANINE_RBC
    phantom = read_description(source)
    if phantom is None:
        return CHULA_RBC
    return DataSet(
        name=phantom["name"],
        title=phantom["title"],
        classes=CLASSES,
        licence=phantom["licence"],
        expected_counts=phantom["counts"],
        counts_source="what was drawn",
        list_files=_list_files,
        phantom=True,
    )


def prepare_cells(
    source,
    folder=None,
    size=PAPER_DIAMETER,
    centres="detected",
    reach=0.5,
    workers=None,
    data_set=None,
    force=False,
):
    """Cut the cells out of the smears of a source and prepare them.

    Args:
        source: `Source`.
        folder: output folder; None for `data/NAME`.
        size: side of a cell's image in pixels.
        centres: "detected" or "labelled", see `CellsOfSmears`.
        reach: how far from the middle of a detected cell its label may lie, in the cell's radii.
        workers: number of threads; None for the number of cores.
        data_set: `DataSet`; None for what the layout of the source tells.
        force: whether an earlier preparation in the folder is deleted first.

    Returns:
        (content of `dataset.json`, folder).

    Raises:
        PreparationError: The source is not as it must be, or the folder holds another preparation.
    """
    data_set = data_set or recognise(source)
    folder = Path(folder or Path("data") / data_set.name)
    options = OPTIONS | {"size": size}
    if not has_smears(source):
        return prepare(data_set, CutCells(source, size), folder, options, workers, force), folder
    drawn_before = holds_preparation(folder)
    cells = CellsOfSmears(source, size, centres, reach, workers=workers)
    info = prepare(data_set, cells, folder, options, workers, force)
    if force and drawn_before:
        (folder / "stages.png").unlink(missing_ok=True)
    if centres == "detected" and not (folder / "stages.png").is_file():
        draw_stages(source, folder, size)
    return info, folder


def describe(info):
    """Say in a few lines what became of labels and detected cells."""
    cells = info["cells"]
    lines = [
        f"smears: {cells['smears']}, skipped {len(cells['skipped_smears'])}; of one field of view: "
        f"{cells['smears_of_one_field']}",
        f"labels: {cells['labels']}, outside their image {cells['labels_outside_image']}",
        f"labels without a cell: {cells['labels_without_cell']}",
        f"circles: {cells['circles']}; of other types {cells['circles_of_other_types']}; "
        f"label beyond reach {cells['label_beyond_reach']}; without a label {cells['unlabelled']}",
        f"of the cells kept: {cells['border']} cross the border, {cells['touching']} overlap another circle, "
        f"{cells['shrunk']} were larger than expected and shrunk",
    ]
    lines += [f"  skipped {name}: {why}" for name, why in cells["skipped_smears"].items()]
    return "\n".join(lines)


def main(arguments=None):
    """Run the command line.

    Returns:
        Exit status: 0 done, 1 some smears or files were left out, 2 nothing could be prepared.
    """
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.canine_rbc", description="Cut red cells out of blood smears."
    )
    parser.add_argument("--source", type=Path, required=True, help="a zip or a folder")
    parser.add_argument("--output", type=Path, help="default: data/NAME")
    parser.add_argument("--size", type=int, default=224, help="side in pixels (default: 224)")
    parser.add_argument(
        "--centres", choices=CENTRES, default="detected", help="where cells are cut (default: detected)"
    )
    parser.add_argument(
        "--reach", type=float, default=0.5, help="of a label from a cell's middle, in radii (default: 0.5)"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="threads (default: all cores)")
    parser.add_argument("--allow-rejected", action="store_true", help="exit 0 although files were left out")
    parser.add_argument("--force", action="store_true", help="prepare afresh where an earlier one lies")
    args = parser.parse_args(arguments)
    if args.size < MIN_SIZE or args.workers < 1 or not 0 < args.reach <= 1:
        parser.error(
            f"--size {args.size} --workers {args.workers} --reach {args.reach}: at least {MIN_SIZE}, at least "
            "1 and above 0 to 1 expected"
        )
    try:
        with Source(args.source) as source:
            info, folder = prepare_cells(
                source, args.output, args.size, args.centres, args.reach, args.workers, force=args.force
            )
    except (PreparationError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(summary(info, folder))
    left_out = info["rejected"]
    if "cells" in info:
        print(describe(info))
        left_out += len(info["cells"]["skipped_smears"])
    return 1 if left_out and not args.allow_rejected else 0


if __name__ == "__main__":
    raise SystemExit(main())
