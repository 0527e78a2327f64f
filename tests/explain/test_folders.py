"""`predict_folder` and `explain_folder`: folders of anything, models of every kind."""

import csv
import os
import struct
import zlib

import cv2
import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from drcls.explain import explain_folder, grad_cam, predict_folder
from drcls.explain.folders import beside, find_class
from drcls.explain.pictures import find_pictures
from drcls.forward import fastest
from drcls.layers import ClassProbabilities


def network(shape=(16, 16, 3), units=3, activation="softmax", names=None):
    keras.utils.set_random_seed(4)
    inputs = keras.Input(shape)
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(layers.Rescaling(1 / 255)(inputs))
    x = layers.GlobalAveragePooling2D()(x)
    if names:
        return keras.Model(inputs, ClassProbabilities(names)(layers.Dense(len(names))(x)))
    return keras.Model(inputs, layers.Dense(units, activation)(x))


def picture(seed, shape=(20, 30, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape).astype("uint8")


@pytest.fixture
def folder(tmp_path):
    """Pictures of several endings in folders within folders, one of them broken, and other files."""
    home = tmp_path / "pictures"
    (home / "left" / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.JPG", "left/a.png", "left/a.bmp", "left/deep/c.TIFF")):
        file = home / name
        encoded = cv2.imencode(file.suffix.lower(), picture(number)[..., ::-1])[1]
        file.write_bytes(encoded.tobytes())
    (home / "left" / "broken.png").write_bytes((home / "a.png").read_bytes()[:60])
    (home / "notes.txt").write_text("no picture")
    (home / ".DS_Store.png").write_bytes(b"hidden")
    return home


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_onnxruntime_gives_the_tables_and_maps_of_keras(folder, tmp_path, monkeypatch):
    model, options = network(names=["red", "green", "blue"]), {"method": "lime", "num_samples": 30}
    tables, maps = [], []
    for pays_from, engine in ((10**6, "keras"), (5 * 16 * 16, "onnx")):
        monkeypatch.setattr(fastest, "PAYS_FROM", pays_from)
        done = predict_folder(model, folder, tmp_path / f"{engine}.csv")
        tables.append([row["p_red"] for row in rows(done["table"]) if not row["error"]])
        explained = explain_folder(model, folder, tmp_path / engine, **options)["explained"]
        maps.append(np.stack([np.load(one["map"]) for one in explained]))
        assert (model in fastest._CONVERTED) == (engine == "onnx")
    np.testing.assert_allclose(np.float32(tables[1]), np.float32(tables[0]), atol=1e-5)
    np.testing.assert_allclose(maps[1], maps[0], rtol=0, atol=1e-4 * np.abs(maps[0]).max())


def test_a_table_of_a_folder(folder, tmp_path):
    model = network(names=["red", "green", "blue"])
    done = predict_folder(model, folder, tmp_path / "out" / "table.csv")
    assert done["images"] == 5 and [file.name for file, _ in done["broken"]] == ["broken.png"]
    table = {row["path"]: row for row in rows(done["table"])}
    assert len(table) == 6
    broken = table.pop(str(folder / "left" / "broken.png"))
    assert "truncated or damaged" in broken["error"] and broken["predicted"] == broken["p_red"] == ""
    shrunk = cv2.resize(picture(0), (16, 16), interpolation=cv2.INTER_AREA)
    expected = model.predict(shrunk[None], verbose=0)[0]
    found = table[str(folder / "a.png")]
    given = [float(found[f"p_{name}"]) for name in ("red", "green", "blue")]
    np.testing.assert_allclose(given, expected, atol=1e-5)
    assert found["predicted"] == ["red", "green", "blue"][expected.argmax()] and found["error"] == ""


def test_predictions_replace_predictions_alone(folder, tmp_path):
    model, table, labels = network(), tmp_path / "table.csv", tmp_path / "labels.csv"
    predict_folder(model, folder, table)
    first = table.read_text()
    predict_folder(model, folder, table)
    assert table.read_text() == first
    labels.write_text("path,label\na.png,1\n")
    for other in (labels, tmp_path):
        with pytest.raises(ValueError, match=f"{other.name} exists and is no table of predictions"):
            predict_folder(model, folder, other)
    assert labels.read_text() == "path,label\na.png,1\n"


def test_a_saved_model_gives_the_same_table(folder, tmp_path):
    model = network()
    model.save(tmp_path / "model.keras")
    first = predict_folder(model, folder, tmp_path / "1.csv", class_names=["x", "y", "z"])
    second = predict_folder(tmp_path / "model.keras", folder, tmp_path / "2.csv", class_names=["x", "y", "z"])
    assert first["table"].read_bytes() == second["table"].read_bytes()


@pytest.mark.parametrize("units", [1, 3])
def test_sigmoids_say_what_they_find(units, folder, tmp_path):
    model = network(units=units, activation="sigmoid")
    model.layers[-1].bias.assign(np.linspace(1.0, -9.0, units))
    table = rows(predict_folder(model, folder / "a.png", tmp_path / "table.csv")["table"])
    shrunk = cv2.resize(picture(0), (16, 16), interpolation=cv2.INTER_AREA)
    expected = model.predict(shrunk[None], verbose=0)[0]
    names = ["positive"] if units == 1 else ["0", "1", "2"]
    np.testing.assert_allclose([float(table[0][f"p_{name}"]) for name in names], expected, atol=1e-5)
    found = [name for name, value in zip(names, expected, strict=True) if value >= 0.5]
    assert table[0]["predicted"] == "; ".join(found) != ""
    model.layers[-1].bias.assign(np.full(units, -9.0))
    table = rows(predict_folder(model, folder / "a.png", tmp_path / "table.csv")["table"])
    assert table[0]["predicted"] == ("negative" if units == 1 else "none")
    done = explain_folder(model, folder / "a.png", tmp_path / "out")
    assert done["explained"][0]["probability"] == pytest.approx(
        float(model.predict(shrunk[None], verbose=0).max()), abs=1e-5
    )


def test_overlays_and_maps_keep_the_folders(folder, tmp_path):
    model = network(names=["red", "green/blue"])
    done = explain_folder(model, folder, tmp_path / "out", class_name="green/blue")
    written = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.png")}
    names = ("a", "b", "left/a.png", "left/a.bmp", "left/deep/c")
    assert written == {f"{name}-grad_cam-green_blue.png" for name in names}
    assert [file.name for file, _ in done["broken"]] == ["broken.png"]
    one = done["explained"][0]
    assert one["image"] == folder / "a.png" and one["explained"] == "green/blue"
    shrunk = cv2.resize(picture(0), (16, 16), interpolation=cv2.INTER_AREA)
    expected = grad_cam(model, shrunk[None], 1, normalise=False)[0]
    np.testing.assert_allclose(np.load(one["map"]), expected, atol=1e-5)
    shown = cv2.imread(str(one["overlay"]))[..., ::-1]
    assert shown.shape == (20, 60, 3)
    np.testing.assert_array_equal(shown[:, :30], picture(0))


@pytest.mark.parametrize(
    ("shape", "file", "content"),
    [
        ((16, 16, 1), "grey.png", picture(1, (20, 30, 1))),
        ((16, 16, 1), "colour.png", picture(1)),
        ((24, 16, 3), "tall.png", picture(1)),
        ((16, 16, 4), "four.png", picture(1, (20, 30, 4))),
        ((None, None, 3), "any.png", picture(1)),
    ],
)
def test_grey_rectangular_four_channel_and_open_models(shape, file, content, tmp_path):
    cv2.imwrite(str(tmp_path / file), content)
    model = network(shape)
    done = explain_folder(model, tmp_path / file, tmp_path / "out")
    size = tuple(own or given for own, given in zip(shape[:2], (20, 30), strict=True))
    assert np.load(done["explained"][0]["map"]).shape == size
    assert cv2.imread(str(done["explained"][0]["overlay"])).shape == (20, 60, 3)
    assert predict_folder(model, tmp_path / file, tmp_path / "table.csv")["broken"] == []


def test_pictures_of_several_sizes_for_a_model_of_any_size(tmp_path):
    (tmp_path / "in").mkdir()
    for number, side in enumerate((20, 24, 20)):
        cv2.imwrite(str(tmp_path / "in" / f"{number}.png"), picture(number, (side, side, 3)))
    done = explain_folder(network((None, None, 3)), tmp_path / "in", tmp_path / "out")
    assert [np.load(one["map"]).shape for one in done["explained"]] == [(20, 20), (24, 24), (20, 20)]


def test_colour_files_for_a_four_channel_model_are_listed(tmp_path):
    cv2.imwrite(str(tmp_path / "colour.png"), picture(1))
    done = predict_folder(network((16, 16, 4)), tmp_path, tmp_path / "table.csv")
    assert done["images"] == 0 and "takes 4 channels" in done["broken"][0][1]


def test_half_a_four_channel_picture_is_listed(tmp_path):
    whole = cv2.imencode(".png", picture(1, (40, 40, 4)))[1].tobytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    done = predict_folder(network((16, 16, 4)), tmp_path, tmp_path / "table.csv")
    assert done["images"] == 0 and "not a whole PNG or TIFF" in done["broken"][0][1]


def test_pictures_of_formats_that_are_not_read_are_listed(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture(1))
    (tmp_path / "b.heic").write_bytes(b"ftypheic")
    (tmp_path / "c.GIF").write_bytes(b"GIF89a")
    done = predict_folder(network(), tmp_path, tmp_path / "out" / "table.csv")
    assert done["images"] == 1 and [file.name for file, _ in done["broken"]] == ["b.heic", "c.GIF"]
    assert all("not an image of a known format" in why for _, why in done["broken"])


def test_four_channels_are_turned_upright_and_several_pictures_listed(tmp_path):
    image = picture(1, (20, 30, 4))
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(image).save(tmp_path / "turned.png", exif=exif.tobytes())
    Image.fromarray(np.rot90(image, -1)).save(tmp_path / "upright.png")
    model = network((16, 16, 4))
    tables = [
        predict_folder(model, tmp_path / f"{name}.png", tmp_path / f"{name}.csv")
        for name in ("turned", "upright")
    ]
    turned, upright = ({**rows(done["table"])[0], "path": ""} for done in tables)
    assert turned == upright
    pages = [Image.fromarray(picture(number, (20, 30, 4))) for number in (2, 3)]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    done = predict_folder(model, tmp_path / "two.tif", tmp_path / "two.csv")
    assert done["images"] == 0 and "several pictures" in done["broken"][0][1]


def test_dicom_is_read_as_a_picture_is(tmp_path):
    pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")
    from tests.data.dicom_files import dicom

    (tmp_path / "eye.dcm").write_bytes(dicom(picture(1), "RGB"))
    cv2.imwrite(str(tmp_path / "eye.png"), picture(1)[..., ::-1])
    table = rows(predict_folder(network(), tmp_path, tmp_path / "table.csv")["table"])
    assert [row["error"] for row in table] == ["", ""]
    assert table[0]["p_0"] == table[1]["p_0"]


def test_other_numbers_of_channels_are_refused_by_name(tmp_path):
    cv2.imwrite(str(tmp_path / "colour.png"), picture(1))
    with pytest.raises(ValueError, match="takes images of 2 channels; expected 1, 3 or 4"):
        predict_folder(network((16, 16, 2)), tmp_path, tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()


def test_symlinked_folders_are_read_and_circles_are_not_followed(folder):
    (folder / "left" / "up").symlink_to(folder)
    outside = folder.parent / "outside"
    outside.mkdir()
    cv2.imwrite(str(outside / "linked.png"), picture(1))
    (folder / "link").symlink_to(outside)
    files, root = find_pictures(folder)
    assert root == folder
    assert [str(file.relative_to(folder)) for file in files] == [
        "a.png",
        "b.JPG",
        "left/a.bmp",
        "left/a.png",
        "left/broken.png",
        "left/deep/c.TIFF",
        "link/linked.png",
    ]
    assert find_pictures([folder, folder / "a.png"])[0] == files


def test_what_is_missing_or_unknown_is_named(folder, tmp_path):
    model = network()
    with pytest.raises(FileNotFoundError, match="nowhere: no such file or folder"):
        predict_folder(model, tmp_path / "nowhere", tmp_path / "table.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no picture in"):
        explain_folder(model, tmp_path / "empty", tmp_path / "out")
    with pytest.raises(ValueError, match="method 'guess' received"):
        explain_folder(model, folder, tmp_path / "out", method="guess")
    with pytest.raises(ValueError, match="2 class names .* has 3 outputs"):
        predict_folder(model, folder, tmp_path / "table.csv", class_names=["a", "b"])
    assert not (tmp_path / "out").exists() and not (tmp_path / "table.csv").exists()


def test_classes_by_name_or_number():
    assert find_class("b", ["a", "b"]) == 1 and find_class("0", ["a", "b"]) == 0
    for unknown in ("c", "2", "-1"):
        with pytest.raises(ValueError, match=rf"class '{unknown}' is unknown; expected one of \['a', 'b'\]"):
            find_class(unknown, ["a", "b"])


def test_large_pictures_are_shown_smaller():
    assert beside(np.zeros((2000, 500, 3), "uint8"), np.ones((4, 4))).shape == (1024, 512, 3)
    assert beside(np.zeros((10, 20, 1), "uint8"), np.zeros((4, 4))).shape == (10, 40, 3)


def test_a_file_name_that_is_no_text_loses_no_work(folder, tmp_path):
    name = os.fsdecode(b"\xe9tude.png")
    (folder / name).write_bytes((folder / "a.png").read_bytes())
    (folder / os.fsdecode(b"\xe8.png")).write_bytes(b"no image")
    done = predict_folder(network(), folder, tmp_path / "table.csv")
    assert done["images"] == 6 and len(done["broken"]) == 2
    table = {row["path"]: row for row in rows(done["table"])}
    assert table[str(folder / "\\udce9tude.png")]["error"] == ""
    assert table[str(folder / "\\udce8.png")]["error"] != ""
    assert len(explain_folder(network(), folder, tmp_path / "out")["explained"]) == 6


def test_nothing_is_written_outside_the_output_folder(folder, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.png").write_bytes((folder / "a.png").read_bytes())
    monkeypatch.chdir(folder)
    given = ["../pictures/left/deep", "../other"]
    done = explain_folder(network(), given, tmp_path / "out", class_name="1")
    written = {str(one["overlay"].relative_to(tmp_path / "out")) for one in done["explained"]}
    assert written == {"pictures/left/deep/c-grad_cam-1.png", "other/x-grad_cam-1.png"}
    assert find_pictures(given)[1] == tmp_path
    assert all(one["overlay"].is_file() for one in done["explained"])


def test_a_four_channel_picture_of_a_size_that_nobody_unpacks_is_listed(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 6, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    done = predict_folder(network((16, 16, 4)), tmp_path, tmp_path / "table.csv")
    assert done["images"] == 0 and "exceeds limit" in done["broken"][0][1]


def test_explanations_are_not_explained(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    for images, to in (
        (folder, folder / "out"),
        ([folder / "a.png", folder], folder),
        (folder, tmp_path / "link" / "x"),
    ):
        with pytest.raises(
            ValueError, match="lies in the images .*pictures, where its overlays would be taken"
        ):
            explain_folder(network(), images, to)
    assert not (folder / "out").exists() and not (folder / "x").exists()
    assert len(explain_folder(network(), folder / "a.png", folder / "out")["explained"]) == 1


def test_explanations_are_not_written_among_other_files(folder, tmp_path):
    other = tmp_path / "other" / "inner"
    other.mkdir(parents=True)
    (other / "mine.png").write_bytes(b"mine")
    with pytest.raises(
        ValueError, match=r"other holds inner/mine\.png, which no explanation wrote; expected a new"
    ):
        explain_folder(network(), folder, tmp_path / "other")
    with pytest.raises(ValueError, match=r"mine\.png is a file; expected a new folder"):
        explain_folder(network(), folder, other / "mine.png")
    assert [path.name for path in (tmp_path / "other").rglob("*")] == ["inner", "mine.png"]


def test_an_interrupted_explanation_is_given_again(folder, tmp_path):
    model = network(names=["CNV/DME", "-x\n"])
    first = explain_folder(model, folder, tmp_path / "out")["explained"]
    first[1]["overlay"].unlink()
    first[2]["map"].unlink()
    (tmp_path / "out" / ".123.partial").write_bytes(b"half")
    assert explain_folder(model, folder, tmp_path / "out")["explained"] == first
    explain_folder(model, folder, tmp_path / "out", method="lime", num_samples=10)
    assert all(one["overlay"].is_file() and one["map"].is_file() for one in first)


def test_a_name_too_long_for_an_overlay_is_listed_and_the_rest_explained(folder, tmp_path):
    (folder / f"{'b' * 236}.png").write_bytes((folder / "a.png").read_bytes())
    done = explain_folder(
        network(names=["benign", "malignant"]), folder, tmp_path / "out", class_name="malignant"
    )
    assert len(done["explained"]) == 5
    told = dict((file.name[:3], reason) for file, reason in done["broken"])
    assert told["bbb"].startswith(
        "the name of its overlay would have 259 bytes, at most 255 can be written; shorten"
    )


def test_pictures_without_a_finite_answer_are_listed(folder, tmp_path):
    model = network(names=["a", "b"])
    weights = model.get_weights()
    weights[-1][0] = np.nan
    model.set_weights(weights)
    result = predict_folder(model, folder, tmp_path / "table.csv")
    assert result["images"] == 0 and len(result["broken"]) > 1
    assert "no finite probability" in result["broken"][-1][1]
    explained = explain_folder(model, folder, tmp_path / "explained")
    assert not explained["explained"] and len(explained["broken"]) == len(result["broken"])
