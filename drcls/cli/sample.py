"""Write a small set of real, licensed images that comes with the package.

blood_cells are about 400 cells of 8 classes as class folders (Acevedo et al. 2020, CC BY 4.0), with a few planted
copies named in PLANTED.csv; red_cells are a dozen whole smears with labels (Chula RBC-12, MIT).

examples:
  drcls sample blood_cells cells
  drcls sample red_cells smears --json
"""

from pathlib import Path

from drcls.cli.arguments import UsageError

AFTER_INTERRUPTION = "the same command goes on where it stopped"
NAMES = ("blood_cells", "red_cells")


def add_arguments(parser):
    parser.add_argument("name", metavar="NAME", choices=NAMES, help=" or ".join(NAMES))
    parser.add_argument("to", metavar="TO", type=Path, help="folder to write")


def run(options):
    """Write the sample, and say what it is."""
    from data_prep.samples import SAMPLES, write_sample
    from data_prep.sources import PreparationError

    try:
        folder = write_sample(options.name, options.to)
    except PreparationError as error:
        raise UsageError(str(error)) from error
    num_files = sum(path.is_file() for path in folder.rglob("*"))
    return {"folder": str(folder), "files": num_files, "content": SAMPLES[options.name]}


def describe(result):
    return f"{result['folder']}: {result['content']} ({result['files']} files)"
