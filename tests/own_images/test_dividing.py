"""What is refused before a training begins."""

import pytest

from drcls.data import load_manifest
from drcls.own_images.dividing import check_training, count_given_test_images, divide


def test_the_parts_have_the_shares_and_keep_groups(squares):
    parts = divide(load_manifest(squares), "clean", 0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 52, "validation": 9, "test": 11}


def test_the_test_images_of_the_source_are_counted(squares):
    manifest = load_manifest(squares)
    manifest.frame["source_split"] = ["Test_Set"] * 5 + ["Training_Set"] * 67
    assert count_given_test_images(manifest) == 5


def test_what_can_begin_is_passed(squares, tmp_path):
    check_training(squares, tmp_path / "run", "clean", 0, 16)
    assert not (tmp_path / "run").exists()


def test_what_cannot_begin_is_one_clear_error(squares, tmp_path):
    with pytest.raises(ValueError, match="16 pixels, and 32 are asked for.*--image-size 16"):
        check_training(squares, tmp_path / "run", "clean", 0, 32)
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="photo.jpg and no run"):
        check_training(squares, tmp_path, "clean", 0)
