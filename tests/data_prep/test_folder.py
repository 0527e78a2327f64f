"""data_prep.folder: class folders of any shape become a manifest, and what is missing is named."""

import os
import re

import numpy as np
import pytest
from PIL import Image

from data_prep.folder import prepare_folder
from data_prep.labels import check_classes
from data_prep.sources import PreparationError
from data_prep.summary import summary
from drcls.data.image_ops import read_image
from drcls.data.manifest import load_manifest
from tests.data_prep.imitations import encode, picture, write_folder, write_zip


def images(*names):
    """Return dict, name -> a picture of its own, encoded as the ending says."""
    files = {}
    for number, name in enumerate(names):
        suffix = f".{name.rpartition('.')[2].lower()}"
        files[name] = encode(picture(number), suffix)
    return files


PNG = [encode(picture(number)) for number in range(2)]


def rows(folder):
    frame = load_manifest(folder).frame
    return sorted(zip(frame["path"], frame["label"], frame["source_split"], strict=True))


@pytest.mark.parametrize("write", [write_folder, write_zip])
@pytest.mark.parametrize("around", ["", "photographs/2024/"])
def test_class_folders(tmp_path, write, around):
    files = images(
        f"{around}ill/a.JPG", f"{around}ill/eye/b.tif", f"{around}well/c.png", f"{around}well/d.BMP"
    )
    source = write(tmp_path / "source", files | {f"{around}notes.txt": b"?"})
    info = prepare_folder(source, tmp_path / "mine", size=32)
    assert (info["classes"], info["counts"], info["ordered"]) == (
        ["ill", "well"],
        {"ill": 2, "well": 2},
        False,
    )
    assert (info["name"], info["preparation"]["size"]) == ("mine", 32) and "counts_check" not in info
    assert rows(tmp_path / "mine") == [
        ("images/ill/a.png", "ill", ""),
        ("images/ill/eye/b.png", "ill", ""),
        ("images/well/c.png", "well", ""),
        ("images/well/d.png", "well", ""),
    ]


def test_parts_of_a_split_around_the_class_folders(tmp_path):
    names = [
        f"{part}/{label}/{part}{label}.png"
        for part in ("Train", "valid", "TEST")
        for label in ("1", "10", "2")
    ]
    info = prepare_folder(
        write_folder(tmp_path / "s", images(*names)), tmp_path / "out", size=32, ordered=True
    )
    assert info["classes"] == ["1", "2", "10"] and info["ordered"]
    assert {split for *_, split in rows(tmp_path / "out")} == {"train", "validation", "test"}
    assert ("images/TEST/10/TEST10.png", "10", "test") in rows(tmp_path / "out")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("train_images", "testing data"),
        ("Train-Set", "TestDataset"),
        ("training_set/training_set", "test_set/test_set"),
    ],
)
def test_parts_of_a_split_have_many_names(tmp_path, train, test):
    names = [f"{part}/{label}/{label}.png" for part in (train, test) for label in ("cats", "dogs")]
    info = prepare_folder(write_folder(tmp_path / "s", images(*names)), tmp_path / "out", size=32)
    assert info["classes"] == ["cats", "dogs"]
    assert info["source_splits"] == {part: {"cats": 1, "dogs": 1} for part in ("test", "train")}


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["valid/a.png", "invalid/b.png"], ["invalid", "valid"]),
        (["train/a.png", "bus/b.png", "test/c.png"], ["bus", "test", "train"]),
        (["ill/p1/a.png", "ill/p2/b.png", "well/p1/c.png", "well/p2/d.png"], ["ill", "well"]),
    ],
)
def test_folders_that_may_be_classes_or_parts_are_asked_for(tmp_path, names, classes):
    source = write_folder(tmp_path / "s", images(*names))
    with pytest.raises(PreparationError, match=f"--classes {','.join(classes)}"):
        prepare_folder(source, tmp_path / "out", size=32)
    info = prepare_folder(source, tmp_path / "out", size=32, classes=classes)
    assert info["classes"] == classes and "source_splits" not in info


def test_folders_of_the_same_name_in_class_folders_with_images_of_their_own(tmp_path):
    names = ["x/a.png", "x/left/b.png", "x/right/c.png", "y/left/d.png", "y/right/e.png"]
    info = prepare_folder(write_folder(tmp_path / "s", images(*names)), tmp_path / "out", size=32)
    assert info["counts"] == {"x": 3, "y": 2}


def test_linked_class_folders_are_read(tmp_path):
    write_folder(tmp_path / "store", images("x/a.png", "y/b.png"))
    (tmp_path / "source").mkdir()
    for name in "xy":
        (tmp_path / "source" / name).symlink_to(tmp_path / "store" / name, target_is_directory=True)
    assert prepare_folder(tmp_path / "source", tmp_path / "out")["counts"] == {"x": 1, "y": 1}


def test_grey_images_are_stored_with_three_channels_and_counted(tmp_path):
    grey = Image.fromarray(picture(7)).convert("L")
    source = write_folder(tmp_path / "s", images("x/a.png", "y/b.png"))
    grey.save(source / "y" / "grey.png")
    assert prepare_folder(source, tmp_path / "out", size=48)["grey"] == 1
    stored = read_image(tmp_path / "out" / "images" / "y" / "grey.png")
    np.testing.assert_array_equal(stored, np.repeat(np.asarray(grey)[..., None], 3, axis=2))


def test_names_that_collide_after_resizing_are_both_kept(tmp_path):
    source = write_folder(tmp_path / "s", images("x/a.jpg", "x/a.png", "y/b.png"))
    prepare_folder(source, tmp_path / "out", size=32)
    assert [path for path, *_ in rows(tmp_path / "out")] == [
        "images/x/a.jpg.png",
        "images/x/a.png.png",
        "images/y/b.png",
    ]
    assert len(list((tmp_path / "out" / "images").rglob("*.png"))) == 3


def test_image_outside_the_class_folders_is_rejected(tmp_path):
    source = write_folder(tmp_path / "s", images("x/a.png", "y/b.png", "overview.png"))
    assert prepare_folder(source, tmp_path / "out")["rejected"] == 1
    assert "overview.png,no label" in (tmp_path / "out" / "rejected.csv").read_text()


def test_names_of_entries_need_not_be_plain(tmp_path):
    archive = write_zip(tmp_path / "f.zip", {"./a//1.png": PNG[0], "b/./2.png": PNG[1]})
    info = prepare_folder(archive, tmp_path / "out", size=32)
    assert info["counts"] == {"a": 1, "b": 1}
    twice = write_zip(tmp_path / "g.zip", {"a/1.png": PNG[0], "a//1.png": PNG[1], "b/2.png": PNG[1]})
    with pytest.raises(PreparationError, match="holds names more than once, 1: a/1.png"):
        prepare_folder(twice, tmp_path / "other")


def test_images_of_formats_that_are_not_read_are_listed(tmp_path):
    files = {
        "a/1.png": PNG[0],
        "b/2.png": PNG[1],
        "a/3.heic": b"heic",
        "b/4.GIF": b"GIF89a",
        "b/5.jfif": PNG[1],
    }
    info = prepare_folder(write_folder(tmp_path / "f", files), tmp_path / "out", size=32)
    listed = (tmp_path / "out" / "rejected.csv").read_text()
    assert info["rejected"] == 3
    assert 'a/3.heic,".heic: not a format that is read, one of JPEG' in listed and "b/4.GIF" in listed
    assert '"wrongly named: .jfif, but the bytes are PNG"' in listed


@pytest.mark.parametrize("name", ["a\x00", "a\u202e", "b ", "B", "01"])
def test_class_names_that_look_alike_or_cannot_be_read_are_refused(name):
    with pytest.raises(PreparationError, match="class names (with control|that differ in)"):
        check_classes(["a", "b", "1", name], None, "labels")


def test_a_class_that_is_asked_for_twice_is_refused():
    with pytest.raises(
        PreparationError, match=r"labels: each class name is expected once, received \['a', 'b', 'a'"
    ):
        check_classes(["a", "b"], ["a", "b", "a"], "labels")


def test_classes_in_the_order_that_is_asked_for(tmp_path):
    source = write_folder(tmp_path / "s", images("mild/a.png", "none/b.png", "severe/c.png"))
    info = prepare_folder(source, tmp_path / "out", ordered=True, classes=["none", "mild", "severe"])
    assert info["classes"] == ["none", "mild", "severe"]
    with pytest.raises(
        PreparationError,
        match=r"\['a', 'b'\] were asked for, \['mild', 'none', 'severe'\] found; name these too",
    ):
        prepare_folder(source, tmp_path / "other", classes=["a", "b"])
    # Another order is another preparation.
    with pytest.raises(PreparationError, match="was prepared with.*classes"):
        prepare_folder(source, tmp_path / "out", ordered=True, classes=["mild", "none", "severe"])


def test_the_order_of_grades_is_never_guessed(tmp_path):
    source = write_folder(tmp_path / "s", images("none/a.png", "mild/b.png", "severe/c.png"))
    with pytest.raises(
        PreparationError, match=r"\['mild', 'none', 'severe'\] do not say it.*--classes LEAST"
    ):
        prepare_folder(source, tmp_path / "out", ordered=True)
    assert not (tmp_path / "out").exists()
    info = prepare_folder(source, tmp_path / "out", ordered=True, classes=["none", "mild", "severe"])
    assert "grades, from least to most: none, mild, severe" in summary(info, tmp_path / "out")
    numbers = write_folder(tmp_path / "n", images("10/a.png", "9/b.png"))
    info = prepare_folder(numbers, tmp_path / "numbers", ordered=True)
    assert "grades, from least to most: 9, 10" in summary(info, tmp_path / "numbers")
    assert "least to most" not in summary(prepare_folder(source, tmp_path / "p"), tmp_path / "p")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.png", "b.png"], "no two class folders among 2 files"),
        (["x/a.png"], "no two class folders among 1 files; .*table of labels"),
        (["x/a.png", "y/notes.txt"], "class folders without an image.*1: y"),
        (["train/x/a.png", "train/y/b.png", "test/x/c.png", "more/x/d.png"], r"\['more'\] are not"),
        (["train/x/a.png", "train/y/b.png", "more/x/c.png"], r"\['train'\] are named.*\['more'\] are not"),
        (["one/x/a.png", "one/y/b.png", "two/x/c.png", "two/y/d.png"], "hold the same folders, 2: x, y"),
        (
            ["train/x/a.png", "train/test/b.png", "test/x/c.png"],
            r"lie \['test'\], which are named like parts",
        ),
        (["train/x/a.png", "test/x/b.png"], r"at least two classes expected, \['x'\] found"),
        (["Mild/a.png", "mild/b.png"], "differ in capitals, blanks"),
    ],
)
def test_what_is_no_set_of_class_folders_is_one_clear_error(tmp_path, names, message):
    files = {name: b"x" if name.endswith("txt") else encode(picture(1)) for name in names}
    with pytest.raises(PreparationError, match=message):
        prepare_folder(write_zip(tmp_path / "s.zip", files), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_empty_class_folder_is_an_error(tmp_path):
    source = write_folder(tmp_path / "s", images("x/a.png", "y/b.png"))
    (source / "z").mkdir()
    with pytest.raises(PreparationError, match="without an image.*1: z"):
        prepare_folder(source, tmp_path / "out")


@pytest.mark.parametrize("folder_is_there", [False, True])
def test_a_class_that_is_named_need_not_have_an_image(tmp_path, folder_is_there):
    source = write_folder(tmp_path / "s", images("mild/a.png", "none/b.png"))
    if folder_is_there:
        (source / "severe").mkdir()
    info = prepare_folder(source, tmp_path / "out", size=32, classes=["none", "mild", "severe"])
    assert info["counts"] == {"none": 1, "mild": 1, "severe": 0}
    assert load_manifest(tmp_path / "out").counts().tolist() == [1, 1, 0]
    assert "no image of severe: fit to be evaluated, not to train with" in summary(info, tmp_path / "out")


def test_a_class_whose_images_are_all_broken_is_not_one_without_images(tmp_path):
    source = write_folder(tmp_path / "s", images("mild/a.png", "none/b.png") | {"severe/c.png": b"?"})
    with pytest.raises(
        PreparationError, match=r"no image of the classes \['severe'\] can be used; rejected 1"
    ):
        prepare_folder(source, tmp_path / "out", classes=["none", "mild", "severe"])


def test_images_of_one_class_alone_are_prepared_where_the_other_is_named(tmp_path):
    source = write_folder(tmp_path / "s", images("around/well/a.png", "around/well/eye/b.png"))
    info = prepare_folder(source, tmp_path / "out", size=32, classes=["well", "ill"])
    assert info["counts"] == {"well": 2, "ill": 0}
    with pytest.raises(PreparationError, match="at least two classes expected"):
        prepare_folder(source, tmp_path / "other", size=32, classes=["well"])


def test_a_file_name_that_is_no_text_is_rejected_alone(tmp_path):
    files = {
        f"{label}/{number}.png": encode(picture(10 * number + len(label)))
        for label in ("a", "bb")
        for number in range(2)
    }
    source = write_folder(tmp_path / "source", files | {os.fsdecode(b"a/\xe9tude.png"): encode(picture(3))})
    info = prepare_folder(source, tmp_path / "out", size=32)
    assert info["counts"] == {"a": 2, "bb": 2} and info["rejected"] == 1
    rejected = (tmp_path / "out" / "rejected.csv").read_text(encoding="utf-8")
    assert rejected == "path,reason\na/\\udce9tude.png,name with control or undecodable characters\n"
    print(summary(info, tmp_path / "out"))
    assert prepare_folder(source, tmp_path / "out", size=32) == info


def test_a_source_with_other_contents_of_the_same_size_is_another_one(tmp_path):
    files = {
        f"{label}/{number}.bmp": encode(picture(10 * number + len(label)), ".bmp")
        for label in ("a", "bb")
        for number in range(2)
    }
    source = write_folder(tmp_path / "source", files)
    info = prepare_folder(source, tmp_path / "out", size=32)
    copied = write_folder(tmp_path / "copy" / "source", files)
    assert prepare_folder(copied, tmp_path / "out", size=32) == info
    (source / "a" / "0.bmp").write_bytes(encode(picture(77), ".bmp"))
    with pytest.raises(PreparationError, match="changed since"):
        prepare_folder(source, tmp_path / "out", size=32)


PATIENTS = ["ill/p1/a.png", "ill/p1/b.png", "ill/p2/c.png", "ill/d.png", "well/p1/e.png", "well/p3/f.png"]


def test_folders_inside_class_folders_are_groups_where_the_user_says_so(tmp_path):
    source = write_folder(tmp_path / "s", images(*PATIENTS))
    info = prepare_folder(source, tmp_path / "out", size=32, group_folders=True)
    frame = load_manifest(tmp_path / "out").frame
    groups = dict(zip(frame["path"], frame["group"], strict=True))
    assert groups["images/ill/p1/a.png"] == groups["images/ill/p1/b.png"] == groups["images/well/p1/e.png"]
    assert len(set(groups.values())) == 4
    told = "6 images in 4 groups; images of no named group, each a group of its own: 1\n"
    assert info["groups"] == {"named": 3, "images_without": 1} and told in summary(info, tmp_path / "out")
    assert info["group_folders"] and "not used as groups" not in summary(info, tmp_path / "out")
    assert prepare_folder(source, tmp_path / "out", size=32, group_folders=True) == info
    with pytest.raises(PreparationError, match="was prepared with {'group_folders': True.*--force"):
        prepare_folder(source, tmp_path / "out", size=32)


def test_folders_inside_class_folders_that_mean_nothing_are_told(tmp_path):
    source = write_folder(tmp_path / "s", images(*PATIENTS))
    info = prepare_folder(source, tmp_path / "out", size=32)
    assert load_manifest(tmp_path / "out").frame["group"].nunique() == 6
    told = "not used as groups, 4: ill/p1, ill/p2, well/p1, well/p3; .*--group-folders"
    assert re.search(told, summary(info, tmp_path / "out"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["x/a.png", "y/b.png"], "no class folder holds a folder"),
        (["x/p1/a.png", "y/p2/left/b.png"], "deeper, 1: y/p2/left.*--group-column"),
        (["x/p1/a.png", "y/P1/b.png"], "folders of groups that differ in .*, 'P1' and 'p1'; write"),
    ],
)
def test_groups_that_cannot_be_told_by_folders_are_refused(tmp_path, names, message):
    source = write_folder(tmp_path / "s", images(*names))
    with pytest.raises(PreparationError, match=message):
        prepare_folder(source, tmp_path / "out", group_folders=True)


def test_the_same_groups_under_all_classes_need_no_names_of_classes(tmp_path):
    names = ["ill/p1/a.png", "ill/p2/b.png", "well/p1/c.png", "well/p2/d.png"]
    source = write_folder(tmp_path / "s", images(*names))
    with pytest.raises(PreparationError, match="--group-folders if the inner ones are groups"):
        prepare_folder(source, tmp_path / "out", size=32)
    assert prepare_folder(source, tmp_path / "out", size=32, group_folders=True)["classes"] == ["ill", "well"]
    assert load_manifest(tmp_path / "out").frame["group"].nunique() == 2


def test_another_title_of_a_finished_preparation_is_not_passed_over(tmp_path):
    source = write_folder(tmp_path / "s", images("x/a.png", "y/b.png"))
    info = prepare_folder(source, tmp_path / "out", size=32, title="Mine", licence="CC0")
    assert prepare_folder(source, tmp_path / "out", size=32) == info
    assert prepare_folder(source, tmp_path / "out", size=32, title="Mine", licence="CC0") == info
    message = (
        "prepared already, with {'title': 'Mine'}; asked for is {'title': 'Yours'}.*dataset.json, or --force"
    )
    with pytest.raises(PreparationError, match=message):
        prepare_folder(source, tmp_path / "out", size=32, title="Yours")
    with pytest.raises(PreparationError, match="'licence': 'CC0'.*'licence': 'MIT'"):
        prepare_folder(source, tmp_path / "out", size=32, licence="MIT")
    assert prepare_folder(source, tmp_path / "out", size=32, title="Yours", force=True)["title"] == "Yours"
