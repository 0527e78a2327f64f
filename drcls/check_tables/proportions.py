"""Shares of a known number of images: an accuracy of n images is a whole number over n."""

import itertools
import math

from drcls.check_tables.finding import agreement, consistent, inconsistent, note


def whole_numbers(document):
    """Each accuracy must be k/n for a whole k; one that only fits with fewer digits has a false zero."""
    findings = []
    for place, table, row in document.rows("accuracy"):
        n, cell = document.num_test(table, row), f"{place}/accuracy"
        share, half = document.share(cell)
        # With many images every rounded value is some k/n, and the rule says nothing.
        if n is None or 2 * half * n >= 1:
            continue
        nearest = round(share * n)
        arithmetic = f"{nearest} of {n} is {_percent(nearest / n)}, reported {_percent(share)}"
        if counts(share, half, n):
            findings.append(consistent("whole_number", [cell], arithmetic + "."))
        elif false_zeros(document, cell, n):
            arithmetic += "; it fits with fewer digits: a value rounded earlier was given false zeros."
            findings.append(inconsistent("false_zero", [cell], arithmetic))
        else:
            findings.append(inconsistent("whole_number", [cell], arithmetic + f"; no count of {n} gives it."))
    return findings


def common_number(document):
    """Which number of images makes several accuracies of one test part whole numbers.

    An entry of `same_test_part` names the cells, the range `at_least` to `at_most`, and perhaps what the part is
    of the whole: `share` and the largest whole that is possible, `whole_at_most`.
    """
    findings = []
    for entry in document.same_test_part:
        cells = entry["cells"]
        shares = [document.share(cell) for cell in cells]
        fitting = [
            n
            for n in range(entry.get("at_least", 2), entry["at_most"] + 1)
            if all(counts(share, half, n) for share, half in shares)
        ]
        listed = ", ".join(map(str, fitting[:12])) + (", ..." if len(fitting) > 12 else "")
        arithmetic = (
            f"All {len(cells)} accuracies are whole numbers of n images for n in {{{listed}}} "
            f"up to {entry['at_most']}"
        )
        if not fitting:
            findings.append(inconsistent("common_number", cells, f"{arithmetic}: none."))
        elif "share" in entry:
            findings.append(_against_the_whole(entry, cells, fitting, arithmetic))
        else:
            findings.append(note("common_number", cells, f"{arithmetic}."))
    return findings


def _against_the_whole(entry, cells, fitting, arithmetic):
    most, wholes = entry["whole_at_most"], [smallest_whole(n, entry["share"]) for n in fitting]
    arithmetic += f"; a part of {entry['share']:g} makes that at least {', '.join(map(str, wholes))} in all"
    if min(wholes) <= most:
        return note("common_number", cells, f"{arithmetic}, at most {most} exist.")
    arithmetic += (
        f", and at most {most} exist, {min(wholes) - most} fewer. If the accuracies share one part, it held "
        "images that should have been removed, or copies; a chance agreement of this kind is not excluded."
    )
    return inconsistent("common_number", cells, arithmetic, severity="warning")


def smallest_whole(n, share):
    """The fewest images of which a part of `share` can be n, rounded up, down or to the nearest.

    Rounding up, as scikit-learn's train_test_split does for the test part, reaches n with the fewest.

    Example:
        >>> smallest_whole(20, 0.2)
        96
    """
    if not 0 < share <= 1:
        raise ValueError(
            f"the share of a part in same_test_part must be above 0 and at most 1, received {share}"
        )
    # The product is taken as it is where data are split: 0.07 * 100 is above 7 and rounds up to 8.
    candidates = itertools.count(max(n, math.floor((n - 1) / share) - 1))
    return next(whole for whole in candidates if math.ceil(share * whole) >= n)


def less_than_an_image(document):
    """Claims of kind "less_than_an_image": two shares whose difference is below one image of `n_at_most`."""
    findings = []
    for index, claim in enumerate(document.claims):
        test = claim.get("test", {})
        if test.get("kind") != "less_than_an_image":
            continue
        first, second = (document.share(cell)[0] for cell in test["cells"])
        images = abs(first - second) * test["n_at_most"]
        arithmetic = (
            f"The difference of {100 * abs(first - second):.2f} points is {images:.2f} of at most "
            f"{test['n_at_most']} images."
        )
        findings.append(agreement("less_than_an_image", [f"/claims/{index}"], images >= 1, arithmetic))
    return findings


def counts(share, half, n):
    """All whole k with |k/n - share| within half a digit."""
    return range(max(0, math.ceil((share - half) * n)), min(n, math.floor((share + half) * n)) + 1)


def false_zeros(document, cell, n):
    """Whether a value ends in zeros without which it would be a whole number over n."""
    value, decimals, scale = document.number(cell), document.decimals(cell), document.scale(cell)
    return any(
        math.isclose(value, round(value, fewer)) and counts(value / scale, 0.5 * 10.0**-fewer / scale, n)
        for fewer in range(decimals - 1, -1, -1)
    )


def _percent(share):
    return f"{100 * share:.3f} %"
