"""A Markdown table has one column a head, whatever stands in its cells."""

from experiments.results.markdown import markdown


def test_a_table_by_hand():
    rows = [{"row": "a|b", "kappa": "0.5"}, {"row": "c"}]
    assert markdown(rows) == "| row | kappa |\n| --- | --- |\n| a\\|b | 0.5 |\n| c | no grades |\n"
    assert markdown([]) == "None measured yet.\n"
