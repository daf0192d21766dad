"""`atvio evaluate`: the odometry over several bags, and one table."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import common

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from atvio_ros.evaluation.metrics import Result

EXAMPLES = """
atvio evaluate drive --out output/evaluation
atvio evaluate bags/* --out output/network --model models/road.safetensors
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument('bags', type=Path, nargs='+', metavar='BAG', help='ROS 1 bags, rosbag2 folders or .mcap files')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='one folder in it for each bag')
    common.add_estimator_options(parser)
    common.add_rig_options(parser)
    common.add_topic_options(parser)
    common.add_truth_options(parser)
    common.add_span_options(parser)
    common.add_standstill_option(parser)
    parser.add_argument('--json', action='store_true', help='print result.json instead of a table')


def run(arguments: argparse.Namespace) -> None:
    """Evaluate each bag, then write and print all figures together."""
    from rich.console import Console

    from atvio_ros import __version__
    from atvio_ros.evaluation.bags import bag_names, evaluate_bag
    from atvio_ros.evaluation.index_page import write_index
    from atvio_ros.evaluation.report import results_as_dict, results_table, to_json
    from atvio_ros.evaluation.several import compare_drives
    from atvio_ros.files import write_text

    names = bag_names(arguments.bags)
    notes = common.note_console()
    estimator = common.chosen_estimator(arguments)
    results: dict[str, Result] = {}
    for name, bag in zip(names, arguments.bags, strict=True):
        with common.progress_bar() as bar:
            task = bar.add_task(name, total=None, unit='images')
            result = evaluate_bag(
                bag,
                arguments.out / name,
                estimator,
                common.topics(arguments),
                functools.partial(common.given_rig, arguments),
                arguments.standstill,
                common.chosen_span(arguments),
                common.truth_source(arguments),
                on_start=functools.partial(_set_total, bar, task),
                on_progress=functools.partial(bar.advance, task),
                on_note=functools.partial(notes.print, f'{name}:'),
            )
        if result is not None:
            results[name] = result
    made_by = {'estimator': estimator.kind, 'model': estimator.name, 'trained': estimator.trained}
    text = to_json(results_as_dict(results, made_by))
    write_text(arguments.out / 'result.json', text)
    compare_drives(arguments.out, results, estimator.name)
    index = write_index(arguments.out, names, results, {**made_by, 'atvio_ros': __version__})
    if arguments.json:
        print(text, end='')
        return
    if results:
        Console().print(results_table(results))
    for name, result in results.items():
        for remark in result.remarks():
            notes.print(f'{name}: {remark}')
    print(f'To look at the drives, open {index} in a browser')
    print(
        f'Figures are in {arguments.out / "result.json"}, trajectories and pictures beside it in a folder for each bag'
    )


def _set_total(bar: Progress, task: TaskID, images: int) -> None:
    bar.update(task, total=images)
