"""Writing a phantom: images, masks and tables, whole or not at all; what all phantoms share."""

import argparse
import hashlib
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from data_prep.description import describe_duplicates
from drcls.data.duplicates import perceptual_hash, turned_pairs, unite_groups
from drcls.files import encode_png, read_json, write_json

# The images and tables of a phantom, and what trainings keep beside them.
NUMBERED = "[0-9]" * 5
OWN_FILES = (
    *(f"{name}/{NUMBERED}.png" for name in ("images", "masks")),
    *("dataset.json", "manifest.csv", "rejected.csv", "injected.csv"),
    *(
        f"{name}/*.{ending}"
        for name in ("cache", "embeddings")
        for ending in ("npy", "lock", "partial", "new")
    ),
)


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """A data set of drawn images: what it is called, what is drawn, and how it is written.

    Args:
        name: of the data set, and of its module in `data_prep.phantoms`, `<module>_phantom`.
        title: for tables and figures.
        classes: class names in the order of the labels.
        ordered: whether the classes are grades, from least to most.
        num_images: how many images where no number is asked for: that of the experiments.
        size: side of the images in pixels, likewise.
        min_images: the fewest images that hold every class.
        min_size: the least size at which lesions are visible.
        drawing: int, raised with every change of the pictures: an older phantom is then not taken for this one.
        plan: function (num_images, seed) -> DataFrame, one row an image: `label` (number of its class), `patient`
            (number), and where the phantom has them, `source_split` and `kind` (of what was injected, "" for the
            rest), which makes `injected.csv`.
        draw: function (plan, row, size, seed) -> image uint8 (H, W, 3), RGB, and mask uint8 (H, W).
        count_injected: function, plan -> dict of what was injected, by name.
    """

    name: str
    title: str
    classes: list[str]
    ordered: bool
    num_images: int
    size: int
    min_images: int
    min_size: int
    drawing: int
    plan: Callable
    draw: Callable
    count_injected: Callable

    def write(self, folder, num_images=None, size=None, seed=0, progress=True, force=False):
        """Write images, masks, `manifest.csv`, an empty `rejected.csv`, `dataset.json`, and what was injected.

        Every image has a generator of its own, seeded by `(seed, its number)`, so the same arguments and library
        versions give the same bytes. A folder that was finished with the same arguments is left alone, and an
        interrupted run leaves nothing half done.

        Args:
            folder: where to write; its images are in `images/`, the masks under the same names in `masks/`.
            num_images: how many images, injected ones included; None: the phantom's own number.
            size: side of the images in pixels; None: the phantom's own.
            seed: non-negative integer.
            progress: whether to show a progress bar.
            force: whether to replace a finished phantom, whatever its arguments were.

        Returns:
            Path of the folder.

        Raises:
            ValueError: for too few images, too small a size or a negative seed.
            FileExistsError: where `folder` holds something else, or a phantom of other arguments without `force`.
        """
        folder = Path(folder)
        num_images = self.num_images if num_images is None else num_images
        size = self.size if size is None else size
        options = {"num_images": num_images, "size": size, "seed": seed, "drawing": self.drawing}
        check_least(options, {"num_images": self.min_images, "size": self.min_size, "seed": 0})
        numbers = range(num_images)
        files = [f"{kind}/{number:05d}.png" for kind in ("images", "masks") for number in numbers]
        if is_finished(folder, self.name, options, ["manifest.csv", *files], force):
            return folder
        plan = self.plan(num_images, seed)
        with replaced_when_whole(folder, OWN_FILES) as partial:
            for name in ("images", "masks"):
                (partial / name).mkdir()
            digests, hashes = [], []
            for index in tqdm(numbers, desc=f"Drawing {folder.name}", unit="image", disable=not progress):
                image, mask = self.draw(plan, index, size, seed)
                content = encode_png(image)
                (partial / "images" / f"{index:05d}.png").write_bytes(content)
                (partial / "masks" / f"{index:05d}.png").write_bytes(encode_png(mask))
                digests.append(hashlib.sha256(content).hexdigest())
                hashes.append(perceptual_hash(image))
            self._write_tables(partial, options, plan, digests, hashes)
        return folder

    def _write_tables(self, folder, options, plan, digests, hashes):
        """Write the tables and `dataset.json` for images numbered as in the plan."""
        labels = [self.classes[label] for label in plan["label"]]
        patients = [f"patient_{number:05d}" for number in plan["patient"]]
        manifest = pd.DataFrame(
            {
                "path": [f"images/{index:05d}.png" for index in range(len(plan))],
                "label": labels,
                "group": unite_groups(patients, digests, hashes),
                "sha256": digests,
                "phash": hashes,
                "width": options["size"],
                "height": options["size"],
                "source_split": plan.get("source_split", ""),
            }
        )
        manifest.to_csv(folder / "manifest.csv", index=False)
        if "kind" in plan:
            injected = manifest[["path"]].assign(kind=plan["kind"])
            injected[injected["kind"] != ""].to_csv(folder / "injected.csv", index=False)
        (folder / "rejected.csv").write_text("path,reason\n")
        described = {
            "name": self.name,
            "title": self.title,
            "classes": self.classes,
            "ordered": self.ordered,
            "counts": {name: labels.count(name) for name in self.classes},
            "source": f"data_prep.phantoms.{self.name.removesuffix('_phantom')}",
            "licence": "CC0-1.0",
            "preparation": options,
            "phantom": True,
            "drcls_version": version("drcls"),
            "duplicates": describe_duplicates(manifest, turned_pairs(hashes)[0]),
            "injected": self.count_injected(plan),
        }
        write_json(folder / "dataset.json", described)


def check_least(options, least):
    """Refuse options below the least that serves.

    Raises:
        ValueError: naming the option and the value received.
    """
    for name, value in least.items():
        if options[name] < value:
            raise ValueError(f"{name} must be at least {value}, got {options[name]}")


def is_finished(folder, name, options, files, force, description="dataset.json"):
    """Tell whether a folder holds the phantom that is asked for and may stay.

    Args:
        folder: Path where it would be written.
        name: of the phantom, as in the description.
        options: what it is to be written with.
        files: what it must hold, relative to the folder.
        force: whether a phantom of other options may be replaced.
        description: name of the file that says what the folder holds.

    Raises:
        FileExistsError: the folder holds something else, or the phantom of other options without `force`.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return False
    info = read_json(folder / description) if (folder / description).is_file() else {}
    if info.get("name") != name:
        kind = name.replace("_", " ")
        raise FileExistsError(f"{folder} is not empty and holds no {kind}; name another folder")
    if force:
        return False
    found = info.get("preparation", info.get("options"))  # of images, of smears
    if found != options:
        raise FileExistsError(
            f"{folder} holds a phantom of {found}, asked for was {options}; "
            "name another folder or use --force"
        )
    return all((folder / file).is_file() for file in files)


@contextmanager
def replaced_when_whole(folder, own):
    """Give an empty folder beside `folder`, which takes its place at the end: nothing half done is ever there.

    Args:
        folder: Path of the phantom, which may hold an earlier one.
        own: names of a phantom's files, with wildcards, relative to the folder; only these are ever deleted.

    Raises:
        FileExistsError: there is another file in the folder, now or at the end.
    """
    folder = folder.resolve()  # a link to another disk stays a link
    partial = folder.with_name(folder.name + ".partial")
    for place in (folder, partial):
        check_no_other_files(place, own)
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    yield partial
    check_no_other_files(folder, own)
    if folder.exists():
        shutil.rmtree(folder)
    partial.replace(folder)


def check_no_other_files(folder, own):
    """Refuse to replace a folder in which somebody keeps a file of another kind."""
    for path in sorted(folder.rglob("*")):
        is_folder = path.is_dir() and not path.is_symlink()
        if not is_folder and not any(_has_name(path.relative_to(folder), pattern) for pattern in own):
            raise FileExistsError(
                f"{path} is no part of a phantom, and {folder} would be replaced; move the file elsewhere or name "
                "another folder"
            )


def _has_name(path, pattern):
    """Whether every part of a relative path is that of a pattern: a wildcard stands for no `/`."""
    parts = pattern.split("/")
    return len(path.parts) == len(parts) and all(map(fnmatch, path.parts, parts))


def run_command(phantom, description, arguments=None):
    """Run the command line that the phantoms of images share.

    Args:
        phantom: a `Phantom`.
        description: one sentence for `--help`.
        arguments: list of str; None for those of the process.
    """
    output = Path("data") / phantom.name
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, default=output, help="folder to write")
    parser.add_argument("--num-images", type=int, default=phantom.num_images, help="images in all")
    parser.add_argument("--size", type=int, default=phantom.size, help="side of an image in pixels")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same bytes")
    parser.add_argument("--force", action="store_true", help="replace a phantom written with other options")
    args = parser.parse_args(arguments)
    try:
        folder = phantom.write(args.output, args.num_images, args.size, args.seed, force=args.force)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        parser.exit(130, f"interrupted; {args.output} is as it was\n")
    info = read_json(folder / "dataset.json")
    numbers = {name: value for name, value in info["duplicates"].items() if isinstance(value, int)}
    print(f"{folder}: {info['counts']}, duplicates {numbers}")
