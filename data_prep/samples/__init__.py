"""Two small sets of real images that come with the package, so that every example runs: blood cells and red cells.

`draw.py` drew them; `README.md` beside it names origin, licence and changes.
"""

import zipfile
from pathlib import Path

from data_prep.sources import PreparationError

SAMPLES = {
    "blood_cells": "402 white and red cells of 8 classes as class folders, Acevedo et al. 2020, CC BY 4.0",
    "red_cells": "12 blood smears with labelled cells, Chula RBC-12, MIT",
}


def sample_path(name):
    """Return the path of a sample's archive, which `data_prep.sources.Source` reads as it is.

    Raises:
        PreparationError: There is no sample of this name.
    """
    if name not in SAMPLES:
        raise PreparationError(f"no sample is called {name!r}; there are {', '.join(SAMPLES)}")
    return Path(__file__).parent / f"{name}.zip"


def write_sample(name, target):
    """Unpack a sample; where all its files lie already, do nothing.

    Args:
        name: "blood_cells" (class folders, for `drcls prepare`) or "red_cells" (whole smears with labels, for
            `python -m data_prep.canine_rbc`).
        target: folder to write; made if missing.

    Returns:
        `Path` of the folder.

    Raises:
        PreparationError: There is no such sample, or `target` holds something else.
    """
    target = Path(target)
    with zipfile.ZipFile(sample_path(name)) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    if target.is_file():
        raise PreparationError(f"{target} is a file; name a folder")
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    other = sorted(
        entry for entry in found if entry not in files or (target / entry).read_bytes() != files[entry]
    )
    if other:
        raise PreparationError(
            f"{target} holds other files than this sample, first {other[0]}; name another folder"
        )
    for entry in sorted(set(files) - found):
        (target / entry).parent.mkdir(parents=True, exist_ok=True)
        (target / entry).write_bytes(files[entry])
    return target
