"""How much faster the robot has become, as the accelerometer feels it: what bounds the change of a measured speed.

The accelerometer feels gravity, too, and slopes: two degrees are 0.34 m/s^2. So the force of standing still is carried
along by the gyro, and drawn to what is felt beside the accelerations that the measured speed explains: to the mean of
that at first, slowly later. A robot may begin on a slope and with any bias, and what is wrong then pulls its speed
along.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from atvio_ros.settings import setting
from atvio_ros.types import FloatArray

GRAVITY = 9.80665  # m/s^2
REMEMBERED = 32  # pairs


@dataclass(frozen=True)
class FeltSettings:
    """How much is believed of an accelerometer."""

    settling_s: float = setting(8.0, 'Time over which the force of standing still is learnt [s].', minimum=0.5)
    start_s: float = setting(1.0, 'The same at the first pair; it grows with the time since then [s].', minimum=0.1)
    sigma: float = setting(0.5, 'Deviation of the acceleration that is felt [m/s^2].', minimum=0.01)
    clear: float = setting(0.6, 'Deviation of a change of speed up to which it teaches in full [m/s].', minimum=0.01)
    most: float = setting(15.0, 'More than a vehicle can do: a knock, or a broken reading [m/s^2].', minimum=1.0)
    start_sigma: float = setting(2.0, 'The same at the start, on an unknown slope [m/s^2].', minimum=0.01)


class FeltAcceleration:
    """Fed with every pair in order, twice: before its speed is measured, and after. Axes are those of the images."""

    def __init__(self, up: FloatArray, settings: FeltSettings | None = None) -> None:
        """Take where up is (3,), a unit vector, as the rig has it: the start."""
        self._settings = settings or FeltSettings()
        self._up = up
        self.reset()

    def reset(self) -> None:
        """The robot may stand at any slope again."""
        self._still: FloatArray = GRAVITY * self._up  # force that is felt at rest
        self._seen_s = 0.0
        self._newest_first: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)  # acceleration, interval

    def before(
        self, force: FloatArray, R_previous_current: FloatArray, ahead: FloatArray, interval_s: float
    ) -> tuple[float, float]:
        """Acceleration along `ahead` (3,) over the pair and its sigma [m/s^2], from the mean specific force (3,)."""
        self._still = R_previous_current.T @ self._still
        settings = self._settings
        known = self._seen_s / (self._seen_s + 0.5 * settings.settling_s)
        sigma = known * settings.sigma + (1.0 - known) * settings.start_sigma
        acceleration = float((force - self._still) @ ahead)
        if abs(acceleration) > settings.most:
            acceleration, sigma = 0.0, settings.start_sigma
        self._newest_first.appendleft((acceleration, interval_s))
        return acceleration, sigma

    def gained(self, span_s: float) -> float:
        """By how much the way of the last `span_s` is longer than at the newest speed all the time [m]."""
        gained = change = 0.0
        for acceleration, interval_s in self._newest_first:
            if span_s < 0.5 * interval_s:
                break
            gained -= (change + 0.5 * acceleration * interval_s) * interval_s
            change += acceleration * interval_s
            span_s -= interval_s
        return gained

    def after(self, force: FloatArray, acceleration: FloatArray, interval_s: float, sigma: float = 0.0) -> None:
        """Learn from the mean specific force (3,) beside the acceleration (3,) that was measured [m/s^2].

        `sigma` [m/s] is that of the change of speed: the first speeds of a drive jump.
        """
        settings = self._settings
        self._seen_s += interval_s
        share = min(interval_s / min(settings.start_s + self._seen_s, settings.settling_s), 1.0)
        share *= min(1.0, (settings.clear / sigma) ** 2) if sigma > 0.0 else 1.0
        beyond = force - acceleration - self._still
        if float(np.linalg.norm(beyond)) < settings.most:
            self._still = self._still + share * beyond
