"""The network that is exported: inference alone, any number of images, and outputs that can be checked."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np

ANY_SIDE = 64  # of a sample where the model takes any size
ANY_LENGTH = 8
NUM_SAMPLES = 3
TOLERANCE = 1e-4


def inference_model(model):
    """Wrap a model so that it takes any number of images and that no layer of it acts as in training.

    Keras's augmentation layers act unless they are told that this is inference, and a `Sequential` that was
    first called on one image takes one image for ever. The wrapper shares the weights.

    Args:
        model: built `keras.Model`.

    Returns:
        `keras.Model` with named inputs.

    Raises:
        ValueError: where the model is not built, or its inputs are not known.
    """
    need_built(model)
    inputs = keras.tree.map_structure(_free_input, _inputs(model))
    return keras.Model(inputs, model(inputs, training=False), name=f"{model.name}_inference")


def need_built(model):
    if not model.built:
        raise ValueError(f"model {model.name!r} has not been built; give it an Input or call it once")


def need_tensorflow(what):
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            f"exporting {what} needs the TensorFlow backend; this is {backend!r}. A .keras file loads on "
            "every backend: set KERAS_BACKEND=tensorflow and export from there"
        )


def iterate_leaves(model):
    """Yield every layer that is no model itself, of nested models too."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from iterate_leaves(layer)
        else:
            yield layer


def fixed_batch(model):
    """Return the only number of images that the model takes, or None where it takes any."""
    sizes = {tensor.shape[0] for tensor in keras.tree.flatten(_inputs(model))}
    return next(iter(sizes - {None}), None)


def draw_inputs(model, num, seed=0):
    """Draw inputs that a model accepts: noise in 0..255 for images, small numbers for anything else.

    Args:
        model: built `keras.Model`.
        num: int, N.
        seed: int.

    Returns:
        array (N, ...), or the model's structure of them; sides and lengths that the model leaves open are 64
        and 8.
    """
    rng = np.random.default_rng(seed)
    looks_up = any(isinstance(layer, keras.layers.Embedding) for layer in iterate_leaves(model))

    def draw(tensor):
        any_side = ANY_SIDE if len(tensor.shape) == 4 else ANY_LENGTH
        shape = (num, *(any_side if side is None else side for side in tensor.shape[1:]))
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        if dtype == "string":
            return rng.choice(["one", "two"], shape)
        if dtype == "bool" or (len(shape) < 4 and (looks_up or "int" in dtype)):
            return rng.integers(0, 2, shape).astype(dtype)
        if len(shape) == 4:
            return rng.integers(0, 256 if dtype != "int8" else 128, shape).astype(dtype)
        return rng.normal(size=shape).astype(dtype)

    return keras.tree.map_structure(draw, _inputs(model))


def predictions(model, inputs):
    """Return what `model.predict` gives, without its minute of compilation: list of arrays, one per output."""
    num, step = len(keras.tree.flatten(inputs)[0]), fixed_batch(model)
    step = step or num
    parts = [
        keras.tree.flatten(model(_rows(inputs, start, start + step), training=False))
        for start in range(0, num, step)
    ]
    return [
        np.concatenate([keras.ops.convert_to_numpy(part) for part in output])
        for output in zip(*parts, strict=True)
    ]


def check_equal(model, run, what):
    """Hold an exported network against `predict`, on all the drawn inputs at once and on the first alone.

    Args:
        model: built `keras.Model`.
        run: function (inputs in the model's structure) -> list of arrays, one per output.
        what: str, what was exported, for the error.

    Returns:
        float, the largest difference between any two outputs.

    Raises:
        ValueError: where `predict` draws at random, or the outputs differ by more than 1e-4 of the largest.
    """
    num = NUM_SAMPLES * (fixed_batch(model) or 1)
    inputs = draw_inputs(model, num)
    expected = predictions(model, inputs)
    if not all(_differ(a, b) == 0 for a, b in zip(expected, predictions(model, inputs), strict=True)):
        raise ValueError(
            f"model {model.name!r} gives the same images other outputs at each call: a layer draws at random at "
            f"inference, so {what} could not give what `predict` gives"
        )
    worst = 0.0
    for rows in (num, 1):
        try:
            received = run(_rows(inputs, 0, rows))
        except Exception as error:  # noqa: BLE001 - the three runtimes' errors share no base class but this
            raise refused(model, f"{what} for {rows} inputs at once", error) from error
        for mine, theirs in zip(expected, received, strict=True):
            difference = _differ(mine[:rows], theirs)
            if not difference <= TOLERANCE * max(1.0, float(np.abs(np.nan_to_num(mine)).max(initial=0))):
                raise ValueError(
                    f"{what} of model {model.name!r} differs from `predict` by {difference:.1e} on {rows} drawn "
                    f"inputs; expected at most {TOLERANCE:.0e} of the largest output. Nothing was written"
                )
            worst = max(worst, difference)
    return worst


@contextlib.contextmanager
def temporary_folder(parent):
    """Make a folder beside the result, so that the finished result is moved and never half there."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".export-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def refused(model, what, error):
    """Return the one error that says that a model cannot be written in a format."""
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return ValueError(f"model {model.name!r} cannot be exported as {what}: {reason[0][:300]}")


def _inputs(model):
    if isinstance(model, keras.Sequential):
        return model.inputs[0]
    if isinstance(model, keras.Function):
        return model.input
    raise ValueError(
        f"exporting needs a Functional or Sequential keras.Model; {model.name!r} is a {type(model).__name__}. Call it "
        "on a keras.Input and export keras.Model(input, output)"
    )


def _free_input(tensor):
    return keras.Input(tensor.shape[1:], dtype=tensor.dtype, sparse=tensor.sparse, name=tensor.name)


def _rows(inputs, start, stop):
    return keras.tree.map_structure(lambda array: array[start:stop], inputs)


def _differ(mine, theirs):
    """Return the largest difference of two arrays, infinite where their shapes or their NaNs differ."""
    mine, theirs = np.asarray(mine), np.asarray(theirs)
    if mine.shape != theirs.shape:
        return np.inf
    if mine.dtype.kind not in "fiub" and mine.dtype.name != "bfloat16":
        return 0.0 if np.array_equal(mine, theirs) else np.inf
    mine, theirs = mine.astype("float64"), theirs.astype("float64")
    if not np.array_equal(np.isnan(mine), np.isnan(theirs)):
        return np.inf
    with np.errstate(invalid="ignore"):
        return float(np.nan_to_num(np.abs(mine - theirs)).max(initial=0))
