"""Checks of single arguments."""

import argparse

import pytest

from drcls.cli.arguments import existing


def test_a_name_that_no_file_can_have_is_told(tmp_path):
    with pytest.raises(
        argparse.ArgumentTypeError, match="aaa: File name too long; expected a file or folder"
    ):
        existing(str(tmp_path / ("a" * 300)))
    with pytest.raises(argparse.ArgumentTypeError, match="lost: no such file or folder"):
        existing(str(tmp_path / "lost"))
