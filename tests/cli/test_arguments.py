"""Checks of single arguments."""

import argparse

import pytest

from drcls.cli.arguments import UsageError, as_usage_error, existing, seed_number


def test_a_name_that_no_file_can_have_is_told(tmp_path):
    with pytest.raises(
        argparse.ArgumentTypeError, match="aaa: File name too long; expected a file or folder"
    ):
        existing(str(tmp_path / ("a" * 300)))
    with pytest.raises(argparse.ArgumentTypeError, match="lost: no such file or folder"):
        existing(str(tmp_path / "lost"))


def test_a_wrong_value_becomes_an_error_of_usage_and_nothing_else_does():
    with pytest.raises(UsageError, match="^--devices: 3 received$"), as_usage_error("--devices: "):
        raise ValueError("3 received")
    with pytest.raises(KeyError), as_usage_error():
        raise KeyError("3")
    with as_usage_error():
        pass


def test_a_seed_is_one_that_every_random_generator_takes():
    assert seed_number("0") == 0 and seed_number("4294967295") == 2**32 - 1
    for text in ("-1", "4294967296", "1.5", "one", ""):
        with pytest.raises(argparse.ArgumentTypeError, match=f"from 0 to 4294967295; received '{text}'"):
            seed_number(text)
