"""`atvio metrics`: compare an estimated trajectory with its ground truth, as files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atvio_ros.evaluation.alignment import Alignment
    from atvio_ros.evaluation.metrics import Result

EXAMPLES = """
atvio metrics --truth truth.tum --estimate estimate.tum
atvio metrics --truth 09.txt --estimate result.txt --align sim3 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `atvio metrics`."""
    parser.epilog = (
        'Files are KITTI poses (12 numbers a line, compared line by line) or TUM trajectories (8 numbers a line, '
        'matched by stamps); which, is seen from the content.'
    )
    parser.add_argument('--truth', type=Path, required=True, metavar='FILE', help='ground truth')
    parser.add_argument('--estimate', type=Path, required=True, metavar='FILE', help='what to judge')
    parser.add_argument(
        '--align',
        choices=('none', 'scale', 'se3', 'sim3'),
        default='none',
        help='how the estimate is brought onto the ground truth before every figure (default: %(default)s)',
    )
    parser.add_argument('--json', action='store_true', help='print the figures as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Print t_rel, r_rel, ATE, RPE and the error at the end."""
    from rich.console import Console

    from atvio_ros.evaluation.report import bins_table, results_table, to_json

    result = _compare_files(arguments.truth, arguments.estimate, arguments.align)
    if arguments.json:
        print(to_json(result.as_dict()), end='')
        return
    console = Console(highlight=False, markup=False)
    console.print(results_table({arguments.estimate.name: result}))
    if result.by_length:
        console.print(bins_table(result.by_length, 'segment m'))
        console.print(bins_table(result.by_speed, 'speed km/h', 3.6))
    for line in (*_details(result), *result.remarks()):
        console.print(line, soft_wrap=True)


def _compare_files(truth: Path, estimate: Path, alignment: Alignment) -> Result:
    import dataclasses

    import numpy as np

    from atvio_ros.errors import TrajectoryError
    from atvio_ros.evaluation.alignment import associate
    from atvio_ros.evaluation.baseline import constant_speed_figures
    from atvio_ros.evaluation.metrics import KITTI_FRAME_S, compare, evaluate
    from atvio_ros.trajectory_files import read_kitti_poses, read_tum, trajectory_format
    from atvio_ros.types import NANOSECONDS, Trajectory

    formats = trajectory_format(truth), trajectory_format(estimate)
    if formats == ('tum', 'tum'):
        true, estimated = read_tum(truth), read_tum(estimate)
        result = compare(true, estimated, alignment)
        matched_estimate, matched_truth = associate(estimated, true)
        return dataclasses.replace(result, constant_speed=constant_speed_figures(matched_estimate, matched_truth))
    if formats == ('kitti', 'kitti'):
        poses = read_kitti_poses(truth), read_kitti_poses(estimate)
        result = evaluate(*poses, alignment)
        stamps_ns = round(KITTI_FRAME_S * NANOSECONDS) * np.arange(len(poses[0]))
        beside = constant_speed_figures(Trajectory(stamps_ns, poses[1]), Trajectory(stamps_ns, poses[0]))
        return dataclasses.replace(result, constant_speed=beside)
    raise TrajectoryError(
        f'{truth} is a {formats[0].upper()} file and {estimate} a {formats[1].upper()} file. '
        'Compare two of one kind: only TUM files hold stamps.'
    )


def _details(result: Result) -> list[str]:
    lines = [f'alignment {result.alignment}; end error {result.end_error_m:.2f} m, {result.end_error_deg:.2f} deg']
    if result.rpe_m is not None and result.rpe_deg is not None:
        lines.append(f'frame to frame (RPE): {result.rpe_m:.4f} m, {result.rpe_deg:.4f} deg')
    return lines
