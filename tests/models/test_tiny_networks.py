"""The tiny relatives of DenseNet and ResNet: their wiring, their size, their saved files."""

import keras
import numpy as np
import pytest

from drcls.models import build_tiny_densenet, build_tiny_resnet
from tests.models.fresh_process import predicted_in_a_fresh_process
from tests.trained_head import with_a_trained_head

CLASSES = ["normal", "codocyte", "hypochromia"]
TINY_NETWORKS = [build_tiny_densenet, build_tiny_resnet]
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype="uint8")


@pytest.mark.parametrize(("build", "weights"), list(zip(TINY_NETWORKS, (23_859, 77_987), strict=True)))
def test_as_many_weights_as_documented(build, weights):
    assert build(48, CLASSES).count_params() == weights
    assert f"{weights:,} weights" in build.__doc__


def test_a_dense_layer_sees_all_before_it_and_keeps_them():
    model = build_tiny_densenet(32, CLASSES)
    # 24 of the stem, 12 a layer, halved by a transition: 24 -> 48 -> 24 -> 48 -> 24 -> 48
    assert [model.get_layer(f"block{block}_layer2_all").output.shape[-1] for block in (1, 2, 3)] == [48] * 3
    stem, joined = (model.get_layer(name).output for name in ("stem_pool", "block1_layer2_all"))
    before, after = (np.array(x) for x in keras.Model(model.input, [stem, joined])(IMAGES))
    np.testing.assert_array_equal(after[..., :24], before)


def test_a_residual_block_adds_to_what_it_received():
    model = build_tiny_resnet(32, CLASSES)
    for block in (1, 2, 3):
        kernel = model.get_layer(f"block{block}_second").kernel
        kernel.assign(keras.ops.zeros_like(kernel))
    received = [model.get_layer(name).output for name in ("stem_pool", "block2_project", "block3_project")]
    given = [model.get_layer(f"block{block}_sum").output for block in (1, 2, 3)]
    values = keras.Model(model.input, [*received, *given])(IMAGES)
    for before, after in zip(values[:3], values[3:], strict=True):
        np.testing.assert_array_equal(np.array(before), np.array(after))


def test_saved_models_need_no_custom_objects(tmp_path):
    models = {build.__name__: with_a_trained_head(build(32, CLASSES)) for build in TINY_NETWORKS}
    predicted = predicted_in_a_fresh_process(
        models,
        IMAGES,
        tmp_path,
        f"assert model.layers[-1].class_names == {CLASSES}",
        "assert model.get_layer(model.layers[-1].explain_layer).output.shape[1:3] == (2, 2)",
    )
    for name, model in models.items():
        np.testing.assert_allclose(predicted[name].sum(axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(predicted[name], model(IMAGES), atol=1e-6)
