"""The page of all comparisons, made from the recorded numbers alone."""

HEAD = """# Speed against what people would use instead

Made by `make bench` from `results.json`; do not edit. Each line is a ratio of two sides that were timed in turns in
one run. Where both give an answer, the answers were compared first; where their work differs, the note below the table
says how. The ratio is the median over the rounds of
their seconds over ours, with the lowest and the highest round in brackets; 2.0 means that ours takes half the time.
Units per second are medians and depend on the machine and on what else ran there (the load is the number of running
processes per core when the comparison began, 0 on an idle machine); the ratios depend on it less. A goal is reached
where every round reaches it, missed where none does, and else unclear: repeat the comparison on an idle machine.
"""


GROWTH = """## As data grow

Made by `python -m benchmarks.growth`; seconds of one run, of eleven for the pages of the application (median). Peak
memory is that of the process since it began. A process that reads a memory-mapped file also shows its pages: memory
"of its own" leaves them out.

| work | seconds | goal | peak memory, MiB | memory of its own, MiB: at a quarter, at the end | date | load |
|---|---|---|---|---|---|---|"""
INT8 = """## int8

Made by `python -m benchmarks.int8`: `{row}` trained on {data}, {size} px, on its {images} test images; ranges measured
on training images. int8 gives {same_class:.1%} of them the class that float32 gives; accuracy {accuracy_float32:.2%} in
float32, {accuracy_int8:.2%} in int8. Goals: three times `model.predict`, at most 0.2 points lost. Median of five
rounds, the sides in turns; `model.predict` took {fastest:.2f} to {slowest:.2f} s. Load {load:.1f}, {date}.

| side | images/s | times `model.predict` |
|---|---|---|"""
AUCMEDI = """## Against AUCMEDI {aucmedi}

Made by `python -m benchmarks.against_aucmedi`: {backbone} with ImageNet weights, the 402 blood cells that come with
drcls at {size} px, the same split, {epochs} epochs in batches of {batch_size}, each side with its own recipe (AUCMEDI:
focal loss with class weights, Adam, its augmentation). Three seeds, which also change the split; the two sides took
turns. An epoch of AUCMEDI takes **{seconds_ratio:.2f}** times as long as one of `drcls train` ({ratios}). On the test
images {accuracies} are right on average; so few of them can only show large differences. An epoch of `drcls train` also
re-estimates batch-norm statistics, one more pass over training images; how much of its time that takes was not
measured. What a user types: {lines_typed[drcls]} commands with drcls, {lines_typed[AUCMEDI]} lines of Python with
AUCMEDI (`benchmarks/aucmedi_side.py` without its clock). AUCMEDI's own three commands take no saved backbone and set no
test images apart. Load {load:.1f}, {date}.

| side | seed | seconds an epoch | right | 95 % interval (Wilson) |
|---|---|---|---|---|"""


def page(rows, growth=None, int8=None, aucmedi=None):
    """Return Markdown: the table, what was compared, the goals that were missed, the other sections, the machines.

    Args:
        rows: list of dict as `comparison.measure` gives them, each with `machine`, `date` and `load`.
        growth: dict, the content of `growth.json`, or None.
        int8: dict, the content of `int8.json`, or None.
        aucmedi: dict, the content of `aucmedi.json`, or None.
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
        *([_growth(growth)] if growth else []),
        *([_int8(int8)] if int8 else []),
        *([_aucmedi(aucmedi)] if aucmedi else []),
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


def _growth(growth):
    lines = [GROWTH]
    for measured in growth.values():
        for row in measured["rows"]:
            own = row.get("memory")
            cells = [
                row["what"],
                f"{row['seconds']:.3g}",
                f"{row['goal_seconds']:g}" if "goal_seconds" in row else "",
                f"{row['peak_memory_mib']:.0f}",
                f"{own['at_a_quarter']:.0f}, {own['at_the_end']:.0f}" if own else "",
                measured["date"],
                f"{measured['load']:.1f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    figure = ["", "![memory while 100,000 images are prepared, cached and read](growth.png)"]
    return "\n".join(lines + (figure if "images" in growth else []))


def _int8(measured):
    rates = measured["images_per_second"]
    seconds = measured["seconds"]["model.predict"]
    lines = [INT8.format(**measured, **measured["loss"], fastest=min(seconds), slowest=max(seconds))]
    lines += [
        f"| {side} | {rate:.0f} | {rate / rates['model.predict']:.2f} |" for side, rate in rates.items()
    ]
    return "\n".join(lines)


def _aucmedi(measured):
    accuracies = " and ".join(
        f"{100 * value:.1f} % ({side})" for side, value in measured["mean_accuracy"].items()
    )
    ratios = ", ".join(f"{ratio:.2f}" for ratio in measured["seconds_ratios"])
    lines = [AUCMEDI.format(**measured, ratios=ratios, accuracies=accuracies)]
    for run in measured["runs"]:
        low, high = run["wilson"]
        cells = [
            run["side"],
            f"{run['seed']}",
            f"{run['seconds_per_epoch']:.1f}",
            f"{run['right']} of {run['test_images']}",
            f"{100 * low:.0f} to {100 * high:.0f} %",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
