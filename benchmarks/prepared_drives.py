"""Estimators on prepared drives (view stored), frame by frame: `python -m benchmarks.prepared_drives DIR --model FILE`.

Both run as in the odometry, standstill gate included. `--oracle direction` gives them the true direction of travel.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atvio_ros.drives.sequence_store import find_sequences
from atvio_ros.geometry import inverse, transform
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.estimators import choose_estimator
from atvio_ros.odometry.pipeline import Estimator
from atvio_ros.odometry.standstill import StandstillGate
from atvio_ros.odometry.travel import TravelTracker
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.types import FloatArray, FramePair, OdometryEstimate, PairGeometry
from atvio_ros.view.level import level_rotation

SETTLED = 10  # pairs at the start that do not count
SPANS_M = (10.0, 50.0)


class TrueDirection(TravelTracker):
    """The direction of travel of the ground truth over a second or so, in place of the measured one."""

    def __init__(self, drive: RoadDrive) -> None:
        super().__init__(drive.sight)
        self._drive = drive
        self._index = {int(stamp): i for i, stamp in enumerate(drive.sequence.image_stamps_ns)}

    def update(self, pair: FramePair) -> PairGeometry:
        geometry = super().update(pair)
        newer = self._index[pair.current.stamp_ns]
        poses = self._drive.sequence.camera_poses
        way = poses[newer, :3, :3].T @ (poses[newer, :3, 3] - poses[newer - 1, :3, 3])
        if np.linalg.norm(way) < 0.02:
            return geometry
        return dataclasses.replace(
            geometry, R_image_level=level_rotation(way, np.array([0.0, 1.0, 0.0])), pitch_sigma=np.radians(0.1)
        )


def run(drive: RoadDrive, estimator: Estimator, true_direction: bool) -> Iterator[tuple[FramePair, OdometryEstimate]]:
    """Each pair of a drive with its estimate."""
    tracker = TrueDirection(drive) if true_direction else TravelTracker(drive.sight)
    T_base_image = drive.rig.T_base_camera @ transform(drive.sight.R_camera_stored, np.zeros(3))
    odometer = estimator.on_robot(drive.rig, drive.sight)
    engine = OdometryEngine(odometer, T_base_image, estimator.noise, StandstillGate(), tracker)
    for pair in drive.pairs():
        yield pair, engine.process(pair)


def measure(drive: RoadDrive, estimator: Estimator, true_direction: bool = False) -> dict[str, float]:
    """Figures of one drive."""
    index = {int(stamp): i for i, stamp in enumerate(drive.sequence.image_stamps_ns)}
    poses, rows = drive.sequence.camera_poses, []
    for pair, estimate in run(drive, estimator, true_direction):
        newer = index[pair.current.stamp_ns]
        T = inverse(poses[newer - 1]) @ poses[newer]
        ahead = T[:3, 3] / max(float(np.linalg.norm(T[:3, 3])), 1e-9)
        covariance = estimate.twist_covariance[:3, :3] * pair.interval_s**2
        found = np.linalg.norm(estimate.motion.T_previous_current[:3, 3])
        sign = np.sign(estimate.motion.T_previous_current[2, 3] or 1.0)
        rows.append((sign * found, np.linalg.norm(T[:3, 3]) * np.sign(ahead[2] or 1.0), covariance[0, 0] ** 0.5,
                     pair.interval_s))  # fmt: skip
    table = np.array(rows)[SETTLED:]
    found, true, sigma, interval_s = table[np.isfinite(table[:, 1])].T
    error, size = np.abs(found - true), np.maximum(np.abs(true), 0.5 * interval_s)
    off = error > 0.1 * size
    return {
        'distance': float(found.sum() / true.sum()),
        'RMSE m/s': float(np.sqrt(np.mean(((found - true) / interval_s) ** 2))),
        'local %': 100.0 * _local(found, true),
        'off by 10 % %': 100.0 * float(off.mean()),
        'silent %': 100.0 * float((off & (sigma < 0.05 * size)).mean()),
        'NEES': float(np.mean((found - true) ** 2 / (sigma**2 + 1e-10))),
    }


def _local(found: FloatArray, true: FloatArray) -> float:
    """Deviation of the way over stretches of 10 m or, on a short drive, a fifth of it, as a share."""
    total = np.concatenate(([0.0], np.cumsum(np.abs(true))))
    span = min(SPANS_M[0], total[-1] / 5.0)
    edges = np.searchsorted(total, np.arange(0.0, total[-1], max(span, 1e-3)))
    shares = [found[a:b].sum() / true[a:b].sum() - 1.0 for a, b in itertools.pairwise(edges)
              if abs(true[a:b].sum()) > 0.5 * span]  # fmt: skip
    return float(np.sqrt(np.mean(np.square(shares)))) if shares else float('nan')


def main() -> None:
    """Print a row for each drive, and their mean and median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='prepared drives, --view stored')
    parser.add_argument('--model', type=Path, help='a model file of the network road (default: the road estimator)')
    parser.add_argument('--oracle', choices=('direction',), help='what is taken from the ground truth')
    arguments = parser.parse_args()
    estimator = choose_estimator('network' if arguments.model else 'road', arguments.model)
    print(f'{estimator.name}{", true direction" if arguments.oracle else ""}')
    all_figures = []
    for path in find_sequences(arguments.folder):
        figures = measure(RoadDrive(path), estimator, arguments.oracle == 'direction')
        all_figures.append(figures)
        print(f'{path.name:<32}' + '  '.join(f'{name} {value:7.3f}' for name, value in figures.items()), flush=True)
    names = list(all_figures[0])
    table = np.array([[figures[name] for name in names] for figures in all_figures])
    away = 100.0 * np.abs(table[:, names.index('distance')] - 1.0)
    print(f'{"distance off by %: mean, median":<32}{away.mean():.2f} {np.median(away):.2f}')
    for name, column in zip(names[1:], table[:, 1:].T, strict=True):
        print(f'{name + ": mean, median":<32}{np.nanmean(column):.3f} {np.nanmedian(column):.3f}')


if __name__ == '__main__':
    main()
