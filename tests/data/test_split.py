"""The strategies: what each puts where."""

import hashlib
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.aptos2019 import APTOS2019
from data_prep.brain_tumor_mri import BRAIN_TUMOR_MRI
from data_prep.command import main
from data_prep.phantoms.fundus import plan_images
from drcls.data import audit_leakage, deduplicate, folds, load_manifest, split
from drcls.data.split import STRATEGIES
from tests.data.tables import APTOS_COUNTS, table

PAPER = (0.8, 0.1, 0.1)


def test_paper_protocol_gives_the_printed_sizes_on_aptos_counts():
    parts = split(table(APTOS_COUNTS), PAPER, 0, "oversample_first")
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [7220, 902, 903]
    assert set(parts["train"].counts()) == {1444}
    assert set(parts["validation"].counts()) == set(parts["test"].counts()) == {180, 181}
    held = set().union(*(part.frame["path"] for part in parts.values()))
    assert len(held) == 3662


def leaked_by_formula(count, most):
    """Share of the test copies, of a class of `count` images drawn up to `most`, with a copy in train.

    An image stands in the balanced set once and then as often as it is drawn. A test copy of it has not
    leaked where each of the `most - count` draws was of another image or did not go to train.
    """
    missed = 1 - 0.8 / count
    draws = most - count
    return 1 - (count * missed**draws + (0.2 * draws * missed ** (draws - 1) if draws else 0)) / most


def test_paper_protocol_leaks_as_computed_by_hand():
    shares = []
    for seed in range(5):
        parts = split(table(APTOS_COUNTS), PAPER, seed, "oversample_first")
        audit = audit_leakage(parts["train"], parts["test"])
        shares.append([audit["overall"], *audit["per_class"].values()])
    measured = 100 * np.mean(shares, axis=0)
    np.testing.assert_allclose(measured, [72.8, 0, 98.4, 66.3, 100, 99.5], atol=2)
    per_class = [100 * leaked_by_formula(count, 1805) for count in APTOS_COUNTS.values()]
    np.testing.assert_allclose(per_class, [0, 98.4, 66.3, 100, 99.5], atol=0.05)
    np.testing.assert_allclose(measured, [np.mean(per_class), *per_class], atol=2)


def test_clean_protocol_neither_leaks_nor_loses_an_image():
    manifest = table(APTOS_COUNTS, images_per_group=2)
    parts = split(manifest, (0.7, 0.1, 0.2), 0, "grouped")
    paths = [path for part in parts.values() for path in part.frame["path"]]
    assert sorted(paths) == manifest.frame["path"].tolist()
    groups = [set(part.frame["group"]) for part in parts.values()]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert audit_leakage(parts["train"], parts["test"])["group"] == 0
    shares = parts["test"].counts() / manifest.counts()
    np.testing.assert_allclose(shares, 0.2, atol=0.02)


@settings(deadline=None, max_examples=15)
@given(
    counts=st.lists(st.integers(40, 90), min_size=2, max_size=4),
    size=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_no_group_is_ever_torn_apart(counts, size, seed):
    manifest = table({f"class{i}": count for i, count in enumerate(counts)}, size)
    parts = split(manifest, (0.6, 0.2, 0.2), seed, "grouped")
    assert sum(len(part) for part in parts.values()) == len(manifest)
    holders = [set(part.frame["group"]) for part in parts.values()]
    assert sum(map(len, holders)) == manifest.frame["group"].nunique()


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_clean_parts_never_share_a_file_nor_hold_a_contradiction(data):
    manifest = table({"a": 60, "b": 40}, images_per_group=2)
    copies = data.draw(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=20))
    for copy, source in copies:
        manifest.frame.loc[copy, "sha256"] = manifest.frame.loc[source, "sha256"]
    parts = split(manifest, (0.6, 0.2, 0.2), data.draw(st.integers(0, 2**32 - 1)), "grouped")
    held = [digest for part in parts.values() for digest in part.frame["sha256"]]
    labels = manifest.frame.groupby("sha256")["label"].nunique()
    assert sorted(held) == sorted(labels.index[labels == 1])


@pytest.mark.parametrize("fractions", [(0.7, 0.1, 0.2), PAPER, (0.6, 0.2, 0.2)])
@pytest.mark.parametrize("num_images", [300, 340, 480])
def test_clean_protocol_copes_with_the_small_classes_of_the_phantom(num_images, fractions):
    plan = plan_images(num_images, seed=0)
    manifest = table({name: 0 for name in APTOS_COUNTS} | {"No_DR": num_images})
    manifest.frame["label"] = [list(APTOS_COUNTS)[label] for label in plan["label"]]
    manifest.frame["group"] = plan["patient"].astype(str)
    originals = plan["source"].where(plan["source"] >= 0, plan.index)
    manifest.frame["sha256"] = manifest.frame["sha256"][originals].to_numpy()
    whole = deduplicate(manifest).counts()
    assert 10 < whole.min() < 22
    for seed in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parts = split(manifest, fractions, seed, "grouped")
        counts = np.array([part.counts() for part in parts.values()])
        assert counts.min() > 0
        np.testing.assert_array_equal(counts.sum(axis=0), whole)
        np.testing.assert_allclose(counts.sum(axis=1) / whole.sum(), fractions, atol=0.05)
        np.testing.assert_allclose(counts / whole, np.array(fractions)[:, None] + 0 * whole, atol=0.25)
        assert audit_leakage(parts["train"], parts["test"])["group"] == 0


@pytest.mark.slow
def test_both_protocols_on_the_real_archive(sources, tmp_path):
    folder = tmp_path / "aptos2019"
    archive = str(sources("aptos2019_gaussian_224.zip"))
    assert main(APTOS2019, ["--source", archive, "--output", str(folder)]) == 0
    manifest = load_manifest(folder)
    clean = split(manifest, (0.7, 0.1, 0.2), 0, "grouped")
    # 251 files are in 123 groups of identical ones, 30 of which contradict themselves.
    assert sum(len(part) for part in clean.values()) == 3662 - 251 + 123 - 30
    assert audit_leakage(clean["train"], clean["test"])["group"] == 0
    assert audit_leakage(clean["train"], clean["validation"])["group"] == 0
    assert audit_leakage(clean["validation"], clean["test"])["group"] == 0
    paper = split(manifest, PAPER, 0, "oversample_first")
    assert [len(part) for part in paper.values()] == [7220, 902, 903]
    # Above the 72.8 % of oversampling alone: the archive's own copies add to it.
    assert 0.72 < audit_leakage(paper["train"], paper["test"])["overall"] < 0.78


def test_one_of_identical_images_stays_and_none_of_contradictory_ones():
    manifest = table({"a": 4, "b": 4})
    manifest.frame.loc[[0, 1], "sha256"] = "same, both a"
    manifest.frame.loc[[3, 4], "sha256"] = "same, a and b"
    assert deduplicate(manifest).frame["path"].tolist() == [f"images/{i:05d}.png" for i in (0, 2, 5, 6, 7)]


@pytest.mark.parametrize(
    ("strategy", "digest"),
    [("oversample_first", "1691ba77dd050aa0"), ("grouped", "3783bbfe9a80033f")],
)
def test_the_same_seed_gives_the_same_parts_everywhere(strategy, digest):
    manifest = table({"a": 60, "b": 30, "c": 45}, images_per_group=2)
    parts = split(manifest, (0.6, 0.2, 0.2), 5, strategy)
    content = "".join(name + "".join(part.frame["path"]) for name, part in parts.items())
    assert hashlib.sha256(content.encode()).hexdigest()[:16] == digest
    others = split(manifest, (0.6, 0.2, 0.2), 6, strategy)
    assert others["test"].frame["path"].tolist() != parts["test"].frame["path"].tolist()


@pytest.mark.parametrize(
    "fractions",
    [(1.0,), (0.5, 0.2, 0.2, 0.1), (0.8, 0.3), (0.8, 0.3, 0.1), (1.0, 0.0, 0.0), (1.2, -0.1, -0.1)],
)
def test_fractions_that_are_none_are_refused(fractions):
    with pytest.raises(ValueError, match="two or three positive shares that sum to 1; received"):
        split(table(APTOS_COUNTS), fractions, 0, "oversample_first")


@pytest.mark.parametrize("strategy", ["oversample_first", "random", "grouped"])
def test_two_fractions_make_train_and_test(strategy):
    parts = split(table({"a": 60, "b": 30}, images_per_group=2), (0.7, 0.3), 0, strategy)
    assert list(parts) == ["train", "test"]
    expected = [18, 18] if strategy == "oversample_first" else [18, 9]
    np.testing.assert_allclose(parts["test"].counts(), expected, atol=5 if strategy == "grouped" else 1)


def test_a_distributed_split_needs_a_share_for_validation():
    with pytest.raises(ValueError, match="official strategy needs three fractions; received"):
        split(official({"a": 40, "b": 30}), (0.7, 0.3), 0, "official")


@given(st.integers(2, 6), st.booleans(), st.integers(0, 99))
def test_every_row_is_validated_once_and_no_group_torn_apart(num_folds, keep_groups, seed):
    manifest = table({"a": 40, "b": 24}, images_per_group=2)
    pairs = folds(manifest, num_folds, seed, keep_groups)
    assert sorted(path for _, part in pairs for path in part.frame["path"]) == sorted(manifest.frame["path"])
    for train, validation in pairs:
        assert len(train) + len(validation) == len(manifest)
        assert not set(train.frame["path"]) & set(validation.frame["path"])
        assert not keep_groups or not set(train.frame["group"]) & set(validation.frame["group"])
    again = folds(manifest, num_folds, seed, keep_groups)
    assert all(a[0].frame.equals(b[0].frame) for a, b in zip(pairs, again, strict=True))


@pytest.mark.parametrize(("num_folds", "keep_groups"), [(1, True), (5, False), (4, True)])
def test_folds_that_cannot_hold_every_class_are_refused(num_folds, keep_groups):
    manifest = table({"a": 40, "b": 4}, images_per_group=4 if keep_groups else 1)
    manifest = manifest.select(range(0, 44, 11)) if keep_groups and num_folds == 4 else manifest
    with pytest.raises(ValueError, match=rf"nowhere: {num_folds} folds of .* expected at least 2"):
        folds(manifest, num_folds, 0, keep_groups)


@pytest.mark.parametrize("lone", [["b"], ["a", "b"]])
def test_folds_whose_groups_leave_a_part_without_a_class_are_refused(lone):
    """All 20 images of "b" lie in one group: no two folds can hold the class."""
    manifest = table({"a": 40, "b": 20})
    in_one = manifest.frame["label"] == "b"
    frame = manifest.frame.assign(group=manifest.frame["group"].where(~in_one, "one patient"))
    if "a" in lone:  # and the patient has an image of the other class too
        frame.loc[0, "group"] = "one patient"
    manifest = type(manifest)(manifest.root, frame, manifest.info)
    with pytest.raises(
        ValueError, match=r"nowhere: fold 0 of .* 2 folds leaves parts without a class: .*'b'"
    ):
        folds(manifest, 2, 0, keep_groups=True)
    folds(manifest, 2, 0, keep_groups=False)


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match="received 'leaky'"):
        split(table(APTOS_COUNTS), PAPER, 0, "leaky")


def test_a_random_split_holds_every_image_once_and_meets_the_shares():
    manifest = table(APTOS_COUNTS)
    parts = split(manifest, PAPER, 0, "random")
    paths = [path for part in parts.values() for path in part.frame["path"]]
    assert sorted(paths) == sorted(manifest.frame["path"])
    for part, share in zip(parts.values(), PAPER, strict=True):
        np.testing.assert_allclose(part.counts(), share * manifest.counts(), atol=1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_splitting_leaves_the_whole_alone(strategy):
    manifest = official({"a": 40, "b": 30})
    before = manifest.frame.copy()
    split(manifest, PAPER, 0, strategy)
    assert manifest.frame.equals(before)


def test_shares_are_met_as_well_as_whole_groups_allow():
    parts = split(table({"a": 3, "b": 9}), (1 / 3, 1 / 3, 1 / 3), 0, "grouped")
    np.testing.assert_array_equal([part.counts() for part in parts.values()], [[1, 3]] * 3)
    parts = split(table({"a": 5, "b": 50}), (0.6, 0.2, 0.2), 0, "grouped")
    np.testing.assert_array_equal([part.counts() for part in parts.values()], [[3, 30], [1, 10], [1, 10]])


@pytest.mark.parametrize(
    ("counts", "images_per_group", "fractions", "sizes"),
    [
        ({"a": 50, "b": 2}, 1, PAPER, "a 50 in 50, b 2 in 2"),
        ({"a": 51, "b": 6}, 3, PAPER, "a 51 in 17, b 6 in 2"),
        ({"a": 50, "b": 50}, 1, (0.98, 0.01, 0.01), "a 50 in 50, b 50 in 50"),
    ],
)
def test_a_class_or_share_too_small_for_three_parts_is_named(counts, images_per_group, fractions, sizes):
    with pytest.raises(ValueError, match=rf"nowhere: no split of whole groups into .*in groups: {sizes}$"):
        split(table(counts, images_per_group), fractions, 0, "grouped")


def test_too_few_images_for_the_paper_protocol_are_named():
    with pytest.raises(ValueError, match=r"nowhere: 6 images are too few .* into \[0.8"):
        split(table({"a": 3, "b": 2}), PAPER, 0, "oversample_first")
    with pytest.raises(ValueError, match="nowhere has no image of b"):
        split(table({"a": 3, "b": 0}), PAPER, 0, "oversample_first")


# --- The official split


def official(counts, images_per_group=1):
    """Make a manifest of which every fifth image is official as a test image."""
    manifest = table(counts, images_per_group)
    manifest.frame["source_split"] = [
        "Testing" if row % 5 == 4 else "Training" for row in range(len(manifest))
    ]
    return manifest


def rows_of(part):
    """Which rows of the whole a part holds."""
    return [int(path[7:12]) for path in part.frame["path"]]


@pytest.mark.parametrize("strategy", ["official", "official_grouped"])
def test_the_distributed_test_part_is_kept_and_the_rest_divided_in_the_ratio_of_the_others(strategy):
    parts = split(official({"a": 100, "b": 50}), (0.6, 0.2, 0.2), 0, strategy)
    assert rows_of(parts["test"]) == list(range(4, 150, 5))
    # A quarter of 80 and of 40.
    assert parts["validation"].counts().tolist() == [20, 10]
    assert parts["train"].counts().tolist() == [60, 30]
    assert sorted(row for part in parts.values() for row in rows_of(part)) == list(range(150))
    others = split(official({"a": 100, "b": 50}), (0.6, 0.2, 0.2), 1, strategy)
    assert rows_of(others["validation"]) != rows_of(parts["validation"])
    assert rows_of(others["test"]) == rows_of(parts["test"])


@pytest.mark.parametrize("names", [("train", "test"), ("TRAIN", "Test"), ("Training_Set", "test-images")])
def test_distributors_spell_their_parts_in_several_ways(names):
    manifest = official({"a": 20, "b": 20})
    expected = split(manifest, PAPER, 0, "official")
    manifest.frame["source_split"] = manifest.frame["source_split"].map(
        dict(zip(("Training", "Testing"), names, strict=True))
    )
    parts = split(manifest, PAPER, 0, "official")
    assert all(rows_of(parts[name]) == rows_of(expected[name]) for name in parts)


def test_what_a_distributed_split_tears_apart_by_hand():
    manifest = official({"a": 100, "b": 50})  # test rows 4, 9, 14, ...
    frame = manifest.frame
    frame.loc[[4, 5, 6], ["sha256", "group"]] = "one file, once in test and twice in training"
    frame.loc[[9, 10], "group"] = "a patient with different images in both parts"
    frame.loc[[14, 19], ["sha256", "group"]] = "one file, twice in test"
    frame.loc[[20, 21], ["sha256", "group"]] = "one file, twice in training"
    frame.loc[[24, 109], ["sha256", "group"]] = "one file of test under two labels"
    leaky = split(manifest, (0.6, 0.2, 0.2), 0, "official")
    seen = manifest.select(rows_of(leaky["train"]) + rows_of(leaky["validation"]))
    audit = audit_leakage(seen, leaky["test"])
    assert (audit["identical"], audit["group"], audit["num_test"]) == (1 / 30, 2 / 30, 30)
    clean = split(manifest, (0.6, 0.2, 0.2), 0, "official_grouped")
    assert rows_of(clean["test"]) == [row for row in range(4, 150, 5) if row not in (19, 24, 109)]
    seen = rows_of(clean["train"]) + rows_of(clean["validation"])
    assert sorted(seen) == [row for row in range(150) if row % 5 != 4 and row not in (5, 6, 10, 21)]
    assert audit_leakage(clean["train"], clean["test"])["group"] == 0


def test_a_contradiction_across_the_parts_is_in_neither():
    manifest = official({"a": 50, "b": 50})
    manifest.frame.loc[[4, 60], ["sha256", "group"]] = "a in test, b in training"
    parts = split(manifest, PAPER, 0, "official_grouped")
    assert not {4, 60} & {row for part in parts.values() for row in rows_of(part)}


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_no_group_straddles_a_clean_distributed_split(data):
    manifest = official({"a": 90, "b": 70}, images_per_group=1)
    frame, rows = manifest.frame, st.integers(0, 159)
    for row, other in data.draw(st.lists(st.tuples(rows, rows), max_size=25)):
        frame.loc[row, ["group", "sha256", "phash"]] = frame.loc[other, ["group", "sha256", "phash"]]
    for row, other in data.draw(st.lists(st.tuples(rows, rows), max_size=25)):
        frame.loc[frame["group"] == frame.loc[row, "group"], "group"] = frame.loc[other, "group"]
    parts = split(manifest, (0.6, 0.2, 0.2), data.draw(st.integers(0, 2**32 - 1)), "official_grouped")
    groups = [set(part.frame["group"]) for part in parts.values()]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert audit_leakage(parts["train"], parts["test"])["group"] == 0
    assert audit_leakage(parts["validation"], parts["test"])["group"] == 0
    # Nothing but copies and contradictions leaves the test part, and nothing enters it.
    labels = frame.groupby("sha256")["label"].nunique()
    wanted = set(frame["sha256"][frame["source_split"] == "Testing"]) & set(labels.index[labels == 1])
    assert sorted(parts["test"].frame["sha256"]) == sorted(wanted)
    assert set(parts["test"].frame["source_split"]) == {"Testing"}


@pytest.mark.parametrize("strategy", ["official", "official_grouped"])
@pytest.mark.parametrize("name", ["", "elsewhere"])
def test_an_image_in_no_distributed_part_is_refused(strategy, name):
    manifest = official({"a": 20, "b": 20})
    manifest.frame.loc[[3, 8], "source_split"] = name
    with pytest.raises(ValueError, match=rf"nowhere: .*'train', .*received .*'{name}': 2"):
        split(manifest, PAPER, 0, strategy)


@pytest.mark.parametrize("strategy", ["official", "official_grouped"])
def test_a_distributed_part_without_a_class_is_refused(strategy):
    manifest = official({"a": 20, "b": 20})
    manifest.frame.loc[20:, "source_split"] = "Training"
    with pytest.raises(ValueError, match=r"nowhere: .*without a class: {'test': \['b'\]}"):
        split(manifest, PAPER, 0, strategy)
    manifest.frame["source_split"] = "Testing"
    with pytest.raises(ValueError, match="nowhere: "):
        split(manifest, PAPER, 0, strategy)


@pytest.mark.parametrize("strategy", ["random", "official"])
def test_a_class_too_rare_for_every_part_is_refused(strategy):
    manifest = official({"a": 1000, "b": 12})
    # Of twelve images a share of 4 % is none, which stratification does not mind.
    manifest.frame["source_split"] = ["Testing" if row in (0, 1001) else "Training" for row in range(1012)]
    for seed in range(5):
        with pytest.raises(ValueError, match=r"nowhere: a \w+ split .*without a class: .*\['b'\].*'b': 12"):
            split(manifest, (0.96, 0.02, 0.02), seed, strategy)
    assert all(part.counts().all() for part in split(manifest, (0.6, 0.2, 0.2), 0, strategy).values())


@pytest.mark.parametrize("fractions", [(0.7, 0.15, 0.15), PAPER, (0.7, 0.1, 0.2)])
@pytest.mark.parametrize("num_groups", [3, 4, 5, 6, 7])
def test_three_groups_of_each_class_are_enough_for_a_clean_split(num_groups, fractions):
    manifest = table({"a": num_groups, "b": 2 * num_groups})
    # Rows of b lie in groups of two.
    manifest.frame["group"] = [*range(num_groups), *np.repeat(np.arange(num_groups) + num_groups, 2)]
    manifest.frame["group"] = manifest.frame["group"].astype(str)
    for seed in range(5):
        parts = split(manifest, fractions, seed, "grouped")
        assert all(part.counts().all() for part in parts.values())
        assert len(parts["train"]) == max(map(len, parts.values()))
        assert audit_leakage(parts["train"], parts["test"])["group"] == 0


def test_too_few_images_for_a_random_split_are_told_in_our_own_words():
    manifest = table({"a": 4, "b": 1})
    with pytest.raises(ValueError, match="too few for a split of single images.*b 1. Add images") as raised:
        split(manifest, (0.7, 0.15, 0.15), 0, "random")
    assert "n_splits" not in str(raised.value) and "least populated" not in str(raised.value)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_data_without_an_image_of_a_class_are_refused_by_all(strategy):
    manifest = official({"a": 30, "b": 30, "c": 0})
    with pytest.raises(ValueError, match="nowhere has no image of c, .*It can be evaluated as it is"):
        split(manifest, PAPER, 0, strategy)


def with_validation():
    manifest = official({"a": 30, "b": 30})
    manifest.frame["source_split"] = np.tile(["train"] * 6 + ["val"] * 2 + ["test"] * 2, 6)
    return manifest


def test_an_official_validation_part_is_kept():
    parts = split(with_validation(), PAPER, 0, "official")
    assert {name: set(part.frame["source_split"]) for name, part in parts.items()} == {
        "train": {"train"},
        "validation": {"val"},
        "test": {"test"},
    }
    assert [len(part) for part in parts.values()] == [36, 12, 12]


def test_groups_of_official_parts_stay_in_the_part_that_measures():
    manifest = with_validation()
    # Rows 0 (train), 6 (val), 8 (test) are one group; 1 (train), 7 (val) another.
    manifest.frame.loc[[0, 6, 8], "group"] = "one"
    manifest.frame.loc[[1, 7], "group"] = "two"
    parts = split(manifest, PAPER, 0, "official_grouped")
    assert {name: len(part) for name, part in parts.items()} == {"train": 34, "validation": 11, "test": 12}
    paths = {name: set(part.frame["path"]) for name, part in parts.items()}
    assert manifest.frame["path"][8] in paths["test"] and manifest.frame["path"][7] in paths["validation"]


@pytest.mark.slow
def test_the_distributed_split_of_the_real_brain_archive(sources, tmp_path):
    folder = tmp_path / "brain_tumor_mri"
    archive = str(sources("brain_tumor_mri_224.zip"))
    assert main(BRAIN_TUMOR_MRI, ["--source", archive, "--output", str(folder)]) == 0
    manifest = load_manifest(folder)
    parts = split(manifest, (0.7, 0.1, 0.2), 0, "official")
    assert [len(part) for part in parts.values()] == [4994, 714, 1311]
    audit = audit_leakage(parts["train"], parts["test"])
    # Most healthy brains are in both parts, many as versions of other contrast.
    assert 0.34 < audit["overall"] < 0.39 and 0.13 < audit["identical"] < 0.17
    # A third more are in training turned or mirrored.
    assert 0.31 < audit["turned"] < 0.36
    assert audit["per_class"]["notumor"] > 0.88 and audit["per_class"]["glioma"] == 0
    parts = split(manifest, (0.7, 0.1, 0.2), 0, "official_grouped")
    assert parts["test"].counts().tolist() == [299, 301, 381, 300]
    assert (parts["train"].counts() + parts["validation"].counts()).tolist() == [1240, 1046, 319, 1223]
    for seen, unseen in (("train", "test"), ("validation", "test"), ("train", "validation")):
        assert audit_leakage(parts[seen], parts[unseen])["group"] == 0


@pytest.mark.parametrize("rare", [[3], [4], [5], [3, 4]])
def test_a_rare_class_does_not_keep_the_others_from_their_shares(rare):
    manifest = table({"a": 600} | {f"rare {i}": count for i, count in enumerate(rare)})
    for fractions in (PAPER, (0.7, 0.1, 0.2)):
        parts = split(manifest, fractions, 0, "grouped")
        assert sum(len(part) for part in parts.values()) == len(manifest)
        assert all(part.counts().all() for part in parts.values())
        shares = [part.counts()[0] / 600 for part in parts.values()]
        assert shares == pytest.approx(fractions, abs=0.05)


def test_few_groups_of_a_class_are_a_rare_class_too():
    manifest = table({"a": 600, "b": 20})
    manifest.frame.loc[600:, "group"] = [f"group {i % 4}" for i in range(20)]
    parts = split(manifest, PAPER, 0, "grouped")
    assert [part.counts()[0] for part in parts.values()] == [480, 60, 60]


@pytest.mark.parametrize("size, seed", [(300, 0), (150, 0), (150, 1)])
def test_a_large_group_lies_in_the_largest_part_beside_a_rare_class(size, seed):
    manifest = table({"a": 600, "b": 3})
    manifest.frame.loc[: size - 1, "group"] = "large"
    parts = split(manifest, PAPER, seed, "grouped")
    shares = [part.counts()[0] / 600 for part in parts.values()]
    assert shares == pytest.approx(PAPER, abs=0.11)


def test_shares_that_a_group_is_too_large_for_are_warned_of():
    manifest = table({"a": 60, "b": 60})
    manifest.frame["group"] = np.where(np.arange(120) % 60 < 40, "large", manifest.frame["group"])
    with pytest.warns(
        UserWarning, match=r"nowhere: the parts hold .* images, not shares of \[0.1, 0.1, 0.8\]"
    ):
        parts = split(manifest, (0.1, 0.1, 0.8), 0, "grouped")
    assert max(map(len, parts.values())) >= 80


@pytest.mark.parametrize("strategy", ["random", "grouped"])
@pytest.mark.parametrize("seed", [-1, 1.5, "0", None])
def test_a_seed_that_is_none_is_named(strategy, seed):
    with pytest.raises(ValueError, match="seed must be a whole number of 0 or more; received"):
        split(table({"a": 20, "b": 20}), PAPER, seed, strategy)


def test_no_strategy_is_named():
    with pytest.raises(ValueError, match="strategy must be one of .* received None"):
        split(table({"a": 20, "b": 20}), PAPER, 0, None)


def test_a_given_training_part_of_too_few_groups_is_validated_image_by_image():
    manifest = table({"a": 40, "b": 40})
    manifest.frame["source_split"] = np.tile(np.repeat(["train", "test"], 10), 4)
    manifest.frame["group"] = np.where(manifest.frame["label"] == "a", "one patient", "another")
    with pytest.warns(UserWarning, match="has too few groups for a validation part of whole groups"):
        parts = split(manifest, (0.7, 0.15, 0.15), 0, "official_validated")
    assert len(parts["test"]) == 40 and parts["validation"].counts().all()
