"""Each claim is printed where it says, and stands beside a committed row."""

import pytest

from drcls.files import read_json
from experiments.results.claims import CLAIMS, EXPERIMENTS, runs_of
from experiments.results.figures import FIGURES
from experiments.results.page import ABOUT
from experiments.results.runs import RESULTS


def numbers(content):
    """All numbers of a nested JSON value."""
    if isinstance(content, dict | list):
        values = content.values() if isinstance(content, dict) else content
        return {number for value in values for number in numbers(value)}
    return {content} if isinstance(content, int | float) else set()


def test_claims_are_printed_as_published():
    for claim in CLAIMS:
        published = read_json(RESULTS.parent / claim.experiment / "published.json")
        assert claim.printed is None or float(claim.printed) in numbers(published), claim.what


def test_every_claim_stands_beside_a_committed_row_of_real_data():
    for claim in CLAIMS:
        runs = [run for protocol in ("paper", "clean") for run in runs_of(RESULTS, claim, protocol)]
        assert runs and not any(run["phantom"] for run in runs), claim.what


def test_no_row_stands_in_a_table_twice():
    rows = [(claim.experiment, claim.data, claim.profile, claim.variant) for claim in CLAIMS]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_first_claim_of_a_paper_and_no_other_says_what_was_trained(experiment):
    first, *others = (claim.trained for claim in CLAIMS if claim.experiment == experiment)
    assert first and not any(others)


def test_every_page_is_about_the_same_papers():
    claimed = {claim.experiment for claim in CLAIMS}
    assert set(EXPERIMENTS) == claimed == set(FIGURES) == set(ABOUT)
