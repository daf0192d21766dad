"""`atvio` as users call it: every command is listed, and what it cannot do it says in one line."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from samples.command_line import COMMAND, call, complaint

from atvio_ros.cli import describe
from atvio_ros.cli.main import COMMANDS
from atvio_ros.errors import AtvioError


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
