"""Draw the images of the samples out of the published sets; run once, with the result committed.

    python -m data_prep.samples.draw --blood-cells PBC_dataset_normal_DIB.zip --smears chula_rbc_smears.zip

The blood cells are drawn at random within each class, in numbers that are more imbalanced than the original's. Of
two of them three copies each are planted: the same file, the same picture stored as JPEG of quality 75, and a
mirrored one. `PLANTED.csv` lists these. The smears are drawn among those that hold at least two normal cells, two
codocytes and two hypochromic cells, so that a split by smears can give every part every class; their shares of types
are not those of the whole set. The same seed gives the same bytes.
"""

import argparse
import io
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from data_prep.samples import sample_path
from data_prep.smears import CLASSES as CELL_CLASSES
from data_prep.smears import list_smears
from data_prep.sources import Source
from data_prep.verify import decode_verified

CELLS = {
    "neutrophil": 100,
    "eosinophil": 90,
    "ig": 70,
    "platelet": 50,
    "erythroblast": 36,
    "monocyte": 22,
    "basophil": 15,
    "lymphocyte": 13,
}
SIDE = 96
COPIED = ("monocyte", "erythroblast")  # classes of the two cells with copies
NUM_SMEARS, LEAST_OF_A_TYPE = 12, 2
ACEVEDO = """Peripheral blood cells, a small sample.

Origin: Acevedo, A., Merino, A., Alferez, S., Molina, A., Boldu, L., Rodellar, J. (2020), "A dataset for microscopic
peripheral blood cell images for development of automatic recognition systems", Mendeley Data,
https://doi.org/10.17632/snkd93bnjr.1, and Data in Brief 30, 105474.

Licence: Creative Commons Attribution 4.0 International, https://creativecommons.org/licenses/by/4.0/

Changes: a random sample; the centre of each image, 200 pixels wide, was cut out, resized to 96 x 96 pixels and stored
as JPEG; copies of two cells were planted, listed in PLANTED.csv. The authors of the images do not endorse this use.
"""


def select_blood_cells(source, seed=0):
    """Draw the blood cells.

    Args:
        source: `Source` of the published layout, CLASS/NAME.jpg.
        seed: int.

    Returns:
        dict, name in the sample -> bytes.
    """
    rng = np.random.default_rng(seed)
    files, planted = {"LICENCE.txt": ACEVEDO.encode()}, ["file,kind,copy_of"]
    for label, count in CELLS.items():
        names = [name for name in source.names if PurePosixPath(name).parent.name == label]
        chosen = sorted(rng.choice(names, count, replace=False))
        files |= {
            f"{label}/{PurePosixPath(name).name}": _small_jpeg(source.read(name), name) for name in chosen
        }
    for label in COPIED:
        original = next(name for name in files if name.startswith(f"{label}/"))
        image = decode_verified(files[original], original)
        copies = {
            "identical": files[original],
            "stored again": _jpeg(image, 75),
            "mirrored": _jpeg(np.ascontiguousarray(image[:, ::-1]), 95),
        }
        for number, (kind, data) in enumerate(copies.items()):
            name = f"{label}/planted_{label}_{number}.jpg"
            files[name] = data
            planted.append(f"{name},{kind},{original}")
    return files | {"PLANTED.csv": ("\n".join(planted) + "\n").encode()}


def _small_jpeg(data, name):
    """Return the bytes where the image has the size already, else its centre resized."""
    image = decode_verified(data, name)
    if image.shape[:2] == (SIDE, SIDE):
        return data
    top, left = ((side - 200) // 2 for side in image.shape[:2])
    centre = image[top : top + 200, left : left + 200]
    return _jpeg(cv2.resize(centre, (SIDE, SIDE), interpolation=cv2.INTER_AREA), 84)


def _jpeg(image, quality):
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def select_smears(source, seed=0):
    """Draw the smears: dict, name in the sample -> bytes."""
    counts = {smear.name: Counter(smear.types) for smear in list_smears(source)}
    rich = [
        name for name, types in counts.items() if min(types[kind] for kind in CELL_CLASSES) >= LEAST_OF_A_TYPE
    ]
    chosen = set(np.random.default_rng(seed).choice(sorted(rich), NUM_SMEARS, replace=False))
    wanted = [name for name in source.names if PurePosixPath(name).stem in chosen]
    licence = next(name for name in source.names if PurePosixPath(name).name == "LICENSE")
    return {"LICENSE": source.read(licence)} | {name: source.read(name) for name in wanted}


def write_archive(path, files):
    """Write files into a zip whose bytes depend on them alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            stored = name.endswith(".jpg")
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, files[name], zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)
    path.write_bytes(buffer.getvalue())


def main(arguments=None):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Choose the images of the samples.")
    parser.add_argument(
        "--blood-cells", type=Path, required=True, help="zip or folder of Acevedo et al. 2020"
    )
    parser.add_argument("--smears", type=Path, required=True, help="zip or folder of Chula RBC-12")
    args = parser.parse_args(arguments)
    with Source(args.blood_cells) as cells, Source(args.smears) as smears:
        write_archive(sample_path("blood_cells"), select_blood_cells(cells))
        write_archive(sample_path("red_cells"), select_smears(smears))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
