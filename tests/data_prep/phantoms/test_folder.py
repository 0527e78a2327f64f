"""The commands that draw phantoms: what is wrong is one line, and Ctrl-C leaves what was there."""

import importlib

import pytest

from data_prep.phantoms.folder import OWN_FILES, replaced_when_whole

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
    (tmp_path / "drawn" / "cache" / "mine").mkdir(parents=True)
    noted = tmp_path / "drawn" / "cache" / "mine" / "notes.txt"
    noted.write_text("mine")
    with pytest.raises(SystemExit):
        main([*arguments, "--seed", "1", "--force"])
    assert f"{noted} is no part of a phantom" in capsys.readouterr().err and noted.read_text() == "mine"
    noted.rename(tmp_path / "notes.txt")
    main([*arguments, "--seed", "1", "--force"])
    assert not (tmp_path / "drawn" / "cache").exists()


@pytest.fixture
def own_folder(tmp_path):
    (tmp_path / "drawn" / "cache").mkdir(parents=True)
    for name in ("dataset.json", "injected.csv", "cache/32px-1.npy"):
        (tmp_path / "drawn" / name).touch()
    return tmp_path / "drawn"


def test_a_phantom_is_replaced_with_what_trainings_keep_beside_it(own_folder):
    with replaced_when_whole(own_folder, OWN_FILES) as partial:
        (partial / "manifest.csv").touch()
    assert [path.name for path in own_folder.iterdir()] == ["manifest.csv"]


@pytest.mark.parametrize("name", ["notes.txt", "images/mine.png", "cache/mine/32px-1.npy", "cache/notes.txt"])
def test_a_file_that_came_while_a_phantom_was_drawn_stays(own_folder, name):
    with (
        pytest.raises(FileExistsError, match="no part of a phantom"),
        replaced_when_whole(own_folder, OWN_FILES),
    ):
        (own_folder / name).parent.mkdir(exist_ok=True)
        (own_folder / name).touch()
    assert (own_folder / name).exists()


def test_links_are_somebodys_and_a_linked_folder_stays_a_link(own_folder, tmp_path):
    linked = tmp_path / "linked"
    linked.symlink_to(own_folder)
    with replaced_when_whole(linked, OWN_FILES) as partial:
        (partial / "manifest.csv").touch()
    assert linked.is_symlink() and (own_folder / "manifest.csv").exists()
    (own_folder / "images").symlink_to(tmp_path)
    with (
        pytest.raises(FileExistsError, match="images is no part"),
        replaced_when_whole(own_folder, OWN_FILES),
    ):
        pass
