"""How often is the speed of a frame wrong, did sigma tell? `python -m benchmarks.frame_errors BAG... --out DIR`.

For each bag and estimator: frames whose speed is off by more than a tenth, those among them whose sigma claims less
than a twentieth (silent), the squared error of the way of each second in units of its sigma (errors last for pairs,
which the covariance of a pair counts in), distance, t_rel, and the processor time of a frame.
`--conditions` renders a drive for each condition of atvio_ros.rendering.conditions into DIR first.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.writer import BagWriter
from atvio_ros.cli import common
from atvio_ros.drives.bag_drive import bag_rig, bag_truth
from atvio_ros.drives.write_bag import write_bag
from atvio_ros.errors import BagError
from atvio_ros.evaluation.alignment import associate
from atvio_ros.evaluation.metrics import compare, distances_along
from atvio_ros.evaluation.run import run_bag
from atvio_ros.files import write_text
from atvio_ros.geometry import relative_poses
from atvio_ros.odometry.estimators import ESTIMATORS, choose_estimator
from atvio_ros.odometry.pipeline import Estimator
from atvio_ros.rig.rig import RigPart
from atvio_ros.types import NANOSECONDS, OdometryEstimate, Trajectory

OFF, SILENT = 0.1, 0.05  # of the speed
LEAST_SPEED = 0.5  # m/s: of less, a share tells little
SETTLED_S = 1.0  # after the first image


@dataclass(frozen=True)
class FrameErrors:
    """Of one drive and one estimator; frames are those in motion, after the start."""

    length_m: float
    distance_ratio: float  # estimated / true
    end_percent: float | None  # error of the last position, of the way
    t_rel: float | None  # %, KITTI's; None on drives under 100 m
    frames: int
    off_percent: float  # speed wrong by more than a tenth
    silent_percent: float  # so, while sigma claims less than a twentieth
    nees: float  # mean of (error / sigma)^2 of the way of one second; 1 is right
    ms_a_frame: float  # processor time of the whole run, decoding included


def frame_errors(
    estimates: Sequence[OdometryEstimate], trajectory: Trajectory, truth: Trajectory, seconds: float = 0.0
) -> FrameErrors:
    """Compare frame by frame. Raises TrajectoryError where too few poses match."""
    estimated, true = associate(trajectory, truth)
    sigma_of = {estimate.stamp_ns: float(np.sqrt(estimate.twist_covariance[0, 0])) for estimate in estimates}
    interval_s = np.diff(estimated.stamps_ns) / NANOSECONDS
    speed, true_speed = (relative_poses(poses)[:, 0, 3] / interval_s for poses in (estimated.poses, true.poses))
    since_s = (estimated.stamps_ns[1:] - estimated.stamps_ns[0]) / NANOSECONDS
    counted = (np.abs(true_speed) > LEAST_SPEED) & (since_s > SETTLED_S)
    sigmas = np.array([sigma_of[int(stamp_ns)] for stamp_ns in estimated.stamps_ns[1:]])
    error, size, sigma = np.abs(speed - true_speed)[counted], np.abs(true_speed)[counted], sigmas[counted]
    off = error > OFF * size
    result = compare(truth, trajectory)
    second = np.floor(since_s).astype(int)
    apart = np.bincount(second, (speed - true_speed) * interval_s * counted)
    variance = np.bincount(second, (sigmas * interval_s) ** 2 * counted)
    whole = variance > 0.0
    return FrameErrors(
        length_m=result.length_m,
        distance_ratio=float(distances_along(estimated.poses)[-1]) / result.length_m,
        end_percent=result.end_error_percent,
        t_rel=result.t_rel,
        frames=int(counted.sum()),
        off_percent=100.0 * float(off.mean()),
        silent_percent=100.0 * float((off & (sigma < SILENT * size)).mean()),
        nees=float(np.mean(apart[whole] ** 2 / variance[whole])),
        ms_a_frame=1000.0 * seconds / len(estimates),
    )


def measure(bag: Path, estimator: Estimator, given: RigPart | None = None) -> FrameErrors:
    """Run a bag. Raises BagError, CalibrationError, TrajectoryError."""
    with BagReader(bag) as reader:
        truth = bag_truth(reader)
        if truth is None:
            raise BagError(f'{bag} has no ground truth.')
        rig = bag_rig(reader, given).rig
        start = time.process_time()
        done = run_bag(reader, estimator, rig)
        return frame_errors(done.estimates, done.trajectory, truth, time.process_time() - start)


def rendered(out: Path, names: Sequence[str], seeds: Sequence[int], length_m: float) -> list[Path]:
    """A bag of KITTI's camera for each condition and seed; what is there already is kept."""
    from atvio_ros.rendering import DriveSettings, synthesize
    from atvio_ros.rendering.conditions import CONDITIONS

    bags = []
    for name in names or CONDITIONS:
        look = DriveSettings(
            width=621, height=188, color=False, supersampling=2.0, length=length_m, conditions=CONDITIONS[name]
        )
        for seed in seeds:
            bag = out / f'{name}_s{seed}'
            bags.append(bag)
            if not bag.exists():
                drive = synthesize(dataclasses.replace(look, seed=seed))
                write_bag(drive, BagWriter(bag))
                print(f'{bag}: {len(drive)} images, {drive.length_m:.0f} m', flush=True)
    return bags


def named_estimator(name: str) -> Estimator:
    """`road`, `geometry`, or the network of a model file."""
    return choose_estimator(name) if name in ESTIMATORS else choose_estimator('network', Path(name))


def main() -> None:
    """Print the table, and write it to DIR/frame_errors.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('bags', type=Path, nargs='*', metavar='BAG')
    parser.add_argument('--conditions', nargs='*', metavar='NAME', help='render these, or all, and measure them too')
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2], help='of rendered drives (default: 1 2)')
    parser.add_argument('--length', type=float, default=300.0, help='of each [m] (default: %(default)s)')
    parser.add_argument(
        '--model', action='append', metavar='FILE', help='a model file, road or geometry (default: road)'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='DIR')
    common.add_rig_options(parser)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    bags = list(args.bags)
    if args.conditions is not None:
        bags += rendered(args.out, args.conditions, args.seeds, args.length)
    given = common.given_rig(args)
    headings = ('drive', 'model', 'm', 'distance', 'end %', 't_rel %', 'frames', 'off %', 'silent %', 'NEES', 'ms')
    formats = ('.0f', '.3f', '.2f', '.2f', 'd', '.1f', '.1f', '.2f', '.1f')
    table, results = Table(*headings), []
    for bag in bags:
        for name in args.model or ['road']:
            estimator = named_estimator(name)
            found = asdict(measure(bag, estimator, given))
            results.append({'drive': bag.name, 'model': estimator.name, **found})
            values = ('-' if v is None else format(v, f) for v, f in zip(found.values(), formats, strict=True))
            table.add_row(bag.name, estimator.name, *values)
    write_text(args.out / 'frame_errors.json', json.dumps(results, indent=2) + '\n')
    Console(width=140).print(table)


if __name__ == '__main__':
    main()
