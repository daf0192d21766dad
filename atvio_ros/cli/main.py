"""Entry point of `atvio`: parse, import the subcommand, call it, report a known error in one line."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import NoReturn

import atvio_ros
from atvio_ros.cli.commands import COMMANDS, overview, width
from atvio_ros.errors import AtvioError
from atvio_ros.files import NO_ROOM
from atvio_ros.missing import missing_package


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one line, with the exit status of every other failure."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse."""
        self.exit(1, f'{self.prog}: {message} (see {self.prog} --help)\n')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one `atvio` command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if '_ARGCOMPLETE' in os.environ:  # the shell asks for completions, and takes no other answer
        _complete()
    parser = make_parser(words)
    chosen = _command(words)
    if chosen is not None and chosen not in COMMANDS:
        close = difflib.get_close_matches(chosen, COMMANDS, n=1)
        parser.error(f'there is no command {chosen}.' + (f' Did you mean {close[0]}?' if close else ''))
    parsed, unknown = parser.parse_known_args(words)
    if unknown:
        parsed.parser.error(_unrecognized(unknown, parsed.parser))
    try:
        parsed.run(parsed)
        sys.stdout.flush()
    except AtvioError as error:
        print(f'atvio {parsed.command}: {" ".join(str(error).splitlines())}', file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        package = missing_package(error)
        if not package:
            raise
        print(f'atvio {parsed.command}: {package}', file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        _close_stdout()
        return 1
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        where = f'{error.filename} cannot be written: ' if error.filename else ''
        print(f'atvio {parsed.command}: {where}{error.strerror}', file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # that is what is full
            _close_stdout()
        return 1
    except KeyboardInterrupt:
        print(f'atvio {parsed.command}: interrupted', file=sys.stderr)
        return 130
    return 0


def make_parser(words: Sequence[str]) -> Parser:
    """The parser for a command line; only the command in it has its options, for importing all would import torch."""
    parser = Parser(
        prog='atvio',
        usage='atvio COMMAND ...',
        description='Visual-inertial odometry: bags in, trajectories out.',
        epilog=overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'atvio_ros {atvio_ros.__version__}')
    subparsers = parser.add_subparsers(
        dest='command', metavar='COMMAND', required=True, help=argparse.SUPPRESS, prog=parser.prog
    )
    chosen = _command(words)
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            description=textwrap.fill(summary[0].upper() + summary[1:] + '.', width()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            module = importlib.import_module(f'atvio_ros.cli.{name.replace("-", "_")}')
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run, parser=subparser)
            remark = f'{textwrap.fill(subparser.epilog, width())}\n\n' if subparser.epilog else ''
            subparser.epilog = f'{remark}examples:\n{textwrap.indent(module.EXAMPLES.strip(), "  ")}'
    return parser


def _command(words: Sequence[str]) -> str | None:
    return next((word for word in words if not word.startswith('-')), None)


def _unrecognized(words: Sequence[str], parser: argparse.ArgumentParser) -> str:
    known = [option for action in parser._actions for option in action.option_strings if option.startswith('--')]
    close = difflib.get_close_matches(next((word for word in words if word.startswith('--')), ''), known, n=1)
    return f'unrecognized arguments: {" ".join(words)}.' + (f' Did you mean {close[0]}?' if close else '')


def _complete() -> None:
    """Answer the shell's question, which is in the environment, and exit (argcomplete's protocol)."""
    import argcomplete

    argcomplete.autocomplete(make_parser(os.environ.get('COMP_LINE', '').split()[1:]))


def _close_stdout() -> None:
    """Let what was not printed go: else Python's own flush at exit fails, too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
