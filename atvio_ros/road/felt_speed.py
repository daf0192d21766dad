"""Speed over the road from curves of likelihood and from what the accelerometer feels, over a grid of speed and tilt.

As road/speed_filter.py, but the belief moves from pair to pair by the felt acceleration, so it need not be as wide as
all that a vehicle can do: a wrong shift is left behind when the robot slows down or speeds up, and a stretch without
texture is bridged. Gravity, the accelerometer's bias and the mounting's tilt show in the specific force together; they
are carried along by the gyro and learnt from the estimated speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.settings import setting
from atvio_ros.types import FloatArray

Curves = NDArray[np.float32]


@dataclass(frozen=True)
class FeltSpeedSettings:
    """The grid, and what is believed of a vehicle and its accelerometer."""

    largest_speed: float = setting(40.0, 'Forward [m/s].', minimum=0.5, maximum=100.0)
    largest_reverse: float = setting(4.0, 'Backward [m/s].', minimum=0.0, maximum=50.0)
    step_h: float = setting(0.05, 'Step of the grid [camera heights a second].', minimum=0.005)
    most_steps: int = setting(1200, 'Most speeds of the grid; a low camera has longer steps.', minimum=50)
    tilt_deg: float = setting(0.25, 'Deviation of the tilt that is left [deg].', minimum=0.01)
    tilt_most_deg: float = setting(1.2, 'Largest tilt that is looked at [deg].', minimum=0.1)
    tilt_step_deg: float = setting(0.15, 'Step of the grid [deg].', minimum=0.01)
    tilt_drift_deg: float = setting(0.16, 'Drift of the tilt [deg/sqrt(s)].', minimum=0.0)
    tilt_back: float = setting(0.2, 'How fast the tilt is drawn back to zero [1/s].', minimum=0.0)
    trust: float = setting(0.3, 'Weight of the curves: neighbouring pairs err alike.', minimum=0.01)
    surprise: float = setting(5e-4, 'Chance that a pair is nothing like the one before.', minimum=0.0, maximum=0.5)
    acceleration: float = setting(1.8, 'Deviation of an acceleration that is not felt [m/s^2].', minimum=0.1)
    felt_sigma: float = setting(0.5, 'Deviation of the felt acceleration [m/s^2].', minimum=0.01)
    most_felt: float = setting(15.0, 'More than a vehicle can do: a knock, or a broken reading [m/s^2].', minimum=1.0)
    settled_s: float = setting(3.0, 'Time in which the acceleration begins to be believed [s].', minimum=0.1)
    gravity_s: float = setting(8.0, 'Time over which gravity is learnt [s].', minimum=0.5)
    local: float = setting(0.6, 'The mean is taken this near the best speed [camera heights a second].', minimum=0.05)


@dataclass(frozen=True)
class FeltSpeed:
    """Speed at one pair."""

    speed: float  # camera heights a second
    sigma: float  # of the whole belief: it grows where two speeds are as likely
    tilt: float  # rad, left in the road view
    felt: float  # m/s^2 along the way, gravity taken off


class FeltSpeedFilter:
    """Fed with the curves of one pair after the other; the same input gives the same estimates."""

    def __init__(self, camera_height: float, settings: FeltSpeedSettings | None = None) -> None:
        self._settings = settings = settings or FeltSpeedSettings()
        self._height = camera_height
        slowest, fastest = -settings.largest_reverse / camera_height, settings.largest_speed / camera_height
        self._step = max(settings.step_h, (fastest - slowest) / settings.most_steps)
        self._speeds = self._step * np.arange(np.floor(slowest / self._step), np.ceil(fastest / self._step) + 1)
        steps = round(settings.tilt_most_deg / settings.tilt_step_deg)
        self._tilts = np.radians(settings.tilt_step_deg) * np.arange(-steps, steps + 1)
        self._prior = -0.5 * (self._tilts / np.radians(settings.tilt_deg)) ** 2
        self.reset()

    def reset(self) -> None:
        """Any speed is as likely again, and gravity is not known."""
        tilt = np.exp(self._prior)
        self._belief: FloatArray = np.tile(tilt / tilt.sum() / len(self._speeds), (len(self._speeds), 1))
        self._gravity: FloatArray | None = None  # specific force (3,) at a constant speed, base axes
        self._learnt_s = 0.0
        self._velocity: FloatArray | None = None  # (3,) m/s, base axes, at the last pair

    def update(
        self,
        curves: Curves,
        shifts: FloatArray,
        depth: FloatArray,
        span_s: float,
        interval_s: float,
        force: FloatArray,
        ahead: FloatArray,
        R_previous_current: FloatArray,
        weight: float = 1.0,
    ) -> FeltSpeed:
        """Take the curves (B, S) over `shifts` (S,) of bands at `depth` (B,), all in camera heights.

        The two views are `span_s` apart, and `interval_s` has passed since the last update, over which the mean
        specific force was `force` (3,) [m/s^2] and the body turned by `R_previous_current` (3, 3); the way is `ahead`
        (3,). All three in base axes. `weight` lessens what the curves say where images are compared more than once.
        """
        felt, sigma = self._felt(force, ahead, R_previous_current, interval_s)
        self._predict(interval_s, felt, sigma)
        explained = self._explained(curves, shifts, depth, span_s)
        logarithm = np.log(np.maximum(self._belief, 1e-300)) + self._settings.trust * weight * explained
        belief = np.exp(logarithm - logarithm.max())
        self._belief = belief / belief.sum()
        found = self._estimate(felt)
        self._learn(found, force, ahead, R_previous_current, interval_s)
        return found

    def _felt(self, force: FloatArray, ahead: FloatArray, R: FloatArray, interval_s: float) -> tuple[float, float]:
        """Acceleration along the way over the pair [m/s^2], and its deviation."""
        settings = self._settings
        if self._gravity is None:
            return 0.0, settings.acceleration
        unsure = settings.acceleration * np.exp(-self._learnt_s / settings.settled_s)
        felt = float(ahead @ (force - R.T @ self._gravity))
        if abs(felt) > settings.most_felt:
            return 0.0, settings.acceleration
        share = float(1.0 - np.exp(-self._learnt_s / settings.settled_s))
        return share * felt, float(np.hypot(settings.felt_sigma, unsure))

    def _learn(self, found: FeltSpeed, force: FloatArray, ahead: FloatArray, R: FloatArray, interval_s: float) -> None:
        """Learn gravity from what the force is beyond the change of the estimated velocity."""
        velocity = found.speed * self._height * ahead
        clear = found.sigma < 0.15 * max(abs(found.speed), 1.0)
        clear = clear and float(np.linalg.norm(force)) < 9.81 + self._settings.most_felt
        if self._velocity is not None and clear:
            turned = R.T @ self._velocity
            beyond = force - (velocity - turned) / interval_s
            carried = beyond if self._gravity is None else R.T @ self._gravity
            self._learnt_s += interval_s
            gain = max(interval_s / self._settings.gravity_s, interval_s / (self._learnt_s + 0.5))
            self._gravity = carried + min(gain, 1.0) * (beyond - carried)
        elif self._gravity is not None:
            self._gravity = R.T @ self._gravity
        self._velocity = velocity if clear else None

    def _predict(self, interval_s: float, felt: float, sigma: float) -> None:
        settings = self._settings
        move = felt * interval_s / self._height / self._step
        along = _kernel(sigma * interval_s / self._height / self._step, move)
        drift = _kernel(settings.tilt_drift_deg * np.sqrt(interval_s) / settings.tilt_step_deg)
        belief = cv2.sepFilter2D(self._belief, -1, drift, along, borderType=cv2.BORDER_REPLICATE)
        belief = belief * np.exp(settings.tilt_back * interval_s * self._prior)
        belief /= belief.sum()
        self._belief = (1.0 - settings.surprise) * belief + settings.surprise / belief.size

    def _explained(self, curves: Curves, shifts: FloatArray, depth: FloatArray, span_s: float) -> FloatArray:
        """Log-likelihood (V, T) of each speed and tilt, the sum over the bands."""
        total = np.zeros(self._belief.shape)
        step = shifts[1] - shifts[0]
        way = self._speeds[:, None] * span_s
        for curve, z in zip(curves, depth, strict=True):
            place = (way * (1.0 + 2.0 * z * self._tilts) - shifts[0]) / step
            total += np.interp(place, np.arange(len(curve)), curve, left=curve.min(), right=curve.min())
        return total

    def _estimate(self, felt: float) -> FeltSpeed:
        of_speed = self._belief.sum(axis=1)
        best = int(of_speed.argmax())
        reach = max(2, round(self._settings.local / self._step))
        near = slice(max(0, best - reach), best + reach + 1)
        speed = float(of_speed[near] @ self._speeds[near] / of_speed[near].sum())
        variance = float(of_speed @ (self._speeds - speed) ** 2)
        return FeltSpeed(speed, float(np.sqrt(variance)), float(self._belief.sum(axis=0) @ self._tilts), felt)


def _kernel(sigma: float, move: float = 0.0) -> FloatArray:
    """Gaussian of a deviation in grid steps whose mean moves by `move` steps, as a filter correlates with it."""
    sigma = max(sigma, 0.4)
    reach = int(np.ceil(abs(move) + 4.0 * sigma))
    weights = np.exp(-0.5 * ((np.arange(-reach, reach + 1) + move) / sigma) ** 2)
    return np.asarray(weights / weights.sum())
