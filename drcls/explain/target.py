"""Where explanations and predictions are written: a folder that holds explanations alone, and lies in none that is
searched for images; a table that replaces no other table.
"""

import os
import re
from pathlib import Path

from drcls.explain.methods import METHODS

# How a table of `predict_folder` begins.
PREDICTIONS = b"path,predicted,"
# `eye-grad_cam-Severe.png` and `.npy`, as `explain_folder` names them.
OWN_NAME = re.compile(rf".*-({'|'.join(METHODS)})-.+\.(png|npy)", re.DOTALL)


def check_target(folder, images):
    """Refuse a folder in which explanations would meet files that are not their own, or be taken for new images.

    Args:
        folder: path of the output.
        images: list of paths of files and folders that are explained.

    Raises:
        ValueError: where it lies in one of the folders, is a file or holds files that no explanation wrote. Hidden
            files are left aside, such as those of a file manager or of a writer that was killed.
    """
    folder = Path(folder)
    for path in map(Path, images):
        if path.is_dir() and folder.resolve().is_relative_to(path.resolve()):
            raise ValueError(
                f"{folder} lies in the images {path}, where its overlays would be taken for more of them; choose an "
                "output elsewhere"
            )
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            f"{folder} is a file; expected a new folder, or one of earlier explanations, to write to"
        )
    foreign = next(_foreign_files(folder), None)
    if foreign is not None:
        raise ValueError(
            f"{folder} holds {foreign.relative_to(folder)}, which no explanation wrote; expected a new folder, or one "
            "of earlier explanations, to write to"
        )


def check_table(path):
    """Refuse to write predictions over a table that is none of predictions, such as that of the labels.

    Args:
        path: path of the table.

    Raises:
        ValueError: where something else lies there.
    """
    path = Path(path)
    if not path.exists():
        return
    if path.is_file():
        with path.open("rb") as content:
            if content.read(len(PREDICTIONS)) == PREDICTIONS:
                return
    raise ValueError(f"{path} exists and is no table of predictions; choose another name for the table")


def _foreign_files(folder):
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if not name.startswith(".") and not OWN_NAME.fullmatch(name):
                yield Path(place) / name
