"""The samples as prepared data sets, which two experiments run on where nothing else was prepared.

`dataset.json` holds under `sample` the sentence that says so; it goes into every run and opens every report.
"""

from dataclasses import replace

from data_prep.blood_cells import BLOOD_CELLS, PAPER_SIZE, InjectedSource, list_folders
from data_prep.canine_rbc import CHULA_RBC, prepare_cells
from data_prep.prepare import prepare
from data_prep.samples import sample_path
from data_prep.sources import Source

BLOOD_CELLS_SAMPLE = replace(
    BLOOD_CELLS,
    name="blood_cells_sample",
    title="Sample of blood cells (Acevedo et al. 2020)",
    expected_counts=None,
    sample="blood cells of Acevedo et al. 2020, six of them copies planted in the sample",
)
RED_CELLS_SAMPLE = replace(
    CHULA_RBC,
    name="red_cells_sample",
    title="Sample of human red cells (Chula RBC-12)",
    expected_counts=None,
    sample="red cells of humans, cut out of 12 smears of Chula RBC-12; the paper's are dogs'",
)
NUM_OVERLAYS = 60  # 15 % of the cells, as in the paper's set
RED_CELL_SIZE = 64


def prepare_blood_cells_sample(folder):
    """Prepare the blood cells, 96 pixels wide, with outliers injected; a finished folder is left alone.

    Args:
        folder: output folder, usually `data/blood_cells_sample`.

    Returns:
        dict, the content of `dataset.json`.

    Raises:
        PreparationError: The folder holds another preparation.
    """
    source = Source(sample_path("blood_cells"))
    with InjectedSource(source, list_folders(source), NUM_OVERLAYS, seed=0) as cells:
        options = {"size": PAPER_SIZE, "crop": "none", "filter": "none", "clahe": False}
        return prepare(BLOOD_CELLS_SAMPLE, cells, folder, options)


def prepare_red_cells_sample(folder):
    """Cut the red cells out of the smears, 64 pixels wide; arguments, result and errors as of the blood cells."""
    with Source(sample_path("red_cells")) as source:
        return prepare_cells(source, folder, size=RED_CELL_SIZE, data_set=RED_CELLS_SAMPLE)[0]
