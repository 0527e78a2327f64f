"""Keep how many images of each class a prepared data set holds; the ledger compares them with the papers' counts.

python -m experiments.results.class_counts data/aptos2019
"""

import argparse
import hashlib
import sys
from pathlib import Path

import pandas as pd

from drcls.files import read_json, write_json
from experiments.results.runs import RESULTS


def count_classes(folder, results=RESULTS):
    """Write `class_counts-<name>.json`: the images by class, and the SHA-256 of the manifest they were counted in.

    Args:
        folder: Path of a prepared data set, with `manifest.csv` and `dataset.json`.
        results: Path of the folder to write to.

    Returns:
        Path of the file.

    Raises:
        FileNotFoundError: names what the folder lacks.
    """
    folder = Path(folder)
    for name in ("manifest.csv", "dataset.json"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no {name}: give the folder of a prepared data set")
    manifest, info = folder / "manifest.csv", read_json(folder / "dataset.json")
    labels = pd.read_csv(manifest, dtype=str, keep_default_na=False)["label"]
    path = Path(results) / f"class_counts-{folder.name}.json"
    content = {
        "data": folder.name,
        "title": info.get("title", folder.name),
        "counts": {label: int(count) for label, count in labels.value_counts().sort_index().items()},
        "manifest_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "command": f"python -m experiments.results.class_counts data/{folder.name}",
    }
    write_json(path, content)
    return path


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="data/NAME")
    for folder in parser.parse_args(arguments).folders:
        print(count_classes(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
