"""Has what comes in changed? Scores, grades, quality and decisions, week by week."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
from scipy.stats import chi2

NUM_WEEKS = 26
# A share of fewer cases is noise.
MIN_CASES = 30


def weekly(connection, reference_counts=None, today=None, model_sha256=None):
    """Summarise the cases of the last 26 weeks.

    Args:
        connection: open database.
        reference_counts: dict, class name -> predictions on the validation part; None where not calibrated.
        today: `datetime.date`; None for today.
        model_sha256: str, of the model that the reference is of: only cases that it graded count in `stability`.

    Returns:
        list of dict, the newest week first, of the weeks with cases: `week` (ISO, "2026-W07"), `num_cases`,
        `not_gradable` and `refer` and `not_confirmed` (shares, the last of the decided cases; None for a share
        of nothing), `confidence` (quartiles, or None), `grades` (counts), `stability` (see `stability_index`),
        `changed` (bool, whether it is above 0.25 and above `chance_limit`), `quality` (quartiles of each criterion).
        Cases whose quality was not checked do not count in `not_gradable` and `quality`.
    """
    today = today or datetime.now(UTC).date()
    since = today - timedelta(weeks=NUM_WEEKS)
    rows = connection.execute(
        "SELECT *, CASE WHEN json_valid(prediction) THEN json_extract(prediction, '$.model_sha256') END "
        "AS model_sha256 FROM cases WHERE created >= ?",
        (since.isoformat(),),
    )
    weeks = {}
    for row in rows:
        year, week, _ = date.fromisoformat(row["created"][:10]).isocalendar()
        weeks.setdefault(f"{year}-W{week:02d}", []).append(row)
    return [
        _summary(week, weeks[week], reference_counts, model_sha256) for week in sorted(weeks, reverse=True)
    ]


def stability_index(counts, reference):
    """Population stability index of grade counts against reference counts, half a case added to each.

    Sum over the grades of (p - q) ln(p / q). Commonly read: below 0.1 no change, above 0.25 a clear one; with few cases
    chance alone gives more (`chance_limit`).

    Args:
        counts, reference: dict, class name -> number.

    Returns:
        float, or None for fewer than 30 cases or without a reference.
    """
    if not reference or sum(counts.values()) < MIN_CASES:
        return None
    p, q = (np.array([part.get(name, 0) + 0.5 for name in reference]) for part in (counts, reference))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def chance_limit(counts, reference):
    """Return the stability index that 99 of 100 weeks without any change stay below, float.

    Without change the index of n cases against m of the reference is about (1 / n + 1 / m) times a chi-squared variable
    with one degree of freedom less than there are grades.

    Args:
        counts, reference: as for `stability_index`.
    """
    sizes = sum(counts.values()), sum(reference.values())
    return float(chi2.ppf(0.99, len(reference) - 1) * sum(1 / size for size in sizes))


def _summary(week, rows, reference, model_sha256):
    graded = [row for row in rows if row["grade"] is not None]
    decided = [row for row in rows if row["state"] in ("confirmed", "overridden")]
    grades = Counter(row["grade"] for row in graded)
    # An earlier model's grades are no change of what comes in.
    served = Counter(row["grade"] for row in graded if model_sha256 in (None, row["model_sha256"]))
    stability = stability_index(served, reference)
    checked = [row for row in rows if json.loads(row["quality"])]
    quality = [{c["name"]: c["value"] for c in json.loads(row["quality"])} for row in checked]
    return {
        "week": week,
        "num_cases": len(rows),
        "not_gradable": _share(checked, lambda row: not row["gradable"]),
        "refer": _share(graded, lambda row: row["refer"]),
        "not_confirmed": _share(decided, lambda row: row["state"] == "overridden"),
        "confidence": _quartiles([row["confidence"] for row in graded]),
        "grades": dict(grades),
        "stability": stability,
        "changed": stability is not None and stability > max(0.25, chance_limit(served, reference)),
        "quality": {
            name: _quartiles([values[name] for values in quality]) for name in (quality[0] if quality else ())
        },
    }


def _share(rows, is_counted):
    return sum(map(bool, map(is_counted, rows))) / len(rows) if rows else None


def _quartiles(values):
    return np.percentile(values, [25, 50, 75]).tolist() if values else None
