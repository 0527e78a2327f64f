"""What `make` would run, and what it says where something is missing; nothing is installed."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from drcls.data.manifest import MODULE_OF_DATA_SET
from experiments.results.claims import EXPERIMENTS

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def planned(tmp_path):
    def run(*arguments):
        return subprocess.run(
            ["make", "-n", "--no-print-directory", *arguments, f"VENV={tmp_path}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    return run


def test_papers_are_called_by_their_names(planned):
    assert "-m experiments.chexnet_cbam --data 'auto'" in planned("reproduce-chexnet-cbam").stdout
    assert "-m experiments.canine_rbc_focal --data 'auto'" in planned("reproduce-canine-rbc").stdout
    assert planned("report-blood-cells").stdout.rstrip().endswith("--report-only")


def test_data_sets_are_called_by_their_names(planned):
    assert (
        "-m data_prep.ddr --source 'a.zip' --size 64"
        in planned("data-ddr", "SOURCE=a.zip", "PREPARE=--size 64").stdout
    )
    assert "-m data_prep.canine_rbc --source 'smears'" in planned("data-chula-rbc", "SOURCE=smears").stdout


def test_a_value_with_blanks_is_one_word(planned):
    def words(*arguments):
        return shlex.split(planned(*arguments).stdout.replace("\\\n", "").splitlines()[-1])

    assert "/tmp/my data/it's.zip" in words("data-ddr", "SOURCE=/tmp/my data/it's.zip")
    options = {
        "RUNS": "my runs",
        "MODELS": "VGG19, ResNet50",
        "BACKBONE": "my net.keras",
        "WEIGHTS": "a b.h5",
    }
    found = words("reproduce-chexnet-cbam", *(f"{name}={value}" for name, value in options.items()))
    assert set(options.values()) <= set(found)
    assert "'the records'" in planned("serve", "FOLDER=the records").stdout
    assert "--source ~/a.zip" in planned("data-ddr", "SOURCE=~/a.zip").stdout


def test_a_variable_that_does_nothing_is_refused(planned):
    for target, given, takes in (
        ("reproduce-chexnet-cbam", ["SEEDS=0 1 2"], "WEIGHTS BACKBONE"),
        ("reproduce-multiscale-attention", ["WEIGHTS=imagenet", "SEED=1"], "CLASSES EXTERNAL"),
        ("report-smote-transfer", ["CLASES=4"], "ENGINE"),
        ("data-ddr", ["SIZE=64", "SOURCE=a.zip"], "SOURCE PREPARE"),
        ("serve", ["MODELS=a.keras"], "MODEL TRAINED_ON FOLDER PORT"),
        ("account", ["MODEL=a.keras", "NAME=anna"], "NAME ROLE FOLDER"),
        ("bench", ["NAME=augment"], "BENCH"),
    ):
        answer = planned(target, *given)
        [line] = answer.stderr.splitlines()
        name = given[0].partition("=")[0]
        assert answer.returncode == 2 and f"make {target} does not take {name}; it takes " in line, line
        assert line.partition("it takes ")[2].startswith(("DATA PROTOCOL", takes)) and takes in line, line


def test_each_of_several_targets_may_have_its_own_variables(planned):
    answer = planned("data-ddr", "reproduce-chexnet-cbam", "SOURCE=a.zip", "DATA=ddr")
    assert answer.returncode == 0 and "--data 'ddr'" in answer.stdout


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_paper_takes_the_variables_that_its_command_is_made_of(name, planned):
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", "")
    of_all, pretrained, of_paper, takes, every = (
        re.search(rf"^{variable} = (.*)$", makefile, re.MULTILINE)[1]
        for variable in ("OPTIONS", "PRETRAINED", name, f"{name}_takes", "EVERY")
    )
    used = of_all + of_paper.replace("$(PRETRAINED)", pretrained)
    taken = takes.replace("$(EVERY)", every).split()
    assert set(re.findall(r"\$\(([A-Z_]+)\)", used)) == set(taken)
    given = [f"{variable}=1" for variable in taken]
    assert planned(f"reproduce-{name.replace('_', '-')}", *given).returncode == 0


def listed(name):
    """The words of a list in the Makefile."""
    return (ROOT / "Makefile").read_text().split(f"\n{name} = ")[1].splitlines()[0].split()


def test_data_sets_and_papers_are_those_of_the_code():
    modules = dict.fromkeys(MODULE_OF_DATA_SET.values())
    assert listed("DATA_SETS") == [name for name in modules if not name.startswith("phantoms.")]
    assert all((ROOT / "data_prep" / f"{name}.py").is_file() for name in listed("DATA_SETS"))
    assert listed("EXPERIMENTS") == list(EXPERIMENTS)


def test_help_explains_every_variable_and_none_has_a_blank_at_its_end():
    answer = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    variables = re.findall(
        r"^([A-Z_]+) \?= ?([^#\n]*)(?:# (.+))?$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert len(variables) > 30
    for name, value, comment in variables:
        assert comment and re.search(rf"^{name}={value} +{re.escape(comment)}$", answer, re.MULTILINE), name
        assert value == value.rstrip(), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reproduce-nothing"], "no paper 'nothing'; expected one of chexnet-cbam multiscale-attention"),
        (["report-nothing"], "no paper 'nothing'; expected one of"),
        (["data-aptos", "SOURCE=a.zip"], "no data set 'aptos'; expected one of aptos2019"),
        (["data-ddr"], "make data-ddr needs SOURCE=, the zip or folder"),
        (["account"], "make account needs NAME="),
    ],
)
def test_what_is_missing_is_told_in_one_line(planned, arguments, message):
    answer = planned(*arguments)
    assert answer.returncode == 2
    [line] = answer.stderr.splitlines()
    assert message in line
