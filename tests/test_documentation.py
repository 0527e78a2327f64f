"""The README and docs: their Python runs, their commands and targets exist, and they stay short."""

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drcls.cli import build_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "check_tables.md"),
    *sorted((ROOT / "experiments").glob("*/README.md")),
]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def python_of(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands_of(page, program):
    """Lines that begin with a program, and code in backticks that does."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(rf"^({program} .*)$", text, re.MULTILINE) + re.findall(rf"`({program} [^`]*)`", text)
    return [shlex.split(line.split("  #")[0].strip()) for line in lines]


# What the README shows is docs/own_images.py, which tests/cli/test_own_images.py runs.
@pytest.mark.parametrize("page", [page for page in PAGES[1:] if python_of(page)], ids=lambda page: page.name)
def test_python_runs(page, tmp_path):
    for number, code in enumerate(python_of(page)):
        script = tmp_path / f"{number}.py"
        script.write_text(code)
        done = subprocess.run([sys.executable, str(script)], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_knows_the_targets(page, tmp_path):
    for _, target, *variables in commands_of(page, "make"):
        if "NAME" in target or target == "install":
            continue
        arguments = [argument for argument in variables if "=" in argument and "|" not in argument]
        if target.startswith("data-"):  # a table of targets says once that they need a source
            arguments.insert(0, "SOURCE=archive.zip")
        done = subprocess.run(
            ["make", "-n", target, f"VENV={tmp_path}", *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_installing_means_the_checkout_with_extras_that_exist():
    """The package is on no index, so that pip finds it only by its path."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    code = [path for folder in ("drcls", "data_prep") for path in (ROOT / folder).rglob("*.py")]
    text = "".join(
        path.read_text(encoding="utf-8") for path in [*PAGES, ROOT / "docs" / "check_tables.md", *code]
    )
    commands = re.findall(r"pip install [\"']?([\w.]+)\[([a-z,]+)\]", text)
    assert len(commands) >= 6
    for package, extras in commands:
        assert package == "." and set(extras.split(",")) <= set(settings["options.extras_require"])


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_command_knows_what_is_written(page, capsys):
    for _, command, *arguments in commands_of(page, "drcls"):
        if command == "COMMAND":
            continue
        with pytest.raises(SystemExit) as ended:
            build_parser().parse_args([command, "--help"])
        assert ended.value.code == 0, command
        known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
        assert {argument for argument in arguments if argument.startswith("--")} <= known


def test_links_lead_to_files():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_the_index_of_each_paper_names_files_that_exist():
    for page in PAGES:
        for path in re.findall(r"`((?:drcls|data_prep)/[\w/]+\.?\w*)`", page.read_text(encoding="utf-8")):
            assert (ROOT / path).exists(), f"{page.relative_to(ROOT)} names {path}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
