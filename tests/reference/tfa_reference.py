"""Write tfa_0_23.json: inputs and what tensorflow-addons 0.23.0 makes of them.

An independent reference for the tests of this project, made by build.sh in an environment of its own, because
tensorflow-addons ended in May 2024 and fails to import beside a current TensorFlow. The inputs are drawn with
a fixed seed and stored beside the outputs, so that the tests need neither this script nor that environment.

Run: tests/reference/build.sh (Python 3.11; installs 1.3 GB once, then takes 15 seconds).
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

OUTPUT = Path(__file__).with_name("tfa_0_23.json")
CLASSES = 5


def main():
    tf.get_logger().setLevel("ERROR")
    rng = np.random.default_rng(2019)
    reference = {
        "made_by": "tests/reference/tfa_reference.py",
        "versions": {
            "tensorflow_addons": tfa.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
        },
        "grades": grades(rng),
        "focal": focal(rng),
        "images": images(rng),
        "optimizers": optimizers(rng),
    }
    partial = OUTPUT.with_suffix(".partial")
    partial.write_text(json.dumps(reference) + "\n")
    partial.replace(OUTPUT)
    print(f"{OUTPUT}: {OUTPUT.stat().st_size:,} bytes")


def grades(rng):
    """CohenKappa and F1Score on 200 graded images; grade 4 is never predicted in the second case."""
    cases = {}
    for name, skill, highest in (("graded", 0.7, CLASSES), ("one_grade_never_predicted", 0.5, CLASSES - 1)):
        y_true = rng.choice(CLASSES, size=200, p=[0.49, 0.10, 0.27, 0.06, 0.08])
        y_pred = np.where(
            rng.random(200) < skill, np.minimum(y_true, highest - 1), rng.integers(highest, size=200)
        )
        cases[name] = {
            "y_true": y_true.tolist(),
            "y_pred": y_pred.tolist(),
            "kappa": {
                str(weightage).lower(): score(
                    tfa.metrics.CohenKappa(CLASSES, weightage=weightage, sparse_labels=True), y_true, y_pred
                )
                for weightage in (None, "linear", "quadratic")
            },
            "f1": {
                str(average).lower(): score(
                    tfa.metrics.F1Score(CLASSES, average=average), one_hot(y_true), one_hot(y_pred)
                )
                for average in (None, "macro", "micro", "weighted")
            },
        }
    return cases


def focal(rng):
    """SigmoidFocalCrossEntropy per sample, summed over its outputs, from probabilities and from logits."""
    logits = rng.normal(scale=2.0, size=(12, CLASSES)).astype("float32")
    y_true = one_hot(rng.integers(CLASSES, size=12))
    probabilities = tf.sigmoid(logits).numpy()
    cases = []
    for alpha, gamma in ((0.25, 2.0), (0.75, 1.0), (0.5, 0.0)):
        for from_logits in (False, True):
            loss = tfa.losses.SigmoidFocalCrossEntropy(
                from_logits=from_logits, alpha=alpha, gamma=gamma, reduction=tf.keras.losses.Reduction.NONE
            )
            values = loss(y_true, logits if from_logits else probabilities)
            cases.append(
                {"alpha": alpha, "gamma": gamma, "from_logits": from_logits, "values": plain(values)}
            )
    return {
        "y_true": plain(y_true),
        "logits": plain(logits),
        "probabilities": plain(probabilities),
        "cases": cases,
    }


def images(rng):
    """tfa.image.rotate (radians, positive is counter-clockwise) and translate ([dx, dy], right and down)."""
    image = rng.integers(0, 256, size=(8, 10, 3)).astype("float32")
    cases = []
    for interpolation in ("nearest", "bilinear"):
        for fill_mode in ("nearest", "constant", "reflect"):
            how = {"interpolation": interpolation, "fill_mode": fill_mode}
            for angle in (0.4, -1.1):
                rotated = tfa.image.rotate(image, angle, **how)
                cases.append({"operation": "rotate", "angle": angle, **how, "image": plain(rotated)})
            for shift in ([2.0, -1.0], [-1.25, 0.4]):
                moved = tfa.image.translate(image, shift, **how)
                cases.append({"operation": "translate", "shift": shift, **how, "image": plain(moved)})
    return {"image": plain(image), "cases": cases}


def optimizers(rng):
    """One variable after each of three steps with given gradients."""
    start = rng.normal(size=4).astype("float32")
    gradients = rng.normal(size=(3, 4)).astype("float32")
    cases = []
    for name, arguments in (
        ("AdamW", {"weight_decay": 0.004, "learning_rate": 0.01}),
        ("SGDW", {"weight_decay": 0.004, "learning_rate": 0.01, "momentum": 0.9}),
        ("LAMB", {"learning_rate": 0.01}),
        ("RectifiedAdam", {"learning_rate": 0.01}),
    ):
        variable, optimizer = tf.Variable(start), getattr(tfa.optimizers, name)(**arguments)
        steps = []
        for gradient in gradients:
            optimizer.apply_gradients([(tf.constant(gradient), variable)])
            steps.append(plain(variable))
        cases.append({"name": name, "arguments": arguments, "steps": steps})
    return {"start": plain(start), "gradients": plain(gradients), "cases": cases}


def score(metric, y_true, y_pred):
    metric.update_state(y_true, y_pred)
    return plain(metric.result())


def one_hot(classes):
    return np.eye(CLASSES, dtype="float32")[classes]


def plain(values):
    """Lists and floats for JSON, at the seven digits that float32 has."""
    return np.vectorize(lambda value: float(f"{value:.7g}"), otypes=["float64"])(np.asarray(values)).tolist()


if __name__ == "__main__":
    main()
