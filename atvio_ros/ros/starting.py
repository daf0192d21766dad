"""How our processes begin with ROS: one way out for signals, one line for command lines that cannot be used."""

from __future__ import annotations

import importlib
import itertools
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import rclpy

from atvio_ros.missing import missing_package


def init(program: str, arguments: Sequence[str] | None = None) -> None:
    """rclpy.init. Ends the process with status 1 and one line where the arguments after --ros-args cannot be used.

    From then on signals only end rclpy's context: Python's own handler would raise KeyboardInterrupt anywhere as well.
    """
    signal.signal(signal.SIGINT, lambda *_: None)
    words = list(sys.argv if arguments is None else arguments)
    for option, file in itertools.pairwise(words):
        if option == '--params-file' and not Path(file).is_file():
            _end(program, f'there is no parameter file {file} (looked for in {Path.cwd()}). Correct --params-file.')
    try:
        rclpy.init(args=words)
    except RuntimeError as error:  # what rcl says of arguments that it cannot parse
        said = ' '.join(str(error).split())
        _end(program, said.partition(', at /')[0])


def run(program: str, module: str) -> None:
    """`main` of a module. Ends the process with one line where a package is missing that pip has to install."""
    try:
        main = importlib.import_module(module).main
    except ModuleNotFoundError as error:
        if words := missing_package(error):
            _end(program, words)
        raise
    main()


def _end(program: str, text: str) -> None:
    print(f'{program}: {text}', file=sys.stderr, flush=True)
    sys.exit(1)
