"""A verdict for every reported number, claim, equation and figure of the five papers, computed when asked for.

python -m experiments.results.ledger            print the counts, renew `experiments/results/ledger.md`
python -m experiments.results.ledger --check    also print what the consistency rules find in each paper

A number is decided, in this order, by: an arithmetic contradiction (`drcls.check_tables`); results under the paper's
own settings (`experiments.results.measured`); a reading that the paper's `published.json` gives with its reason; an
arithmetic agreement. What nothing decides is open or not testable here, for the reason that `published.json` gives.
"""

import argparse
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from drcls.check_tables import Document, check
from drcls.check_tables.page import as_text
from drcls.files import read_json, write_text
from experiments.results.claims import EXPERIMENTS
from experiments.results.markdown import markdown
from experiments.results.measured import say
from experiments.results.runs import RESULTS, real_runs

LEDGER = RESULTS / "ledger.md"
VERDICTS = ("confirmed", "refuted", "consistent", "open", "not testable here")
KINDS = ("number", "claim", "equation", "figure")
NAMES = {"consistent": "consistent (arithmetic only)"}  # of verdicts, in the table of counts


@dataclass(frozen=True)
class Entry:
    """One item of a paper and its verdict.

    Args:
        paper: name of the experiment.
        kind: number, claim, equation or figure.
        place: JSON pointer into the paper's `published.json`.
        where: table, figure or section of the paper.
        what: the row and column, or the sentence.
        reported: the value as reported, "" where there is none.
        verdict: one of VERDICTS.
        decided_by: arithmetic, measurement, reading or nothing.
        reason: the arithmetic, what was measured, or why nothing decides it.
        files: result or source files that the reason rests on, relative to `experiments/results` or the repository.
    """

    paper: str
    kind: str
    place: str
    where: str
    what: str
    reported: str
    verdict: str
    decided_by: str
    reason: str
    files: tuple[str, ...] = ()


def read_paper(name):
    return Document(read_json(RESULTS.parent / name / "published.json"))


def entries(name, document=None, runs=None):
    """Return the Entry of every item of one paper, in the order of its document.

    Args:
        name: str, one of EXPERIMENTS.
        document: Document of the paper; None reads its `published.json`.
        runs: sequence of dict, the results to decide by; None takes the committed ones of real data.
    """
    document = document or read_paper(name)
    runs = real_runs() if runs is None else runs
    found = {}
    for finding in check(document):
        # The optional second opinion must not make the ledger depend on what is installed.
        for place in finding.places if finding.rule != "mlscorecheck" else ():
            found.setdefault(place, []).append(finding)
    made = [
        Entry(name, "number", place, *_label(document, place), *_verdict(document, place, found, runs))
        for place in document.places()
    ]
    for kind in ("claim", "equation", "figure"):
        for index, item in enumerate(getattr(document, f"{kind}s")):
            place = f"/{kind}s/{index}"
            decided = _figure(item, made) or _verdict(document, place, found, runs)
            made.append(Entry(name, kind, place, item["where"], item["what"], "", *decided))
    return made


def _verdict(document, place, found, runs):
    """(verdict, decided by, reason, files) of one item."""
    findings, owners = found.get(place, []), _owners(document, place)
    errors = [finding for finding in findings if finding.severity == "error"]
    agreements = [finding for finding in findings if finding.verdict == "consistent"]
    remarks = " ".join(finding.arithmetic for finding in findings if finding.severity == "warning")
    measured = _measured(document, place, owners, runs)
    beside = " ".join(part for part in (measured.reason if measured else "", remarks) if part)
    files = measured.files if measured else ()
    if errors:
        return (
            "refuted",
            "arithmetic",
            _join(" ".join(dict.fromkeys(f.arithmetic for f in errors)), beside),
            files,
        )
    if measured and measured.verdict:
        return measured.verdict, "measurement", beside, files
    own = owners[0]
    if "judged" in own:
        return own["judged"]["verdict"], "reading", _join(own["judged"]["reason"], beside), files
    if agreements:
        arithmetic = " ".join(dict.fromkeys(finding.arithmetic for finding in agreements))
        return "consistent", "arithmetic", _join(arithmetic, beside), files
    if "checked_by" in own:
        return (
            "consistent",
            "arithmetic",
            f"Computed by `{own['code']}`, checked by `{own['checked_by']}`.",
            (own["code"],),
        )
    otherwise = next((owner["otherwise"] for owner in owners if "otherwise" in owner), None)
    if otherwise is None:
        raise ValueError(
            f'{place} has no verdict: no rule speaks of it, and neither it nor its table has "otherwise"'
        )
    return (
        otherwise["verdict"],
        "nothing",
        _join(f"{otherwise['reason'][:1].upper()}{otherwise['reason'][1:]}.", beside),
        files,
    )


def _measured(document, place, owners, runs):
    for owner in owners:
        if "measured" in owner:
            return say(document, place, owner["measured"], runs)
    return None


def _figure(item, numbers):
    """A figure whose numbers are transcribed has their verdict."""
    if "numbers" not in item:
        return None
    counts = Counter(entry.verdict for entry in numbers if entry.place.startswith(f"{item['numbers']}/"))
    if not counts:
        raise ValueError(f"the figure at {item['where']} names the numbers {item['numbers']}; there are none")
    reason = f"Its {counts.total()} numbers: {', '.join(f'{n} {verdict}' for verdict, n in counts.items())}."
    if counts["refuted"]:
        return "refuted", "arithmetic", reason, ()
    if set(counts) <= {"consistent", "confirmed"}:
        return "consistent", "arithmetic", reason, ()
    return "open", "nothing", reason, ()


def _owners(document, place):
    """The objects around a place, from the nearest outwards: they may say how its verdict is determined."""
    keys, owners = place.split("/")[1:], []
    for end in range(len(keys), 0, -1):
        value = document.at("/" + "/".join(keys[:end]))
        if isinstance(value, dict):
            owners.append(value)
    return owners or [{}]


def _label(document, place):
    """(where, what, reported value) of a number."""
    owners, keys = _owners(document, place), place.split("/")[1:]
    where = next((owner["where"] for owner in owners if "where" in owner), "")
    value = f"{document.number(place):.{max(document.decimals(place), 0)}f}"
    if keys[0] == "text":
        return where, owners[0]["what"], value
    names = [str(part) for part in keys[2:] if part != "rows"]
    if keys[0] == "tables" and "rows" in keys:
        table, row = document.tables[keys[1]], document.tables[keys[1]]["rows"][int(keys[3])]
        labels = table.get("keys", ("model", "class"))
        names = [str(row[label]) for label in labels if label in row] + keys[4:]
    elif keys[0] == "training":
        names = keys[1:]
    return where, " ".join(names), value


def _join(*parts):
    return " ".join(part for part in parts if part)


def counts(made):
    """Return {kind: {verdict: number}} of some entries."""
    return {
        kind: {verdict: sum(e.kind == kind and e.verdict == verdict for e in made) for verdict in VERDICTS}
        for kind in KINDS
    }


def counts_sentence(ledger):
    """Return a few sentences with the number of items of each verdict, over all papers.

    Args:
        ledger: dict from a paper's name to its entries.
    """
    everything = [entry for made in ledger.values() for entry in made]
    number = Counter(entry.verdict for entry in everything)
    refuted = Counter(entry.decided_by for entry in everything if entry.verdict == "refuted")
    shown_by = {
        "arithmetic": "arithmetic",
        "reading": "a reading that gives its reason",
        "measurement": "our runs",
    }
    by = ", ".join(f"{count} by {shown_by[decided_by]}" for decided_by, count in refuted.most_common())
    confirmed = [entry for entry in everything if entry.verdict == "confirmed"]
    # A share or a percentage is reported with decimals.
    counted = all(entry.kind == "number" and "." not in entry.reported for entry in confirmed)
    sentence = (
        f"The papers report {len(everything)} numbers, claims, equations and figures. {number['refuted']} are refuted "
        f"({by}), {number['confirmed']} are confirmed{' (all of them counts)' if counted else ''}. "
        f"{number['consistent']} hold no contradiction, which does not prove them. {number['open']} are open, and "
        f"{number['not testable here']} cannot be tested here ([reasons](experiments/results/ledger.md))."
    )
    return textwrap.fill(sentence, 120) + "\n"


def counts_table(ledger):
    """Return the Markdown table of verdicts by paper and kind.

    Args:
        ledger: dict from a paper's name to its entries.
    """
    everything = [entry for made in ledger.values() for entry in made]
    rows = []
    for name, items in {**ledger, "all five": everything}.items():
        for kind, by_verdict in counts(items).items():
            total = sum(by_verdict.values())
            if total:
                numbers = {NAMES.get(verdict, verdict): str(n) for verdict, n in by_verdict.items()}
                rows.append({"paper": name, "kind": f"{kind}s"} | numbers | {"all": str(total)})
    return markdown(rows)


def ledger_page(ledger):
    """Return the Markdown page: counts, then every item of every paper."""
    parts = [
        "# Verdicts on every reported number, claim, equation and figure\n",
        "Made by `python -m experiments.results.ledger` from `experiments/*/published.json` and the result files; do "
        "not edit. A verdict is *confirmed* or *refuted* by arithmetic, by counting, by a reading that gives its "
        "reason, or by runs with the settings that the paper names. A claim that a figure needs a part of the network "
        "can also be refuted by a learner without that part, under the same protocol. *Consistent* means that the "
        "arithmetic agrees and no run had those settings. [Rules](../../docs/check_tables.md).\n",
        counts_table(ledger),
    ]
    for name, made in ledger.items():
        parts.append(f"\n## {name}\n\n{read_paper(name).content['title']}\n")
        for kind in KINDS:
            rows = [_cells(entry) for entry in made if entry.kind == kind]
            if rows:
                parts.append(f"\n### {kind.capitalize()}s\n\n{markdown(rows)}")
    return "\n".join(parts)


def _cells(entry):
    files = ", ".join(f"[{Path(file).stem}]({_link(file)})" for file in entry.files)
    cells = {name: getattr(entry, name) for name in ("where", "what", "reported", "verdict")}
    return cells | {"by": entry.decided_by, "reason": entry.reason, "files": files}


def _link(file):
    """Result files lie beside the ledger, source files in the repository."""
    inside = (LEDGER.parent / file).is_file()
    return file if inside else f"../../{file}"


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    ledger = {name: entries(name) for name in EXPERIMENTS}
    if options.check:
        for name in EXPERIMENTS:
            print(f"== {name}\n{as_text(check(read_paper(name)))}\n")
    print(counts_table(ledger))
    write_text(LEDGER, ledger_page(ledger))


if __name__ == "__main__":
    main(sys.argv[1:])
