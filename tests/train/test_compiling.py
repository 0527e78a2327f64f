"""compile_classifier: the names by which `train` chooses an epoch."""

import keras
import numpy as np

from drcls.train import compile_classifier


def test_accuracy_and_macro_f1_are_measured_by_hand():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Activation("linear")])
    compile_classifier(model, keras.optimizers.Adam(), "categorical_crossentropy")
    predicted = np.array([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.1, 0.1, 0.8]])
    measured = model.evaluate(predicted, np.eye(3)[[0, 1, 2, 2]], verbose=0, return_dict=True)
    np.testing.assert_allclose(measured["accuracy"], 3 / 4, rtol=1e-6)
    # F1 of 2/3 (one of two called so is right), 0 and 1.
    np.testing.assert_allclose(measured["macro_f1"], (2 / 3 + 0 + 1) / 3, rtol=1e-6)
