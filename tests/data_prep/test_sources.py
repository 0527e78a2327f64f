"""data_prep.sources: folders and zips, seen alike; hostile and damaged archives refused."""

import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from data_prep import sources
from data_prep.sources import (
    PreparationError,
    Source,
    UnreadableFileError,
    check_unpacked,
)
from tests.data_prep.imitations import write_folder, write_zip

FILES = {"a/one.png": b"1", "a/two.png": b"22", "labels.csv": b"x,y\n"}


def contents(path):
    with Source(path) as source:
        return {name: source.read(name) for name in source.names}


def test_folder_and_zip_show_the_same_files(tmp_path):
    folder, archive = write_folder(tmp_path / "f", FILES), write_zip(tmp_path / "f.zip", FILES)
    assert contents(folder) == contents(archive) == FILES
    with Source(folder) as first, Source(archive) as second:
        assert first.fingerprint() == second.fingerprint()
        assert first.size("a/two.png") == second.size("a/two.png") == 2


def test_fingerprint_tells_a_changed_source(tmp_path):
    prints = set()
    for change in ({}, {"a/three.png": b""}, {"a/one.png": b"111"}):
        with Source(write_zip(tmp_path / "f.zip", FILES | change)) as source:
            prints.add(source.fingerprint())
    assert len(prints) == 3


@pytest.mark.parametrize("write", [write_zip, write_folder])
def test_fingerprint_tells_other_contents_of_the_same_size_and_no_copy(tmp_path, write):
    prints = []
    for number, change in enumerate(({}, {"a/one.png": b"9"}, {})):
        (tmp_path / f"{number}").mkdir()
        with Source(write(tmp_path / f"{number}" / "f.zip", FILES | change)) as source:
            prints.append(source.fingerprint())
    first, changed, copied = prints
    assert first != changed and first == copied
    assert first.split("+")[0] == changed.split("+")[0]


def test_fingerprint_of_an_undecodable_name_and_of_files_that_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 2)
    folder = write_folder(tmp_path / "f", FILES | {os.fsdecode(b"a/\xe9tude.png"): b"1"})
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "a" / "two.png").chmod(0)
    try:
        with Source(folder) as source:
            assert len(source.fingerprint().split("+")[0]) == 64
            assert "a/\udce9tude.png" in source.names
    finally:
        (folder / "a" / "two.png").chmod(0o600)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="this file, which cannot be read, is Linux's")
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_read(tmp_path):
    folder = write_folder(tmp_path / "f", FILES)
    (folder / "a" / "lost.png").symlink_to("/proc/self/mem")
    with Source(folder) as source:
        assert len(source.fingerprint()) > 16 and source.read("a/one.png") == b"1"
        with pytest.raises(UnreadableFileError, match=r"lost.png.*cannot be read \(Input/output error\)"):
            source.read("a/lost.png")


def test_hidden_files_are_left_out(tmp_path):
    clutter = {"__MACOSX/a/._one.png": b"?", ".DS_Store": b"?", "a/.hidden": b"?"}
    assert contents(write_zip(tmp_path / "f.zip", FILES | clutter)) == FILES
    assert contents(write_folder(tmp_path / "f", FILES | clutter)) == FILES


def test_zips_in_a_folder_are_looked_into(tmp_path):
    write_zip(tmp_path / "images.zip", {"a/one.png": b"1", "a/two.png": b"22"})
    write_folder(tmp_path, {"labels.csv": b"x,y\n"})
    assert contents(tmp_path) == FILES


def test_zip_in_parts_is_read_as_one(tmp_path):
    data = write_zip(tmp_path / "whole.zip", FILES).read_bytes()
    (tmp_path / "whole.zip").unlink()
    for number, start in enumerate(range(0, len(data), 50), 1):
        (tmp_path / f"train[1].zip.{number:03d}").write_bytes(data[start : start + 50])
    assert number > 3
    assert contents(tmp_path) == FILES


@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:/evil.png"])
def test_names_that_point_out_of_the_archive_are_refused(tmp_path, name):
    with pytest.raises(PreparationError, match="point out of the archive.*evil"):
        Source(write_zip(tmp_path / "f.zip", FILES | {name: b""}))


def test_backslashes_are_refused(tmp_path):
    entry = zipfile.ZipInfo("x")
    entry.filename = "..\\evil.png"
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr(entry, b"")
    with pytest.raises(PreparationError, match="point out"):
        Source(tmp_path / "f.zip")


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04 cut"], ids=["empty", "text", "cut"])
def test_no_zip_is_one_clear_error(tmp_path, data):
    (tmp_path / "f.zip").write_bytes(data)
    with pytest.raises(PreparationError, match="f.zip is not a readable zip"):
        Source(tmp_path / "f.zip")


def test_truncated_zip_is_one_clear_error(tmp_path):
    path = write_zip(tmp_path / "f.zip", FILES)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(PreparationError, match="f.zip is not a readable zip"):
        Source(path)


def test_damaged_member_is_one_clear_error(tmp_path):
    path = write_zip(tmp_path / "f.zip", {"one.png": b"pixels" * 100})
    path.write_bytes(path.read_bytes().replace(b"pixels", b"pixelz", 1))
    with pytest.raises(PreparationError, match="f.zip: one.png is damaged"):
        contents(path)


def test_entry_that_lies_about_its_size_is_never_unpacked_as_a_whole(tmp_path):
    path = write_zip(tmp_path / "f.zip", {}, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb.png", "w") as file:
        for _ in range(256):
            file.write(bytes(2**20))
    # The size stands in the central directory, before the name.
    data = path.read_bytes()
    path.write_bytes(data.replace((2**28).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    with Source(path) as source:
        assert source.size("bomb.png") == 1000
        tracemalloc.start()
        with pytest.raises(UnreadableFileError, match="f.zip: bomb.png is damaged"):
            source.read("bomb.png")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**23


def test_methods_other_than_stored_and_deflated_are_refused(tmp_path):
    path = write_zip(tmp_path / "f.zip", {"one.png": b"1" * 100}, zipfile.ZIP_LZMA)
    with pytest.raises(UnreadableFileError, match="one.png is packed by method 14"):
        contents(path)


def test_linked_folders_are_followed_and_circles_are_not(tmp_path):
    write_folder(tmp_path / "store", {"mild/x.png": b"x"})
    folder = write_folder(tmp_path / "f", {"severe/y.png": b"y"})
    (folder / "mild").symlink_to(tmp_path / "store" / "mild", target_is_directory=True)
    (folder / "severe" / "up").symlink_to(folder, target_is_directory=True)
    assert contents(folder) == {"mild/x.png": b"x", "severe/y.png": b"y"}


def test_empty_folders_are_known(tmp_path):
    folder = write_folder(tmp_path / "f", {"a/b/x.png": b"x", ".git/x": b""})
    (folder / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr("a/b/x.png", b"x")
        archive.mkdir("empty")
    for path in (folder, tmp_path / "f.zip"):
        with Source(path) as source:
            assert source.folders == {"", "a", "a/b", "empty"}


def test_capital_ending_of_an_archive_and_names_in_two_archives(tmp_path):
    write_zip(tmp_path / "one.ZIP", {"a.png": b"1"})
    assert contents(tmp_path) == {"a.png": b"1"}
    write_zip(tmp_path / "two.zip", {"a.png": b"2"})
    with pytest.raises(PreparationError, match="two.zip holds names that other files.*a.png"):
        contents(tmp_path)


def test_repeated_name_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr("one.png", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("one.png", b"2")
    with pytest.raises(PreparationError, match="more than once, 1: one.png"):
        Source(tmp_path / "f.zip")


def test_missing_source_is_one_clear_error(tmp_path):
    with pytest.raises(PreparationError, match="nowhere.zip does not exist"):
        Source(tmp_path / "nowhere.zip")


def zip_with_link(path, name, target):
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/one.png", b"1")
        archive.writestr(entry, target)
    return path


def test_links_of_an_archive_are_not_followed_and_not_left_out(tmp_path):
    with Source(zip_with_link(tmp_path / "f.zip", "a/two.png", "one.png")) as source:
        assert source.names == ["a/one.png", "a/two.png"]
        with pytest.raises(UnreadableFileError, match="a/two.png is a link, which is not followed"):
            source.read("a/two.png")
    with pytest.raises(PreparationError, match="^b is a link in .*g.zip; unpack that"):
        Source(zip_with_link(tmp_path / "g.zip", "b", "a"))


def test_links_that_lead_nowhere_are_not_left_out(tmp_path):
    folder = write_folder(tmp_path / "f", {"a/one.png": b"1"})
    (folder / "a" / "two.png").symlink_to(tmp_path / "nowhere.png")
    with (
        Source(folder) as source,
        pytest.raises(UnreadableFileError, match="two.png is a link that leads nowhere"),
    ):
        source.read("a/two.png")
    (folder / "b").symlink_to(tmp_path / "nowhere")
    with pytest.raises(PreparationError, match="^b is a link that leads nowhere"):
        Source(folder)


@pytest.mark.parametrize("name", ["b.zip", "more/B.TAR.GZ", "c.7z"])
def test_archives_that_nobody_looks_into_are_named(tmp_path, name):
    path = write_zip(tmp_path / "f.zip", {"a/one.png": b"1", name: b"2"})
    with Source(path) as source, pytest.raises(PreparationError, match=f"not looked into, 1: {name}; unpack"):
        check_unpacked(source)
