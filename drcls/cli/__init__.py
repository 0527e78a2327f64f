"""The command `drcls`: from a folder of one's own images to a model that somebody else can use.

Every command is a module here with the same four names: its docstring is the help and holds two examples,
`add_arguments` says what it takes, `run` does the work and returns what JSON can hold, `describe` puts that into
lines. TensorFlow and Keras are imported inside `run`, after the arguments have been checked.
"""

import argparse
import contextlib
import json
import os
import sys

from drcls import __version__
from drcls.cli import (
    audit,
    check_tables,
    compare,
    evaluate,
    explain,
    export,
    predict,
    prepare,
    sample,
    serve,
    train,
)
from drcls.cli.arguments import Parser, UsageError
from drcls.files import printable

COMMANDS = (sample, prepare, audit, train, evaluate, predict, explain, export, compare, serve, check_tables)
INTERRUPTED = 130


def main(arguments=None):
    """Run one command.

    Args:
        arguments: list of str, by default those of the process.

    Returns:
        int, the exit status: 0, 1 where something failed, 2 on wrong arguments or a source that they do not fit, 130
        after Ctrl-C.
    """
    options = build_parser().parse_args(arguments)
    command = options.command
    name = f"drcls {name_of(command)}"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        # With --json, standard output holds the JSON alone; what tells the progress goes to standard error.
        with contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext():
            result = command.run(options)
        text = json.dumps(result, indent=2) if options.json else command.describe(result)
        print(printable(text), flush=True)
        return 1 if result.get("failed") else 0
    except UsageError as error:
        return tell(name, f"error: {error}; see {name} --help", 2)
    except KeyboardInterrupt:
        anew = "; leave out --force, which would begin anew" if getattr(options, "force", False) else ""
        return tell(name, f"interrupted; {command.AFTER_INTERRUPTION}{anew}", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, RuntimeError, KeyError, ImportError, ArithmeticError) as error:
        return tell(name, f"error: {error}", 1)


def build_parser():
    """Return the parser of all commands."""
    parser = Parser(
        prog="drcls",
        description="From a folder of your own images to a model that a colleague can use.",
        epilog="drcls COMMAND --help shows examples.",
    )
    parser.add_argument("--version", action="version", version=f"drcls {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)
    for module in COMMANDS:
        subparser = commands.add_parser(
            name_of(module),
            help=module.__doc__.splitlines()[0],
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        subparser.add_argument("--json", action="store_true", help="print the result as JSON")
        subparser.set_defaults(command=module)
    return parser


def name_of(command):
    """Return what a command is called on the command line."""
    return command.__name__.rsplit(".", 1)[-1].replace("_", "-")


def tell(name, message, status):
    """Print one line on standard error and return the exit status."""
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    return status
