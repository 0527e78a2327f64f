import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from drcls.metrics import accuracy, group_bootstrap_difference
from drcls.report import p_over_seeds, paired_difference, right_by_image


def right(bits, first=0):
    """Bits of right answers as `right_by_image` gives them; `first` is the number of the first image."""
    return pd.Series([bit == "1" for bit in bits], index=range(first, first + len(bits)))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_one_seed_is_mcnemars_exact_test(answers):
    one, other = (pd.Series(side) for side in zip(*answers, strict=True))
    only_one, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    discordant = only_one + only_other
    expected = binomtest(only_one, discordant).pvalue if discordant else 1.0
    assert p_over_seeds([(one, other)]) == pytest.approx(expected, abs=1e-12)


def test_seeds_on_one_test_part_count_an_image_once():
    # Five images, each won three times: 2 of the 2**5 sign patterns are as extreme, whatever the number of seeds.
    pair = (right("00000"), right("11111"))
    assert p_over_seeds([pair] * 3) == pytest.approx(2 / 2**5)
    # Sums 2, 1, 1: of the eight sign patterns two reach |4|.
    pairs = [(right("000"), right("111")), (right("000"), right("100"))]
    assert p_over_seeds(pairs) == pytest.approx(2 / 8)


def test_the_images_of_a_group_count_together():
    # Three groups of two images, each group won twice: of eight sign patterns two are as extreme, not 2 of 64.
    index = pd.MultiIndex.from_arrays([list("aabbcc"), range(6)])
    pair = tuple(pd.Series([answer] * 6, index=index) for answer in (False, True))
    assert p_over_seeds([pair]) == pytest.approx(2 / 8)
    # Copies that the second row gets right and wrong in turn say nothing.
    mixed = pd.Series([True, False] * 3, index=index), pd.Series([False, True] * 3, index=index)
    assert p_over_seeds([mixed]) == 1.0


def test_answers_are_indexed_by_group_and_each_image_once():
    frame = pd.DataFrame(
        {
            "path": ["b.png", "a.png", "a.png"],
            "group": ["2", "1", "1"],
            "label": ["x", "x", "x"],
            "predicted": ["x", "y", "y"],
        }
    )
    found = right_by_image(frame)
    assert found.to_dict() == {("1", "a.png"): False, ("2", "b.png"): True}


def test_a_difference_is_taken_over_all_seeds_together():
    def seed(group, labels, soft, hard):
        return pd.DataFrame(
            {"group": list(group), "label": list(labels), "soft": list(soft), "hard": list(hard)}
        )

    base = [seed("1122", "abab", "abab", "bbbb"), seed("3344", "abab", "abab", "aaaa")]
    other = [seed("1122", "abab", "abab", "abbb"), seed("3344", "abab", "abab", "abab")]
    # Right without: 2 and 2 of 4. With: 3 and 4 of 4. That is 3 of 8 more.
    found = paired_difference(accuracy, base, other, ["a", "b"], "hard")
    assert found["difference"] == pytest.approx(3 / 8)
    bits = (np.array(list(text), int) for text in ("01010101", "11110000", "01110101"))
    _, *bounds = group_bootstrap_difference(accuracy, *bits, list("11223344"), 2)
    assert found["interval"] == pytest.approx(bounds)
    nothing = paired_difference(accuracy, base, other, ["a", "b"], "soft")
    assert nothing == {"difference": 0, "interval": [0, 0]}


def test_seeds_that_disagree_on_one_test_part_cancel():
    assert p_over_seeds([(right("0000"), right("1111")), (right("1111"), right("0000"))]) == 1.0


def test_different_test_parts_count_side_by_side_and_contradictions_cancel():
    pairs = [(right("00000", first), right("11111", first)) for first in (0, 100)]
    assert p_over_seeds(pairs) == pytest.approx(2 / 2**10)
    assert p_over_seeds([pairs[0], pairs[1][::-1]]) == pytest.approx(1)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="at least one seed"):
        p_over_seeds([])
    with pytest.raises(ValueError, match="different images"):
        p_over_seeds([(right("01"), right("01", 5))])
