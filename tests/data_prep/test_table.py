"""data_prep.table: labels in any table, ids in any form; what does not fit is listed."""

from pathlib import PurePosixPath

import pytest

from data_prep.sources import PreparationError
from data_prep.summary import summary
from data_prep.table import ImageFinder, prepare_table
from drcls.data.manifest import load_manifest
from tests.data_prep.imitations import encode, picture, write_folder, write_zip

FILES = {
    f"photos/{name}.png": encode(picture(number))
    for number, name in enumerate(["p1_l", "p1_r", "p2_l", "p3_l"])
}


def columns(folder, *names):
    frame = load_manifest(folder).frame.sort_values("path")
    return list(zip(*(frame[name] for name in names), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        b"eye,grade\np1_l,0\np1_r,1\np2_l,0\np3_l,1\n",
        "\ufeffeye;grade\r\np1_l.png;0\r\np1_r.png;1\r\np2_l.png;0\r\np3_l.PNG;1\r\n".encode(),
        b"grade\teye\n0\tphotos\\p1_l.png\n1\tphotos/p1_r\n0\t./photos/p2_l.png\n1\tp3_l\n",
    ],
    ids=["ids", "windows", "paths"],
)
@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_labels_of_any_table_find_their_images(tmp_path, text, write):
    source = write(tmp_path / "source", FILES | {"labels.csv": text})
    info = prepare_table(source, tmp_path / "out", size=32)
    assert info["counts"] == {"0": 2, "1": 2} and info["rejected"] == 0
    assert columns(tmp_path / "out", "path", "label") == [
        ("images/photos/p1_l.png", "0"),
        ("images/photos/p1_r.png", "1"),
        ("images/photos/p2_l.png", "0"),
        ("images/photos/p3_l.png", "1"),
    ]


def test_missing_and_whole_numbers_of_a_program_are_understood(tmp_path):
    text = b"eye,grade,patient\np1_l,0.0,8\np1_r,1.0,7.0\np2_l,NaN,<NA>\np3_l,1,7\n"
    source = write_folder(tmp_path / "source", FILES | {"labels.csv": text})
    info = prepare_table(source, tmp_path / "out", size=32, label_column="grade", group_column="patient")
    assert info["classes"] == ["0", "1"] and info["counts"] == {"0": 1, "1": 2} and info["rejected"] == 1
    assert "photos/p2_l.png,no label for it" in (tmp_path / "out" / "rejected.csv").read_text()
    assert [group for (group,) in columns(tmp_path / "out", "group")] == ["8", "7", "7"]
    assert "3 images in 2 groups\n" in summary(info, tmp_path / "out")


def test_measurements_are_no_classes(tmp_path):
    text = b"eye,age\np1_l,60.5\np1_r,61\np2_l,5e1\np3_l,-7.25\n"
    source = write_folder(tmp_path / "source", FILES | {"labels.csv": text})
    with pytest.raises(PreparationError, match="column age: measurements and no classes, 2: 60.5, -7.25"):
        prepare_table(source, tmp_path / "out", size=32)


def test_groups_and_parts_are_columns(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text(
        "patient,age,eye,grade,part\n1,60,p1_l,0,Train\n1,60,p1_r,1,train\n2,5,p2_l,0,val\n3,7,p3_l,1,test\n"
    )
    source = write_folder(tmp_path / "source", FILES)
    prepare_table(
        source, tmp_path / "out", table, image_column="eye", label_column="grade", group_column="patient",
        split_column="part", ordered=True,
    )  # fmt: skip
    assert columns(tmp_path / "out", "group", "source_split") == [
        ("1", "train"),
        ("1", "train"),
        ("2", "validation"),
        ("3", "test"),
    ]


def test_images_without_a_row_or_a_label_are_rejected_and_listed(tmp_path):
    table = b"eye,grade\np1_l,0\np1_r,1\np2_l,\n"
    source = write_zip(tmp_path / "s.zip", FILES | {"labels.csv": table})
    assert prepare_table(source, tmp_path / "out")["rejected"] == 2
    rejected = (tmp_path / "out" / "rejected.csv").read_text()
    assert "p2_l.png,no label" in rejected and "p3_l.png,no label" in rejected


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("eye,grade\np1_l,0\nlost,1\n", {}, "column eye: missing images, 1: 'lost'"),
        ("eye,grade\np1_l,0\np1_l.png,0\n", {}, r"named more than once, 1: photos/p1_l.png in rows \[1, 2\]"),
        ("eye,grade\np1_l,0\np1_r,0\n", {}, r"at least two classes expected, \['0'\]"),
        ("eye,grade,age\np1_l,0,3\n", {}, r"which of the columns \['grade', 'age'\] holds the label"),
        (
            "eye,grade\np1_l,0\n",
            {"label_column": "level"},
            r"no columns \['level'\]; it has \['eye', 'grade'\]",
        ),
        ("a,b\n1,0\n", {}, "no column names the images"),
        (
            "eye,grade,part\np1_l,0,x\np1_r,1,test\n",
            {"label_column": "grade", "split_column": "part"},
            "1: 'x'; expected train",
        ),
        ("", {}, "not a readable CSV"),
    ],
)
def test_table_that_does_not_fit_is_one_clear_error(tmp_path, text, arguments, message):
    source = write_zip(tmp_path / "s.zip", FILES | {"labels.csv": text.encode()})
    with pytest.raises(PreparationError, match=message):
        prepare_table(source, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_which_table_must_be_clear(tmp_path):
    text = b"eye,grade\np1_l,0\np1_r,1\np2_l,0\np3_l,1\n"
    source = write_zip(tmp_path / "s.zip", FILES | {"a.csv": text, "more/b.csv": b"x,y\n"})
    with pytest.raises(PreparationError, match="one table of labels.*2: a.csv, more/b.csv"):
        prepare_table(source, tmp_path / "out")
    with pytest.raises(PreparationError, match="c.csv expected.*a.csv"):
        prepare_table(source, tmp_path / "out", "c.csv")
    with pytest.raises(PreparationError, match="tables in it: none"):
        prepare_table(write_zip(tmp_path / "bare.zip", FILES), tmp_path / "out")
    assert prepare_table(source, tmp_path / "out", "a.csv")["counts"] == {"0": 2, "1": 2}


def test_ambiguous_and_dotted_names():
    finder = ImageFinder(["left/a.jpg", "right/a.jpg", "x/10.2.png"])
    assert finder.find("a") == ["left/a.jpg", "right/a.jpg"]
    assert finder.find("left/a") == ["left/a.jpg"]
    assert finder.find("10.2") == finder.find("10.2.png") == ["x/10.2.png"]
    assert finder.find("10") == finder.find("ft/a.jpg") == []


@pytest.mark.parametrize("folder", ["/home/x/imgs/", "C:\\data\\imgs\\", "source/photos/"])
def test_paths_that_do_not_begin_inside_the_source_are_told(tmp_path, folder):
    text = f"grade,file\n0,{folder}p1_l.png\n1,{folder}p1_r.png\n".encode()
    source = write_folder(tmp_path / "source", FILES | {"labels.csv": text})
    with pytest.raises(PreparationError) as raised:
        prepare_table(source, tmp_path / "out", size=32)
    told = str(raised.value)
    assert (
        f"'file' looks like it, but its paths lie outside SOURCE: {f'{folder}p1_l.png'!r} is not there"
        in told
    )
    assert "'p1_l.png' is. Shorten the paths" in told


def test_a_table_that_names_no_image_at_all_says_what_to_give(tmp_path):
    source = write_folder(tmp_path / "source", FILES | {"labels.csv": b"age,grade\n7,x\n8,y\n"})
    with pytest.raises(PreparationError, match="no column names the images.*Give names or paths of images"):
        prepare_table(source, tmp_path / "out", size=32)


def test_empty_and_unknown_names_are_told_with_their_rows(tmp_path):
    text = b"eye;grade\np1_l;0\np1_r;1\nlost;1\n;\n;\n"
    source = write_folder(tmp_path / "source", FILES | {"labels.csv": text})
    with pytest.raises(PreparationError, match=r"is 1\), 2: 4, 5; missing images, 1: 'lost' in row 3"):
        prepare_table(source, tmp_path / "out", size=32)


@pytest.fixture(scope="module")
def numbered():
    """Sixty images that are called by numbers, as are the rows of a table and its patients."""
    return {f"{number}.png": encode(picture(number)) for number in range(60)}


def prepare_numbered(tmp_path, numbered, text, **columns):
    source = write_folder(tmp_path / "source", numbered)
    table = tmp_path / "labels.csv"
    table.write_text(text)
    info = prepare_table(source, tmp_path / "out", table, size=32, label_column="grade", **columns)
    labels = dict(load_manifest(tmp_path / "out").frame[["path", "label"]].itertuples(index=False))
    return info, {PurePosixPath(path).stem: label for path, label in labels.items()}


def in_order_of_letters():
    """The files as a program lists them, 0, 1, 10, 11, ..., each with its grade."""
    return [(stem, str(int(stem) % 3)) for stem in sorted(map(str, range(60)))]


def test_an_index_does_not_name_the_images(tmp_path, numbered):
    lines = [f"{row},{stem}.png,{grade}" for row, (stem, grade) in enumerate(in_order_of_letters())]
    info, labels = prepare_numbered(tmp_path, numbered, "\n".join([",file,grade", *lines]))
    assert labels == dict(in_order_of_letters())
    assert info["columns"] == {"image": "file", "label": "grade"}
    assert "columns of the table: image 'file', label 'grade'\n" in summary(info, tmp_path / "out")


def test_a_column_with_another_use_does_not_name_the_images(tmp_path, numbered):
    lines = [f"{row},{stem},{grade}" for row, (stem, grade) in enumerate(in_order_of_letters())]
    info, labels = prepare_numbered(
        tmp_path, numbered, "\n".join(["patient,eye,grade", *lines]), group_column="patient"
    )
    assert labels == dict(in_order_of_letters())
    assert info["columns"] == {"image": "eye", "label": "grade", "group": "patient"}


@pytest.mark.parametrize(("lost", "number"), [(0, 60), (20, 40)])
def test_columns_that_name_different_images_in_a_row_are_refused(tmp_path, numbered, lost, number):
    lines = [f"{row},{stem},{grade}" for row, (stem, grade) in enumerate(in_order_of_letters())]
    lines[60 - lost :] = [f"{60 - row},lost{row},0" for row in range(lost, 0, -1)]
    text = "\n".join([",eye,grade", *lines])
    with pytest.raises(
        PreparationError, match=rf"'' and 'eye' name \d+ and {number} images.*in each row; .*--image-column"
    ):
        prepare_numbered(tmp_path, numbered, text)
    assert not (tmp_path / "out").exists()


def test_the_column_without_a_name_can_be_named(tmp_path, numbered):
    lines = [f"{stem},{row},{grade}" for row, (stem, grade) in enumerate(in_order_of_letters())]
    _, labels = prepare_numbered(tmp_path, numbered, "\n".join([",row,grade", *lines]), image_column="")
    assert labels == dict(in_order_of_letters())
    with pytest.raises(PreparationError, match=r"no columns \[''\]; it has \['', '', 'grade'\], where each"):
        prepare_numbered(tmp_path, numbered, "\n".join([",,grade", *lines]), image_column="")


def test_a_few_file_names_do_not_make_the_column_of_the_images(tmp_path, numbered):
    lines = [f"{stem},{grade},{'5.png' if stem == '7' else ''}" for stem, grade in in_order_of_letters()]
    info, labels = prepare_numbered(tmp_path, numbered, "\n".join(["id,grade,similar_to", *lines]))
    assert labels == dict(in_order_of_letters()) and info["columns"]["image"] == "id"


def test_columns_that_agree_are_no_contradiction(tmp_path, numbered):
    lines = [f"{stem},{stem}.png,{grade}" for stem, grade in in_order_of_letters()]
    _, labels = prepare_numbered(tmp_path, numbered, "\n".join(["id,file,grade", *lines]))
    assert labels == dict(in_order_of_letters())


@pytest.mark.parametrize(
    ("called", "message"),
    [
        ("/photos/{}.png", "'file' looks like it, but its paths lie outside SOURCE"),
        ("{}.jpg", "no column names the images; .*--image-column"),
    ],
)
def test_an_index_does_not_stand_in_for_files_that_are_not_there(tmp_path, numbered, called, message):
    lines = [
        f"{row},{called.format(stem)},{grade}" for row, (stem, grade) in enumerate(in_order_of_letters())
    ]
    with pytest.raises(PreparationError, match=message):
        prepare_numbered(tmp_path, numbered, "\n".join([",file,grade", *lines]))


def test_grades_do_not_name_the_images(tmp_path, numbered):
    lines = [f"{grade},{stem}" for stem, grade in in_order_of_letters()]
    source = write_folder(
        tmp_path / "source", numbered | {"labels.csv": "\n".join(["grade,eye", *lines]).encode()}
    )
    info = prepare_table(source, tmp_path / "out", size=32)
    assert info["columns"] == {"image": "eye", "label": "grade"}


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["1", "", "2", "nan"], r"column patient: of 4 rows these have no group \(.*\), 2: 2, 4; fill in"),
        (["", "", "", ""], "these have no group .*, 4: 1, 2, 3, 4; fill"),
        (["P1", "p1", "p2", "p3"], "column patient: groups that differ in .*, 'P1' and 'p1'; write"),
        (["7", "8", "007", "9"], "'7' and '007'"),
        (["\u00e9", "e\u0301", "a", "b"], "writing of accents alone, '\u00e9' and 'e\u0301'"),
    ],
)
def test_groups_that_a_split_would_tear_apart_are_refused(tmp_path, ids, message):
    rows = zip(["p1_l", "p1_r", "p2_l", "p3_l"], "0101", ids, strict=True)
    text = "\n".join(["eye,grade,patient", *map(",".join, rows)]).encode()
    source = write_folder(tmp_path / "source", FILES | {"labels.csv": text})
    with pytest.raises(PreparationError, match=message):
        prepare_table(source, tmp_path / "out", size=32, label_column="grade", group_column="patient")
    assert not (tmp_path / "out").exists()
