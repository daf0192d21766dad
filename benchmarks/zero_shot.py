"""How far off, frame by frame? `python -m benchmarks.zero_shot BAG... [--model FILE ...] --out DIR`.

For real recordings that are too short for t_rel: the two KITTI clips, say, with networks that have never seen a real
image, and the road estimator (`--model road`), which needs none. Writes a table, zero_shot.json and a picture of each
bag into DIR.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from atvio_ros.cli import common
from atvio_ros.evaluation.consistency import MatchedDrive
from atvio_ros.evaluation.metrics import distances_along
from atvio_ros.files import write_text
from atvio_ros.geometry import inverse, relative_poses
from atvio_ros.types import FloatArray
from benchmarks.drives import drive_odometry
from benchmarks.frame_errors import named_estimator


@dataclass(frozen=True)
class Figures:
    """Of one drive and one network; speeds and yaw are compared pair by pair."""

    length_m: float
    end_error_percent: float  # of the way
    distance_ratio: float  # estimated / true
    speed: float  # m/s, the true mean
    speed_bias: float  # m/s, estimated - true
    speed_rmse: float  # m/s
    yaw_mae_deg: float  # a frame
    yaw_end_deg: float  # of the heading at the end


def figures(drive: MatchedDrive) -> Figures:
    """What a drive's odometry is worth beside its truth."""
    estimated, true = speeds(drive, drive.estimate), speeds(drive, drive.truth)
    yaw_error_deg = np.rad2deg(_yaw(drive.estimate) - _yaw(drive.truth))
    error = inverse(_from_start(drive.truth)[-1]) @ _from_start(drive.estimate)[-1]
    length_m = float(distances_along(drive.truth)[-1])
    return Figures(
        length_m=length_m,
        end_error_percent=100.0 * float(np.linalg.norm(error[:3, 3])) / length_m,
        distance_ratio=float(distances_along(drive.estimate)[-1]) / length_m,
        speed=float(true.mean()),
        speed_bias=float((estimated - true).mean()),
        speed_rmse=float(np.sqrt(np.mean((estimated - true) ** 2))),
        yaw_mae_deg=float(np.abs(yaw_error_deg).mean()),
        yaw_end_deg=float(np.rad2deg(np.arctan2(error[1, 0], error[0, 0]))),
    )


def speeds(drive: MatchedDrive, poses: FloatArray) -> FloatArray:
    """(N - 1,) m/s of N poses."""
    return np.asarray(np.linalg.norm(relative_poses(poses)[:, :3, 3], axis=1) / drive.interval_s)


def picture(drives: dict[str, MatchedDrive], title: str) -> Figure:
    """Speed over time and the way from above, the truth beside each network's."""
    figure = Figure(figsize=(11.0, 4.0), dpi=100, layout='constrained')
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1.0))
    first = next(iter(drives.values()))
    drawn = {'truth': (first, first.truth), **{name: (drive, drive.estimate) for name, drive in drives.items()}}
    for name, (drive, poses) in drawn.items():
        style = {'color': '0.35', 'linestyle': '--'} if name == 'truth' else {}
        way = _from_start(poses)[:, :3, 3]
        left.plot((drive.stamps_ns[1:] - drive.stamps_ns[0]) * 1e-9, speeds(drive, poses), label=name, **style)
        right.plot(way[:, 0], way[:, 1], label=name, **style)
    left.set(xlabel='time [s]', ylabel='speed [m/s]', title=title, ylim=(0.0, None))
    right.set(xlabel='x forward [m]', ylabel='y left [m]', title='from above')
    right.set_aspect('equal', adjustable='datalim')
    for axes in (left, right):
        axes.grid(color='0.9')
        axes.legend(frameon=False)
    return figure


def _from_start(poses: FloatArray) -> FloatArray:
    return np.asarray(inverse(poses[:1]) @ poses)


def _yaw(poses: FloatArray) -> FloatArray:
    """(N - 1,) rad about base z over each pair."""
    R = relative_poses(poses)[:, :3, :3]
    return np.asarray(np.arctan2(R[:, 1, 0], R[:, 0, 0]))


def main() -> None:
    """Run every network over every bag."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('bags', type=Path, nargs='+', metavar='BAG')
    parser.add_argument('--model', action='append', metavar='FILE', help='model file, or: road (default: road)')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR')
    common.add_rig_options(parser)
    args = parser.parse_args()
    given = common.given_rig(args)
    headings = (
        'bag',
        'model',
        'm',
        'end error %',
        'distance ratio',
        'speed',
        'bias',
        'RMSE',
        'yaw MAE deg',
        'yaw end deg',
    )
    table, results = Table(*headings), []
    args.out.mkdir(parents=True, exist_ok=True)
    for bag in args.bags:
        drives = {}
        for name in args.model or ['road']:
            estimator = named_estimator(name)
            drive = drives[name] = drive_odometry(bag, estimator, given)
            found = figures(drive)
            results.append({'bag': bag.name, 'model': estimator.name, **asdict(found)})
            formats = ('.0f', '.2f', '.3f', '.2f', '+.2f', '.2f', '.3f', '+.2f')
            table.add_row(bag.name, name, *map(format, asdict(found).values(), formats))
        picture(drives, bag.name).savefig(args.out / f'{bag.name}.png')
    write_text(args.out / 'zero_shot.json', json.dumps(results, indent=2) + '\n')
    Console(width=140).print(table)


if __name__ == '__main__':
    main()
