"""Load a model saved elsewhere, compare its outputs, and train on this process's backend.

Run by test_backends.py in a new process with KERAS_BACKEND set: `one_backend.py MODEL.keras EXAMPLES.npz`.
Importing drcls is all that makes the layers known. Prints one JSON object.
"""

import json
import sys

import keras
import numpy as np

import drcls


def small_network():
    """Every layer once, on feature maps of unknown size with 4 channels, giving 3 probabilities."""
    inputs = keras.Input((None, None, 4))
    x = drcls.layers.CBAM(reduction_ratio=2, kernel_size=3)(inputs)
    x = drcls.layers.SqueezeExcitation(reduction_ratio=2)(x)
    x = drcls.layers.LearnableWavelet2D("db2", orthonormality_penalty=0.1)(x)
    x = drcls.layers.InverseLearnableWavelet2D("db2")(x)
    x = drcls.layers.DropBlock2D(0.2, block_size=3, seed=1, schedule_steps=10)(x)
    x = keras.layers.Reshape((-1, 4))(x)
    x = drcls.layers.TransformerEncoder(num_heads=2, key_dim=3, ff_dim=5, dropout_rate=0.1, seed=1)(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    outputs = keras.layers.Dense(3, activation="softmax", dtype="float32")(x)
    return keras.Model(inputs, outputs)


def fit_once(network, images, loss=None, **compile_arguments):
    """One epoch of one step; returns its loss."""
    labels = np.eye(3, dtype="float32")[np.arange(len(images)) % 3]
    loss = loss or drcls.losses.WeightedCategoricalCrossentropy([1.0, 2.0, 4.0])
    network.compile("sgd", loss, **compile_arguments)
    history = network.fit(images, labels, batch_size=len(images), verbose=0)
    return history.history["loss"][0]


def counted_steps(network):
    """The number of training steps that DropBlock has counted."""
    (layer,) = [layer for layer in network.layers if isinstance(layer, drcls.layers.DropBlock2D)]
    return int(layer.step)


def survives_a_sure_mistake(loss):
    """Whether a step on an image whose true class has probability 0 leaves numbers, and changes some."""
    layer = keras.layers.Dense(2, use_bias=False)
    network = keras.Sequential([keras.Input((2,)), layer, keras.layers.Softmax()])
    before = np.array([[60, 0], [0, 60]], "float32")
    layer.set_weights([before])
    network.compile("sgd", loss)
    network.train_on_batch(np.array([[2, 0]], "float32"), np.array([1]))
    return bool(np.isfinite(layer.get_weights()[0]).all())


def trains_bfloat16():
    """Whether the backend can: PyTorch's convolutions on a processor without such instructions cannot go backwards."""
    if keras.backend.backend() != "torch":
        return True
    import torch

    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def main(model_path, examples_path):
    with np.load(examples_path) as examples:
        images, expected = examples["images"], examples["outputs"]
    loaded = keras.models.load_model(model_path)
    result = {
        "backend": keras.backend.backend(),
        "tensorflow_imported": "tensorflow" in sys.modules,
        "largest_difference": float(np.max(np.abs(loaded.predict_on_batch(images) - expected))),
        "steps_loaded": counted_steps(loaded),
        # XLA is what JAX always runs on, and TensorFlow when asked. torch.compile would need a C++ compiler.
        "loss": fit_once(loaded, images[:, :5], jit_compile=keras.backend.backend() != "torch"),
        "steps_after_fit": counted_steps(loaded),
    }
    result["survives_sure_mistakes"] = [
        survives_a_sure_mistake(loss)
        for loss in (
            drcls.losses.WeightedCategoricalCrossentropy([1.0, 200.0]),
            drcls.losses.BalancedSoftmaxCrossentropy([200, 1]),
            drcls.losses.FocalCrossentropy([1.0, 200.0]),
        )
    ]
    result["trains_bfloat16"] = trains_bfloat16()
    if result["trains_bfloat16"]:
        keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
        loss = drcls.losses.BalancedSoftmaxCrossentropy([9, 2, 4], from_logits=False)
        result["loss_bfloat16"] = fit_once(small_network(), images, loss)
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
