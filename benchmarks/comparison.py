"""A comparison: the same work done by this package and by others, timed in turns."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


def cpu_of_children():
    """Return the processor seconds of all processes that were started here and have ended, float."""
    times = os.times()
    return times.children_user + times.children_system


CPU_CLOCKS = (time.process_time, cpu_of_children)


@dataclass
class Comparison:
    """One piece of work and the sides that do it.

    The sides take turns, so that other work on the machine slows all of them, and only their ratio is judged.

    Args:
        what: the work, as the page names it; unique.
        ours: function () that does the work once with this package.
        peers: dict of what it is compared with -> function () that does the same work.
        goals: dict of the same keys -> the ratio to reach, their seconds over ours.
        work: number of units in one call, and `unit` their name: 64 and "images".
        check: function () that raises an AssertionError where the sides do not give the same answer.
        rounds: int, how often each side is timed.
        clock: function () -> seconds; `time.process_time` for work on one thread, `cpu_of_children` for processes.
        how: what was measured, in one or two sentences.
        limits: what stands in the way where a goal is not reached, from a profile.
    """

    what: str
    ours: Callable
    peers: dict
    goals: dict
    work: float
    check: Callable
    unit: str = "images"
    rounds: int = 5
    clock: Callable = time.perf_counter
    how: str = ""
    limits: str = ""
    clock_name: str = field(init=False)

    def __post_init__(self):
        if self.peers.keys() != self.goals.keys():
            raise ValueError(f"{self.what}: peers {list(self.peers)} and goals {list(self.goals)} differ")
        if self.rounds < 5:
            raise ValueError(f"{self.what}: a median needs at least 5 rounds; received {self.rounds}")
        self.clock_name = "CPU time" if self.clock in CPU_CLOCKS else "wall time"


def measure(comparison):
    """Check that the sides answer alike, call each once to warm up, and time them in turns.

    Returns:
        list of dict, one per peer: `what`, `against`, `ours` and `theirs` (units per second, medians), `unit`,
        `ratio` (median over the rounds of their seconds over ours), `lowest` and `highest` ratio of a round,
        `rounds`, `goal`, `clock`, `how`, `limits`.

    Raises:
        AssertionError: where the sides do not answer alike.
    """
    comparison.check()
    sides = {None: comparison.ours, **comparison.peers}
    for side in sides.values():
        side()
    seconds = {name: [] for name in sides}
    for _ in range(comparison.rounds):
        for name, side in sides.items():
            start = comparison.clock()
            side()
            seconds[name].append(comparison.clock() - start)
    return [_row(comparison, name, seconds[None], seconds[name]) for name in comparison.peers]


def _row(comparison, against, ours, theirs):
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    return {
        "what": comparison.what,
        "against": against,
        "ours": comparison.work / statistics.median(ours),
        "theirs": comparison.work / statistics.median(theirs),
        "unit": comparison.unit,
        "ratio": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
        "rounds": comparison.rounds,
        "goal": comparison.goals[against],
        "clock": comparison.clock_name,
        "how": comparison.how,
        "limits": comparison.limits,
    }
