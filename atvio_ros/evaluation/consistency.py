"""Whether covariances match the errors: errors over stretches of a drive, in units of their own deviations."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from atvio_ros.evaluation.alignment import associate
from atvio_ros.evaluation.metrics import distances_along
from atvio_ros.geometry import inverse, relative_poses
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.odometry.uncertainty import PoseUncertainty
from atvio_ros.types import NANOSECONDS, FloatArray, OdometryEstimate, Trajectory

LENGTHS_M = (10.0, 20.0, 50.0, 100.0)
INSIDE = 0.95
_POSITION_LIMIT, _YAW_LIMIT = float(chi2.ppf(INSIDE, 3)), float(chi2.ppf(INSIDE, 1))


@dataclass(frozen=True)
class MatchedDrive:
    """N poses of base_link with their truth; `gone_on` marks which of the N - 1 steps are one frame pair each."""

    stamps_ns: NDArray[np.int64]  # (N,)
    estimate: FloatArray  # (N, 4, 4)
    truth: FloatArray  # (N, 4, 4)
    stationary: NDArray[np.bool_]  # (N - 1,) the standstill gate held the step
    whole: NDArray[np.bool_]  # (N - 1,) the step is one frame pair, without a gap
    own: FloatArray | None = None  # (N - 1, 6, 6) that the estimator gives each step, beside the model of its noise

    @property
    def interval_s(self) -> FloatArray:
        """(N - 1,) of each step [s]."""
        return np.asarray(np.diff(self.stamps_ns) / NANOSECONDS)


@dataclass(frozen=True)
class Consistency:
    """Normalised estimation errors squared (NEES) over stretches of one length; 1 and 0.95 are right."""

    length_m: float
    position: float  # mean NEES of the position over its three degrees of freedom
    yaw: float  # mean NEES of the rotation about odom's z
    position_inside: float  # share of the stretches whose position error lies inside its 95 % ellipsoid
    yaw_inside: float
    stretches: int


def match_drive(trajectory: Trajectory, estimates: Sequence[OdometryEstimate], truth: Trajectory) -> MatchedDrive:
    """Poses of a run that have a true pose at the same time. Raises TrajectoryError if too few match."""
    estimated, true = associate(trajectory, truth)
    stationary = {estimate.stamp_ns for estimate in estimates if estimate.stationary}
    broken = {estimate.stamp_ns for estimate in estimates if estimate.gap_s > 0.0}
    order = {int(stamp_ns): i for i, stamp_ns in enumerate(trajectory.stamps_ns)}
    places = np.array([order[int(stamp_ns)] for stamp_ns in estimated.stamps_ns])
    ends = [int(stamp_ns) for stamp_ns in estimated.stamps_ns[1:]]
    given = {estimate.stamp_ns: estimate.motion_covariance for estimate in estimates}
    own = [given.get(end) for end in ends]
    return MatchedDrive(
        estimated.stamps_ns,
        estimated.poses,
        true.poses,
        np.array([end in stationary for end in ends], dtype=bool),
        (np.diff(places) == 1) & np.array([end not in broken for end in ends], dtype=bool),
        np.array([np.zeros((6, 6)) if each is None else each for each in own]),
    )


def consistency(
    drives: Sequence[MatchedDrive], noise: MotionNoise, lengths_m: Sequence[float] = LENGTHS_M
) -> list[Consistency]:
    """NEES of the drives' stretches, begun every half length; lengths of which there is no stretch are left out.

    Each stretch is taken on its own, from a pose that is certain: its covariance is what the engine would give then.
    """
    found = []
    for length_m in lengths_m:
        parts = [_normalised(drive, noise, length_m) for drive in drives]
        position, yaw = (np.array([value for part in parts for value in part[k]]) for k in (0, 1))
        if len(position):
            found.append(
                Consistency(
                    length_m,
                    float(position.mean() / 3.0),
                    float(yaw.mean()),
                    float((position <= _POSITION_LIMIT).mean()),
                    float((yaw <= _YAW_LIMIT).mean()),
                    len(position),
                )
            )
    return found


def covariance_notes(rows: Sequence[Consistency], noise: MotionNoise) -> dict[str, Any]:
    """The part of result.json about the covariances."""
    return {'fitted_to': noise.fitted_to or None, 'consistency': [dataclasses.asdict(row) for row in rows]}


def consistency_lines(rows: Sequence[Consistency], noise: MotionNoise) -> list[str]:
    """The same in words, a line for each length; NEES is for each degree of freedom."""
    source = 'calibrated' if noise.calibrated else 'NOT calibrated, see `atvio calibrate-covariance`'
    head = f'Covariance ({source}): normalised squared error (1 is right), share inside 95 % (0.95 is right)'
    return [head] * bool(rows) + [
        f'  over {row.length_m:.0f} m: position {row.position:.2f}, {row.position_inside:.2f}; '
        f'yaw {row.yaw:.2f}, {row.yaw_inside:.2f}; {row.stretches} stretches'
        for row in rows
    ]


def _normalised(drive: MatchedDrive, noise: MotionNoise, length_m: float) -> tuple[list[float], list[float]]:
    """NEES of position and of yaw of the stretches of one drive."""
    way_m = distances_along(drive.truth)
    motions, interval_s = relative_poses(drive.estimate), drive.interval_s
    position, yaw = [], []
    first = 0
    while (last := int(np.searchsorted(way_m, way_m[first] + length_m))) < len(way_m):
        if drive.whole[first:last].all():
            P = _covariance(drive, motions, interval_s, first, last, noise)
            T_estimate = inverse(drive.estimate[first]) @ drive.estimate[last]
            T_truth = inverse(drive.truth[first]) @ drive.truth[last]
            error = T_estimate[:3, 3] - T_truth[:3, 3]
            turned = Rotation.from_matrix(T_estimate[:3, :3] @ T_truth[:3, :3].T).as_rotvec()
            position.append(float(error @ np.linalg.solve(P[:3, :3], error)))
            yaw.append(float(turned[2] ** 2 / P[5, 5]))
        first = max(first + 1, int(np.searchsorted(way_m, way_m[first] + 0.5 * length_m)))
    return position, yaw


def _covariance(
    drive: MatchedDrive, motions: FloatArray, interval_s: FloatArray, first: int, last: int, noise: MotionNoise
) -> FloatArray:
    """(6, 6) of the motion from pose `first` to pose `last`, in the axes of `first`."""
    uncertainty = PoseUncertainty(noise)
    R = np.eye(3)
    for k in range(first, last):
        if drive.stationary[k]:
            uncertainty.rest(float(interval_s[k]))
        else:
            own = None if drive.own is None else drive.own[k]
            uncertainty.move(R, motions[k], float(interval_s[k]), own)
        R = R @ motions[k, :3, :3]
    return uncertainty.pose
