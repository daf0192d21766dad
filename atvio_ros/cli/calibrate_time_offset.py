"""`atvio calibrate-time-offset`: how far a bag's gyro lags the images, and what to set in the node for it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atvio_ros.cli import common, estimator_options
from atvio_ros.cli.reference_options import MADE_WITH, add_reference_options, chosen_reference, search_s

if TYPE_CHECKING:
    from atvio_ros.evaluation.bag_gyro_lag import BagLag
    from atvio_ros.odometry.pipeline import Estimator

EXAMPLES = """
atvio calibrate-time-offset drive
atvio calibrate-time-offset drive --reference images --search 0.2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument('bag', type=Path, metavar='BAG', help='ROS 1 bag, rosbag2 folder (sqlite3, mcap) or .mcap file')
    estimator_options.add_estimator_options(parser)
    common.add_rig_options(parser)
    add_reference_options(parser)
    common.add_topic_options(parser)
    parser.add_argument('--json', action='store_true', help='print the result as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Measure the lag and print it with the parameter that it asks for."""
    from atvio_ros.bags.reader import BagReader
    from atvio_ros.evaluation.bag_gyro_lag import bag_gyro_lag

    search = search_s(arguments)
    estimator = estimator_options.chosen_estimator(arguments)
    with BagReader(arguments.bag, common.topics(arguments)) as reader, common.progress_bar() as progress:
        task = progress.add_task('images', total=reader.count(reader.topics.image or ''), unit='images', visible=False)

        def image_seen() -> None:
            progress.update(task, advance=1, visible=True)

        reference = chosen_reference(arguments)
        given = common.given_rig(arguments, reader.topics.image)
        found = bag_gyro_lag(reader, reference, search, image_seen, given)
    result = lag_figures(arguments.bag, found, estimator)
    if arguments.json:
        import json

        print(json.dumps(result, indent=2))
        return
    for line in _lines(result):
        print(line)


def lag_figures(bag: Path, found: BagLag, estimator: Estimator) -> dict[str, Any]:
    """The figures; `imu_time_offset` is the parameter for this estimator: the lag it undoes less that of the bag."""
    notes = list(found.robot.reports)
    undone_s = found.robot.rig.gyro_lag if estimator.undoes_lags else 0.0
    offset_s = undone_s - found.lag.lag_s
    if not estimator.undoes_lags:
        notes.append(
            f'{estimator.name} undoes no lag: it learned from readings as they were recorded, with whatever lag '
            'these had (KITTI: 0.06 to 0.07 s). If its model card names a lag, add that to imu_time_offset.'
        )
    elif abs(offset_s) > 0.03:
        notes.append(
            'imu_time_offset moves the accelerometer with the gyro. Where only the gyro lags, by a filter, and not the '
            f'clock of the IMU, rather set gyro_lag: {found.lag.lag_s:.4f} in the rig file: see docs/calibration.md.'
        )
    if abs(offset_s) < 2.0 * found.lag.standard_error_s:
        notes.append('The offset is within two standard errors of zero: leaving imu_time_offset at 0 is as good.')
    return {
        'bag': bag.resolve().name,
        'reference': found.reference,
        'gyro_lag_s': round(found.lag.lag_s, 6),
        'standard_error_s': round(found.lag.standard_error_s, 6),
        'frame_pairs': found.lag.pairs,
        'rotation_explained': round(found.lag.explained, 4),
        'gyro_bias_rad_s': [round(axis, 7) for axis in found.lag.bias.tolist()],
        'estimator': estimator.kind,
        'model': estimator.name,
        'undone_gyro_lag_s': undone_s,
        'imu_time_offset': round(offset_s, 4),
        'notes': notes,
    }


def _lines(result: dict[str, Any]) -> list[str]:
    lag_ms, error_ms = 1e3 * result['gyro_lag_s'], 1e3 * result['standard_error_s']
    undone_ms = 1e3 * result['undone_gyro_lag_s']
    return [
        f'The gyro of {result["bag"]} lags the images by {lag_ms:.1f} ms, standard error {error_ms:.1f} ms.',
        f'Made with {MADE_WITH[result["reference"]]} over {result["frame_pairs"]} pairs; the gyro explains '
        f'{100 * result["rotation_explained"]:.1f} % of it.',
        f'The odometry ({result["model"]}) undoes {undone_ms:.1f} ms, so {undone_ms:.1f} - ({lag_ms:.1f}) ms are to be '
        'added to the stamps of the IMU.',
        *result['notes'],
        f'imu_time_offset: {result["imu_time_offset"]:.4f}',
    ]
