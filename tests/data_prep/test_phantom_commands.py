"""The commands that draw phantoms: what is wrong is one line, and Ctrl-C leaves what was there."""

import importlib

import pytest

DRAWERS = {"fundus": "draw_fundus", "brain": "draw_slice", "leukocytes": "draw_cell", "smear": "draw_smear"}


@pytest.mark.parametrize("name", DRAWERS)
@pytest.mark.parametrize("place", ["file", "file/inner"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, capsys, name, place):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"data_prep.phantoms.{name}").main(["--output", str(tmp_path / place)])
    last = capsys.readouterr().err.splitlines()[-1]
    assert stop.value.code == 2 and "error: " in last and str(tmp_path / "file") in last
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", DRAWERS)
def test_ctrl_c_is_one_line(tmp_path, capsys, monkeypatch, name):
    module = importlib.import_module(f"data_prep.phantoms.{name}")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, DRAWERS[name], interrupted)
    with pytest.raises(SystemExit) as stop:
        module.main(["--output", str(tmp_path / "new")])
    assert stop.value.code == 130
    assert capsys.readouterr().err.endswith(f"\ninterrupted; {tmp_path / 'new'} is as it was\n")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "size"), [("fundus", ("--num-images", "40", "--size", "32")), ("smear", ("--num-smears", "3"))]
)
def test_a_file_of_somebody_else_is_not_deleted_with_an_old_phantom(tmp_path, capsys, name, size):
    main = importlib.import_module(f"data_prep.phantoms.{name}").main
    arguments = ["--output", str(tmp_path / "drawn"), *size]
    main(arguments)
    (tmp_path / "drawn" / "cache").mkdir()
    noted = tmp_path / "drawn" / "notes.txt"
    noted.write_text("mine")
    with pytest.raises(SystemExit):
        main([*arguments, "--seed", "1", "--force"])
    assert f"{noted} is no part of a phantom" in capsys.readouterr().err and noted.read_text() == "mine"
    noted.rename(tmp_path / "notes.txt")
    main([*arguments, "--seed", "1", "--force"])
    assert not (tmp_path / "drawn" / "cache").exists()
