"""How much less certain a motion is while something says that it cannot be trusted, beside the error model's own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atvio_ros.odometry.input_checks import GRAVITY_TIME_NS, GravityCheck
from atvio_ros.types import FloatArray, FramePair

ALONG = 0.1  # of the way, one sigma: what a wrong tilt, height or focal length of a usual size makes of it
LOST_RAD = np.radians(5.0)  # how far the direction of travel may be off where it is not seen
SIGMAS = 3.0  # of its pitch, where it is being learned
_GRAVITY_LASTS_NS = 2 * GRAVITY_TIME_NS  # the check speaks once a second while gravity is wrong


class Doubt(NamedTuple):
    """Covariances (3, 3) [m^2] of the way over one pair, in its axes: to be added to the motion and to the pose."""

    motion: FloatArray
    pose: FloatArray


class Doubts:
    """Fed with every frame pair in order and the way over it; depends on these alone.

    A direction that is being learned errs anew in each pair. What is wrong for longer errs the same way all the time: a
    direction that is lost, gravity beside base z, a robot that the estimator cannot work on (`of_robot`). There the
    sigma of the position grows with the way since it began.
    """

    def __init__(self, of_robot: bool = False) -> None:
        self.of_robot = of_robot
        self.reset()

    def reset(self) -> None:
        """Forget the pairs before."""
        self._gravity = GravityCheck()  # readings of a pair are in the axes of the base
        self._fed_ns: int | None = None
        self._gravity_ns: int | None = None  # when it was last wrong
        self._way_m = 0.0  # since the doubt began

    def update(self, pair: FramePair, way: FloatArray) -> Doubt | None:
        """Doubt in the next pair, over which the estimate moves by `way` (3,) [m]; None where there is none."""
        geometry = pair.geometry
        lost = geometry is not None and geometry.lost
        lasting = self._gravity_is_wrong(pair) or lost or self.of_robot
        if not lasting:
            self._way_m = 0.0
        distance_m = float(np.linalg.norm(way))
        if distance_m == 0.0 or not (lasting or (geometry is not None and not geometry.confident)):
            return None
        sigma = 0.0 if geometry is None else min(SIGMAS * geometry.pitch_sigma, np.pi / 2)
        across = float(np.sin(max(sigma, LOST_RAD if lasting else 0.0)))
        ahead = np.outer(way, way) / distance_m**2
        shape = ALONG**2 * ahead + across**2 * (np.eye(3) - ahead)
        motion = distance_m**2 * shape
        if not lasting:
            return Doubt(motion, motion)
        before_m, self._way_m = self._way_m, self._way_m + distance_m
        return Doubt(motion, (self._way_m**2 - before_m**2) * shape)

    def _gravity_is_wrong(self, pair: FramePair) -> bool:
        for stamp_ns, force in zip(pair.imu.stamps_ns.tolist(), pair.imu.values[:, 3:].tolist(), strict=True):
            if self._fed_ns is None or stamp_ns > self._fed_ns:  # windows overlap at the image that they share
                self._fed_ns = stamp_ns
                if self._gravity.take(stamp_ns, force) is not None:
                    self._gravity_ns = stamp_ns
        return self._gravity_ns is not None and abs(pair.current.stamp_ns - self._gravity_ns) <= _GRAVITY_LASTS_NS
