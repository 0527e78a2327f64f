"""Predict or explain every picture of a folder; what is broken is listed, and the rest is done."""

import csv
import io
import os
from collections import Counter
from functools import partial
from itertools import groupby
from pathlib import Path

import cv2
import keras
import numpy as np
from tqdm import tqdm

from drcls.explain.grad_cam import GradCAM
from drcls.explain.head import find_head
from drcls.explain.methods import METHODS
from drcls.explain.overlay import overlay
from drcls.explain.pictures import find_pictures, plain_path, read_picture
from drcls.explain.scores import check_model, score_function
from drcls.explain.target import check_table, check_target
from drcls.files import encode_png, printable, write_bytes
from drcls.forward import layer_graph
from drcls.models.input_range import assumed_of_images
from drcls.models.saved import load_saved_model

AT_ONCE = 16
LARGEST_SIDE = 1024  # of an overlay
LONGEST_NAME = 255  # of a file, in bytes
NO_ANSWER = (
    "the model gives no finite probability; its weights, or what it computes from the picture, are not finite"
)


def predict_folder(model, images, to_csv, class_names=None, preparation=None):
    """Predict every picture and write a table.

    Args:
        model: `keras.Model` that ends in a softmax, one or several sigmoids or scores; or the path of a `.keras`
            file or of a run folder.
        images: path of a picture or of a folder, or list of them; folders are searched to their depth.
        to_csv: path of the table. One row a picture: `path`, as `drcls.files.printable` has it; `predicted`, the most
            probable class, or for one sigmoid "positive" from 0.5 and else "negative", or for several all those from
            0.5, joined by "; "; `p_<class>`, probabilities; `error`, what is wrong with a broken file, whose other
            cells are empty.
        class_names: list of str, one per output; None: those in the model, else their numbers.
        preparation: dict, options of `drcls.data.image_ops.prepare_image`, or None.

    Returns:
        dict: "table" Path; "images" int, predicted ones; "broken" list of (Path, str), which file and why; "assumed"
        list of str, what the model does not say of its images. A command ends with exit status 1 where any is broken.

    Raises:
        FileNotFoundError: where a path does not exist or there is no picture.
        ValueError: where the model is no such classifier, or `to_csv` is there and no table of predictions.
    """
    check_table(to_csv)
    classifier = _Classifier(model, class_names)
    files, _ = find_pictures(images)
    classifier.scores.expect(len(files))
    rows, broken = {}, []
    for pictures in _batches(files, classifier.model, preparation, broken, "predicting"):
        for picture, values in zip(pictures, classifier.probabilities(pictures), strict=True):
            if not np.isfinite(values).all():
                broken.append((picture.file, NO_ANSWER))
                continue
            rows[picture.file] = [classifier.predicted(values), *map(float, values), ""]
    reasons = dict(broken)
    blank = [""] * (1 + len(classifier.names))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["path", "predicted", *(f"p_{name}" for name in classifier.names), "error"])
    writer.writerows([file, *(rows[file] if file in rows else [*blank, reasons[file]])] for file in files)
    write_bytes(Path(to_csv), printable(table.getvalue()).encode())
    assumed = assumed_of_images(classifier.model)
    return {"table": Path(to_csv), "images": len(rows), "broken": broken, "assumed": assumed}


def explain_folder(
    model, images, to, method="grad_cam", class_name=None, class_names=None, preparation=None, **options
):
    """Explain every picture: beside the picture itself, the picture under its heat map, and the raw map.

    Args:
        model, images, class_names, preparation: as for `predict_folder`.
        to: path of the folder; folders within `images` are kept in it. For `eye.png` explained for class `Severe` by
            Grad-CAM: `eye-grad_cam-Severe.png` and `eye-grad_cam-Severe.npy`, float32 (H, W) at the model's size. It
            holds nothing but explanations, and lies in none of the folders of `images`.
        method: str, a key of `drcls.explain.METHODS`.
        class_name: str, name or number of the class to explain; None: the most probable one of each picture.
        **options: passed on to the method, for example `num_samples` of "lime".

    Returns:
        dict: "explained" list of dict with "image", "overlay", "map" (Path), "predicted", "explained" (str) and
        "probability" (float, of the class that is explained); "broken" list of (Path, str).

    Raises:
        FileNotFoundError, ValueError: as `predict_folder`; also on an unknown method or class, or another `to`.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r} received; expected one of {list(METHODS)}")
    check_target(to, [images] if isinstance(images, (str, Path)) else images)
    classifier = _Classifier(model, class_names)
    index = None if class_name is None else find_class(class_name, classifier.names)
    files, root = find_pictures(images)
    explain = _explainer(method, classifier)
    stems, results, broken = _stems(files, root), [], []
    for pictures in _batches(files, classifier.model, preparation, broken, method):
        inputs = np.stack([picture.network_input for picture in pictures])
        probabilities = classifier.probabilities(pictures)
        chosen = probabilities.argmax(axis=1) if index is None else np.full(len(pictures), index)
        maps = explain(inputs, chosen, normalise=False, **options)
        for picture, values, number, heat in zip(pictures, probabilities, chosen, maps, strict=True):
            if not np.isfinite(values).all():
                broken.append((picture.file, NO_ANSWER))
                continue
            name = classifier.names[number]
            stem = Path(to) / stems[picture.file]
            stem = stem.with_name(f"{stem.name}-{method}-{_for_a_file(name)}")
            if (length := len(os.fsencode(f"{stem.name}.png"))) > LONGEST_NAME:
                broken.append((picture.file, _too_long(length)))
                continue
            written = {
                "overlay": stem.with_name(f"{stem.name}.png"),
                "map": stem.with_name(f"{stem.name}.npy"),
            }
            write_bytes(written["overlay"], encode_png(beside(picture.shown, heat)))
            write_map(written["map"], heat)
            told = {"predicted": classifier.predicted(values), "explained": name}
            results.append({"image": picture.file} | written | told | {"probability": float(values[number])})
    return {"explained": results, "broken": broken}


class _Classifier:
    """A model, the names of its outputs, and its probabilities."""

    def __init__(self, model, class_names):
        self.model = model if isinstance(model, keras.Model) else load_saved_model(model)
        check_model(self.model)
        self.head = find_head(self.model)
        self.scores = score_function(self.model, AT_ONCE)
        num_outputs = self.model.output_shape[-1]
        self.names = list(class_names or layer_graph.class_names(self.model) or _unnamed(num_outputs))
        if len(self.names) != num_outputs:
            raise ValueError(
                f"{len(self.names)} class names {self.names} received; model {self.model.name!r} has "
                f"{num_outputs} outputs"
            )

    def probabilities(self, pictures):
        """Return float (N, C) of pictures of one size."""
        inputs = np.stack([picture.network_input for picture in pictures])
        return self.head.probabilities(self.scores(inputs))

    def predicted(self, probabilities):
        """Name what one row of probabilities says."""
        if self.head.link == "softmax":
            return self.names[int(probabilities.argmax())]
        found = [name for name, value in zip(self.names, probabilities, strict=True) if value >= 0.5]
        return "; ".join(found) or ("negative" if len(self.names) == 1 else "none")


def find_class(text, names):
    """Return the index of a class given by name or number."""
    if text in names:
        return names.index(text)
    if text.isdigit() and int(text) < len(names):
        return int(text)
    raise ValueError(f"class {text!r} is unknown; expected one of {names} or 0..{len(names) - 1}")


def beside(image, heat_map):
    """Draw an image and, to its right, itself under its heat map.

    Args:
        image: uint8 (h, w, channels).
        heat_map: float (H, W), signed or not; what is not positive is no heat.

    Returns:
        uint8 (h', 2 w', 3); h' and w' are at most 1024.
    """
    scale = min(1, LARGEST_SIDE / max(image.shape[:2]))
    width, height = (max(1, round(side * scale)) for side in image.shape[1::-1])
    shrunk = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, -1)
    heat = np.maximum(heat_map, 0) / (heat_map.max() if heat_map.max() > 0 else 1)
    heat = np.clip(cv2.resize(heat.astype("float32"), (width, height)), 0, 1)
    plain = np.broadcast_to(shrunk[..., :3], (height, width, 3))
    return np.hstack([plain, overlay(plain, heat)])


def write_map(path, heat_map):
    """Write float (H, W) as `.npy`."""
    buffer = io.BytesIO()
    np.save(buffer, heat_map)
    write_bytes(path, buffer.getvalue())


def _batches(files, model, preparation, broken, what):
    """Yield lists of pictures of one size; what cannot be read is added to `broken`."""
    files = tqdm(files, desc=what, unit="image", leave=False)
    pictures = []
    for file in files:
        try:
            pictures.append(read_picture(file, model, preparation))
        except ValueError as error:
            if model.input_shape[-1] not in (1, 3, 4):
                raise
            broken.append((file, str(error).removeprefix(f"{file}: ")))
        if len(pictures) == AT_ONCE:
            yield from _of_one_size(pictures)
            pictures = []
    yield from _of_one_size(pictures)


def _of_one_size(pictures):
    for _, group in groupby(pictures, lambda picture: picture.network_input.shape):
        yield list(group)


def _explainer(method, classifier):
    """Return the method with what it compiles compiled once for all batches."""
    if method == "grad_cam":
        return GradCAM(classifier.model)
    scores = {"scores": classifier.scores} if method in ("lime", "shap_partition") else {}
    return partial(METHODS[method], classifier.model, **scores)


def _stems(files, root):
    """Return each file's name within the results: without its ending, unless two of a folder differ in it alone."""
    without = {file: _within(file, root).with_suffix("") for file in files}
    count = Counter(without.values())
    return {file: _within(file, root) if count[stem] > 1 else stem for file, stem in without.items()}


def _within(file, root):
    return plain_path(file).relative_to(root)


def _too_long(length):
    return f"the name of its overlay would have {length} bytes, at most {LONGEST_NAME} can be written; shorten the name"


def _unnamed(num_outputs):
    return ["positive"] if num_outputs == 1 else [str(number) for number in range(num_outputs)]


def _for_a_file(name):
    """A class may be called `CNV/DME`."""
    return "".join(character if character not in '/\\:*?"<>|' else "_" for character in name)
