"""Text and tables as Markdown, with names that stay what they are."""

import re


def to_markdown(frame):
    """Write a DataFrame of text as a Markdown table, without its index.

    Names are escaped, so that a pipe or an angle bracket in a class name neither breaks the table nor
    becomes HTML.
    """
    lines = [[str(cell) for cell in row] for row in [frame.columns, *frame.itertuples(index=False)]]
    lines.insert(1, ["---"] * len(frame.columns))
    escaped = [[cell if cell == "---" else escape_markdown(cell) for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def escape_markdown(text):
    """Escape what Markdown would read as markup in a table cell or a line of text."""
    text = re.sub(r"([\\`*|<\[\]])|(?<!\w)_|_(?!\w)", lambda match: "\\" + match.group(), text)
    return " ".join(text.split())
