"""The command line that all real data sets share."""

import argparse
import sys
from pathlib import Path

from data_prep.kaggle import download
from data_prep.prepare import THREADS, prepare
from data_prep.sources import PreparationError, Source
from data_prep.summary import summary
from drcls.data.image_ops import CROPS, FILTERS


def build_parser(data_set):
    """Return the command line that all real data sets share."""
    parser = argparse.ArgumentParser(
        prog=f"python -m data_prep.{data_set.name}", description=f"Prepare {data_set.title}."
    )
    parser.add_argument("--source", required=True, help="a zip, a folder, or 'kaggle'")
    parser.add_argument("--output", type=Path, default=Path("data") / data_set.name)
    parser.add_argument("--size", type=int, default=224, help="side in pixels (default: 224)")
    parser.add_argument("--crop", choices=CROPS, default="none", help="before resizing (default: none)")
    parser.add_argument("--filter", choices=FILTERS, default="none", help="after resizing (default: none)")
    parser.add_argument("--clahe", action="store_true", help="equalise contrast locally, last")
    parser.add_argument(
        "--workers", type=int, default=THREADS, help="threads (default: one more than the cores)"
    )
    parser.add_argument("--allow-rejected", action="store_true", help="exit 0 although files were rejected")
    parser.add_argument(
        "--force", action="store_true", help="prepare afresh where an earlier preparation lies"
    )
    return parser


def main(data_set, arguments=None, parser=None, open_source=lambda path, _: Source(path)):
    """Run the command line of a data set.

    Args:
        data_set: `DataSet`.
        arguments: list of str; None for those of the process.
        parser: what `build_parser` returned, with options of the data set's own.
        open_source: function (path, parsed arguments) -> what `prepare` reads from, a context manager.

    Returns:
        Exit status: 0 done, 1 some files were rejected, 2 nothing could be prepared, 130 interrupted.
    """
    parser = parser or build_parser(data_set)
    args = parser.parse_args(arguments)
    if args.size < 8 or args.workers < 1:
        parser.error(f"--size {args.size} --workers {args.workers}: at least 8 and 1 expected")
    options = {"crop": args.crop, "size": args.size, "filter": args.filter, "clahe": args.clahe}
    try:
        with open_source(_locate(data_set, args), args) as source:
            info = prepare(data_set, source, args.output, options, args.workers, args.force)
    except (PreparationError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        anew = "; leave out --force, which would begin anew" if args.force else ""
        print(
            f"\ninterrupted; the same command goes on where it stopped ({args.output}){anew}", file=sys.stderr
        )
        return 130
    print(summary(info, args.output))
    return 1 if info["rejected"] and not args.allow_rejected else 0


def _locate(data_set, args):
    if args.source != "kaggle":
        return Path(args.source)
    if data_set.kaggle is None:
        raise PreparationError(
            f"{data_set.title} is not on Kaggle in its own layout; give --source its zip or folder"
        )
    return download(args.output.parent / "downloads" / data_set.name, **data_set.kaggle)
