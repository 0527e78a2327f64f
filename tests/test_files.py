"""drcls.files: whole files or none, readable by whom the umask allows, and PNG that any reader reads."""

import io
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from drcls.files import (
    atomic_path,
    encode_png,
    lock_folder,
    locked,
    printable,
    read_json,
    write_bytes,
    write_csv,
    write_json,
    write_text,
)


def test_a_file_has_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "metrics.json", {"accuracy": 0.5})
    finally:
        os.umask(before)
    assert (tmp_path / "metrics.json").stat().st_mode & 0o777 == 0o640


def test_one_at_a_time_holds_a_lock_and_nothing_of_it_stays(tmp_path):
    count, lock = tmp_path / "count", tmp_path / "count.lock"
    count.write_text("0")

    def add(_):
        with locked(lock):
            count.write_text(str(int(count.read_text()) + 1))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(add, range(400)))
    assert count.read_text() == "400"
    with pytest.raises(RuntimeError), locked(lock):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [count]


def test_a_lock_that_is_held_is_waited_for_or_an_error(tmp_path):
    lock = tmp_path / "a.lock"
    with locked(lock), pytest.raises(BlockingIOError), locked(lock, wait=False):
        pass
    with locked(lock, wait=False):
        assert lock.exists()
    assert not lock.exists()


def test_a_folder_that_cannot_be_written_to_is_named_so(tmp_path, monkeypatch):
    def refused(path, mode="r"):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(tmp_path), "open", refused)
    with pytest.raises(PermissionError, match="a.lock"), locked(tmp_path / "a.lock"):
        pass
    with (
        pytest.raises(PermissionError, match=r"cannot be written to, .* choose a folder .*a/new"),
        lock_folder(tmp_path / "a", ValueError("in use")),
    ):
        pass


def test_one_at_a_time_writes_into_a_folder(tmp_path):
    with (
        lock_folder(tmp_path / "runs" / "a", ValueError("in use")),
        pytest.raises(ValueError, match="in use"),
        lock_folder(tmp_path / "runs" / "a", ValueError("in use")),
    ):
        pass
    assert list((tmp_path / "runs").iterdir()) == []


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    write_bytes(tmp_path / "a.bin", b"old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.bin") as partial:
        partial.write_bytes(b"half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"old"


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(TypeError):
        write_text(tmp_path / "a.txt", b"not text")
    with pytest.raises(ValueError, match="Out of range float values"):
        write_json(tmp_path / "a.txt", {"b": float("nan")})
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_the_temporary_name_keeps_the_ending_and_folders_are_made(tmp_path):
    with atomic_path(tmp_path / "new" / "model.keras") as partial:
        assert partial.suffix == ".keras" and partial.parent == tmp_path / "new"
        partial.touch()
    assert (tmp_path / "new" / "model.keras").is_file()


@pytest.mark.parametrize("shape", [(3, 2, 3), (3, 2)])
def test_png_is_read_by_another_library_as_the_same_pixels(shape):
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(image)))), image)


def test_what_is_no_text_is_written_as_escapes(tmp_path):
    name = os.fsdecode(b"\xe9tude.png")
    write_csv(tmp_path / "table.csv", pd.DataFrame({"path": [name, "\u00e9tude.png"]}))
    assert (tmp_path / "table.csv").read_text(encoding="utf-8") == "path\n\\udce9tude.png\n\u00e9tude.png\n"
    assert printable(f"{name}, \u00e9") == "\\udce9tude.png, \u00e9"


def test_json_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"b": 1}')
    assert read_json(tmp_path / "a.json") == {"b": 1}


def test_json_goes_through_a_file(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"b": [1, None]})
    assert read_json(tmp_path / "new" / "a.json") == {"b": [1, None]}


@pytest.mark.parametrize("content", [b'{"b": ', b"[" * 100_000, b'{"b": "\xff"}', b""])
def test_broken_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")
