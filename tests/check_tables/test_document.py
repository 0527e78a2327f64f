"""Reading a document, and refusing what is none."""

import pytest

from drcls.check_tables import Document, check


def made(**row):
    return Document({"tables": {"1": {"unit": "percent", "rows": [row]}}})


def test_decimals_go_from_row_to_table_to_column():
    rows = [{"accuracy": 91.7}, {"accuracy": 91.25}, {"accuracy": 90, "decimals": 0}]
    document = Document({"tables": {"1": {"rows": rows}}})
    assert [document.decimals(f"/tables/1/rows/{i}/accuracy") for i in range(3)] == [2, 2, 0]
    document.tables["1"]["decimals"] = {"accuracy": 1}
    assert [document.decimals(f"/tables/1/rows/{i}/accuracy") for i in range(3)] == [1, 1, 0]


def test_a_column_of_intervals_has_the_digits_of_its_bounds():
    rows = [{"accuracy": 90.83, "interval": [86.1, 95.6]}, {"accuracy": 88.3, "interval": [82.59, 94]}]
    document = Document({"tables": {"1": {"rows": rows, "decimals": {"accuracy": 2}}}})
    assert [document.decimals(f"/tables/1/rows/0/interval/{side}") for side in (0, 1)] == [2, 2]
    del rows[1]
    assert document.decimals("/tables/1/rows/0/interval/0") == 1
    assert made(interval=[]).decimals("/tables/1/rows/0/interval") == 0


def test_shares_and_their_rounding():
    share, half = made(accuracy=96.12).share("/tables/1/rows/0/accuracy")
    assert share == pytest.approx(0.9612) and half == pytest.approx(0.00005, rel=1e-3)


def test_places_are_the_reported_numbers_and_no_labels():
    document = Document(
        {
            "tables": {
                "3": {
                    "keys": ["rho"],
                    "rows": [{"rho": 2.03, "accuracy": 0.9, "num_test": 421}],
                    "unit": "share",
                }
            },
            "datasets": {"d": {"total": 5, "class_images": [3, 2]}},
            "text": [{"value": 7}, {"value": [1, 2]}],
        }
    )
    expected = {
        "/tables/3/rows/0/accuracy",
        "/datasets/d/total",
        "/text/0/value",
        "/text/1/value/0",
        "/text/1/value/1",
    }
    assert set(document.places()) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must be a JSON object, received list"),
        ({"tables": []}, "/tables must be an object, received list"),
        ({"tables": {"1": {"rows": 5}}}, '/tables/1 must be an object with a list "rows"'),
        ({"tables": {"1": {"rows": [5]}}}, "/tables/1/rows/0 must be an object, received 5"),
        ({"tables": {"1": {"rows": [], "unit": "%"}}}, "/tables/1/unit must be one of percent"),
        (
            {"tables": {"1": {"rows": [], "unit": ["percent"]}}},
            r"/tables/1/unit must be one of percent, .*, received \['percent'\]",
        ),
        ({"tables": {"1": {"rows": [], "unit": {"f1": ["share"]}}}}, "/tables/1/unit must be one of percent"),
        ({"tables": {"1": {"rows": [], "dataset": {"name": "x"}}}}, "must name one of /datasets, received {"),
        ({"tables": {"1": {"rows": [], "dataset": "x"}}}, "must name one of /datasets, received 'x'"),
        (
            {"tables": {"1": {"rows": [{"accuracy": 101}]}}},
            "accuracy must be a number in 0 to 100, received 101",
        ),
        ({"tables": {"1": {"rows": [{"accuracy": "96"}]}}}, "received '96'"),
    ],
)
def test_what_is_no_document_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        Document(content)


@pytest.mark.parametrize(
    ("table", "row", "place"),
    [
        ({"decimals": -400}, {}, "/tables/1/decimals"),
        ({"decimals": 400}, {}, "/tables/1/decimals"),
        ({"decimals": {"accuracy": "2"}}, {}, "/tables/1/decimals/accuracy"),
        ({}, {"decimals": 0.5}, "/tables/1/rows/0/decimals"),
        ({}, {"decimals": True}, "/tables/1/rows/0/decimals"),
    ],
)
def test_decimals_that_are_no_number_of_digits_are_refused(table, row, place):
    content = {"tables": {"1": {"num_test": 50, "rows": [{"accuracy": 90} | row]} | table}}
    with pytest.raises(ValueError, match=f"^{place} must be a whole number from -15 to 15, received"):
        check(content)


def test_a_slash_and_a_tilde_within_names_are_escaped():
    rows = [{"model": "A", "accuracy": 90, "decimals": 1}, {"model": "B", "accuracy": 80.52}]
    content = {
        "tables": {"2/3~a": {"num_test": 10, "dataset": "a/b", "rows": rows}},
        "datasets": {"a/b": {"total": 10}},
        "text": [{"value": 90, "same_as": "/tables/2~13~0a/rows/0/accuracy"}],
    }
    document, cell = Document(content), "/tables/2~13~0a/rows/0/accuracy"
    assert {cell, "/datasets/a~1b/total"} <= set(document.places())
    assert (document.number(cell), document.decimals(cell), document.scale(cell)) == (90, 1, 100)
    assert document.decimals(cell.replace("/0/", "/1/")) == 2
    # 9 of 10 is 90 %; 80.52 % of 10 is no whole number.
    verdicts = {place: finding.verdict for finding in check(document) for place in finding.places}
    assert verdicts == {
        cell: "consistent",
        cell.replace("/0/", "/1/"): "inconsistent",
        "/text/0/value": "consistent",
    }


def test_a_slash_that_is_not_escaped_is_explained():
    document = Document({"tables": {"2/3": {"rows": [{"accuracy": 90}]}}})
    message = r"nothing at /tables/2/3/rows/0 \(looked for '2'; a / within a name is written ~1\)"
    with pytest.raises(ValueError, match=message):
        document.at("/tables/2/3/rows/0")


def test_every_rule_follows_names_with_a_slash():
    table_by_class = {
        "model": "A",
        "num_test": 4,
        "rows": [
            {"class": name, "precision": 50, "recall": 50, "f1": 50, "support": 2} for name in ("N/A", "b")
        ],
    }
    rows = [{"model": "A", "accuracy": 50, "macro_recall": 50}, {"model": "B", "accuracy": 25}]
    row = "/tables/4~15/rows/0"
    images = [{"class": "a", "images": 2}, {"class": "b", "images": 2}]
    content = {
        "classes": ["N/A", "b"],
        "datasets": {
            "d/e": {
                "total": 4,
                "class_counts": "/tables/1~12",
                "balanced": {"per_class": 2, "total": 4},
                "balanced_before_split": True,
                "split": {"train/a": 2, "train": 1, "test": 1},
                "split_shares": {"train/a": 0.5},
            }
        },
        "tables": {
            "1/2": {"unit": "images", "rows": images, "total": 4},
            "2/3": table_by_class,
            "4/5": {"num_test": 4, "rows": rows},
        },
        "confusion_matrices": [{"matrix": [[1, 1], [1, 1]], "table_row": row}],
        "diagonals": [{"by_class": "2/3", "hits": {"N/A": 1, "b": 1}, "table_row": row}],
        "claims": [
            {"test": {"kind": kind, "rows": [row, row[:-1] + "1"]}} for kind in ("differ", "intervals_apart")
        ],
    }
    document = Document(content)
    findings = check(document)
    for place in (place for finding in findings for place in finding.places):
        document.at(place)
    rules = {finding.rule for finding in findings}
    assert {"total", "split_share", "macro_average", "diagonal", "diagonal_sum", "matrix_total"} <= rules
    assert {"claim_differ", "claim_intervals_apart", "dictionary", "class_weights"} <= rules


@pytest.mark.parametrize("kind", ["differ", "intervals_apart"])
def test_a_row_of_no_table_is_refused(kind):
    claim = {"test": {"kind": kind, "rows": ["/text/0", "/text/0"]}}
    with pytest.raises(ValueError, match="/text/0 lies in none of /tables; a row of a table was expected"):
        check({"text": [{"value": 1}], "claims": [claim]})


def test_decimals_of_the_text_and_of_a_matrix_are_refused_too():
    with pytest.raises(ValueError, match="^/text/1/decimals must be a whole number"):
        check({"text": [{"value": 1}, {"value": 1, "decimals": -400, "same_as": "/text/0/value"}]})
    matrix = {"matrix": [[1, 0], [0, 1]], "percent_right": [100, 0], "percent_decimals": -400}
    with pytest.raises(ValueError, match="^/confusion_matrices/0/percent_decimals must be a whole number"):
        check({"confusion_matrices": [matrix]})


def test_a_unit_of_the_text_must_be_known():
    claim = {"test": {"kind": "one_vs_rest", "cell": "/text/0/value", "classes": 5}}
    with pytest.raises(ValueError, match="^/text/0/unit must be one of percent, .* received 'points'"):
        check({"text": [{"value": 2, "unit": "points"}], "claims": [claim]})


def test_a_number_that_is_too_large_is_an_error_of_the_document():
    text = [{"value": 10**400}, {"value": 1, "same_as": "/text/0/value"}]
    with pytest.raises(ValueError, match="the rule text_against_cells reads is too large"):
        check({"text": text})
