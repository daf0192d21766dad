"""Entry point of `atvio`: parse, import the subcommand, call it, report a known error in one line."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

import atvio_ros
from atvio_ros.errors import AtvioError

# name -> one line for `atvio --help`; the module is atvio_ros.cli.<name with underscores>.
COMMANDS = {
    'export-kitti': 'write a KITTI drive, or loose images and IMU files, as a rosbag2',
    'synthesize': 'render a drive with ground truth as a rosbag2',
    'prepare': 'turn bags into training data',
    'train': 'train a network on prepared data',
    'run': 'compute the odometry of a bag offline',
    'replay': 'play a bag to the real node over DDS and record its odometry',
    'evaluate': "run the odometry over bags and tabulate KITTI's figures",
    'metrics': "compare two trajectory files with KITTI's t_rel and r_rel",
    'describe': 'show the layers, parameters and MACs of a network',
    'benchmark': 'measure speed, latency and memory of networks side by side',
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one `atvio` command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog='atvio', description='Visual-inertial odometry: bags in, trajectories out.')
    parser.add_argument('--version', action='version', version=f'atvio_ros {atvio_ros.__version__}')
    subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    chosen = next((word for word in words if not word.startswith('-')), None)
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + '.')
        if name == chosen:  # only the chosen one: importing them all would import torch for --help
            module = importlib.import_module(f'atvio_ros.cli.{name.replace("-", "_")}')
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    parsed = parser.parse_args(words)
    try:
        parsed.run(parsed)
    except AtvioError as error:
        print(f'atvio {parsed.command}: {error}', file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        return 1
    except KeyboardInterrupt:
        print(f'atvio {parsed.command}: interrupted', file=sys.stderr)
        return 130
    return 0
