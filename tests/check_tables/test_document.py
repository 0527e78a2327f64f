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
