"""The frame of the command: help, wrong arguments, errors in one line, JSON and Ctrl-C."""

import configparser
import inspect
import json
import subprocess
import sys
from importlib.metadata import EntryPoint, version
from pathlib import Path

import pytest

from drcls.cli import COMMANDS, build_parser, main, name_of
from tests.small_data import write_squares

NAMES = [name_of(command) for command in COMMANDS]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares") / "data"
    write_squares(folder)
    return str(folder)


def ends(arguments):
    """Run the command in this process and return its exit status."""
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("name", NAMES)
def test_help_has_two_examples_and_every_command_has_json(name, capsys):
    assert ends([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.split("examples:")[1].count(f"  drcls {name} ") >= 2
    assert "--json" in text


EXAMPLE_FILES = [
    *(
        f"data/{name}/{file}"
        for name in ("mine", "another_hospital")
        for file in ("manifest.csv", "dataset.json")
    ),
    *(
        f"runs/{name}/{file}"
        for name in ("plain", "balanced", "smote")
        for file in ("metrics.json", "model.keras")
    ),
    "my_images/a/1.png",
    "photos/1.png",
    *(f"{name}/1.png" for name in ("new_images", "monday", "tuesday")),
    "eye.jpg",
    "model.keras",
    "handed_over/model.keras",
    "numbers.json",
]


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_the_examples_of_the_help_can_be_parsed(command, tmp_path, monkeypatch):
    for name in EXAMPLE_FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    for line in command.__doc__.splitlines():
        if line.startswith("  drcls "):
            assert build_parser().parse_args(line.split()[1:]).command is command


def test_without_a_command_the_answer_is_an_error(capsys):
    assert ends([]) == 2
    assert "required: COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "nowhere", "run"], "nowhere: no such file or folder"),
        (["train", "DATA", "run", "--epochs", "0"], "whole number of at least 1; received '0'"),
        (
            ["train", "DATA", "run", "--parts", "cbam,senet"],
            "unknown senet; expected some of cbam,drop_block",
        ),
        (["train", "DATA", "run", "--sampler", "smote"], "needs a frozen backbone"),
        (["train", "DATA", "run", "--backbone", "lost.keras"], "--backbone lost.keras: no such file"),
        (["train", "DATA", "run", "--backbone", "ResNet5"], "a .keras file or one of EfficientNetLite0,"),
        (["train", "DATA", "run", "--weights", "imagenett"], "--weights imagenett: no such file"),
        (["train", "DATA", "run", "--learning-rate", "nan"], "a number above 0; received 'nan'"),
        (["train", "HERE", "run"], "is not prepared: expected manifest.csv and dataset.json"),
        (["evaluate", "DATA", "DATA"], "expected a .keras file, or a run folder with model.keras"),
        (["compare", "DATA", "DATA"], "is no finished run"),
        (["export", "MODEL", "to", "--int8"], "--int8 and --calibration DATA go together"),
        (["export", "MODEL", "to", "--int8", "--format", "keras"], "--int8 is for --format onnx and litert"),
        (["prepare", "HERE", "to", "--size", "4"], "--size 4: expected at least 8 pixels"),
        (["prepare", "HERE", "to", "--group-folders", "--table", "t.csv"], "a table has --group-column"),
        (
            ["prepare", "HERE", "to", "--group-folders", "--image-column", ""],
            "not with --image-column; a table",
        ),
        (["predict", "MODEL", "HERE", "table.txt"], "expected a name that ends in .csv, received table.txt"),
        (["explain", "MODEL", "HERE", "to", "--method", "guess"], "invalid choice: 'guess'"),
        (["dance"], "invalid choice: 'dance'"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(arguments, message, data, tmp_path, capsys):
    (tmp_path / "model.keras").write_bytes(b"")
    places = {"DATA": data, "HERE": str(tmp_path), "MODEL": str(tmp_path / "model.keras")}
    assert ends([places.get(argument, argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and message in err


def test_arguments_are_checked_before_keras_is_imported(data):
    code = (
        "import sys; from drcls.cli import main\n"
        f"status = main(['train', {data!r}, 'run', '--sampler', 'smote'])\n"
        "print(status, 'keras' in sys.modules, 'pandas' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.split() == ["2", "False", "False"], answer.stderr


def test_what_cannot_be_trained_is_told_before_keras_is_imported(tmp_path):
    manifest = write_squares(tmp_path / "data", per_class=8)
    rare = manifest.frame[(manifest.frame["label"] != "blue") | (manifest.frame["group"] == "2")]
    rare.to_csv(tmp_path / "data" / "manifest.csv", index=False)
    code = (
        "import sys; from drcls.cli import main\n"
        f"status = main(['train', {str(tmp_path / 'data')!r}, {str(tmp_path / 'run')!r}])\n"
        "print(status, 'keras' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.split() == ["2", "False"], answer.stderr
    assert "add images or leave a class out" in answer.stderr and "blue 1 in 1" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1 and not (tmp_path / "run").exists()


def test_the_version_is_told_without_keras():
    code = (
        "import sys\nfrom drcls.cli import main\ntry:\n    main(['--version'])\n"
        "finally:\n    print([name for name in ('keras', 'pandas', 'numpy') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.splitlines() == [f"drcls {version('drcls')}", "[]"], answer.stderr
    answer = subprocess.run([sys.executable, "-m", "drcls", "--version"], capture_output=True, text=True)
    assert (answer.returncode, answer.stdout) == (0, f"drcls {version('drcls')}\n")


def test_the_console_script_is_the_command():
    described = configparser.ConfigParser()
    described.read(Path(__file__).resolve().parents[2] / "setup.cfg")
    name, value = described["options.entry_points"]["console_scripts"].strip().split(" = ")
    assert name == "drcls"
    assert EntryPoint(name, value, "console_scripts").load() is main


def test_the_module_is_the_command():
    answer = subprocess.run([sys.executable, "-m", "drcls", "--help"], capture_output=True, text=True)
    assert answer.returncode == 0 and all(name in answer.stdout for name in NAMES)


@pytest.mark.parametrize("error", [ValueError, OSError, RuntimeError, FloatingPointError, ImportError])
def test_an_error_is_one_line_and_status_1(error, data, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise error("the loss became nan;\n  lower the learning rate")

    monkeypatch.setattr("drcls.own_images.training.train_classifier", fail)
    assert main(["train", data, str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == "drcls train: error: the loss became nan; lower the learning rate\n"


def test_an_interruption_says_how_to_go_on(data, tmp_path, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("drcls.own_images.training.train_classifier", interrupt)
    assert main(["train", data, str(tmp_path / "run")]) == 130
    assert capsys.readouterr().err == (
        "drcls train: interrupted; the same command goes on after the last finished epoch\n"
    )
    assert main(["train", data, str(tmp_path / "run"), "--force"]) == 130
    assert capsys.readouterr().err.endswith("epoch; leave out --force, which would begin anew\n")


def test_every_argument_of_a_training_is_handed_on(data, tmp_path, monkeypatch):
    from drcls.own_images.training import train_classifier

    received, expected = {}, inspect.signature(train_classifier).parameters
    monkeypatch.setattr(
        "drcls.own_images.training.train_classifier",
        lambda data, folder, **options: received.update(options, data=data, folder=folder) or {},
    )
    arguments = [
        "train",
        data,
        str(tmp_path / "run"),
        "--no-augmentation",
        "--parts",
        "cbam",
        "--image-size",
        "8",
    ]
    monkeypatch.setattr("drcls.cli.train.describe", str)
    assert main(arguments) == 0
    given = {
        "data": Path(data),
        "folder": tmp_path / "run",
        "augment": False,
        "parts": ["cbam"],
        "image_size": 8,
    }
    assert received.keys() == expected.keys()
    assert given.items() <= received.items()
    others = {name: value for name, value in received.items() if name not in given}
    assert others == {name: expected[name].default for name in others}


def test_json_is_all_that_standard_output_holds(data, tmp_path, monkeypatch, capsys):
    def train(*_, **__):
        print("epoch 1 of 1")
        return {"metrics": {"accuracy": 0.5}}

    monkeypatch.setattr("drcls.own_images.training.train_classifier", train)
    assert main(["train", data, str(tmp_path / "run"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["metrics"] == {"accuracy": 0.5} and "epoch 1 of 1" in err
