"""How numbers become text in tables, figures and sentences."""

import numpy as np
from scipy import stats

SYNTHETIC = "SYNTHETIC DATA. "


def mean_sd(values, scale=1, digits=3, sign=""):
    """Write the value of one seed, or mean ± standard deviation over several.

    Args:
        values: one number per seed; None or NaN is an undefined measure.
        scale: factor, 100 for a share that is shown in percent.
        digits: decimals.
        sign: "+" writes the sign of the mean, for differences.

    Returns:
        str; "undefined" where a seed has no value, because a mean over the other seeds would hide that.

    >>> mean_sd([0.7, 0.8], scale=100, digits=1)
    '75.0 ± 7.1'
    """
    values = scale * np.array(values, dtype=float)
    if not len(values) or np.isnan(values).any():
        return "undefined"
    mean = f"{values.mean():{sign}.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {values.std(ddof=1):.{digits}f}"


def interval(bounds, scale=100, digits=1, sign=""):
    """Write the two ends of an interval, "none" where there is no interval (None).

    >>> interval([0.5, 0.75])
    '50.0 to 75.0'
    """
    if bounds is None:
        return "none"
    low, high = (f"{scale * bound:{sign}.{digits}f}" for bound in bounds)
    return f"{low} to {high}"


def interval_over_seeds(differences, scale=1):
    """Write the 95 % t interval of a mean difference over seeds; one seed has none, nor have seeds that do not differ.

    Args:
        differences: one number per seed.
        scale: as for `mean_sd`.

    >>> interval_over_seeds([1.0, 2.0, 3.0])
    '-0.5 to +4.5'
    """
    differences = scale * np.array(differences, dtype=float)
    if len(differences) < 2:
        return "one seed"
    if np.ptp(differences) == 0:
        return "no spread"
    bounds = stats.t.interval(0.95, len(differences) - 1, differences.mean(), stats.sem(differences))
    return interval(bounds, 1, sign="+")


def difference(found, scale=100, digits=1):
    """Write a difference and its interval.

    Args:
        found: dict of numbers, `difference` and `interval`.
        scale, digits: as for `mean_sd`.

    >>> difference({"difference": 0.01, "interval": [-0.005, 0.025]})
    '+1.0 (-0.5 to +2.5)'
    """
    return f"{scale * found['difference']:+.{digits}f} ({interval(found['interval'], scale, digits, '+')})"


def p_value(p):
    """Write a p-value with three decimals, the smallest as a bound."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def listing(names):
    """Write names as a list in a sentence.

    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    *others, last = map(str, names)
    return f"{', '.join(others)} and {last}" if others else last


def kind_of_images(runs):
    """Return what stands in brackets after a data set: " (synthetic)", " (sample)" of real images, or nothing."""
    if any(run["phantom"] for run in runs):
        return " (synthetic)"
    return " (sample)" if any(run["sample"] for run in runs) else ""


def synthetic_label(runs):
    """Return the label that captions of synthetic data start with, or nothing."""
    return SYNTHETIC if any(run["phantom"] for run in runs) else ""
