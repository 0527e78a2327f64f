"""drcls check-tables: exit status by what is found, JSON, a page, and a file that is no document."""

import json

import pytest

from drcls.cli import main


def numbers(folder, accuracy):
    """Write a table of one accuracy of 903 test images."""
    table = {"unit": "percent", "num_test": 903, "rows": [{"model": "A", "accuracy": accuracy}]}
    path = folder / "numbers.json"
    path.write_text(json.dumps({"title": "A paper", "tables": {"4": table}}))
    return str(path)


# 868 of 903 images are 96.12 %; no whole number of them is 96.05 %.
@pytest.mark.parametrize(("accuracy", "status"), [(96.12, 0), (96.05, 1)])
def test_the_status_says_whether_something_is_inconsistent(tmp_path, capsys, accuracy, status):
    assert (
        main(["check-tables", numbers(tmp_path, accuracy), "--html", str(tmp_path / "page.html")]) == status
    )
    assert capsys.readouterr().out.strip() and "A paper" in (tmp_path / "page.html").read_text()
    assert main(["check-tables", numbers(tmp_path, accuracy), "--json"]) == status
    result = json.loads(capsys.readouterr().out)
    assert result["failed"] == status and result["findings"]


def test_a_file_that_is_no_document_is_one_line_and_status_2(tmp_path, capsys):
    (tmp_path / "wrong.json").write_text("[1, 2]")
    assert main(["check-tables", str(tmp_path / "wrong.json")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("drcls check-tables: error: ") and len(err.splitlines()) == 1


def test_counts_of_nothing_are_one_line_and_status_2(tmp_path, capsys):
    table = {"unit": "number", "rows": [{"counts": [10, 0], "rho": 5}]}
    (tmp_path / "numbers.json").write_text(json.dumps({"tables": {"1": table}}))
    assert main(["check-tables", str(tmp_path / "numbers.json")]) == 2
    err = capsys.readouterr().err
    assert "numbers.json" in err and "/tables/1/rows/0/counts" in err and len(err.splitlines()) == 1
