"""`atvio calibrate-rig`: what a drive tells of the robot, as a rig file: gyro, direction of travel, camera height."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atvio_ros.cli import common
from atvio_ros.cli.reference_options import MADE_WITH, add_reference_options, chosen_reference, search_s

if TYPE_CHECKING:
    from atvio_ros.evaluation.bag_calibration import BagCalibration

EXAMPLES = """
atvio calibrate-rig drive --out rig.yaml
atvio calibrate-rig drive --rig camchain-imucam.yaml --out rig.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument('bag', type=Path, metavar='BAG', help='ROS 1 bag, rosbag2 folder (sqlite3, mcap) or .mcap file')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='rig file to write, such as rig.yaml')
    common.add_rig_options(parser)
    add_reference_options(parser)
    common.add_topic_options(parser)
    parser.add_argument('--json', action='store_true', help='print the result as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Calibrate, write the file and print what was found and what was not."""
    from atvio_ros.bags.reader import BagReader
    from atvio_ros.errors import CalibrationError
    from atvio_ros.evaluation.bag_calibration import calibrate_bag
    from atvio_ros.rig.rig_yaml import rig_text, write_rig

    search = search_s(arguments)
    with BagReader(arguments.bag, common.topics(arguments)) as reader, common.progress_bar() as progress:
        given = common.given_rig(arguments, reader.topics.image)
        task = progress.add_task('images', total=reader.count(reader.topics.image or ''), unit='images', visible=False)

        def image_seen() -> None:
            progress.update(task, advance=1, visible=True)

        reference = chosen_reference(arguments)
        found = calibrate_bag(reader, given, reference, search, image_seen)
    if not rig_text(found.part):
        raise CalibrationError(' '.join(('Nothing could be found, so no file is written.', *found.notes)))
    write_rig(arguments.out, found.part, _comment(arguments.bag, found))
    result = {'bag': arguments.bag.resolve().name, 'out': str(arguments.out), **calibration_figures(found)}
    if arguments.json:
        import json

        print(json.dumps(result, indent=2))
        return
    for line in _lines(found):
        print(line)
    print(f'The rig file is {arguments.out}')


def calibration_figures(found: BagCalibration) -> dict[str, Any]:
    """The figures as JSON has them."""
    return {'reference': found.reference, **found.figures, 'notes': found.notes}


def _comment(bag: Path, found: BagCalibration) -> str:
    made = f'Calibrated from {bag.resolve().name} by atvio calibrate-rig, with {MADE_WITH[found.reference]}.'
    return '\n'.join((made, *_lines(found)[1:]))


def _lines(found: BagCalibration) -> list[str]:
    explained = found.figures.get('rotation_explained')
    pairs = found.figures.get('frame_pairs')
    lines = [f'Made with {MADE_WITH[found.reference]}.']
    if explained is not None:
        lines.append(f'The gyro explains {100 * explained:.1f} % of the rotation of {pairs} frame pairs.')
    for name, figure in found.figures.items():
        if isinstance(figure, dict):
            lines.append(
                f'{name}: {_text(figure["value"])} {figure["unit"]}, standard error {_text(figure["standard_error"])}'
            )
    return [*lines, *found.notes]


def _text(value: float | list[float | None] | None) -> str:
    if isinstance(value, list):
        return ' '.join(map(_text, value))
    return 'not found' if value is None else f'{value:g}'
