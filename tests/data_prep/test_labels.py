"""data_prep.labels: labels and images that do not fit together are listed, not guessed."""

import pytest

from data_prep import labels
from data_prep.labels import match_labels, read_label_table, read_text
from data_prep.sources import PreparationError, Source
from tests.data_prep.imitations import write_zip

CLASSES = {"0": "No_DR", "1": "Mild"}
IMAGES = [("a", "x/a.png"), ("b", "x/b.png")]


def test_every_image_gets_its_label():
    images = [*IMAGES, ("c", "x/c.png")]
    matched = match_labels(images, [("b", "1"), ("a", "0")], CLASSES, "labels.csv")
    assert matched == [("a", "x/a.png", "No_DR"), ("b", "x/b.png", "Mild"), ("c", "x/c.png", None)]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([("a", "0"), ("b", "1"), ("lost", "0")], "missing images, 1: lost"),
        ([("a", "0"), ("b", "7")], "unknown labels, 1: b -> '7'"),
        ([("a", "0"), ("b", "")], "unknown labels, 1: b -> ''"),
        ([("a", "0"), ("b", "1"), ("a", "0")], "repeated ids, 1: a"),
    ],
)
def test_label_that_does_not_fit_is_listed(labels, message):
    with pytest.raises(PreparationError, match=f"labels.csv: {message}"):
        match_labels(IMAGES, labels, CLASSES, "labels.csv")


def test_several_images_of_one_id_are_listed():
    with pytest.raises(PreparationError, match="ids of several images, 1: a"):
        match_labels([*IMAGES, ("a", "x/a.jpg")], [("a", "0"), ("b", "1")], CLASSES, "labels.csv")


def test_all_problems_stand_in_one_error_and_long_lists_are_cut():
    labels = [(f"lost{number:02d}", "9") for number in range(30)]
    with pytest.raises(PreparationError) as error:
        match_labels(IMAGES, labels, CLASSES, "labels.csv")
    text = str(error.value)
    assert "unknown labels, 30: " in text and "missing images, 30: " in text
    assert "lost19" in text and "lost20" not in text and "and 10 more" in text


def table(tmp_path, files):
    with Source(write_zip(tmp_path / "f.zip", files)) as source:
        return read_label_table(source, "train.csv", "id", "grade")


def test_table_is_read_as_text_at_any_depth(tmp_path):
    assert table(tmp_path, {"top/train.csv": b"grade,id,more\n 1,007 ,x\n0,b,y\n"}) == [
        ("007", "1"),
        ("b", "0"),
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x.csv": b""}, "no train.csv among 1 files"),
        ({"a/train.csv": b"id,grade\n", "b/train.csv": b"id,grade\n"}, "several train.csv, 2: a/train.csv"),
        ({"train.csv": b"id,level\n"}, r"columns \['id', 'level'\], id,grade expected"),
        ({"train.csv": b""}, "not a readable CSV"),
        ({"train.csv": b'id,grade\n"a,1\n'}, "not a readable CSV"),
        ({"train.csv": b"id,grade\n\xff\xfe,1\n"}, "not a readable CSV"),
    ],
)
def test_unreadable_table_is_one_clear_error(tmp_path, files, message):
    with pytest.raises(PreparationError, match=message):
        table(tmp_path, files)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffid,grade\r\na,1\r\nb,0\r\n".encode(),
        b"id;grade\na;1\nb;0\n",
        b"id\tgrade\na\t1\nb\t0\n",
        "id\tgrade\r\na\t1\r\nb\t0\r\n".encode("utf-16"),
        b'"id", "grade"\n"a", "1"\n"b", "0"',
        b'id,grade\r"a",1\r"b",0\r',
    ],
    ids=["windows", "semicolons", "tabs", "utf-16", "quotes", "old mac"],
)
def test_tables_of_any_program_are_read(tmp_path, text):
    assert table(tmp_path, {"train.csv": text}) == [("a", "1"), ("b", "0")]


def test_a_long_table_with_the_line_ends_of_an_old_mac_is_no_table_of_one_line(tmp_path):
    rows = [(f"a{number}", "1") for number in range(labels.MAX_COLUMNS)]
    text = "\r".join(["id;grade;more", *(f"{name};{grade};x,y,z,z" for name, grade in rows)])
    assert table(tmp_path, {"train.csv": text.encode()}) == rows
    name = labels.decode_text(b"a\r\nb\rc\n", "notes.txt")
    assert name == "a\nb\nc\n"


def test_byte_order_mark_of_a_text_file_is_no_part_of_its_first_word(tmp_path):
    with Source(write_zip(tmp_path / "f.zip", {"train.txt": "\ufeffa.jpg 0\r\n".encode()})) as source:
        assert read_text(source, "train.txt").split() == ["a.jpg", "0"]


def test_huge_table_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "MAX_TABLE_BYTES", 20)
    with pytest.raises(PreparationError, match="train.csv has 32 bytes; at most 20 expected"):
        table(tmp_path, {"train.csv": b"id,grade\n" + b"a,1\n" * 5 + b"b,0"})


@pytest.mark.parametrize("text", [b"id,grade\n" + b"\n" * 101, b"id,grade" + b"," * 100])
def test_table_of_too_many_rows_or_columns_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.setattr(labels, "MAX_TABLE_ROWS", 100)
    monkeypatch.setattr(labels, "MAX_COLUMNS", 100)
    with pytest.raises(PreparationError, match="at most 100 and 100 expected"):
        table(tmp_path, {"train.csv": text})


def test_repeated_column_names_are_refused(tmp_path):
    with pytest.raises(PreparationError, match=r"column names \['id'\] more than once"):
        table(tmp_path, {"train.csv": b"id,grade,id\na,1,b\n"})
