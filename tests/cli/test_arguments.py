"""Checks of single arguments."""

import argparse

import pytest

from drcls.cli.arguments import existing, seed_number


def test_a_name_that_no_file_can_have_is_told(tmp_path):
    with pytest.raises(
        argparse.ArgumentTypeError, match="aaa: File name too long; expected a file or folder"
    ):
        existing(str(tmp_path / ("a" * 300)))
    with pytest.raises(argparse.ArgumentTypeError, match="lost: no such file or folder"):
        existing(str(tmp_path / "lost"))


def test_a_seed_is_one_that_every_random_generator_takes():
    assert seed_number("0") == 0 and seed_number("4294967295") == 2**32 - 1
    for text in ("-1", "4294967296", "1.5", "one", ""):
        with pytest.raises(argparse.ArgumentTypeError, match=f"from 0 to 4294967295; received '{text}'"):
            seed_number(text)
