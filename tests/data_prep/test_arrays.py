"""data_prep.arrays: MedMNIST's files and plain arrays, never unpickled, never larger than they look."""

import numpy as np
import pytest

from data_prep.arrays import prepare_arrays
from data_prep.sources import PreparationError
from drcls.data.image_ops import read_image
from drcls.data.manifest import load_manifest
from tests.data_prep.imitations import picture


def stack(count, start=0):
    return np.stack([picture(start + number, 28) for number in range(count)])


def write(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


def test_medmnist_keeps_its_parts_and_its_size(tmp_path):
    parts = {
        f"{part}_{key}": value
        for number, part in enumerate(("train", "val", "test"))
        for key, value in (("images", stack(4, 10 * number)), ("labels", np.array([[0], [1], [1], [0]])))
    }
    info = prepare_arrays(
        write(tmp_path / "a.npz", **parts), tmp_path / "out", classes=["benign", "malignant"]
    )
    assert info["preparation"]["size"] == 28 and info["counts"] == {"benign": 6, "malignant": 6}
    manifest = load_manifest(tmp_path / "out")
    assert set(manifest.frame["source_split"]) == {"train", "val", "test"}
    row = manifest.frame.index[manifest.frame["path"] == "images/val/00002.png"][0]
    np.testing.assert_array_equal(read_image(manifest.paths[row]), picture(12, 28))


def test_parts_of_several_sizes_are_refused(tmp_path):
    """They would be resized in silence."""
    parts = {"train_images": stack(4), "val_images": stack(4)[:, :20, :20]}
    parts |= {"train_labels": np.arange(4) % 2, "val_labels": np.arange(4) % 2}
    with pytest.raises(PreparationError, match=r"several sizes, {'train': \(28, 28\), 'val': \(20, 20\)}"):
        prepare_arrays(write(tmp_path / "a.npz", **parts), tmp_path / "out")


@pytest.mark.parametrize("shape", [(6, 28, 28), (6, 28, 28, 1)])
def test_grey_is_stored_three_times(tmp_path, shape):
    images = stack(6)[..., 0].reshape(shape)
    info = prepare_arrays(
        write(tmp_path / "a.npz", images=images, labels=np.arange(6) % 2),
        tmp_path / "out",
        size=32,
        ordered=True,
    )
    assert (info["grey"], info["classes"], info["ordered"]) == (6, ["0", "1"], True)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (np.array([0, 2, 0, 2]), None, "labels are 0, 2; every number from 0 expected.*no image of 1: 1"),
        (np.array([1, 2, 1, 2]), None, "labels are 1, 2; .*no image of 1: 0. Count from 0, or name all 3"),
        (np.array([0, 1, 0, 2]), ["x", "y"], "must be 0..1; others, 1: image 3: 2"),
        (np.zeros((4, 14), int), None, r"labels are int64 \(4, 14\)"),
        (np.zeros(4, int), None, "at least two classes"),
    ],
)
def test_labels_that_do_not_fit_are_one_clear_error(tmp_path, labels, classes, message):
    path = write(tmp_path / "a.npz", images=stack(4), labels=labels)
    with pytest.raises(PreparationError, match=message):
        prepare_arrays(path, tmp_path / "out", classes=classes)


def test_a_number_without_an_image_can_be_named(tmp_path):
    path = write(tmp_path / "a.npz", images=stack(4), labels=np.array([0, 2, 0, 2]))
    info = prepare_arrays(path, tmp_path / "out", classes=["none", "mild", "severe"], ordered=True)
    assert info["counts"] == {"none": 2, "mild": 0, "severe": 2}


def test_small_file_of_gigantic_arrays_is_refused_unread(tmp_path):
    path = write(
        tmp_path / "a.npz", images=np.zeros((20_000, 64, 64), np.uint8), labels=np.arange(20_000) % 2
    )
    with pytest.raises(PreparationError, match="more than 30 times as many"):
        prepare_arrays(path, tmp_path / "out")
