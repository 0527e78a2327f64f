"""The report of a set of runs: one Markdown file, and one HTML file that needs nothing beside it."""

import base64
import html
import os
import re
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pandas as pd

from drcls.report.tables import duration, escape_markdown, to_markdown
from drcls.runs import write_text

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, sans-serif; color: #1d2430; background: #fff; max-width: 80rem;
  margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.25; }
h2 { font-size: 1.3rem; margin-top: 2.5rem; border-bottom: 2px solid #d5dbe3; padding-bottom: .25rem; }
a { color: #0b5394; }
code { background: #f1f3f6; padding: .1em .3em; border-radius: 3px; font-size: .9em; }
.synthetic { background: #fff3c4; border: 3px solid #9a4b00; color: #5a2c00; padding: .8rem 1rem;
  font-weight: 700; border-radius: 6px; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; background: #f6f8fa;
  border: 1px solid #d5dbe3; border-radius: 6px; padding: .8rem 1rem; }
.facts dt { font-weight: 600; }
.facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 1rem 0 1.5rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: 0; }
th, td { border: 1px solid #d5dbe3; padding: .3rem .55rem; text-align: left; vertical-align: top; }
thead th { background: #eef2f6; vertical-align: bottom; }
.absent { color: #5d6673; font-style: italic; }
.short { white-space: nowrap; }
figure { margin: 1.5rem 0; }
figure img { max-width: 100%; height: auto; border: 1px solid #d5dbe3; }
figcaption { font-size: .9rem; color: #3c4654; }
@media (max-width: 30rem) {
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: .5rem; } }
"""

_ABSENT = re.compile(r"(not (run|printed|audited|recorded)|unfinished|undefined|reference not run)\b")


@dataclass(frozen=True)
class Table:
    """A DataFrame of text and its caption."""

    frame: pd.DataFrame
    caption: str


@dataclass(frozen=True)
class Figure:
    """A PNG file, its caption, and `alt`: what it shows, for those who cannot see it."""

    path: Path
    caption: str
    alt: str


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    Args:
        heading: plain text.
        parts: list of `Table`, `Figure` and str. A string is plain text: blank lines part paragraphs, a
            paragraph of lines that start with "- " is a list, where lines indented by two spaces go on with an item,
            and `code` stands in backticks.
    """

    heading: str
    parts: list


def write_report(folder, title, sections, runs):
    """Write `report.md` and `report.html` into a folder.

    Both open with what was run: data set, protocols, profiles, seeds, devices, versions, commits and wall
    time, below a loud label where the images are synthetic. The HTML file holds its figures and style itself,
    loads nothing and runs no script. The Markdown file refers to the figures where they are.

    Args:
        folder: where to write; made if missing.
        title: plain text.
        sections: list of `Section`.
        runs: the runs behind the report, from `read_runs`.

    Returns:
        (path of report.md, path of report.html)

    Raises:
        ValueError: where there are no runs, or a part is of another type.
        FileNotFoundError: where a figure is missing; nothing is written then.
    """
    if not runs:
        raise ValueError(f"{folder}: a report needs at least one run, received none")
    folder = Path(folder)
    for part in (part for section in sections for part in section.parts):
        if not isinstance(part, Table | Figure | str):
            raise ValueError(f"a report part is a Table, a Figure or a str, received {type(part).__name__}")
        if isinstance(part, Figure) and not Path(part.path).is_file():
            raise FileNotFoundError(f"{part.path}: no such figure; draw it before writing the report")
    pages = {
        "report.md": _markdown(folder, title, sections, runs),
        "report.html": _html(title, sections, runs),
    }
    for name, text in pages.items():
        write_text(folder / name, text)
    return folder / "report.md", folder / "report.html"


def run_facts(runs):
    """Return what stands on top of a report, as a dict of text: the settings and machines of all runs."""
    envs = [run["env"] for run in runs]
    seconds = [env["wall_seconds"] for env in envs if env.get("wall_seconds") is not None]
    versions = {f"{name} {number}" for env in envs for name, number in env.get("versions", {}).items()}
    finished = sum(run["finished"] for run in runs)
    return {
        "Data": _different(run["data"] + (" (phantom)" if run["phantom"] else "") for run in runs),
        "Protocol": _different(run["protocol"] for run in runs),
        "Profile": _different(run["profile"] for run in runs),
        "Seeds": _different(str(run["seed"]) for run in runs),
        "Runs": f"{finished} finished, {len(runs) - finished} unfinished",
        "Device": _different(env.get("device") for env in envs),
        "Backend": _different(env.get("backend") for env in envs),
        "Versions": _different(versions),
        "Command": _different(env.get("command") for env in envs),
        "Git commit": _different(env.get("git_commit") for env in envs),
        "Wall time": f"{duration(sum(seconds))} in {len(seconds)} runs" if seconds else "not recorded",
    }


def _different(values):
    return ", ".join(sorted({str(value) for value in values if value})) or "not recorded"


def _warning(runs):
    """Return the label of synthetic data, or None where all runs are real."""
    if not any(run["phantom"] for run in runs):
        return None
    return (
        "SYNTHETIC DATA. The images of the runs marked (phantom) were drawn by a program. Their figures show "
        "that the code works; they say nothing about the paper's data and reproduce none of its results."
    )


def _markdown(folder, title, sections, runs):
    """Return the Markdown page; figures are referred to relative to `folder`."""
    blocks = [f"# {escape_markdown(title)}"]
    if warning := _warning(runs):
        blocks.append(f"> **{warning}**")
    blocks.append(
        "\n".join(f"- **{name}**: {escape_markdown(text)}" for name, text in run_facts(runs).items())
    )
    for section in sections:
        blocks.append(f"## {escape_markdown(section.heading)}")
        for part in section.parts:
            if isinstance(part, Table):
                blocks += [f"**{escape_markdown(part.caption)}**", to_markdown(part.frame).rstrip()]
            elif isinstance(part, Figure):
                path = Path(os.path.relpath(part.path, folder)).as_posix()
                blocks += [f"![{escape_markdown(part.alt)}](<{path}>)", f"*{escape_markdown(part.caption)}*"]
            else:
                blocks.append(part.strip())
    return "\n\n".join(blocks) + "\n"


def _html(title, sections, runs):
    """Return the HTML page."""
    name = html.escape(title)
    warning = _warning(runs)
    facts = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(text)}</dd>\n" for key, text in run_facts(runs).items()
    )
    contents = "".join(
        f'<li><a href="#s{number}">{html.escape(section.heading)}</a></li>\n'
        for number, section in enumerate(sections, 1)
    )
    body = "".join(_html_section(number, section) for number, section in enumerate(sections, 1))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        f"<header>\n<h1>{name}</h1>\n"
        + (f'<p class="synthetic" role="note">{html.escape(warning)}</p>\n' if warning else "")
        + f'<dl class="facts">\n{facts}</dl>\n</header>\n'
        f'<nav aria-label="Contents">\n<ul>\n{contents}</ul>\n</nav>\n'
        f"<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _html_section(number, section):
    parts = "".join(_html_part(part) for part in section.parts)
    return f'<section>\n<h2 id="s{number}">{html.escape(section.heading)}</h2>\n{parts}</section>\n'


def _html_part(part):
    if isinstance(part, Table):
        return _html_table(part)
    if isinstance(part, Figure):
        return _html_figure(part)
    return "".join(_html_paragraph(text) for text in re.split(r"\n\s*\n", part.strip()))


def _html_table(table):
    """Return a table grouped by its first column; columns with one value in every group are not repeated."""
    frame, caption = table.frame, html.escape(table.caption)
    head = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in frame.columns)
    rows = [[str(cell) for cell in row] for row in frame.itertuples(index=False)]
    groups = [list(group) for _, group in groupby(rows, key=itemgetter(0))]
    shared = [all(len({row[i] for row in group}) == 1 for group in groups) for i in range(len(frame.columns))]
    body = "".join(_html_group(group, shared) for group in groups)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{caption}">\n<table>\n'
        f"<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n{body}</table>\n</div>\n"
    )


def _html_group(rows, shared):
    """Return the rows of one group as a `tbody`; a shared column (bool per column) becomes one tall cell."""
    span = len(rows)
    lines = []
    for number, row in enumerate(rows):
        cells = [
            _html_cell(cell, index == 0, span if shared[index] else 1)
            for index, cell in enumerate(row)
            if number == 0 or not shared[index]
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>\n")
    return f"<tbody>\n{''.join(lines)}</tbody>\n"


def _html_cell(text, heading, span):
    """Return one cell: what was not measured is set apart, and figures and short names do not wrap."""
    classes = " ".join(["absent"] * bool(_ABSENT.match(text)) + ["short"] * (len(text) < 30))
    rows = f' rowspan="{span}"' if span > 1 else ""
    if heading:
        scope = "rowgroup" if span > 1 else "row"
        return f'<th scope="{scope}" class="{classes}"{rows}>{html.escape(text)}</th>'
    return f'<td class="{classes}"{rows}>{html.escape(text)}</td>'


def _html_figure(figure):
    image = base64.b64encode(Path(figure.path).read_bytes()).decode("ascii")
    return (
        f'<figure>\n<img src="data:image/png;base64,{image}" alt="{html.escape(figure.alt)}">\n'
        f"<figcaption>{html.escape(figure.caption)}</figcaption>\n</figure>\n"
    )


def _html_paragraph(text):
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
    items = text.replace("\n  ", " ").splitlines()
    if all(item.startswith("- ") for item in items):
        return "<ul>\n" + "".join(f"<li>{item[2:]}</li>\n" for item in items) + "</ul>\n"
    return f"<p>{' '.join(text.splitlines())}</p>\n"
