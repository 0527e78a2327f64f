"""Say whether one run does better than another on the same test images.

McNemar's exact test counts the images that only one of two runs gets right; in its p-value the images of a group (a
patient, copies) count together. The differences have 95 % intervals of a bootstrap over groups. Runs of the same
data, protocol and seed have the same test images.

examples:
  drcls compare runs/plain runs/balanced
  drcls compare runs/plain runs/balanced runs/smote --json
"""

from drcls.cli.arguments import UsageError, run_folder, seed_number

AFTER_INTERRUPTION = "give the command again; nothing is written"


def add_arguments(parser):
    parser.add_argument("runs", metavar="RUN", type=run_folder, nargs="+", help="two or more run folders")
    parser.add_argument("--seed", type=seed_number, default=0, help="of the bootstrap")


def run(options):
    """Compare, and return the differences."""
    if len(options.runs) < 2:
        raise UsageError(f"expected two or more runs; received {len(options.runs)}")
    from drcls.own_images import compare_runs

    return compare_runs(options.runs, options.seed)


def _interval(found):
    if found["low"] is None:
        return "no interval: all images are of one group"
    return f"{100 * found['low']:+.1f} to {100 * found['high']:+.1f}"


def describe(result):
    lines = [f"{result['num_images']} test images in {result['num_groups']} groups"]
    for measured in result["runs"]:
        values = ", ".join(
            f"{name} {value:.3f}"
            for name, value in measured.items()
            if name != "folder" and value is not None
        )
        lines.append(f"{measured['folder']}: {values}")
    for pair in result["pairs"]:
        lines.append(f"{pair['second']} minus {pair['first']}, in points, with 95 % intervals:")
        for name, found in pair["differences"].items():
            lines.append(f"  {name:<20}{100 * found['difference']:+6.1f} ({_interval(found)})")
        tested = pair["mcnemar"]
        lines.append(
            f"  only {pair['first']} right: {tested['only_a_right']} images; only {pair['second']}: "
            f"{tested['only_b_right']}; McNemar's exact p over groups {tested['p_value']:.3g}"
        )
    return "\n".join(lines)
