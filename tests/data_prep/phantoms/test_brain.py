"""The synthetic MR slices: what is drawn, what is written, and that it can be learned but not by heart."""

import hashlib
import json

import cv2
import numpy as np
import pytest

from data_prep.phantoms import brain
from data_prep.phantoms.brain import COUNTS, MIN_IMAGES, main, plan_images, split_counts, write_brain
from data_prep.phantoms.head import CLASSES, Head, draw_slice
from drcls.data import audit_leakage, load_manifest, split

NUM_IMAGES = 120
HEALTHY = CLASSES.index("notumor")
TUMOURS = [label for label in range(len(CLASSES)) if label != HEALTHY]


def digests(folder):
    """SHA-256 of every file by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def centre_of(mask):
    """Centre of a mask, in image widths from the middle: right, down."""
    rows, columns = np.nonzero(mask)
    return columns.mean() / mask.shape[1] - 0.5, rows.mean() / mask.shape[0] - 0.5


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_brain(tmp_path_factory.mktemp("data") / "brain", NUM_IMAGES, size=32, seed=3, progress=False)


@pytest.fixture(scope="module")
def manifest(phantom):
    return load_manifest(phantom)


# --- One slice


@pytest.mark.parametrize("size", [32, 64, 150])
@pytest.mark.parametrize("label", range(4))
def test_image_and_mask_have_the_promised_form(label, size):
    image, mask = draw_slice(label, np.random.default_rng(label), size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert (image == image[..., :1]).all()
    assert mask.shape == (size, size) and mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 255}
    assert image[:2, :2].mean() < 30 and image[size // 4 : -size // 4, size // 4 : -size // 4].mean() > 40
    assert mask.any() == (label != HEALTHY)


@pytest.mark.parametrize("label", TUMOURS)
def test_every_tumour_is_visible(label):
    for seed in range(80):
        image, mask = draw_slice(label, np.random.default_rng(seed), 32)
        assert mask.any(), f"seed {seed} drew no {CLASSES[label]}"
        assert image[mask > 0].mean() > 30  # none lies in the bone or in the air


@pytest.mark.parametrize("label", TUMOURS)
def test_mask_lies_where_the_picture_differs_from_its_healthy_twin(label):
    inside, outside = [], []
    for seed in range(8):
        head = Head(seed, 0, 0.85, 0.4)
        image, mask = draw_slice(label, np.random.default_rng(seed), 96, head)
        healthy, _ = draw_slice(HEALTHY, np.random.default_rng(seed), 96, head)
        changed = np.abs(image.astype(int) - healthy).max(axis=-1)
        # The halo of a glioma has no edge, and the scanner's blur carries every tumour beyond its own.
        far = cv2.dilate(mask, np.ones((15, 15), np.uint8)) == 0
        inside.append(changed[mask > 0].mean())
        outside.append(changed[far].mean())
    assert np.mean(inside) > 20 and np.mean(outside) < 1


def test_tumours_lie_where_their_names_say():
    places = {name: [] for name in CLASSES}
    for label in TUMOURS:
        for seed in range(60):
            _, mask = draw_slice(label, np.random.default_rng(seed), 64)
            places[CLASSES[label]].append(centre_of(mask))
    right, down = np.array(places["pituitary"]).T
    assert abs(right).max() < 0.09 and down.min() > -0.03 and down.mean() > 0.02 and down.max() < 0.2
    right, _ = np.array(places["glioma"]).T
    assert abs(right).min() > 0.05 and 0.3 < (right > 0).mean() < 0.7
    distance = {name: np.hypot(*np.transpose(points)) for name, points in places.items() if points}
    assert distance["meningioma"].mean() > distance["glioma"].mean() + 0.05


def test_a_meningioma_is_evener_than_a_glioma():
    def unevenness(label):
        head = [Head(seed, 0, 0.85, 0.4) for seed in range(12)]
        slices = [draw_slice(label, np.random.default_rng(h.shape), 96, h) for h in head]
        return np.mean([image[cv2.erode(mask, np.ones((5, 5))) > 0].std() for image, mask in slices])

    assert unevenness(CLASSES.index("glioma")) > 1.3 * unevenness(CLASSES.index("meningioma"))


def test_slices_of_a_patient_show_one_tumour_at_one_place():
    head = Head(4, 0, 0.85, 0.4)
    slices = [draw_slice(1, np.random.default_rng(seed), 64, head) for seed in range(6)]
    places = np.array([centre_of(mask) for _, mask in slices])
    assert np.ptp(places, axis=0).max() < 0.15
    assert len({image.tobytes() for image, _ in slices}) == 6


@pytest.mark.parametrize("label", [-1, 4, "glioma"])
def test_unknown_label_is_refused(label):
    with pytest.raises(ValueError, match="label must be 0..3.*got"):
        draw_slice(label, np.random.default_rng(0), 64)


def test_too_small_a_size_is_refused():
    with pytest.raises(ValueError, match="at least 32 pixels.*got 31"):
        draw_slice(1, np.random.default_rng(0), 31)


# --- The plan


@pytest.mark.parametrize("num_images", [80, 97, 600, 7023])
def test_counts_follow_the_original(num_images):
    counts = split_counts(num_images)
    assert counts.sum() == num_images and counts.min() >= 3
    assert np.abs(counts - num_images * COUNTS / 7023).max() < 1
    assert (split_counts(7023) == [[1321, 1339, 1595, 1457], [300, 306, 405, 300]]).all()


@pytest.mark.parametrize("num_images", [80, 97, 600, 3000])
@pytest.mark.parametrize("seed", [0, 1])
def test_plan_keeps_its_promises(num_images, seed):
    plan = plan_images(num_images, seed)
    for counts, name in zip(split_counts(num_images), ("Training", "Testing"), strict=True):
        assert np.array_equal(np.bincount(plan["label"][plan["source_split"] == name], minlength=4), counts)
    copies, originals = plan[plan["source"] >= 0], plan[plan["source"] < 0]
    patients = originals.groupby("patient")
    assert patients.size().min() >= 2 and patients.size().max() <= 5
    assert patients["label"].nunique().max() == patients["source_split"].nunique().max() == 1
    sources = plan.loc[copies["source"]]
    assert (sources["source"] < 0).all() and sources.index.is_unique
    assert set(sources["source_split"]) == {"Training"}
    for column in ("label", "patient"):
        assert (sources[column].to_numpy() == copies[column].to_numpy()).all()
    assert abs(len(copies) - num_images * 300 / 7023) <= 1
    assert (copies["source_split"] == "Testing").sum() == round(num_images * 189 / 7023)


def test_the_order_of_images_tells_neither_class_nor_part():
    plan = plan_images(2000, 0)
    for number in (plan.index, plan["patient"]):
        for what in (plan["label"], plan["source_split"] == "Testing"):
            assert abs(np.corrcoef(number, what)[0, 1]) < 0.08


# --- The folder


def test_manifest_agrees_with_the_files(manifest):
    assert len(manifest) == NUM_IMAGES
    assert manifest.classes == CLASSES
    assert manifest.counts().tolist() == list(manifest.info["counts"].values())
    assert manifest.info["phantom"] is True and "ynthetic" in manifest.info["title"]
    assert list(manifest.frame["path"]) == sorted(manifest.frame["path"])
    for path, digest in zip(manifest.paths, manifest.frame["sha256"], strict=True):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert 0.17 < (manifest.frame["source_split"] == "Testing").mean() < 0.21


def test_masks_are_empty_for_healthy_brains_only(manifest):
    for path, label in zip(manifest.paths, manifest.labels, strict=True):
        mask = cv2.imread(str(path.parents[1] / "masks" / path.name), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (32, 32) and mask.dtype == np.uint8
        assert mask.any() == (label != HEALTHY), path


def test_injected_duplicates_are_found_again_and_no_others(manifest):
    frame, found = manifest.frame, manifest.info["duplicates"]
    files = frame.groupby("sha256")
    assert (files.size() > 1).sum() == found["identical_groups"] == manifest.info["injected"]["copies"] == 5
    straddling = files["source_split"].nunique() > 1
    assert straddling.sum() == manifest.info["injected"]["straddling_copies"] == 3
    assert found["conflicting_groups"] == found["near_groups"] == 0
    assert files["group"].nunique().max() == 1
    # Nothing but these copies ties the two parts together.
    assert (frame.groupby("group")["source_split"].nunique() > 1).sum() <= 3


def test_the_distributed_split_leaks_and_its_clean_form_does_not(manifest):
    parts = split(manifest, (0.7, 0.1, 0.2), 0, "official")
    seen = manifest.select(np.flatnonzero(manifest.frame["source_split"] == "Training"))
    assert audit_leakage(seen, parts["test"])["num_leaked"] == 3
    parts = split(manifest, (0.7, 0.1, 0.2), 0, "official_grouped")
    assert audit_leakage(parts["train"], parts["test"])["group"] == 0


def test_the_smallest_phantom_can_be_split_cleanly(tmp_path):
    manifest = load_manifest(write_brain(tmp_path / "brain", MIN_IMAGES, size=32, progress=False))
    parts = split(manifest, (0.7, 0.1, 0.2), 0, "official_grouped")
    assert all(part.counts().all() for part in parts.values())


def test_same_seed_same_bytes_another_seed_others(phantom, tmp_path):
    again = write_brain(tmp_path / "again", NUM_IMAGES, size=32, seed=3, progress=False)
    other = write_brain(tmp_path / "other", MIN_IMAGES, size=32, seed=4, progress=False)
    assert digests(again) == digests(phantom)
    assert not set(digests(other / "images").values()) & set(digests(phantom / "images").values())


def test_second_run_is_a_no_op_and_a_lost_image_is_drawn_again(tmp_path, monkeypatch):
    def fail(*_):
        raise AssertionError("an image was drawn again")

    folder = write_brain(tmp_path / "brain", MIN_IMAGES, size=32, progress=False)
    before = digests(folder)
    with monkeypatch.context() as patch:
        patch.setattr(brain, "draw_slice", fail)
        assert write_brain(folder, MIN_IMAGES, size=32, progress=False) == folder
    (folder / "masks" / "00007.png").unlink()
    assert digests(write_brain(folder, MIN_IMAGES, size=32, progress=False)) == before


def test_other_options_or_a_foreign_folder_are_refused(phantom, tmp_path):
    before = digests(phantom)
    with pytest.raises(FileExistsError, match="'seed': 3.*'seed': 1.*--force"):
        write_brain(phantom, NUM_IMAGES, size=32, seed=1, progress=False)
    assert digests(phantom) == before
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds no brain phantom"):
        write_brain(tmp_path, MIN_IMAGES, size=32, progress=False, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_images": MIN_IMAGES - 1}, "num_images must be at least 80.*got 79"),
        ({"size": 31}, "size must be at least 32.*got 31"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_brain(tmp_path / "brain", **options)
    assert not any(tmp_path.iterdir())


def test_command_line(tmp_path, capsys):
    main(["--output", str(tmp_path / "brain"), "--num-images", "80", "--size", "32"])
    assert json.loads((tmp_path / "brain" / "dataset.json").read_text())["name"] == "brain_phantom"
    assert "'notumor': 23" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main(["--output", str(tmp_path / "brain"), "--num-images", "10"])
    assert stop.value.code == 2
    assert "at least 80" in capsys.readouterr().err


# --- Learning from it


@pytest.mark.slow
def test_pixels_tell_the_classes_apart_but_not_perfectly(tmp_path):
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    manifest = load_manifest(write_brain(tmp_path / "brain", 600, size=64, progress=False))
    images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in manifest.paths]
    pixels = [cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA).ravel() for image in images]
    predicted = cross_val_predict(
        ExtraTreesClassifier(300, random_state=0),
        np.array(pixels),
        manifest.labels,
        groups=manifest.frame["group"],
        cv=StratifiedGroupKFold(4, shuffle=True, random_state=0),
    )
    assert 0.45 < np.mean(predicted == manifest.labels) < 0.95  # 0.28 by calling every brain healthy
