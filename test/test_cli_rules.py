"""Rules that every command of `atvio` obeys, found by walking over all of them: a new command is seen here at once."""

from __future__ import annotations

import argparse
import functools
import importlib
import re
import shlex
from collections import defaultdict
from pathlib import Path

import pytest
from samples.command_line import complaint

from atvio_ros.cli import commands
from atvio_ros.cli.commands import COMMANDS, GROUPS
from atvio_ros.cli.main import make_parser

ROOT = Path(__file__).resolve().parent.parent
NARROW = 80
WITHOUT_FIGURES = {
    'view': 'it makes a page; result.json is beside it',
    'train': "its figures are lines of progress, and in the run's folder and the model's card",
}
# The same name, with a good reason to take something else.
DIFFERENT = {
    '--out': 'a file, a folder or a bag: what the command makes',
    '--poses': 'a file, and for --raw the folder of them',
}
HELP = ('-h', '--help')
every_command = pytest.mark.parametrize('name', COMMANDS)


@pytest.fixture(autouse=True)
def narrow_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', str(NARROW))


@functools.cache
def parser_of(name: str) -> argparse.ArgumentParser:
    whole = make_parser([name])
    (subparsers,) = (each for each in whole._actions if isinstance(each, argparse._SubParsersAction))
    return subparsers.choices[name]


def options(name: str) -> list[argparse.Action]:
    """Those that the help shows."""
    return [
        each for each in parser_of(name)._actions if each.help != argparse.SUPPRESS and '-h' not in each.option_strings
    ]


def examples(name: str) -> list[str]:
    text = getattr(importlib.import_module(f'atvio_ros.cli.{name.replace("-", "_")}'), 'EXAMPLES', '')
    return [line for line in text.replace('\\\n', ' ').splitlines() if line.strip()]


def test_every_module_of_a_command_is_in_a_group():
    helpers = {'__init__', '__main__', 'commands', 'main'}
    modules = {path.stem for path in Path(commands.__file__).parent.glob('*.py')} - helpers
    made = {each for each in modules if hasattr(importlib.import_module(f'atvio_ros.cli.{each}'), 'add_arguments')}
    missing = sorted(each.replace('_', '-') for each in made - {name.replace('-', '_') for name in COMMANDS})
    assert not missing, f'put {", ".join(missing)} into a group of atvio_ros/cli/commands.py'
    assert len(COMMANDS) == sum(map(len, GROUPS.values())), 'a command is in two groups of atvio_ros/cli/commands.py'


def test_the_list_of_commands_has_every_group_and_fits_a_narrow_terminal():
    text = make_parser([]).format_help()
    assert [title for title in GROUPS if f'\n{title}:\n' not in text] == []
    assert [line for line in text.splitlines() if len(line) > NARROW] == []
    order = [text.index(f'\n  {name} ') for name in COMMANDS]
    assert order == sorted(order)


@every_command
def test_help_has_examples_that_its_parser_takes(name):
    lines = examples(name)
    assert lines, f'atvio_ros/cli/{name.replace("-", "_")}.py needs EXAMPLES: command lines, one a line'
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[:2] == ['atvio', name], line
        make_parser(words[1:]).parse_args(words[1:])
    assert all(line in parser_of(name).format_help() for line in lines if '\\' not in line and '  ' not in line)


@every_command
def test_help_fits_a_narrow_terminal(name):
    long = [line for line in parser_of(name).format_help().splitlines() if len(line) > NARROW]
    assert long == [], 'shorten help, metavar or EXAMPLES (a backslash continues a line)'


@every_command
def test_every_option_says_what_it_is_for_and_what_it_takes(name):
    for action in options(name):
        where = f'{name} {"/".join(action.option_strings) or action.dest}'
        assert action.help, f'{where} has no help'
        if action.nargs != 0 and not action.choices:
            assert action.metavar, f'{where} needs a metavar: the help shows {action.dest.upper()}'


@every_command
def test_what_prints_figures_prints_them_as_json_too(name):
    has = any('--json' in action.option_strings for action in options(name))
    assert has != (name in WITHOUT_FIGURES), f'{name} needs --json, or a reason in WITHOUT_FIGURES'


@every_command
def test_what_reads_a_config_shows_what_it_has_read(name):
    names = {option for action in options(name) for option in action.option_strings}
    assert ('--config' in names) == ('--dump-config' in names), 'use common.add_config_options'


def test_an_option_means_the_same_in_every_command():
    seen = defaultdict(lambda: defaultdict(list))
    for name in COMMANDS:
        for action in options(name):
            for option in action.option_strings:
                kind = getattr(action.type, '__name__', 'str'), action.metavar if not action.choices else 'choices'
                seen[option][kind].append(name)
    differing = {option: dict(kinds) for option, kinds in seen.items() if len(kinds) > 1 and option not in DIFFERENT}
    assert differing == {}, 'one name for one thing: rename, and keep the old name with common.add_old_name'


@every_command
def test_a_wrong_option_is_refused_with_what_to_do(name, capsys):
    required = shlex.split(examples(name)[0], comments=True)[1:]
    assert complaint(capsys, *required, '--no-such-option').endswith(f'(see atvio {name} --help)')


# Commands whose first example works anywhere are given what cannot be.
IMPOSSIBLE = {
    'synthesize': ['--out', 'drive', '--length', '-1'],
    'synthesize-set': ['--out', 'set', '--workers', '0'],
    'describe': ['--variant', 'none'],
    'benchmark': ['--variant', 'none'],
    'export-onnx': ['--model', 'none.safetensors', '--out', 'none.onnx'],
}
ADVICE = re.compile(
    r'(^|[.;:,] |or |and )(Check|Give|Choose|Name|Set|Leave out|Use|Record|Install|Source|Prepare|Make|Rename|Remove|'
    r'give|use|set)\b|\bmust (not )?be\b|Did you mean|`[^`]+`'
)


@every_command
def test_a_failure_ends_with_what_to_do(name, tmp_path, monkeypatch, capsys):
    """Each command, where nothing is of what it is given: one line that says what is wrong, and what to do."""
    monkeypatch.chdir(tmp_path)
    words = [name, *IMPOSSIBLE[name]] if name in IMPOSSIBLE else shlex.split(examples(name)[0], comments=True)[1:]
    line = complaint(capsys, *words)
    _, _, message = line.partition(': ')
    assert ADVICE.search(message), f'{line!r} says what is wrong; say what to do, too'


# ---- the manual


def command_lines(page: Path) -> list[str]:
    """`atvio ...` in the code blocks of a page; what follows on lines after a backslash included."""
    found = []
    for block in re.findall(r'^```\w*\n(.*?)^```', page.read_text('utf-8'), re.DOTALL | re.MULTILINE):
        lines = re.sub(r'\\\n\s*', '', block).splitlines()
        found += [line.strip() for line in lines if re.match(r'\s*(\.venv/bin/)?atvio [a-z]', line)]
    return found


@pytest.mark.parametrize('page', [ROOT / 'README.md', *sorted(ROOT.glob('docs/*.md'))], ids=lambda page: page.stem)
def test_command_lines_of_the_manual_are_ones_that_the_parser_takes(page):
    for line in command_lines(page):
        words = [word for word in shlex.split(line, comments=True)[1:] if word != '...']
        parser = make_parser(words)
        assert words[0] in COMMANDS, line
        given = {option for word in words if word.startswith('--') for option in [word]}
        known = {option for action in parser_of(words[0])._actions for option in action.option_strings}
        assert given <= known, f'{line}: {sorted(given - known)}'
        if '...' not in line:
            parser.parse_args(words)
