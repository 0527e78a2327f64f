"""The synthetic fundus photographs: what is drawn, what is written, and that a network can learn from it."""

import hashlib
import json

import cv2
import numpy as np
import pytest

from data_prep.phantoms import fundus
from data_prep.phantoms.eye import Eye
from data_prep.phantoms.fundus import MIN_IMAGES, class_counts, main, plan_images, write_fundus
from data_prep.phantoms.retina import draw_fundus
from data_prep.phantoms.retina_lesions import CLASSES
from drcls.data import load_manifest

NUM_IMAGES = 120


def digests(folder):
    """SHA-256 of every file by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_fundus(
        tmp_path_factory.mktemp("data") / "fundus", NUM_IMAGES, size=32, seed=3, progress=False
    )


@pytest.fixture(scope="module")
def manifest(phantom):
    return load_manifest(phantom)


def read_mask(path):
    return cv2.imread(str(path.parents[1] / "masks" / path.name), cv2.IMREAD_UNCHANGED)


# --- One photograph


@pytest.mark.parametrize("size", [32, 64, 150])
@pytest.mark.parametrize("grade", range(5))
def test_image_and_mask_have_the_promised_form(grade, size):
    image, mask = draw_fundus(grade, np.random.default_rng(grade), size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert mask.shape == (size, size) and mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 255}
    assert image[0, 0].max() == 0 and image[size // 2, size // 2].max() > 60
    assert mask.any() == (grade > 0)


def test_every_graded_image_shows_a_lesion():
    for seed in range(150):
        _, mask = draw_fundus(1, np.random.default_rng(seed), 32)
        assert mask.any(), f"seed {seed} drew a mild eye without a lesion"


@pytest.mark.parametrize("grade", range(1, 5))
def test_mask_lies_where_the_picture_differs_from_its_healthy_twin(grade):
    inside, outside = [], []
    for seed in range(6):
        eye = Eye("left", 0.3, seed, 0)
        image, mask = draw_fundus(grade, np.random.default_rng(seed), 96, eye)
        healthy, _ = draw_fundus(0, np.random.default_rng(seed), 96, eye)
        changed = np.abs(image.astype(int) - healthy).max(axis=-1)
        halo = cv2.dilate(
            mask, np.ones((5, 5), np.uint8)
        )  # the camera's blur carries a lesion beyond its edge
        inside.append(changed[mask > 0])
        outside.append(changed[halo == 0])
    assert np.concatenate(outside).max() <= 12
    assert np.mean(np.concatenate(inside) > 12) > 0.9


def test_lesion_area_grows_from_mild_to_severe():
    areas = [
        np.mean([draw_fundus(grade, np.random.default_rng(seed), 64)[1].mean() for seed in range(12)])
        for grade in range(4)
    ]
    assert areas[0] == 0
    assert areas[1] * 2 < areas[2] and areas[2] * 1.5 < areas[3]


def test_severe_haemorrhages_are_in_all_four_quadrants():
    for seed in range(8):
        eye = Eye("right", 0.5, seed, 0)
        _, mask = draw_fundus(CLASSES.index("Severe"), np.random.default_rng(seed), 64, eye)
        quarters = [
            mask[rows, columns]
            for rows in (slice(32), slice(32, 64))
            for columns in (slice(32), slice(32, 64))
        ]
        assert all(quarter.any() for quarter in quarters)


def test_new_vessels_lie_on_the_optic_disc():
    eye = Eye("right", 0.5, 1, 0)
    _, mask = draw_fundus(CLASSES.index("Proliferate_DR"), np.random.default_rng(5), 96, eye)
    assert mask[38:58, 62:82].mean() > 40  # the disc of a right eye is right of the middle


def test_microaneurysms_stay_visible_in_small_images():
    contrasts = []
    for seed in range(8):
        image, mask = draw_fundus(1, np.random.default_rng(seed), 48)
        healthy, _ = draw_fundus(0, np.random.default_rng(seed), 48)
        contrasts.append(np.abs(image.astype(int) - healthy)[..., 1][mask > 0].mean())
    assert np.mean(contrasts) > 33  # of 255, in green; 25 where dots shrink with the image without end


def test_left_eye_is_the_mirrored_right_eye():
    def brightest_column(side):
        image, _ = draw_fundus(0, np.random.default_rng(0), 96, Eye(side, 0.5, 4, 0))
        return cv2.GaussianBlur(image[..., 2], (0, 0), 5).max(axis=0).argmax()

    assert brightest_column("left") < 40 and brightest_column("right") > 56


@pytest.mark.parametrize("grade", [-1, 5, "Mild"])
def test_unknown_grade_is_refused(grade):
    with pytest.raises(ValueError, match="grade must be 0..4.*got"):
        draw_fundus(grade, np.random.default_rng(0), 64)


def test_too_small_a_size_is_refused():
    with pytest.raises(ValueError, match="at least 32 pixels.*got 31"):
        draw_fundus(1, np.random.default_rng(0), 31)


# --- The plan


@pytest.mark.parametrize("num_images", [40, 60, 600, 3662])
def test_class_counts_follow_aptos(num_images):
    counts = class_counts(num_images)
    assert counts.sum() == num_images
    assert counts.min() >= 5
    if num_images >= 600:
        expected = num_images * np.array([1805, 370, 999, 193, 295]) / 3662
        assert np.abs(counts - expected).max() < 1


@pytest.mark.parametrize("num_images", [40, 97, 600, 3662])
@pytest.mark.parametrize("seed", [0, 1])
def test_plan_keeps_its_promises(num_images, seed):
    plan = plan_images(num_images, seed)
    assert np.array_equal(np.bincount(plan["label"], minlength=5), class_counts(num_images))
    copies, originals = plan[plan["source"] >= 0], plan[plan["source"] < 0]
    assert originals.groupby("patient").size().min() >= 2
    assert originals.groupby("patient")["eye"].nunique().min() == 2
    assert (originals["label"].sub(originals["drawn"]).abs() <= 1).all()
    assert ((plan["label"] == 0) == (plan["drawn"] == 0)).all()
    sources = plan.loc[copies["source"]]
    assert (sources["source"] < 0).all() and sources.index.is_unique
    assert (sources["patient"].to_numpy() == copies["patient"].to_numpy()).all()
    assert set(abs(sources["label"].to_numpy() - copies["label"].to_numpy())) == {0, 1}


def test_label_noise_is_a_few_percent_of_the_images_with_lesions():
    plan = plan_images(3000, 0)
    graded = plan[(plan["label"] > 0) & (plan["source"] < 0)]
    assert 0.02 < (graded["label"] != graded["drawn"]).mean() < 0.06


def test_the_order_of_images_does_not_tell_the_grade():
    plan = plan_images(2000, 0)
    for number in (plan.index, plan["patient"]):
        assert abs(np.corrcoef(number, plan["label"])[0, 1]) < 0.08


# --- The folder


def test_manifest_agrees_with_the_files(manifest):
    assert len(manifest) == NUM_IMAGES
    assert manifest.classes == CLASSES
    assert manifest.counts().tolist() == list(manifest.info["counts"].values())
    assert manifest.info["phantom"] is True and "ynthetic" in manifest.info["title"]
    assert list(manifest.frame["path"]) == sorted(manifest.frame["path"])
    for path, digest in zip(manifest.paths, manifest.frame["sha256"], strict=True):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


def test_masks_are_empty_for_healthy_eyes_only(manifest):
    for path, label in zip(manifest.paths, manifest.labels, strict=True):
        mask = read_mask(path)
        assert mask.shape == (32, 32) and mask.dtype == np.uint8
        assert mask.any() == (label > 0), path


def test_injected_duplicates_are_found_again_and_no_others(manifest):
    frame, found = manifest.frame, manifest.info["duplicates"]
    sizes = frame.groupby("sha256").size()
    labels = frame.groupby("sha256")["label"].nunique()
    assert (sizes > 1).sum() == found["identical_groups"] == manifest.info["injected"]["copies"] == 4
    assert sizes[sizes > 1].sum() == found["identical_files"] == 8
    assert (labels > 1).sum() == found["conflicting_groups"] == 1
    [torn] = found["conflicts"]["identical"]
    assert len(torn) == len(set(torn.values())) == 2
    assert found["near_groups"] == 0
    assert frame.groupby("sha256")["group"].nunique().max() == 1


def test_every_patient_has_several_images(manifest):
    assert manifest.frame.groupby("group").size().min() >= 2


def test_same_seed_same_bytes_another_seed_others(phantom, tmp_path):
    again = write_fundus(tmp_path / "again", NUM_IMAGES, size=32, seed=3, progress=False)
    other = write_fundus(tmp_path / "other", 40, size=32, seed=4, progress=False)
    assert digests(again) == digests(phantom)
    assert not set(digests(other / "images").values()) & set(digests(phantom / "images").values())


def test_second_run_is_a_no_op(phantom, monkeypatch):
    def fail(*_):
        raise AssertionError("an image was drawn again")

    monkeypatch.setattr(fundus, "draw_fundus", fail)
    assert write_fundus(phantom, NUM_IMAGES, size=32, seed=3, progress=False) == phantom


def test_other_options_are_an_error_unless_forced(tmp_path):
    folder = write_fundus(tmp_path / "fundus", 40, size=32, progress=False)
    before = digests(folder)
    with pytest.raises(FileExistsError, match="'seed': 0.*'seed': 1.*--force"):
        write_fundus(folder, 40, size=32, seed=1, progress=False)
    assert digests(folder) == before
    write_fundus(folder, 40, size=32, seed=1, progress=False, force=True)
    assert json.loads((folder / "dataset.json").read_text())["preparation"]["seed"] == 1


def test_a_foreign_folder_is_never_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds no fundus phantom"):
        write_fundus(tmp_path, 40, size=32, progress=False, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_interrupted_run_leaves_nothing_and_the_next_one_completes(tmp_path, monkeypatch):
    draw, drawn = fundus.draw_fundus, []

    def interrupted(*arguments):
        drawn.append(1)
        if len(drawn) == 10:
            raise KeyboardInterrupt
        return draw(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fundus, "draw_fundus", interrupted)
        write_fundus(tmp_path / "fundus", 40, size=32, progress=False)
    assert not (tmp_path / "fundus").exists()
    folder = write_fundus(tmp_path / "fundus", 40, size=32, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["fundus"]
    assert digests(folder) == digests(write_fundus(tmp_path / "whole", 40, size=32, progress=False))


def test_a_lost_image_is_drawn_again(tmp_path):
    folder = write_fundus(tmp_path / "fundus", 40, size=32, progress=False)
    before = digests(folder)
    (folder / "images" / "00007.png").unlink()
    assert digests(write_fundus(folder, 40, size=32, progress=False)) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_images": MIN_IMAGES - 1}, "num_images must be at least 40.*got 39"),
        ({"size": 31}, "size must be at least 32.*got 31"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_fundus(tmp_path / "fundus", **options)
    assert not any(tmp_path.iterdir())


def test_command_line(tmp_path, capsys):
    main(["--output", str(tmp_path / "fundus"), "--num-images", "40", "--size", "32"])
    assert "'No_DR': 15" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main(["--output", str(tmp_path / "fundus"), "--num-images", "10"])
    assert stop.value.code == 2
    assert "at least 40" in capsys.readouterr().err


# --- Learning from it


@pytest.mark.slow
def test_a_small_network_learns_it_well_but_not_perfectly(tmp_path):
    import keras
    from sklearn.model_selection import StratifiedGroupKFold

    manifest = load_manifest(write_fundus(tmp_path / "fundus", 600, size=64, progress=False))
    images = np.stack([cv2.imread(str(path)) for path in manifest.paths]).astype(np.float32)
    folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    train, test = next(folds.split(images, manifest.labels, manifest.frame["group"]))
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Rescaling(1 / 127.5, -1)])
    for filters in (16, 32, 64, 96):
        model.add(keras.layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(keras.layers.BatchNormalization(momentum=0.9))
        model.add(keras.layers.ReLU())
        model.add(keras.layers.MaxPooling2D())
    model.add(keras.layers.GlobalAveragePooling2D())
    model.add(keras.layers.Dense(5, activation="softmax"))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", jit_compile=False)
    rng = np.random.default_rng(0)
    for epoch in range(20):
        if epoch == 14:
            model.optimizer.learning_rate = 6e-4
        flipped = [image[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))] for image in images[train]]
        model.fit(np.stack(flipped), manifest.labels[train], batch_size=16, verbose=0)

    predicted, labels = model.predict(images[test], verbose=0).argmax(axis=1), manifest.labels[test]
    recalls = [np.mean(predicted[labels == grade] == grade) for grade in range(5)]
    assert 0.70 < np.mean(predicted == labels) < 0.985  # 0.49 by calling every eye healthy
    assert np.mean(recalls) > 0.5  # 0.2 by chance
