"""The page of all comparisons, made from the recorded numbers alone."""

HEAD = """# Speed against what people would use instead

Made by `make bench` from `results.json`; do not edit. Each line is a ratio of two sides that did the same work in
one run: their answers were compared first, then they were timed in turns. The ratio is the median over the rounds of
their seconds over ours, with the lowest and the highest round in brackets; 2.0 means that ours takes half the time.
Units per second are medians and depend on the machine and on what else ran there (the load is the number of running
processes per core when the comparison began, 0 on an idle machine); the ratios depend on it less. A goal is reached
where every round reaches it, missed where none does, and else unclear: repeat the comparison on an idle machine.
"""


def page(rows):
    """Return Markdown: the table, what was compared, the goals that were missed, the machines.

    Args:
        rows: list of dict as `comparison.measure` gives them, each with `machine`, `date` and `load`.
    """
    rows = sorted(rows, key=lambda row: (row["what"], row["against"]))
    machines = sorted({row["machine"] for row in rows})
    table = [
        "| work | against | ratio | goal | reached | ours | theirs | date | load | machine |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    table += [_line(row, machines) for row in rows]
    how = {row["what"]: f"{row['how']} {row['rounds']} rounds, {row['clock']}." for row in rows}
    missed = [
        f"- {row['what']}, against {row['against']}: {row['ratio'] / row['goal']:.0%} of the goal. {row['limits']}"
        for row in rows
        if _verdict(row) == "no"
    ]
    sections = [
        HEAD,
        "\n".join(table),
        "## What was compared",
        "\n".join(f"- **{what}.** {text}" for what, text in how.items()),
        "## Goals that were missed",
        "\n".join(missed) or "None.",
        "## Machines",
        "\n".join(f"{number}. {machine}" for number, machine in enumerate(machines, start=1)),
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _verdict(row):
    """Say "yes" or "no" where all rounds agree; the median of rounds on both sides of the goal decides nothing."""
    if row["lowest"] >= row["goal"]:
        return "yes"
    return "no" if row["highest"] < row["goal"] else "unclear"


def _line(row, machines):
    cells = [
        row["what"],
        row["against"],
        f"**{row['ratio']:.2f}** ({row['lowest']:.2f}-{row['highest']:.2f})",
        f"{row['goal']:g}",
        _verdict(row),
        *(f"{row[side]:.3g} {row['unit']}/s" for side in ("ours", "theirs")),
        row["date"],
        f"{row['load']:.1f}",
        str(machines.index(row["machine"]) + 1),
    ]
    return f"| {' | '.join(cells)} |"
