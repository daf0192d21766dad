"""The odometry between images, offline: what `odometry/predicted` of the node says, as a trajectory."""

from __future__ import annotations

import numpy as np

from atvio_ros.errors import BagError
from atvio_ros.geometry import from_quaternions
from atvio_ros.odometry.predictor import OdometryPredictor, PredictionSettings
from atvio_ros.rig.rig import Rig
from atvio_ros.types import ImuSample, OdometryEstimate, Trajectory


class PredictedTrajectory:
    """Fed with readings and estimates in their order; an estimate is known as soon as its pair is complete.

    The node knows it later by what the estimator takes, and predicts so much farther.
    """

    def __init__(self, rig: Rig, settings: PredictionSettings | None = None) -> None:
        self._predictor = OdometryPredictor(rig, settings)
        self._stamps_ns: list[int] = []
        self._rows: list[tuple[float, ...]] = []  # position, orientation

    def reading(self, sample: ImuSample) -> None:
        """Predict for one more reading."""
        if (made := self._predictor.add(sample)) is not None:
            self._stamps_ns.append(made.stamp_ns)
            self._rows.append((*made.position, *made.orientation))

    def estimate(self, estimate: OdometryEstimate) -> None:
        """Go on from there."""
        self._predictor.update(estimate)

    def trajectory(self) -> Trajectory:
        """base_link in odom. Raises BagError where nothing could be predicted."""
        if not self._rows:
            raise BagError(
                'No odometry was predicted: the IMU readings end before the first odometry.'
                ' Record the IMU for as long as the images.'
            )
        rows, poses = np.array(self._rows), np.tile(np.eye(4), (len(self._rows), 1, 1))
        poses[:, :3, 3] = rows[:, :3]
        poses[:, :3, :3] = from_quaternions(rows[:, 3:])
        return Trajectory(np.array(self._stamps_ns, dtype=np.int64), poses)
