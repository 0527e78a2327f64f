"""Writing a phantom: images, masks and tables, whole or not at all; what all phantoms share."""

import argparse
import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from drcls.data.duplicates import conflicting, find_duplicates, perceptual_hash, unite_groups
from drcls.files import encode_png


def check_options(options, smallest):
    """Refuse too few images, too small ones and a negative seed.

    Args:
        options: dict with `num_images`, `size` and `seed`.
        smallest: dict of the smallest `num_images` and `size` that serve.

    Raises:
        ValueError: naming the option and the value received.
    """
    wanted = {
        "num_images": "for every class to be of use",
        "size": "pixels for lesions to be visible",
    }
    for name, why in wanted.items():
        if options[name] < smallest[name]:
            raise ValueError(f"{name} must be at least {smallest[name]} {why}, got {options[name]}")
    if options["seed"] < 0:
        raise ValueError(f"seed must not be negative, got {options['seed']}")


def is_finished(folder, name, options, force):
    """Tell whether a folder holds the phantom that is asked for and may stay.

    Args:
        folder: where it would be written.
        name: of the phantom, as in `dataset.json`.
        options: what it is to be written with.
        force: whether a phantom of other options may be replaced.

    Raises:
        FileExistsError: the folder holds something else, or the phantom of other options without `force`.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return False
    info_file = folder / "dataset.json"
    info = json.loads(info_file.read_text()) if info_file.is_file() else {}
    if info.get("name") != name:
        kind = name.replace("_", " ")
        raise FileExistsError(f"{folder} is not empty and holds no {kind}; name another folder")
    if force:
        return False
    if info["preparation"] != options:
        raise FileExistsError(
            f"{folder} holds a phantom of {info['preparation']}, asked for was {options}; "
            "name another folder or use --force"
        )
    if "ordered" not in info:
        return False  # drawn by an earlier version: the same images, and a description that says less
    numbers = range(options["num_images"])
    names = [f"{kind}/{number:05d}.png" for kind in ("images", "masks") for number in numbers]
    return all((folder / name).is_file() for name in ["manifest.csv", *names])


def write_phantom(folder, info, plan, draw, progress=True):
    """Write images, lesion masks, `manifest.csv`, an empty `rejected.csv` and `dataset.json`.

    The folder is built beside its final place and moved there when complete, so an interrupted run leaves
    nothing half done.

    Args:
        folder: where to write; what is there is replaced.
        info: the content of `dataset.json` that the phantom knows: name, title, classes, whether they are
            ordered, source, preparation options, what was injected.
        plan: DataFrame, one row an image: `label` (number of its class), `patient` (number), and where the
            phantom has them, `source_split` and `kind` (of what was injected, "" for the rest), which makes
            `injected.csv`.
        draw: function, row number -> image uint8 (H, W, 3), RGB, and mask uint8 (H, W).
        progress: whether to show a progress bar.
    """
    partial = folder.with_name(folder.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    for name in ("images", "masks"):
        (partial / name).mkdir(parents=True)
    digests, hashes = [], []
    for index in tqdm(range(len(plan)), desc=f"Drawing {folder.name}", unit="image", disable=not progress):
        image, mask = draw(index)
        content = encode_png(image)
        name = f"{index:05d}.png"
        (partial / "images" / name).write_bytes(content)
        (partial / "masks" / name).write_bytes(encode_png(mask))
        digests.append(hashlib.sha256(content).hexdigest())
        hashes.append(perceptual_hash(image))
    _write_tables(partial, info, plan, digests, hashes)
    if folder.exists():
        shutil.rmtree(folder)
    partial.replace(folder)


def _write_tables(folder, info, plan, digests, hashes):
    """Write the tables and `dataset.json` for images numbered as in the plan."""
    labels = [info["classes"][label] for label in plan["label"]]
    patients = [f"patient_{number:05d}" for number in plan["patient"]]
    manifest = pd.DataFrame(
        {
            "path": [f"images/{index:05d}.png" for index in range(len(plan))],
            "label": labels,
            "group": unite_groups(patients, digests, hashes),
            "sha256": digests,
            "phash": hashes,
            "width": info["preparation"]["size"],
            "height": info["preparation"]["size"],
            "source_split": plan.get("source_split", ""),
        }
    )
    manifest.to_csv(folder / "manifest.csv", index=False)
    if "kind" in plan:
        injected = manifest[["path"]].assign(kind=plan["kind"])
        injected[injected["kind"] != ""].to_csv(folder / "injected.csv", index=False)
    (folder / "rejected.csv").write_text("path,reason\n")
    identical, near = find_duplicates(digests, hashes)
    described = {
        "name": info["name"],
        "title": info["title"],
        "classes": info["classes"],
        "ordered": info["ordered"],
        "counts": {name: labels.count(name) for name in info["classes"]},
        "source": info["source"],
        "licence": "CC0-1.0",
        "preparation": info["preparation"],
        "phantom": True,
        "drcls_version": version("drcls"),
        "duplicates": {
            "identical_groups": len(identical),
            "identical_files": sum(map(len, identical)),
            "conflicting_groups": len(conflicting(identical, labels)),
            "near_groups": len(near),
            "near_files": sum(map(len, near)),
        },
        "injected": info["injected"],
    }
    (folder / "dataset.json").write_text(json.dumps(described, indent=2) + "\n")


def run_command(write, output, description, arguments=None):
    """Run the command line that all phantoms share.

    Args:
        write: function of folder, num_images, size, seed and `force`, which returns the folder.
        output: the folder where none is named.
        description: one sentence for `--help`.
        arguments: list of str; None for those of the process.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, default=Path(output), help="folder to write")
    parser.add_argument("--num-images", type=int, default=600, help="images in all")
    parser.add_argument("--size", type=int, default=64, help="side of an image in pixels")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same bytes")
    parser.add_argument("--force", action="store_true", help="replace a phantom written with other options")
    args = parser.parse_args(arguments)
    try:
        folder = write(args.output, args.num_images, args.size, args.seed, force=args.force)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        parser.exit(130, f"interrupted; {args.output} is as it was\n")
    info = json.loads((folder / "dataset.json").read_text())
    print(f"{folder}: {info['counts']}, duplicates {info['duplicates']}")
