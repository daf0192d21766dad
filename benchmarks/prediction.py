"""How far is `odometry/predicted` off? `python -m benchmarks.prediction BAG... [--late-ms 30]`.

Every prediction of a drive, made while the odometry is `--late-ms` behind what it needs, is compared with the truth of
the motion since its image; then how far the pose moves at once when a new image corrects it.
"""

from __future__ import annotations

import argparse
from collections import deque
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, RotationSpline

from atvio_ros.bags.reader import BagImage, BagReader
from atvio_ros.drives.bag_drive import bag_rig, bag_truth
from atvio_ros.geometry import inverse, rotation_angle, transform
from atvio_ros.odometry.estimators import choose_estimator
from atvio_ros.odometry.pipeline import assemble, run_offline
from atvio_ros.odometry.predictor import OdometryPredictor, Prediction, PredictionSettings
from atvio_ros.rig.rig import Rig
from atvio_ros.types import FloatArray, ImuSample, OdometryEstimate, Trajectory

AGES_MS = (10, 50, 100)
WARM_UP_S = 3.0


class Truth:
    """Poses at any time, by splines."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._first_ns, self._last_ns = int(trajectory.stamps_ns[0]), int(trajectory.stamps_ns[-1])
        times = (trajectory.stamps_ns - self._first_ns) * 1e-9
        self._rotation = RotationSpline(times, Rotation.from_matrix(trajectory.poses[:, :3, :3]))
        self._position = CubicSpline(times, trajectory.poses[:, :3, 3])

    def covers(self, start_ns: int, end_ns: int) -> bool:
        return self._first_ns + WARM_UP_S * 1e9 <= start_ns and end_ns <= self._last_ns

    def pose(self, at_ns: int) -> FloatArray:
        time_s = (at_ns - self._first_ns) * 1e-9
        return transform(self._rotation(time_s).as_matrix(), self._position(time_s))


def recorded(bag: Path) -> tuple[Rig, Truth, list[ImuSample], list[tuple[int, OdometryEstimate]]]:
    """Robot, truth, readings, and each estimate with the stamp of the reading that completed its pair."""
    with BagReader(bag) as reader:
        rig, truth = bag_rig(reader).rig, bag_truth(reader)
        if truth is None:
            raise SystemExit(f'{bag} has no ground truth.')
        odometry = assemble(choose_estimator('road', None, 'cpu', 1), rig)
        readings: list[ImuSample] = []

        def events():  # type: ignore[no-untyped-def]
            for event in reader.events():
                if isinstance(event, BagImage):
                    yield odometry.intake.frame(event.stamp_ns, event.image)
                else:
                    readings.append(event)
                    yield event

        estimates = [
            (readings[-1].stamp_ns, estimate) for _, estimate in run_offline(events(), odometry.pairer, odometry.engine)
        ]
    return rig, Truth(truth), readings, estimates


def errors(rig: Rig, truth: Truth, readings: list[ImuSample], estimates: list[OdometryEstimate]) -> FloatArray:
    """(N, 3): age [ms] of every prediction up to 120 ms, how far it is off [m], and its attitude [rad]. To have all
    ages, an estimate is replaced when it is so old, not when there is a newer one.
    """
    rows = []
    for start in range(2):  # every other estimate lives for two intervals
        predictor, waiting = OdometryPredictor(rig, PredictionSettings(0.0)), deque(estimates[start::2])
        newest: OdometryEstimate | None = None
        for reading in readings:
            now_ns = reading.stamp_ns + round(rig.imu_time_offset * 1e9)
            if waiting and now_ns > waiting[0].stamp_ns:
                newest = waiting.popleft()
                predictor.update(newest)
            made = predictor.add(reading)
            if made is None or newest is None or not truth.covers(newest.stamp_ns, made.stamp_ns):
                continue
            off = inverse(inverse(truth.pose(newest.stamp_ns)) @ truth.pose(made.stamp_ns)) @ (
                inverse(newest.T_odom_base) @ made.T_odom_base
            )
            age_ms = (made.stamp_ns - newest.stamp_ns) / 1e6
            rows.append((age_ms, np.linalg.norm(off[:3, 3]), float(rotation_angle(off[:3, :3]))))
    return np.array(rows)


def steps(
    rig: Rig, readings: list[ImuSample], estimates: list[tuple[int, OdometryEstimate]], late_ns: int, smoothing_s: float
) -> FloatArray:
    """(N,) m: how far the position goes beyond its velocity from the reading before a new image to the next."""
    predictor, waiting = OdometryPredictor(rig, PredictionSettings(smoothing_s)), deque(estimates)
    found, before = [], None
    for reading in readings:
        corrected = False
        while waiting and waiting[0][0] + late_ns <= reading.stamp_ns:
            predictor.update(waiting.popleft()[1])
            corrected = True
        made = predictor.add(reading)
        if made and before and corrected:
            way = 0.5e-9 * (made.stamp_ns - before.stamp_ns) * (_velocity(made) + _velocity(before))
            found.append(np.linalg.norm(np.array(made.position) - before.position - way))
        before = made
    return np.array(found)


def _velocity(made: Prediction) -> FloatArray:
    return Rotation.from_quat(made.orientation).apply(made.linear_velocity)


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('bags', type=Path, nargs='+', metavar='BAG')
    parser.add_argument('--late-ms', type=float, default=30.0, help='that the estimator takes')
    arguments = parser.parse_args()
    print('| drive | ' + ' | '.join(f'after {age} ms, rms' for age in AGES_MS) + ' | step at an image, p50 / p99 |')
    print('|---' * (len(AGES_MS) + 2) + '|')
    for bag in arguments.bags:
        rig, truth, readings, estimates = recorded(bag)
        found = errors(rig, truth, readings, [estimate for _, estimate in estimates])
        cells = []
        for age in AGES_MS:
            chosen = found[np.abs(found[:, 0] - age) < 5.5, 1:]
            metres, turned = np.sqrt((chosen**2).mean(axis=0))
            cells.append(f'{1e3 * metres:.1f} mm, {np.degrees(turned):.3f} deg')
        for smoothing_s in (0.1, 0.0):
            p50, p99 = 1e3 * np.percentile(
                steps(rig, readings, estimates, round(arguments.late_ms * 1e6), smoothing_s), (50, 99)
            )
            cells.append(f'{p50:.1f} / {p99:.1f} mm')
        print(f'| {bag.name} | {" | ".join(cells[:-1])} (at once: {cells[-1]}) |', flush=True)


if __name__ == '__main__':
    main()
