"""`python -m drcls.check_tables`: exit status, page, JSON, and no Keras."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from drcls.check_tables.__main__ import main
from tests.check_tables.documents import table

GOOD = table([{"model": "A", "accuracy": 96.12}], num_test=903, decimals=2)
BAD = table([{"model": "<b>", "accuracy": 96.17}], num_test=903, decimals=2)


MALFORMED = [
    ({"claims": [{"what": "better", "test": {"kind": "larger"}}]}, "/claims/0/test/kind must be one of"),
    ({"claims": [{"what": "better", "test": {"kind": "largest", "cell": "/title"}}]}, "/title"),
    ({"datasets": {"d": 5}}, "has another form"),
    ({"same_test_part": [{"cells": []}]}, "lacks 'at_most'"),
    (
        {"datasets": {"d": {"total": 5, "split": {"test": 5}, "split_shares": {"train": 0.5}}}},
        "lacks 'train'",
    ),
]


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "numbers.json"
        if not isinstance(content, str | bytes):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_status_0_and_1(file, capsys):
    assert main([file(GOOD)]) == 0
    assert "0 inconsistent" in capsys.readouterr().out
    assert main([file(BAD)]) == 1
    assert "no count of 903 gives it" in capsys.readouterr().out


def test_a_mark_that_editors_on_windows_write_is_no_fault(file, capsys):
    assert main([file("\ufeff" + json.dumps(GOOD))]) == 0
    assert "0 inconsistent" in capsys.readouterr().out


def test_json_and_page(file, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main([file(BAD | {"title": "<i>A & B"}), "--json", "--html", str(page)]) == 1
    [finding] = json.loads(capsys.readouterr().out)
    assert finding["rule"] == "whole_number" and finding["places"] == ["/tables/1/rows/0/accuracy"]
    text = page.read_text()
    assert "&lt;i&gt;A &amp; B" in text and "<i>" not in text and "no count of 903" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ('{"title": "\ud800"}'.encode("utf-8", "surrogatepass"), "is not valid JSON"),
        ("[]", "must be a JSON object"),
        ({"tables": 1}, "/tables"),
        *MALFORMED,
    ],
)
def test_status_2_names_the_file(file, capsys, content, message):
    path = file(content)
    assert main([path]) == 2
    error = capsys.readouterr().err
    assert path in error and message in error


def test_a_missing_file_and_a_page_that_cannot_be_written(file, tmp_path, capsys):
    assert main([str(tmp_path / "none.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert main([file(GOOD), "--html", str(tmp_path / "no" / "page.html")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_it_needs_neither_keras_nor_tensorflow():
    program = (
        "import sys, drcls.check_tables; print({'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_the_example_of_the_documentation(file, capsys):
    page = (Path(__file__).resolve().parents[2] / "docs" / "check_tables.md").read_text(encoding="utf-8")
    assert main([file(page.split("```json\n")[1].split("```")[0])]) == 1
    printed = capsys.readouterr().out
    assert "106 of 120 is 88.333 %, reported 88.400 %" in printed and "p = 0.53 (unpaired" in printed
    assert "2 inconsistent" in printed
