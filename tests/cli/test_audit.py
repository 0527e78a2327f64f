"""drcls audit: text, JSON and a page, for one data set and against another."""

import json
import subprocess
import sys

from drcls.cli import main
from tests.small_data import write_squares


def test_copies_are_told_in_text_json_and_on_a_page(tmp_path, capsys):
    manifest = write_squares(tmp_path / "data")
    copied = manifest.frame.copy()
    copied.loc[1, ["sha256", "phash"]] = copied.loc[0, ["sha256", "phash"]]
    copied.to_csv(tmp_path / "data" / "manifest.csv", index=False)
    assert main(["audit", str(tmp_path / "data"), "--html", str(tmp_path / "audit.html")]) == 0
    out = capsys.readouterr().out
    assert "identical" in out and "page:" in out
    assert "000.png" in (tmp_path / "audit.html").read_text()
    assert main(["audit", str(tmp_path / "data"), "--against", str(tmp_path / "data"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["pairs"]["identical"]["pairs"] == 1 and result["pairs"]["identical"]["conflicting"] == 1
    assert result["against"]


def test_an_audit_needs_no_keras(tmp_path):
    write_squares(tmp_path / "data")
    code = (
        "import sys; from drcls.cli import main\n"
        f"main(['audit', {str(tmp_path / 'data')!r}, '--html', {str(tmp_path / 'a.html')!r}])\n"
        "print('keras' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.split()[-1] == "False", answer.stderr
