"""Reading manifests: what they hold, and what is refused."""

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest

from drcls.data import load_manifest
from drcls.data.manifest import COLUMNS, MODULE_OF_DATA_SET
from tests.small_data import CLASSES, write_squares


@pytest.fixture
def folder(tmp_path):
    return write_squares(tmp_path / "data", per_class=2).root


def test_labels_counts_and_paths(folder):
    manifest = load_manifest(folder)
    assert len(manifest) == 6 and manifest.classes == CLASSES
    np.testing.assert_array_equal(manifest.labels, [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(manifest.counts(), [2, 2, 2])
    assert all(path.is_file() for path in manifest.paths)


def test_rows_may_be_selected_more_than_once_and_in_any_order(folder):
    part = load_manifest(folder).select([5, 0, 5])
    assert part.frame["path"].tolist() == ["images/005.png", "images/000.png", "images/005.png"]
    np.testing.assert_array_equal(part.counts(), [1, 0, 2])


def test_the_parts_of_a_source_are_read_whatever_it_calls_them(folder):
    manifest = load_manifest(folder)
    manifest.frame["source_split"] = ["Training_Set", "TRAIN", "val-images", "testing data", "", "elsewhere"]
    expected = ["train", "train", "validation", "test", None, None]
    assert [part or None for part in manifest.source_parts.fillna("")] == expected


def test_merged_classes_are_one_class_at_the_place_of_the_first(folder):
    manifest = load_manifest(folder)
    first, second, third = manifest.classes
    merged = manifest.merge_classes([second, third], "other")
    assert merged.classes == [first, "other"]
    np.testing.assert_array_equal(merged.labels, [0, 1, 1, 0, 1, 1])
    assert manifest.classes == [first, second, third] and manifest.frame["label"][1] == second


@pytest.mark.parametrize(
    "merged, name", [([CLASSES[0]], "x"), ([CLASSES[0], "x"], "y"), (CLASSES[:2], CLASSES[2])]
)
def test_classes_that_cannot_be_merged_are_named(folder, merged, name):
    with pytest.raises(ValueError, match=f"two or more of the classes .* to become '{name}'"):
        load_manifest(folder).merge_classes(merged, name)


@pytest.mark.parametrize("name", ["manifest.csv", "dataset.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} does not exist.*`drcls prepare SOURCE {folder}`"):
        load_manifest(folder)


@pytest.mark.parametrize(("name", "module"), MODULE_OF_DATA_SET.items())
def test_a_data_set_that_is_not_prepared_names_its_own_command(tmp_path, name, module):
    with pytest.raises(FileNotFoundError, match=rf"`python -m data_prep.{module} .*--output .*{name}`"):
        load_manifest(tmp_path / name)
    assert importlib.util.find_spec(f"data_prep.{module}")


def change(folder, **columns):
    frame = pd.read_csv(folder / "manifest.csv")
    frame.assign(**columns).to_csv(folder / "manifest.csv", index=False)


def test_a_missing_column_is_named(folder):
    pd.read_csv(folder / "manifest.csv").drop(columns="group").to_csv(folder / "manifest.csv", index=False)
    with pytest.raises(ValueError, match=r"lacks the columns \['group'\]"):
        load_manifest(folder)


def test_a_repeated_path_is_listed(folder):
    change(folder, path="images/000.png")
    with pytest.raises(ValueError, match=r"lists 5 paths twice: \['images/000.png'"):
        load_manifest(folder)


def test_a_label_outside_the_classes_is_listed(folder):
    change(folder, label="violet")
    with pytest.raises(ValueError, match=r"labels \['violet'\].*\['red', 'green', 'blue'\]"):
        load_manifest(folder)


def test_ids_that_look_like_numbers_or_missing_values_stay_text(folder):
    change(folder, group=["007", "NA", "1e5", "nan", "None", "0"])
    assert load_manifest(folder).frame["group"].tolist() == ["007", "NA", "1e5", "nan", "None", "0"]


def test_class_order_is_that_of_dataset_json(folder):
    info = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(info | {"classes": ["blue", "green", "red"]}))
    np.testing.assert_array_equal(load_manifest(folder).labels, [2, 1, 0, 2, 1, 0])


def test_columns_of_others_are_left_out(folder):
    change(folder, camera="B")
    assert load_manifest(folder).frame.columns.tolist() == COLUMNS


@pytest.mark.parametrize("column", ["path", "group", "sha256", "phash"])
def test_an_empty_cell_is_not_one_more_of_the_same(folder, column):
    cells = load_manifest(folder).frame[column].tolist()
    change(folder, **{column: [*cells[:2], "", *cells[3:5], ""]})
    with pytest.raises(ValueError, match=rf"manifest.csv has 2 empty cells under '{column}', first in row 3"):
        load_manifest(folder)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("path", "/etc/passwd", "names files outside of its folder"),
        ("path", "images/../../other.png", "names files outside of its folder"),
        ("sha256", "abc", "1 cells under 'sha256' that are not a SHA-256 .*, first 'abc' in row 2"),
        ("phash", "no hash", "1 cells under 'phash' that are not a perceptual hash"),
        ("width", "wide", "1 cells under 'width' that are not a number of pixels"),
        ("height", "", "1 cells under 'height' that are not a number of pixels"),
        ("width", "16.5", "not a number of pixels, first '16.5' in row 2"),
    ],
)
def test_cells_that_somebody_changed_are_named(folder, column, value, message):
    cells = load_manifest(folder).frame[column].tolist()
    change(folder, **{column: [cells[0], value, *cells[2:]]})
    with pytest.raises(ValueError, match=rf"manifest.csv .*{message}"):
        load_manifest(folder)


def test_a_manifest_without_images_is_refused(folder):
    (folder / "manifest.csv").write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(ValueError, match="lists no image"):
        load_manifest(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("classes", [0, 1, 2], "distinct classes under 'classes', as text"),
        ("classes", [["a"], ["b"]], "distinct classes under 'classes', as text"),
        ("classes", "red", "distinct classes"),
        ("phantom", "no", "true or false under 'phantom'; it has 'no'"),
        ("ordered", 1, "true or false under 'ordered'"),
        ("preparation", "224 px", "an object under 'preparation'"),
        ("title", None, "a text under 'title'"),
    ],
)
def test_fields_that_somebody_changed_are_named(folder, key, value, message):
    info = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(info | {key: value}))
    with pytest.raises(ValueError, match=rf"dataset.json must .*{message}"):
        load_manifest(folder)


def test_the_mark_of_a_windows_editor_is_no_part_of_the_json(folder):
    path = folder / "dataset.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    table = folder / "manifest.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert load_manifest(folder).classes == CLASSES


@pytest.mark.parametrize("content", ["", "path,label\na,b,c,d\n", b"path\n\xff\xfe\n"])
def test_a_table_that_is_none_is_named(folder, content):
    (folder / "manifest.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(
        ValueError, match=r"data/manifest.csv (is not a readable CSV table|lacks the columns)"
    ):
        load_manifest(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"classes": ["red",', "dataset.json is not valid JSON"),
        ("{}", "must list distinct classes under 'classes', as text; it has None"),
        ('["red"]', "must list distinct classes"),
        ('{"classes": []}', r"must list distinct classes under 'classes', as text; it has \[\]"),
        ('{"classes": ["red", "green", "red"]}', r"it has \['red', 'green', 'red'\]"),
    ],
)
def test_a_description_without_classes_is_named(folder, content, message):
    (folder / "dataset.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        load_manifest(folder)


def test_selecting_leaves_the_whole_alone(folder):
    manifest = load_manifest(folder)
    part = manifest.select([1])
    part.frame.loc[0, "label"] = "blue"
    assert manifest.frame["label"][1] == "green"


def test_whether_classes_are_ordered_is_said_and_never_guessed(folder):
    file = folder / "dataset.json"
    described = json.loads(file.read_text())
    for said in (True, False):
        file.write_text(json.dumps(described | {"ordered": said}))
        assert load_manifest(folder).ordered is said
    file.write_text(json.dumps({key: value for key, value in described.items() if key != "ordered"}))
    with pytest.raises(ValueError, match="dataset.json must say under 'ordered'.*add true or false"):
        _ = load_manifest(folder).ordered


def test_a_mask_of_rows_keeps_those_rows(folder):
    manifest = load_manifest(folder)
    mask = manifest.labels == 1
    kept = manifest.select(mask)
    assert kept.frame["path"].tolist() == manifest.frame["path"][mask].tolist()
    assert manifest.select([]).frame.empty
    for rows in ([0.9], mask[1:], [[0, 1]], ["0"]):
        with pytest.raises(ValueError, match=rf"integer positions \(n,\) or bool \({len(manifest)},\)"):
            manifest.select(rows)


def test_a_label_that_is_no_class_is_named(folder):
    manifest = load_manifest(folder)
    manifest.frame.loc[0, "label"] = "unheard of"
    with pytest.raises(ValueError, match=r"labels \['unheard of'\] are none of the classes"):
        _ = manifest.labels
