"""`atvio` called in this process, and what it says."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from atvio_ros.cli import estimator_options
from atvio_ros.cli.main import main

COMMAND = [sys.executable, '-m', 'atvio_ros.cli']  # the same as a process


def call(*words: object) -> int:
    """Exit status of one command line."""
    try:
        return main([str(word) for word in words])
    except SystemExit as end:
        return int(end.code or 0)


def complaint(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line on stderr of a command line that must fail, without the note on untrained weights."""
    assert call(*words) == 1
    output = capsys.readouterr()
    assert output.out == ''
    lines = [line for line in output.err.splitlines() if line != estimator_options.UNTRAINED]
    assert len(lines) == 1, output.err
    assert lines[0].startswith('atvio')
    return lines[0]


def strict_json(text: str) -> Any:
    """JSON as the standard has it: without NaN and Infinity."""

    def refuse(constant: str) -> None:
        raise ValueError(f'{constant} is not JSON')

    return json.loads(text, parse_constant=refuse)
