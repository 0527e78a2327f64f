"""The model at work: `.keras` file in, calibrated grades out, through onnxruntime in small batches."""

import contextlib
import hashlib
import multiprocessing
import os
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import cv2
import keras
import numpy as np

from drcls.app.calibration import calibrated, load_calibration, why_undetermined
from drcls.app.quality import GATES
from drcls.data.image_ops import check_options, prepare_image, read_image
from drcls.explain.pictures import resize_to
from drcls.explain.scores import check_model
from drcls.export import export_onnx
from drcls.files import printable, read_json
from drcls.forward.layer_graph import class_names
from drcls.forward.onnx import computes_in_float32, copy_in_float32
from drcls.models.saved import load_saved_model
from drcls.models.training_data import data_beside

MAX_BATCH = 32
MAX_WAITING = 256
MAX_INPUT_SIDE = 2048
UNCALIBRATED = {"temperature": 1.0, "refer_below": 0.5}
EXPORT_TOLERANCE = 1e-5


class TooBusyError(Exception):
    """More images are waiting than the model will grade in a few seconds."""


@dataclass(frozen=True)
class Prediction:
    """What the model says of one photograph.

    Args:
        grade: str, the most probable class.
        confidence: float, its probability.
        refer: bool, whether the confidence lies below the threshold: a specialist should look.
        probabilities: dict, class name -> probability, calibrated where the model is (`Grader.why_not_calibrated`).
        raw_probabilities: dict, class name -> the network's own probability.
    """

    grade: str
    confidence: float
    refer: bool
    probabilities: dict
    raw_probabilities: dict


class Grader:
    """A saved model with everything that grading a photograph depends on.

    Args:
        file: path of a `.keras` file that ends in `ClassProbabilities`.
        folder: data folder of the application; the ONNX file and the calibration lie in its `models/`.
        preparation: dict, options of `prepare_image` that the training images were prepared with.
        num_threads: int, cores that the network may use; 0: all.
        gate: one of `quality.GATES`, the quality check that photographs pass before they are graded.
        phantom: bool, whether the training images are known to be synthetic, whatever lies beside the model.

    Raises:
        FileNotFoundError: where there is no such model.
        ValueError: on another gate, and where the file is no model that can grade: not Keras, without class names,
            not from one image of a fixed size, grey or in colour, to one row of probabilities.
    """

    def __init__(self, file, folder, preparation, num_threads=0, gate="fundus", phantom=False):
        if gate not in GATES:
            raise ValueError(f"gate {gate!r} received; expected one of {GATES}")
        self.gate = gate
        self.file = Path(file)
        if not self.file.is_file():
            raise FileNotFoundError(f"the model {self.file} does not exist")
        self.preparation = check_options(preparation)
        self.sha256 = hashlib.sha256(self.file.read_bytes()).hexdigest()
        self.model = _load(self.file)
        self.class_names = _class_names(self.model, self.file)
        self.input_shape = _input_shape(self.model, self.file)
        self.version = _version(self.file)
        self.phantom = phantom or _is_phantom(self.file)
        self.folder = Path(folder) / "models" / self.sha256[:16]
        self._run = _session(self.model, self.file, self.folder / "model.onnx", num_threads)
        self._in_batches = MicroBatches(self._run)
        # Looked up once: reading the metadata of packages takes milliseconds.
        self.versions = {name: version(name) for name in ("drcls", "onnxruntime")}
        self.reload_calibration()

    def reload_calibration(self):
        """Read the temperature and threshold that `calibrate` stored for this very model, if it has."""
        self.calibration = load_calibration(self.folder / "calibration.json", self.sha256)
        self.why_not_calibrated = self._why_not_calibrated()
        settings = self.calibration or UNCALIBRATED
        self.refer_below = settings["refer_below"]
        self.temperature = (UNCALIBRATED if self.why_not_calibrated else settings)["temperature"]

    def _why_not_calibrated(self):
        """The one place that says whether probabilities are calibrated: str, why not, or None where they are."""
        if self.calibration is None and not self.file.with_name("split.csv").is_file():
            return (
                f"split.csv, which names the model's validation images, does not lie beside {self.file.name}; an "
                "exported model has none: copy it from the run folder and start again with --trained-on, or serve the "
                "run folder"
            )
        if self.calibration is None:
            return "no temperature was fitted on the model's validation images"
        return why_undetermined(self.calibration)

    def grade(self, image):
        """Grade a photograph as it came from the camera: uint8 (H, W, 3) -> `Prediction`.

        Raises:
            TooBusyError: where too many others are waiting.
        """
        return self.judge(self._in_batches(self.network_input(image)))

    def network_input(self, image):
        """Prepare a photograph as the training images were: uint8 (H, W, 3) -> uint8 of `input_shape`."""
        return self._at_input_size(prepare_image(image, self.preparation))

    def _at_input_size(self, image):
        height, width, channels = self.input_shape
        if channels == 1:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
        return resize_to(image, (height, width))

    def run_prepared(self, images):
        """Return the network's probabilities for images of a prepared data set, float32 (N, C)."""
        rows = [
            self._run(np.stack([self._at_input_size(image) for image in images[start : start + MAX_BATCH]]))
            for start in range(0, len(images), MAX_BATCH)
        ]
        return np.concatenate(rows)

    def run_prepared_files(self, paths):
        """Return the network's probabilities for image files of a prepared data set, read a few at a time."""
        rows = [
            self.run_prepared([read_image(path) for path in paths[start : start + MAX_BATCH]])
            for start in range(0, len(paths), MAX_BATCH)
        ]
        return np.concatenate(rows)

    def judge(self, raw):
        """Calibrate one row of probabilities, float32 (C,), and compare it with the threshold."""
        probabilities = calibrated(raw, self.temperature)
        best = int(probabilities.argmax())
        return Prediction(
            grade=self.class_names[best],
            confidence=float(probabilities[best]),
            refer=bool(probabilities[best] < self.refer_below),
            probabilities=dict(zip(self.class_names, probabilities.tolist(), strict=True)),
            raw_probabilities=dict(zip(self.class_names, raw.astype(float).tolist(), strict=True)),
        )

    def description(self):
        """Return dict, what a prediction depends on besides the image, for the audit log and the report."""
        return {
            "model_sha256": self.sha256,
            "model_version": self.version,
            "demonstration": self.phantom,
            "preparation": self.preparation,
            "input_shape": list(self.input_shape),
            "temperature": self.temperature,
            "calibrated": self.why_not_calibrated is None,
            "why_not_calibrated": self.why_not_calibrated,
            "refer_below": self.refer_below,
            **self.versions,
        }


class MicroBatches:
    """Run a function on whatever waits, in one batch: nobody waits for a batch to fill.

    The first thread that finds the function idle runs it for all that are waiting; those that come meanwhile
    make the next batch. A lone request is run at once.

    Args:
        run: function uint8 (N, ...) -> array (N, ...).
        max_batch: int.
        max_waiting: int, above which a call is refused.
    """

    def __init__(self, run, max_batch=MAX_BATCH, max_waiting=MAX_WAITING):
        self.run, self.max_batch, self.max_waiting = run, max_batch, max_waiting
        self._waiting, self._list, self._busy = deque(), threading.Lock(), threading.Lock()

    def __call__(self, item):
        """Return the function's row for one item.

        Raises:
            TooBusyError: where `max_waiting` items wait already.
        """
        future = Future()
        with self._list:
            if len(self._waiting) >= self.max_waiting:
                raise TooBusyError(f"{self.max_waiting} images are waiting")
            self._waiting.append((item, future))
        with self._busy:
            while not future.done():
                self._run_next()
        return future.result()

    def _run_next(self):
        with self._list:
            batch = [self._waiting.popleft() for _ in range(min(self.max_batch, len(self._waiting)))]
        items, futures = zip(*batch, strict=True)
        try:
            rows = self.run(np.stack(items))
        except BaseException as error:
            for future in futures:
                future.set_exception(error)
            raise
        for row, future in zip(rows, futures, strict=True):
            future.set_result(row)


def _load(file):
    model = load_saved_model(file)
    try:
        check_model(model)
    except ValueError as error:
        raise ValueError(f"{file} is no model that can grade: {error}") from error
    return model


def _class_names(model, file):
    names = class_names(model)
    if not names:
        raise ValueError(
            f"{file} does not name its classes; expected a model that ends in drcls's ClassProbabilities layer"
        )
    return names


def _input_shape(model, file):
    height, width, channels = model.input_shape[1:]
    if None in (height, width) or max(height, width) > MAX_INPUT_SIDE:
        raise ValueError(
            f"{file} takes images of {height} x {width} pixels; expected a fixed size of at most {MAX_INPUT_SIDE}"
        )
    if channels not in (1, 3):
        raise ValueError(
            f"{file} takes images of {channels} channels; a photograph has 3, or 1 as a grey image"
        )
    return height, width, channels


def _version(file):
    """What the run folder calls the model: `CheXNet_CBAM, fundus_phantom-clean-quick-s0`."""
    return printable(f"{file.parent.name}, {file.parent.parent.name}" if _config(file) else file.name)


def _is_phantom(file):
    return bool(data_beside(file)[0].get("phantom"))


def _config(file):
    path = file.with_name("config.json")
    config = read_json(path) if path.is_file() else {}
    if not isinstance(config, dict):
        raise ValueError(f"{path} holds no configuration of a run; expected a JSON object")
    return config


def _session(model, model_file, file, num_threads):
    import onnxruntime  # the extra `export`

    if not file.is_file():
        _export(model_file, file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    # Memory that batches of many sizes would leave behind is given back instead.
    options.enable_cpu_mem_arena = False
    try:
        session = onnxruntime.InferenceSession(os.fspath(file), options)
    except Exception as error:  # noqa: BLE001 - onnxruntime raises classes of its own, RuntimeError among them
        raise ValueError(
            f"{file}, the ONNX copy of {model_file}, cannot be loaded ({str(error)[:200]}); remove it, and the next "
            "start makes it anew"
        ) from error
    name = session.get_inputs()[0].name
    kind = np.uint8 if "uint8" in session.get_inputs()[0].type else np.float32

    def run(images):
        return session.run(None, {name: images.astype(kind)})[0]

    try:
        _check_export(model, run)
    except ValueError:
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
        raise
    return run


def _export(model_file, file):
    """Export in a process of its own: the conversion takes gigabytes that Python never gives back.

    Raises:
        RuntimeError: where that process fails; its output says why.
    """
    process = multiprocessing.get_context("spawn").Process(target=_convert, args=(model_file, file))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{model_file} could not be exported to ONNX (exit code {process.exitcode})")


def _convert(model_file, file):
    export_onnx(_load(model_file), file)


def _check_export(model, run):
    """Hold the exported network against the Keras one on noise, so that no export is trusted blindly.

    One trained in mixed precision is exported in float32, and held against itself in float32.
    """
    model = model if computes_in_float32(model) else copy_in_float32(model)
    images = np.random.default_rng(0).integers(0, 256, (2, *model.input_shape[1:])).astype(np.uint8)
    expected = keras.ops.convert_to_numpy(model(images.astype(np.float32), training=False))
    difference = float(np.abs(run(images) - expected).max())
    if not difference <= EXPORT_TOLERANCE:
        raise ValueError(
            f"the ONNX copy of model {model.name!r} differs from it by {difference:.1e} in probability; at most "
            f"{EXPORT_TOLERANCE:.0e} expected"
        )
