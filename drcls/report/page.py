"""The report of a set of runs: one Markdown file, and one HTML file that needs nothing beside it."""

import base64
import os
import re
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from drcls.files import write_text
from drcls.report.markdown import escape_markdown, to_markdown
from drcls.report.tables import duration
from drcls.report.text import kind_of_images

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_CSS_PIXELS_PER_INCH = 96
_PAGE_WIDTH = 1150
_LONGEST_UNWRAPPED = 32  # characters
_BREAKS = re.compile(r"([_+])(?=[A-Za-z])")
_NUMBER = re.compile(r"[<+-]?\s?\d")
_ABSENT = re.compile(
    r"(not (run|reported|tested|audited|recorded|measured)|unfinished|undefined|reference not run)\b"
)


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


def write_report(folder, title, sections, runs, verdict=()):
    """Write `report.md` and `report.html` into a folder.

    Both open with the verdict and with what was run: data set, protocols, profiles, seeds, devices, versions,
    commits and wall time, below a label where the images are synthetic or a small sample. The HTML file holds its
    figures and style itself, loads nothing and runs no script. The Markdown file refers to the figures where they are.

    Args:
        folder: where to write; made if missing.
        title: plain text.
        sections: list of `Section`.
        runs: the runs behind the report, from `read_runs`.
        verdict: sentences of plain text, from `verdict`; `code` stands in backticks.

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
        "report.md": _markdown(folder, title, sections, runs, verdict),
        "report.html": _html(title, sections, runs, verdict),
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
        "Data": _different(run["data"] + kind_of_images([run]) for run in runs),
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


def _warnings(runs):
    """Return what must be said of the images first: that they are synthetic, or a sample."""
    synthetic = (
        "SYNTHETIC DATA. A program drew the images of the runs marked (synthetic). Their numbers show that the "
        "code works. They say nothing about the paper's data and reproduce none of its results."
    )
    samples = sorted({run["sample"] for run in runs if run["sample"]})
    return [synthetic] * any(run["phantom"] for run in runs) + samples


def _markdown(folder, title, sections, runs, verdict):
    """Return the Markdown page; figures are referred to relative to `folder`."""
    blocks = [f"# {escape_markdown(title)}"]
    blocks += [f"> **{warning}**" for warning in _warnings(runs)]
    blocks += verdict
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


def _html(title, sections, runs, verdict):
    """Return the HTML page."""
    return TEMPLATES.get_template("report.html").render(
        title=title,
        warnings=_warnings(runs),
        verdict=verdict,
        facts=run_facts(runs),
        sections=sections,
        kind=lambda part: type(part).__name__,
        layout=_table_layout,
        picture=_picture,
        paragraphs=_paragraphs,
        text=_with_code,
        breakable=_breakable,
    )


def _table_layout(frame):
    """Return columns, an estimate of the least width in CSS pixels, and rows grouped by the first column.

    A column with one value in every group becomes one tall cell in each. Numbers stay on one line, as "81.0 ± 0.5",
    where the page is wide enough for that.
    """
    rows = [[str(cell) for cell in row] for row in frame.itertuples(index=False)]
    groups = [list(group) for _, group in groupby(rows, key=itemgetter(0))]
    shared = [all(len({row[i] for row in group}) == 1 for group in groups) for i in range(len(frame.columns))]
    columns = [str(name) for name in frame.columns]
    kept = _least_width([columns, *rows], numbers_wrap=False)
    wrap = kept > _PAGE_WIDTH
    return {
        "columns": columns,
        "width": _least_width([columns, *rows], numbers_wrap=True) if wrap else kept,
        "groups": [_group_cells(group, shared, wrap) for group in groups],
    }


def _least_width(rows, numbers_wrap):
    """Return about how many CSS pixels the columns need, given that cells wrap between words."""

    def longest_piece(text):
        if _is_number(text) and not numbers_wrap:
            return len(text)
        return max(map(len, _BREAKS.sub(r"\1 ", text).split()), default=0)

    return sum(16 + round(7.5 * max(map(longest_piece, column))) for column in zip(*rows, strict=True))


def _is_number(text):
    return bool(_NUMBER.match(text)) and len(text) <= _LONGEST_UNWRAPPED


def _group_cells(rows, shared, numbers_wrap):
    """Return the cells of one group's rows; those of a shared column (bool per column) stand in the first alone."""
    return [
        [
            _cell(text, index == 0, len(rows) if shared[index] else 1, numbers_wrap)
            for index, text in enumerate(row)
            if number == 0 or not shared[index]
        ]
        for number, row in enumerate(rows)
    ]


def _cell(text, heading, span, numbers_wrap):
    """Return one cell: what was not measured is set apart, and numbers do not wrap."""
    classes = "absent" if _ABSENT.match(text) else "number" if _is_number(text) and not numbers_wrap else None
    return {"text": text, "heading": heading, "span": span, "classes": classes}


def _breakable(name):
    """Escape a name and let a browser break it after an underscore or plus."""
    return Markup(_BREAKS.sub(r"\1<wbr>", str(escape(name))))


def _picture(path):
    """Return a PNG as base64 and its width in CSS pixels: an inch of the canvas is an inch of the page."""
    with Image.open(path) as image:
        dots_per_inch = image.info.get("dpi", (_CSS_PIXELS_PER_INCH,))[0]
        width = round(image.width * _CSS_PIXELS_PER_INCH / dots_per_inch)
    return {"data": base64.b64encode(Path(path).read_bytes()).decode("ascii"), "width": width}


def _paragraphs(text):
    """Split plain text into paragraphs and lists, as `Section` describes."""
    paragraphs = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.replace("\n  ", " ").splitlines()
        if all(line.startswith("- ") for line in lines):
            paragraphs.append({"bullets": [line[2:] for line in lines]})
        else:
            paragraphs.append({"bullets": [], "text": " ".join(block.splitlines())})
    return paragraphs


def _with_code(text):
    """Escape text and turn `code` in backticks into markup."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
