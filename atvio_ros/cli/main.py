"""Entry point of `atvio`: parse, import the subcommand, call it, report a known error in one line."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import atvio_ros
from atvio_ros.errors import AtvioError
from atvio_ros.files import NO_ROOM
from atvio_ros.missing import missing_package

# name -> one line for `atvio --help`; the module is atvio_ros.cli.<name with underscores>.
COMMANDS = {
    'export-kitti': 'write a KITTI drive, or loose images and IMU files, as a rosbag2',
    'synthesize': 'render a drive with ground truth as a rosbag2',
    'synthesize-set': "render a whole training set: KITTI's motion and procedural drives through many worlds",
    'prepare': 'turn bags into training data',
    'train': 'train a network on prepared data',
    'ablation': "train and evaluate the networks of the paper's Table 2",
    'run': 'compute the odometry of a bag offline',
    'replay': 'play a bag to the real node over DDS and record its odometry',
    'evaluate': "run the odometry over bags and tabulate KITTI's figures",
    'metrics': "compare two trajectory files with KITTI's t_rel and r_rel",
    'calibrate-covariance': 'fit the error model of a model file to drives with ground truth',
    'calibrate-time-offset': 'measure how far the gyro of a bag lags its images',
    'calibrate-rig': 'measure a robot by a drive: gyro lag, IMU mounting, bias, direction of travel, camera height',
    'check': 'check a bag or a running robot: rates, gaps, IMU, calibration, road in view; what to do about each',
    'describe': 'show the layers, parameters and MACs of a network',
    'benchmark': 'measure speed, latency and memory of networks side by side',
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one line, with the exit status of every other failure."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse."""
        self.exit(1, f'{self.prog}: {message} (see {self.prog} --help)\n')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one `atvio` command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = Parser(prog='atvio', description='Visual-inertial odometry: bags in, trajectories out.')
    parser.add_argument('--version', action='version', version=f'atvio_ros {atvio_ros.__version__}')
    subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    chosen = next((word for word in words if not word.startswith('-')), None)
    if chosen is not None and chosen not in COMMANDS:
        close = difflib.get_close_matches(chosen, COMMANDS, n=1)
        parser.error(f'there is no command {chosen}.' + (f' Did you mean {close[0]}?' if close else ''))
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + '.')
        if name == chosen:  # only the chosen one: importing them all would import torch for --help
            module = importlib.import_module(f'atvio_ros.cli.{name.replace("-", "_")}')
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    parsed = parser.parse_args(words)
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


def _close_stdout() -> None:
    """Let what was not printed go: else Python's own flush at exit fails, too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
