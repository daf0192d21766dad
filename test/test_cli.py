"""`atvio` as users call it: every command is listed, and what it cannot do it says in one line."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from samples.command_line import COMMAND, call, complaint

from atvio_ros.cli import common, describe
from atvio_ros.cli.main import COMMANDS
from atvio_ros.errors import AtvioError

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ('words', 'problem'),
    [
        ([], 'required: COMMAND'),
        (['evaluat'], r'no command evaluat. Did you mean evaluate?'),
        (['--verbose'], 'required: COMMAND'),
        (['run'], 'required: BAG, --out'),
        (['run', 'bag', '--out', 'x', '--sped', '2'], 'unrecognized arguments: --sped 2'),
        (['metrics', '--truth', 'a', '--estimate', 'b', '--align', 'banana'], "invalid choice: 'banana'"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_line(words, problem, capsys):
    assert problem in complaint(capsys, *words)


def test_an_error_of_several_lines_is_told_in_one(monkeypatch, capsys):
    def fail(arguments: object) -> None:
        raise AtvioError('this\nand that')

    monkeypatch.setattr(describe, 'run', fail)
    assert complaint(capsys, 'describe') == 'atvio describe: this and that'


def test_an_error_that_is_not_expected_keeps_its_traceback(monkeypatch):
    def fail(arguments: object) -> None:
        raise KeyError('a bug')

    monkeypatch.setattr(describe, 'run', fail)
    with pytest.raises(KeyError):
        call('describe')


def test_help_lists_every_command(capsys):
    assert call('--help') == 0
    text = capsys.readouterr().out
    assert set(COMMANDS) <= set(text.split())


def test_a_process_that_fails_says_so_in_one_line_and_without_a_traceback(tmp_path):
    words = [*COMMAND, 'metrics', '--truth', tmp_path / 'none', '--estimate', tmp_path / 'none']
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ''
    assert done.stderr.startswith(f'atvio metrics: There is no trajectory file {tmp_path / "none"}')
    assert done.stderr.count('\n') == 1


def test_an_option_that_is_nearly_right_is_told(capsys):
    assert complaint(capsys, 'run', 'bag', '--out', 'x', '--rigg', 'y').endswith(
        'unrecognized arguments: --rigg y. Did you mean --rig? (see atvio run --help)'
    )


def completions(line: str, tmp_path: Path) -> list[str]:
    """What the shell is offered: argcomplete asks by the environment, and the answer goes to descriptor 8."""
    environment = {**os.environ, '_ARGCOMPLETE': '1', '_ARGCOMPLETE_IFS': '\n', '_ARGCOMPLETE_SUPPRESS_SPACE': '1'}
    environment |= {'COMP_LINE': line, 'COMP_POINT': str(len(line)), 'COMP_TYPE': '9'}
    words = ['sh', '-c', 'exec 8>"$1" 9>/dev/null; shift; exec "$@"', 'sh', tmp_path / 'answer', *COMMAND]
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return (tmp_path / 'answer').read_text().split()


def test_the_shell_completes_commands_options_and_choices(tmp_path):
    pytest.importorskip('argcomplete', reason='argcomplete comes with `make setup`')
    assert completions('atvio calib', tmp_path) == [name for name in COMMANDS if name.startswith('calib')]
    assert completions('atvio run --rig=x --est', tmp_path) == ['--estimator']
    assert completions('atvio run --estimator ', tmp_path) == ['road', 'geometry', 'network']


@pytest.mark.parametrize('config', ['train_road.yaml', 'train_tiny.yaml'])
def test_a_config_is_shown_with_its_defaults_and_reads_back_to_the_same(config, tmp_path, capsys):
    words = ['train', '--seed', '7', '--data', 'elsewhere', '--dump-config', '--config']
    assert call(*words, ROOT / 'config' / config) == 0
    shown = capsys.readouterr().out
    assert '\nseed: 7\n' in shown
    assert 'folder: elsewhere' in shown
    (tmp_path / 'shown.yaml').write_text(shown)
    assert call(*words, tmp_path / 'shown.yaml') == 0
    assert capsys.readouterr().out == shown


def test_a_note_does_not_write_onto_the_bar(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, 'isatty', lambda: True, raising=False)
    monkeypatch.setattr(sys, 'stderr', terminal)
    monkeypatch.setenv('TERM', 'xterm')
    common.note_console.cache_clear()
    try:
        with common.progress_bar() as bar:
            bar.add_task('drive', total=2, unit='images')
            bar.refresh()
            common.note_console().print('a note')
    finally:
        common.note_console.cache_clear()
    before = terminal.getvalue().partition('a note')[0]
    assert before.endswith('\x1b[2K'), 'the line of the bar is cleared before the note takes it'


def test_tables_of_networks_fit_a_narrow_terminal(capsys):
    for variant in ('ca_d', 'ca_a_gyro', 'road'):
        assert call('describe', '--variant', variant) == 0
        assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def test_a_reader_that_stops_early_is_no_error(tmp_path):
    truth = tmp_path / 'truth.txt'
    row = ' '.join(map(repr, np.eye(4)[:3].ravel().tolist()))
    truth.write_text(f'{row}\n' * 3)
    words = [*COMMAND, 'metrics', '--truth', truth, '--estimate', truth]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert errors == ''
