"""Explain a saved model's predictions on images from the command line.

    python -m drcls.explain MODEL.keras IMAGE_OR_FOLDER... --method lime --output explained

Writes one overlay (PNG) and one raw map (.npy, float32) per image and prints what the model predicts. Images are
resized to the model's input; any other preparation of the training images must have been applied before.
"""

import argparse
import io
import os
from pathlib import Path

import cv2
import keras
import numpy as np
from scipy.special import softmax

import drcls  # noqa: F401 - registers the layers of saved models
from drcls.data.image_ops import read_image, resize
from drcls.explain import METHODS, overlay
from drcls.explain.layer_graph import output_layer
from drcls.explain.scores import score_function

SUFFIXES = (".png", ".jpg", ".jpeg")


def main(arguments=None):
    options = parse(arguments)
    model = keras.models.load_model(options.model, compile=False)
    names = getattr(output_layer(model), "class_names", None) or [
        str(i) for i in range(model.output_shape[-1])
    ]
    class_index = None if options.class_name is None else find_class(options.class_name, names)
    files = find_images(options.images)
    size = model.input_shape[1]
    pictures = [read_image(file) for file in files]
    if size is None and len({picture.shape for picture in pictures}) > 1:
        raise SystemExit(f"{options.model} takes images of any size, but of one size at a time")
    images = np.stack([picture if size is None else resize(picture, size) for picture in pictures])
    probabilities = softmax(score_function(model)(images), axis=1)
    maps = METHODS[options.method](model, images, class_index, normalise=False)
    peaks = maps.max(axis=(1, 2), keepdims=True)
    heat = np.maximum(maps, 0) / np.where(peaks > 0, peaks, 1)
    options.output.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        predicted = int(probabilities[number].argmax())
        explained = predicted if class_index is None else class_index
        stem = f"{file.stem}-{options.method}-{names[explained]}"
        write_png(options.output / f"{stem}.png", overlay(images[number], heat[number]))
        write_map(options.output / f"{stem}.npy", maps[number])
        print(
            f"{file}: {names[predicted]} ({probabilities[number, predicted]:.3f}) -> {options.output / stem}.png"
        )


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m drcls.explain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=existing, help="a saved .keras model")
    parser.add_argument("images", type=existing, nargs="+", help="images, or folders of images")
    parser.add_argument("--method", choices=METHODS, default="grad_cam")
    parser.add_argument(
        "--class",
        dest="class_name",
        help="name or number of the class to explain; default: the predicted one",
    )
    parser.add_argument("--output", type=Path, default=Path("explained"))
    return parser.parse_args(arguments)


def existing(text):
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text}: no such file or folder")
    return path


def find_class(text, names):
    """Return the index of a class given by name or number."""
    if text in names:
        return names.index(text)
    if text.isdigit() and int(text) < len(names):
        return int(text)
    raise SystemExit(f"--class {text}: unknown; expected one of {names} or 0..{len(names) - 1}")


def find_images(paths):
    """Return the image files among files and folders, in order of their names within each folder."""
    files = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        files += [file for file in inside if path.is_file() or file.suffix.lower() in SUFFIXES]
    if not files:
        raise SystemExit(f"no image ({', '.join(SUFFIXES)}) in {', '.join(map(str, paths))}")
    stems = [file.stem for file in files]
    repeated = sorted({stem for stem in stems if stems.count(stem) > 1})
    if repeated:
        raise SystemExit(f"several images are named {repeated}; explain them one folder at a time")
    return files


def write_png(path, image):
    write_bytes(path, cv2.imencode(".png", image[..., ::-1])[1].tobytes())


def write_map(path, heat_map):
    buffer = io.BytesIO()
    np.save(buffer, heat_map)
    write_bytes(path, buffer.getvalue())


def write_bytes(path, content):
    """Write under a temporary name and rename, so that nothing half-written stays."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
