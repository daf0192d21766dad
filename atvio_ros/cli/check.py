"""`atvio check`: whether odometry can work on a bag, and what to do where it cannot."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import common

if TYPE_CHECKING:
    from atvio_ros.evaluation.findings import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument('bag', type=Path, metavar='BAG', help='ROS 1 bag, rosbag2 folder (sqlite3, mcap) or .mcap file')
    common.add_rig_options(parser)
    common.add_topic_options(parser)
    parser.add_argument('--json', action='store_true', help='print the findings as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Look at everything and print a table. Exits with status 1 where something is an error."""
    import dataclasses
    import json

    from atvio_ros.bags.reader import BagReader
    from atvio_ros.evaluation.bag_check import check_bag

    with BagReader(arguments.bag, common.topics(arguments)) as reader, common.progress_bar() as progress:
        given = common.given_rig(arguments, reader.topics.image)
        task = progress.add_task('images', total=reader.count(reader.topics.image or ''), unit='images')
        findings = check_bag(reader, given, lambda: progress.advance(task))
    if arguments.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        _show(arguments.bag, findings)
    if any(finding.status == 'error' for finding in findings):
        raise SystemExit(1)


def _show(bag: Path, findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f'atvio check {bag.resolve().name}', title_justify='left')
    for column in ('what', '', 'found', 'what to do'):
        table.add_column(column, overflow='fold')
    colours = {'ok': 'green', 'warning': 'yellow', 'error': 'red'}
    for finding in findings:
        status = Text(finding.status, style=colours[finding.status])
        table.add_row(Text(finding.name), status, Text(finding.text), Text(finding.advice))
    Console().print(table)
    counts = {status: sum(finding.status == status for finding in findings) for status in colours}
    print(f'{counts["error"]} errors, {counts["warning"]} warnings, {counts["ok"]} ok')
