"""drcls.metrics, Keras and SciPy against the values of tensorflow-addons 0.23.0 (see tfa_reference.py)."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from sklearn.metrics import cohen_kappa_score

from drcls.metrics import accuracy, confusion_matrix, f1, macro_f1, quadratic_kappa

REFERENCE = json.loads(Path(__file__).with_name("tfa_0_23.json").read_text())
GRADES, FOCAL, IMAGES, OPTIMIZERS = (REFERENCE[key] for key in ("grades", "focal", "images", "optimizers"))


@pytest.mark.parametrize("case", GRADES.values(), ids=GRADES)
def test_kappa_and_f1(case):
    confusion = confusion_matrix(case["y_true"], case["y_pred"], num_classes=5)
    assert quadratic_kappa(confusion) == pytest.approx(case["kappa"]["quadratic"], abs=1e-6)
    np.testing.assert_allclose(f1(confusion), case["f1"]["none"], atol=1e-6)
    assert macro_f1(confusion) == pytest.approx(case["f1"]["macro"], abs=1e-6)
    assert accuracy(confusion) == pytest.approx(case["f1"]["micro"], abs=1e-6)
    linear = cohen_kappa_score(case["y_true"], case["y_pred"], weights="linear")
    assert linear == pytest.approx(case["kappa"]["linear"], abs=1e-6)


def focal_id(case):
    return f"alpha={case['alpha']} gamma={case['gamma']} from_logits={case['from_logits']}"


@pytest.mark.parametrize("case", FOCAL["cases"], ids=focal_id)
def test_sigmoid_focal_loss_is_keras_binary_focal_loss_times_the_outputs(case):
    loss = keras.losses.BinaryFocalCrossentropy(
        apply_class_balancing=True,
        alpha=case["alpha"],
        gamma=case["gamma"],
        from_logits=case["from_logits"],
        reduction=None,
    )
    y_true = np.array(FOCAL["y_true"], "float32")
    y_pred = np.array(FOCAL["logits" if case["from_logits"] else "probabilities"], "float32")
    # Keras takes the mean over the outputs of a sample, tensorflow-addons their sum.
    values = keras.ops.convert_to_numpy(loss(y_true, y_pred)) * y_true.shape[1]
    np.testing.assert_allclose(values, case["values"], rtol=2e-5)


@pytest.mark.parametrize("case", FOCAL["cases"], ids=focal_id)
def test_sigmoid_focal_loss_is_keras_categorical_focal_loss_of_two_classes(case):
    y_true, p = np.array(FOCAL["y_true"], "float32"), np.array(FOCAL["probabilities"], "float32")
    loss = keras.losses.CategoricalFocalCrossentropy(
        alpha=[1 - case["alpha"], case["alpha"]], gamma=case["gamma"], reduction=None
    )
    values = loss(np.stack([1 - y_true, y_true], axis=-1), np.stack([1 - p, p], axis=-1))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(values).sum(-1), case["values"], rtol=2e-5)


def image_id(case):
    amount = case.get("angle", case.get("shift"))
    return f"{case['operation']} {amount} {case['interpolation']} {case['fill_mode']}"


@pytest.mark.parametrize("case", IMAGES["cases"], ids=image_id)
def test_rotation_and_translation_follow_the_documented_convention(case):
    """A positive angle turns counter-clockwise about the centre of the pixels; a shift is (right, down)."""
    image = np.array(IMAGES["image"])
    height, width = image.shape[:2]
    rows, columns = np.indices((height, width), dtype="float64")
    if case["operation"] == "rotate":
        y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
        cos, sin = np.cos(case["angle"]), np.sin(case["angle"])
        rows = sin * x + cos * y + (height - 1) / 2
        columns = cos * x - sin * y + (width - 1) / 2
    else:
        rows, columns = rows - case["shift"][1], columns - case["shift"][0]
    mode = {"constant": "grid-constant"}.get(case["fill_mode"], case["fill_mode"])
    order = {"nearest": 0, "bilinear": 1}[case["interpolation"]]
    expected = np.stack(
        [
            map_coordinates(channel, [rows, columns], order=order, mode=mode)
            for channel in np.moveaxis(image, -1, 0)
        ],
        axis=-1,
    )
    np.testing.assert_allclose(case["image"], expected, atol=2e-3)


KERAS_OPTIMIZERS = {
    # tensorflow-addons shrinks weights by weight_decay alone, Keras by weight_decay times learning_rate.
    "AdamW": lambda weight_decay, learning_rate: keras.optimizers.AdamW(
        learning_rate, weight_decay=weight_decay / learning_rate
    ),
    "SGDW": lambda weight_decay, learning_rate, momentum: keras.optimizers.SGD(
        learning_rate, momentum=momentum, weight_decay=weight_decay / learning_rate
    ),
    "LAMB": lambda learning_rate: keras.optimizers.Lamb(learning_rate),
}


@pytest.mark.parametrize("name", KERAS_OPTIMIZERS)
def test_optimizers_step_alike(name):
    case = next(case for case in OPTIMIZERS["cases"] if case["name"] == name)
    optimizer = KERAS_OPTIMIZERS[name](**case["arguments"])
    variable = keras.Variable(np.array(OPTIMIZERS["start"], "float32"))
    for gradient, expected in zip(OPTIMIZERS["gradients"], case["steps"], strict=True):
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable.value), expected, rtol=1e-5)
