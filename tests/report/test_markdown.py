import pandas as pd

from drcls.report import to_markdown


def test_markdown_keeps_odd_names_in_their_cells():
    frame = pd.DataFrame({"a|b": ["<script>", "No_DR"], "c": ["*x*", "two\nlines"]})
    lines = to_markdown(frame).splitlines()
    assert lines == [
        r"| a\|b | c |",
        "| --- | --- |",
        r"| \<script> | \*x\* |",
        "| No_DR | two lines |",
    ]
