"""A drive through the road estimator: where the robot went, seen from its camera, and how far in camera heights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atvio_ros.bags.reader import BagImage
from atvio_ros.errors import ImageError
from atvio_ros.evaluation.alignment import associate
from atvio_ros.geometry import relative_poses
from atvio_ros.odometry.ledger import Counts
from atvio_ros.odometry.pipeline import assemble, run_offline
from atvio_ros.odometry.road_estimator import RoadEstimator
from atvio_ros.odometry.sight import Sight
from atvio_ros.rig.rig import Rig
from atvio_ros.types import CameraFrame, FloatArray, ImuSample, Trajectory

SETTLED_S = 3.0  # of a drive: the filters start from what is given
SLOWEST_H = 0.5  # camera heights a second; slower, images tell little of a direction
STRAIGHT = 0.15  # rad/s about base z


@dataclass(frozen=True)
class RoadRun:
    """What came of N frame pairs. Motions scale with the camera height of the rig, directions do not."""

    stamps_ns: NDArray[np.int64]  # (N,) second image of each pair
    directions: FloatArray  # (N, 3) of travel, unit vectors in the camera's optical axes
    clear: NDArray[np.bool_]  # (N,) whether the direction was seen well, on a straight and not slow way
    lost: NDArray[np.bool_]  # (N,) in motion without a direction
    stationary: NDArray[np.bool_]  # (N,)
    velocity: FloatArray  # (N, 3) m/s in base axes
    trajectory: Trajectory  # base_link, N poses
    warnings: dict[str, int]  # what the odometry said of its input: how often
    counts: Counts

    def __len__(self) -> int:
        return len(self.stamps_ns)


def look_at_road(events: Iterable[ImuSample | BagImage], rig: Rig) -> RoadRun:
    """Run the road estimator over recorded streams. Raises CalibrationError where the rig lacks camera or height."""
    warnings: Counter[str] = Counter()
    odometry = assemble(RoadEstimator(), rig, on_warning=lambda text: warnings.update((text,)))
    sight = odometry.intake
    assert isinstance(sight, Sight)  # of an estimator that looks through a view

    def frames() -> Iterator[ImuSample | CameraFrame]:
        for event in events:
            if isinstance(event, BagImage):
                try:
                    yield sight.frame(event.stamp_ns, event.image)
                except ImageError as error:
                    warnings.update((str(error),))
            else:
                yield event

    estimates = []
    for _, estimate in run_offline(frames(), odometry.pairer, odometry.engine):
        estimates.append(estimate)
        warnings.update(estimate.warnings)
    stamps_ns = np.array([estimate.stamp_ns for estimate in estimates], dtype=np.int64)
    geometries = [estimate.geometry for estimate in estimates if estimate.geometry is not None]
    ahead = [sight.R_camera_stored @ geometry.R_image_level[:, 2] for geometry in geometries]
    velocity = np.array([estimate.linear_velocity for estimate in estimates]).reshape(-1, 3)
    turning = np.array([abs(float(estimate.angular_velocity[2])) for estimate in estimates])
    stationary = np.array([estimate.stationary for estimate in estimates], dtype=bool)
    clear = (
        np.array([geometry.confident and not geometry.lost for geometry in geometries], dtype=bool)
        & (velocity[:, 0] > SLOWEST_H * rig.needed_height)
        & (turning < STRAIGHT)
        & ~stationary
    )
    if len(stamps_ns):
        clear &= stamps_ns > stamps_ns[0] + round(SETTLED_S * 1e9)
    return RoadRun(
        stamps_ns=stamps_ns,
        directions=np.array(ahead).reshape(-1, 3),
        clear=clear,
        lost=np.array([geometry.lost for geometry in geometries], dtype=bool),
        stationary=stationary,
        velocity=velocity,
        trajectory=Trajectory(stamps_ns, np.array([e.T_odom_base for e in estimates]).reshape(-1, 4, 4)),
        warnings=dict(warnings),
        counts=odometry.pairer.ledger.counts,
    )


def distances(run: RoadRun, truth: Trajectory) -> tuple[FloatArray, FloatArray]:
    """Way [m] between neighbouring matched poses where the drive was clear: true (M,) and estimated (M,).

    Raises TrajectoryError where the two do not match in time.
    """
    estimated, true = associate(run.trajectory, truth)
    at = np.searchsorted(run.stamps_ns, estimated.stamps_ns)
    neighbours = (np.diff(at) == 1) & run.clear[at[1:]]
    ways = [np.linalg.norm(relative_poses(t.poses)[:, :3, 3], axis=1)[neighbours] for t in (true, estimated)]
    return ways[0], ways[1]
