"""`python -m drcls.explain`: what it writes, and what it refuses."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from drcls.explain import grad_cam, lime
from drcls.explain.__main__ import main
from drcls.layers import ClassProbabilities


@pytest.fixture
def saved(nested, images, tmp_path):
    """A saved model and a folder of three images of twice its input size."""
    model = nested(ClassProbabilities(["red", "green", "blue"]))
    model.save(tmp_path / "model.keras")
    (tmp_path / "pictures").mkdir()
    for number, image in enumerate(images[:3]):
        cv2.imwrite(
            str(tmp_path / "pictures" / f"{number}.png"), np.kron(image[..., ::-1], np.ones((2, 2, 1)))
        )
    (tmp_path / "pictures" / "notes.txt").write_text("not an image")
    return model, tmp_path


def test_a_new_process_writes_overlays_and_maps(saved, images):
    model, folder = saved
    command = [sys.executable, "-m", "drcls.explain", "model.keras", "pictures", "--output", "out"]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    written = sorted(path.name for path in (folder / "out").iterdir())
    probabilities = model.predict(images[:3], verbose=0)
    predicted = probabilities.argmax(axis=1)
    names = [f"{i}-grad_cam-{['red', 'green', 'blue'][c]}" for i, c in enumerate(predicted)]
    assert written == sorted(f"{name}.{suffix}" for name in names for suffix in ("png", "npy"))
    assert process.stdout.count("->") == 3
    assert f" {probabilities[0].max():.3f})" in process.stdout
    expected = grad_cam(model, images[:3], normalise=False)
    for name, heat_map in zip(names, expected, strict=True):
        np.testing.assert_allclose(np.load(folder / "out" / f"{name}.npy"), heat_map, atol=1e-3)
        assert cv2.imread(str(folder / "out" / f"{name}.png")).shape == (64, 128, 3)


def test_a_class_and_a_method_may_be_named(saved, images, capsys):
    model, folder = saved
    picture = folder / "pictures" / "1.png"
    options = ["--method", "lime", "--class", "blue", "--output", str(folder / "explained")]
    assert main([str(folder / "model.keras"), str(picture), *options]) == 0
    expected = lime(model, images[1:2], 2, normalise=False)
    np.testing.assert_allclose(np.load(folder / "explained" / "1-lime-blue.npy"), expected[0], atol=1e-3)
    assert "1.png: " in capsys.readouterr().out


def test_a_broken_file_is_told_and_the_rest_is_done(saved, capsys):
    _, folder = saved
    (folder / "pictures" / "0.png").write_bytes(b"no picture")
    assert main([str(folder / "model.keras"), str(folder / "pictures"), "--output", str(folder / "out")]) == 1
    told = capsys.readouterr()
    assert told.out.count("->") == 2 and "0.png: not explained: not an image of a known format" in told.err
    assert len(list((folder / "out").iterdir())) == 4


def test_what_is_not_there_is_named(saved, capsys):
    _, folder = saved
    model = str(folder / "model.keras")
    with pytest.raises(SystemExit):
        main([model, str(folder / "nowhere")])
    assert "nowhere: no such file or folder" in capsys.readouterr().err
    (folder / "empty").mkdir()
    with pytest.raises(SystemExit, match="no picture in"):
        main([model, str(folder / "empty")])
    with pytest.raises(SystemExit, match=r"class 'pink' is unknown; expected one of \['red'"):
        main([model, str(folder / "pictures"), "--class", "pink"])
    (folder / "other.keras").write_text("no model")
    with pytest.raises(SystemExit, match=r"other\.keras is not a Keras model"):
        main([str(folder / "other.keras"), str(folder / "pictures")])


def test_a_file_name_that_is_no_text_is_told_with_escapes(saved, capsys):
    _, folder = saved
    (folder / "pictures" / "0.png").rename(folder / "pictures" / os.fsdecode(b"\xe9.png"))
    assert main([str(folder / "model.keras"), str(folder / "pictures"), "--output", str(folder / "out")]) == 0
    assert "\\udce9.png: " in capsys.readouterr().out
