"""What an accelerometer shows beside the robot's own acceleration: gravity and its bias, in base axes."""

from __future__ import annotations

from atvio_ros.odometry.quaternions import Vector, added, cross
from atvio_ros.odometry.reading_history import ReadingHistory
from atvio_ros.types import NANOSECONDS, OdometryEstimate

MEMORY_S = 5.0  # slopes change, and the body pitches
SETTLED_S = 1.0  # before, the velocity of few images is too rough to tell


class CarriedForce:
    """Fed with every estimate in order: the specific force less the change of the velocity that images show.

    The mean of changes of velocity is what lies between its two ends, so the noise of single velocities hardly matters.
    """

    def __init__(self) -> None:
        self._mean: Vector = (0.0, 0.0, 0.0)
        self._learnt_s = 0.0
        self.restart()

    def restart(self) -> None:
        """Velocities before are not to be compared with; what was learnt is kept."""
        self._before: tuple[int, Vector] | None = None  # middle of the pair, velocity
        self._stamp_ns: int | None = None
        self._middle_ns: int | None = None

    @property
    def force(self) -> Vector | None:
        """(3,) [m/s^2] in base axes; None: not known yet."""
        return self._mean if self._learnt_s >= SETTLED_S else None

    def learn(self, estimate: OdometryEstimate, history: ReadingHistory) -> None:
        """Take the next estimate."""
        stamp_ns, previous_ns = estimate.stamp_ns, self._stamp_ns
        self._stamp_ns, self._middle_ns = stamp_ns, None
        if previous_ns is None:
            return
        x, y, z = estimate.linear_velocity.tolist()
        velocity, middle_ns = (x, y, z), (previous_ns + stamp_ns) // 2
        before, self._before, self._middle_ns = self._before, (middle_ns, velocity), middle_ns
        if before is None or not history.reaches_back_to(before[0]):
            return
        span_s = (middle_ns - before[0]) / NANOSECONDS
        mean = added(before[1], added(velocity, before[1], -1.0), 0.5)
        felt = history.mean_force(before[0], middle_ns)
        turning = cross(history.mean_rate(before[0], middle_ns), mean)
        change = added(velocity, before[1], -1.0)
        left = added(added(felt, change, -1.0 / span_s), turning, -1.0)
        self._learnt_s += span_s
        share = span_s / min(self._learnt_s, MEMORY_S)
        self._mean = added(self._mean, added(left, self._mean, -1.0), share)

    def velocity(self, estimate: OdometryEstimate, history: ReadingHistory) -> Vector:
        """Velocity [m/s] in base axes at the stamp of the newest estimate, whose own is the mean over its pair."""
        x, y, z = estimate.linear_velocity.tolist()
        velocity, force, middle_ns, stamp_ns = (x, y, z), self.force, self._middle_ns, estimate.stamp_ns
        if force is None or middle_ns is None or estimate.stationary:
            return velocity
        change = added(history.mean_force(middle_ns, stamp_ns), force, -1.0)
        change = added(change, cross(history.mean_rate(middle_ns, stamp_ns), velocity), -1.0)
        return added(velocity, change, (stamp_ns - middle_ns) / NANOSECONDS)
