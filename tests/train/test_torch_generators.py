"""PyTorch's generators in a checkpoint: continued, absent in older checkpoints, named where they are damaged."""

import base64
import json

import keras
import numpy as np
import pytest

from drcls.data import Batches, ImageCache
from drcls.train import BatchNormReestimation, train
from drcls.train.torch_generators import generator_states, set_generator_states
from tests.small_data import write_squares
from tests.train.train_squares import tiny_model


@pytest.fixture
def torch(monkeypatch):
    """PyTorch as if Keras ran on it."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    return torch


def test_a_generator_goes_on_where_it_was(torch):
    torch.manual_seed(3)
    states = json.loads(json.dumps(generator_states()))
    expected = torch.rand(4)
    torch.manual_seed(4)
    set_generator_states(states)
    assert torch.equal(torch.rand(4), expected)


def test_a_pass_that_re_estimates_statistics_draws_nothing_from_it(torch):
    values = keras.Input((2,))
    model = keras.Model(values, keras.layers.BatchNormalization()(values))
    reestimate = BatchNormReestimation(model, [np.zeros((2, 2), "float32")])
    torch.manual_seed(3)
    states = generator_states()
    with reestimate._averaging([0.5]):
        torch.rand(4)
    assert generator_states() == states


def test_each_device_has_its_generator_and_those_of_other_machines_are_left_out(torch, monkeypatch):
    gpu = torch.Generator().manual_seed(5)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "default_generators", (gpu,))
    states = generator_states()
    assert list(states) == ["cpu", "cuda:0"]
    expected = torch.rand(4, generator=gpu)
    set_generator_states(states | {"cuda:1": "from a machine with two"})
    assert torch.equal(torch.rand(4, generator=gpu), expected)


@pytest.mark.parametrize("state", [7, "no base64", base64.b64encode(b"too short").decode()])
def test_what_is_no_state_is_one_clear_error(torch, state):
    with pytest.raises(ValueError, match=f"cpu: received '{state}', expected a state of PyTorch's generator"):
        set_generator_states({"cpu": state})
    with pytest.raises(ValueError, match=r"received \['cpu'\], expected a dict from device to state"):
        set_generator_states(["cpu"])


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="other backends only")
def test_other_backends_have_none_and_ignore_those_of_a_checkpoint():
    assert generator_states() == {}
    set_generator_states({"cpu": "anything"})


def test_damaged_states_of_a_checkpoint_are_named(tmp_path, monkeypatch):
    squares = write_squares(tmp_path / "data")
    cache, run = ImageCache(squares, 16), tmp_path / "run"

    def fit(epochs):
        batches = Batches(cache, squares, 4, shuffle=True)
        return train(tiny_model(squares.classes), batches, None, run, epochs, None, verbose=0)

    fit(1)
    path = run / "checkpoint" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"torch_generators": {"cpu": "AAAA"}}))
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setattr("drcls.train.torch_generators.keras.backend.backend", lambda: "torch")
    with pytest.raises(
        ValueError, match="state.json is damaged at torch_generators: cpu: received 'AAAA'.*--force"
    ):
        fit(2)
