"""`atvio check`: whether odometry can work on a bag or on a running robot, and what to do where it cannot."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import common

if TYPE_CHECKING:
    from atvio_ros.bags.topics import Topics
    from atvio_ros.evaluation.findings import Finding

LIVE_S = 20.0
EXAMPLES = """
atvio check drive
atvio check drive --rig camchain-imucam.yaml --camera-height 1.2
atvio check --live --image-topic /camera/image_raw --imu-topic /imu/data_raw
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        'bag', type=Path, nargs='?', metavar='BAG', help='ROS 1 bag, rosbag2 folder (sqlite3, mcap) or .mcap file'
    )
    common.add_rig_options(parser)
    common.add_topic_options(parser)
    live = parser.add_argument_group('running robot', 'Instead of a bag. Needs ROS 2.')
    live.add_argument('--live', action='store_true', help='check what is published now')
    live.add_argument('--seconds', type=float, metavar='S', help=f'time to listen (default: {LIVE_S:g})')
    live.add_argument(
        '--camera-info-topic', metavar='TOPIC', help='camera_info (default: beside the images, or the only one)'
    )
    parser.add_argument('--json', action='store_true', help='print the findings as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Look at everything and print a table. Exits with status 1 where something is an error."""
    import dataclasses
    import json

    from atvio_ros.errors import SettingsError

    if arguments.live == (arguments.bag is not None):
        raise SettingsError('Give either a BAG or --live, to check what is published now.')
    if arguments.live:
        name, findings = '--live', _check_live(arguments)
    else:
        for option in ('seconds', 'camera_info_topic'):
            if getattr(arguments, option) is not None:
                raise SettingsError(
                    f'--{option.replace("_", "-")} is for --live, not for a bag. Leave it out, or give --live.'
                )
        name, findings = arguments.bag.resolve().name, _check(arguments, arguments.bag, common.topics(arguments))
    if arguments.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        _show(name, findings)
    if any(finding.status == 'error' for finding in findings):
        raise SystemExit(1)


def _check(arguments: argparse.Namespace, bag: Path, topics: Topics) -> list[Finding]:
    from atvio_ros.bags.reader import BagReader
    from atvio_ros.evaluation.bag_check import check_bag

    with BagReader(bag, topics) as reader, common.progress_bar() as progress:
        given = common.given_rig(arguments, reader.topics.image)
        task = progress.add_task('images', total=reader.count(reader.topics.image or ''), unit='images')
        return check_bag(reader, given, lambda: progress.advance(task))


def _check_live(arguments: argparse.Namespace) -> list[Finding]:
    """The same on a bag that is recorded now. It is removed afterwards; TMPDIR says where there is room for it."""
    from atvio_ros.errors import NodeError, SettingsError

    seconds = LIVE_S if arguments.seconds is None else arguments.seconds
    if not 1.0 <= seconds <= 600.0:
        raise SettingsError(f'--seconds must be from 1 to 600, not {seconds:g}.')
    if arguments.rig is None:  # a file may need the image topic
        common.given_rig(arguments)  # refuses bad options before anything is recorded
    try:
        from atvio_ros.ros.recorder import LiveTopics, record
    except ImportError as error:
        raise NodeError(
            f'ROS 2 is not available to Python ({error}). Source your ROS installation, or run `make setup`.'
        ) from error
    asked = LiveTopics(
        arguments.image_topic, arguments.imu_topic, arguments.camera_info_topic, arguments.ground_truth_topic
    )
    with tempfile.TemporaryDirectory(prefix='atvio_check_') as folder:
        bag = Path(folder) / 'live'
        with common.progress_bar() as progress:
            task = progress.add_task('listening', total=round(seconds), unit='s')
            topics = record(bag, seconds, asked, lambda recorded_s: progress.update(task, completed=round(recorded_s)))
        common.note_console().print(f'{seconds:g} s of {topics.image} and {topics.imu}')
        return _check(arguments, bag, topics.in_bag)


def _show(name: str, findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f'atvio check {name}', title_justify='left')
    for column in ('what', '', 'found', 'what to do'):
        table.add_column(column, overflow='fold')
    colours = {'ok': 'green', 'warning': 'yellow', 'error': 'red'}
    for finding in findings:
        status = Text(finding.status, style=colours[finding.status])
        table.add_row(Text(finding.name), status, Text(finding.text), Text(finding.advice))
    Console().print(table)
    counts = {status: sum(finding.status == status for finding in findings) for status in colours}
    print(f'{counts["error"]} errors, {counts["warning"]} warnings, {counts["ok"]} ok')
