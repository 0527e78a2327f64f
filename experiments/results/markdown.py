"""Tables as Markdown."""


def markdown(rows):
    """Return a Markdown table.

    Args:
        rows: list of dict from a column's head to its text; without any, words say so.
    """
    if not rows:
        return "None measured yet.\n"
    heads = list(dict.fromkeys(head for row in rows for head in row))
    lines = [heads, ["---"] * len(heads), *([row.get(head, "no grades") for head in heads] for row in rows)]
    return "".join(map(_line, lines))


def _line(cells):
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(escaped)} |\n"
