"""Whether the estimated speed changes as the accelerometer feels it. Generous: it finds what cannot be, not errors."""

from __future__ import annotations

from collections import deque

import numpy as np

from atvio_ros.median import median
from atvio_ros.odometry.standstill import inside
from atvio_ros.types import NANOSECONDS, FloatArray, FramePair

SPAN_S = 2.0
SETTLED_S = 1.0  # after a start: estimators find their speed first
AVERAGED = 5  # pairs at either end
ALLOWED_SLOPE = 2.5  # m/s^2 that slopes, tilt of the body and bias of the sensor add: a slope of 25 %
ALLOWED_CHANGE = 1.0  # m/s
ALLOWED_SHARE = 0.1  # of the speed: noise of the estimate

TOO_FAST = (
    'the speed changes by more than the accelerometer feels: check that the road is in view and that this is a ground '
    'vehicle, then camera_height, base_to_imu and the intrinsics'
)


class SpeedCheck:
    """Fed with every frame pair in order and the velocity that was estimated over it; depends on these alone."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the pairs before, as after a gap."""
        self._start_ns: int | None = None
        self._felt = np.zeros(3)  # m/s, specific force added up since the start
        self._history: deque[tuple[int, FloatArray, FloatArray]] = deque()  # end of pair, velocity, felt until then
        self._said_ns: int | None = None

    def update(self, pair: FramePair, velocity: FloatArray) -> tuple[float, str | None]:
        """By how much [m/s] the speed changed too much over two seconds (0: not), and words once a second.

        `velocity` (3,) [m/s] in base axes, along x on a vehicle.
        """
        end_ns = pair.current.stamp_ns
        if not pair.continues or self._start_ns is None:
            self.reset()
            self._start_ns = pair.previous.stamp_ns
        force = inside(pair.imu, pair)[:, 3:].mean(axis=0)
        self._felt = self._felt + force * pair.interval_s
        if end_ns - self._start_ns < SETTLED_S * NANOSECONDS:
            return 0.0, None
        self._history.append((end_ns, velocity, self._felt))
        while len(self._history) > 2 * AVERAGED and end_ns - self._history[1][0] >= SPAN_S * NANOSECONDS:
            self._history.popleft()
        if len(self._history) < 2 * AVERAGED or end_ns - self._history[0][0] < SPAN_S * NANOSECONDS:
            return 0.0, None
        excess = self._excess()
        if excess <= 0.0 or (self._said_ns is not None and end_ns - self._said_ns < NANOSECONDS):
            return excess, None
        self._said_ns = end_ns
        return excess, TOO_FAST

    def _excess(self) -> float:
        old, new = list(self._history)[:AVERAGED], list(self._history)[-AVERAGED:]
        times, speeds, felt = (
            [np.array([row[column] for row in rows]) for rows in (old, new)] for column in range(3)
        )  # fmt: skip
        span_s = float(np.mean(times[1] - times[0])) / NANOSECONDS
        change = median(speeds[1][:, 0]) - median(speeds[0][:, 0])
        explained = float(np.mean(felt[1][:, 0] - felt[0][:, 0]))
        fastest = float(np.abs(np.concatenate(speeds)[:, 0]).max())
        allowed = ALLOWED_SLOPE * span_s + ALLOWED_CHANGE + ALLOWED_SHARE * fastest
        return max(0.0, abs(change - explained) - allowed)
