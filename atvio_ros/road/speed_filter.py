"""Speed over the road and the tilt that is left in its view, found together by a filter over a grid of both.

A view that is tilted too far by d stretches the road: a shift s appears as s (1 + 2 z d) at depth z (camera heights).
So bands at several depths agree on one speed only for the right tilt, and the error of the direction of travel, two per
cent of the distance for a tenth of a degree, comes out with the speed. Belief is carried from pair to pair: speed
changes no faster than a vehicle accelerates, tilt drifts slowly and is held near zero by the direction of travel.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from atvio_ros.road.shift_curves import Curves
from atvio_ros.settings import setting
from atvio_ros.types import FloatArray

_AS_IS = np.ones(1)
_LIKELIER = 3.0  # than the mean of all: the best speed of a belief that tells anything


@dataclass(frozen=True)
class SpeedSettings:
    """The grid, and what is believed of a vehicle."""

    largest_speed: float = setting(38.0, 'Forward [m/s].', minimum=0.5, maximum=100.0)
    largest_reverse: float = setting(4.0, 'Backward [m/s].', minimum=0.0, maximum=50.0)
    speed_step_h: float = setting(0.05, 'Step of the grid [camera heights a second].', minimum=0.005)
    acceleration: float = setting(1.8, 'Deviation of the acceleration [m/s^2]; 3 is a hard stop.', minimum=0.1)
    tilt_deg: float = setting(0.25, 'Deviation of the tilt that is left [deg].', minimum=0.01)
    tilt_most_deg: float = setting(1.2, 'Largest tilt that is looked at [deg].', minimum=0.1)
    tilt_step_deg: float = setting(0.1, 'Step of the grid [deg].', minimum=0.01)
    tilt_drift_deg: float = setting(0.16, 'Drift of the tilt [deg/sqrt(s)].', minimum=0.0)
    trust: float = setting(0.2, 'Weight of the curves: neighbouring patches and frames err alike.', minimum=0.01)
    most_said: float = setting(15.0, 'Most that one pair says against a speed [log-likelihood].', minimum=0.5)
    surprise: float = setting(1e-6, 'Chance that what was believed is wrong, and too slow.', minimum=0.0, maximum=0.5)
    surprise_slower: float = setting(1e-12, 'Chance that it is wrong, and anything.', minimum=0.0, maximum=0.5)
    bump: float = setting(0.05, 'Chance that the tilt is nothing like that before: bumps.', minimum=0.0, maximum=0.5)
    bump_deg: float = setting(0.4, 'Deviation of the change of tilt then [deg].', minimum=0.01)
    local: float = setting(0.6, 'The mean is taken this near the best speed [camera heights a second].', minimum=0.05)


@dataclass(frozen=True)
class SpeedEstimate:
    """Speed at one pair, in camera heights a second."""

    speed: float
    sigma: float  # of the whole belief: it grows where two speeds are as likely
    tilt: float  # rad, left in the road view


class SpeedFilter:
    """Fed with the curves of one pair after the other; the same curves give the same estimates."""

    def __init__(self, camera_height: float, settings: SpeedSettings | None = None) -> None:
        self._settings = settings = settings or SpeedSettings()
        step = settings.speed_step_h
        slowest, fastest = -settings.largest_reverse / camera_height, settings.largest_speed / camera_height
        self._speeds: FloatArray = step * np.arange(np.floor(slowest / step), np.ceil(fastest / step) + 1)
        self._camera_height = camera_height
        steps = round(settings.tilt_most_deg / settings.tilt_step_deg)
        self._tilts: FloatArray = np.radians(settings.tilt_step_deg) * np.arange(-steps, steps + 1)
        self._flat = np.zeros((len(self._speeds), len(self._tilts)), np.float32)
        self._prior = -0.5 * (self._tilts / np.radians(settings.tilt_deg)) ** 2
        tilt = np.exp(self._prior)
        self._tilts_alone = (tilt / tilt.sum()).astype(np.float32)
        self._jolt = shifting_kernel(settings.bump_deg / settings.tilt_step_deg)
        self.reset()

    @property
    def speeds(self) -> FloatArray:
        """Of the grid (V,) [camera heights a second]."""
        return self._speeds

    @property
    def tilts(self) -> FloatArray:
        """Of the grid (T,) [rad]."""
        return self._tilts

    def reset(self) -> None:
        """Any speed is as likely again."""
        self._belief: Curves = np.tile(self._tilts_alone / np.float32(len(self._speeds)), (len(self._speeds), 1))

    def update(
        self,
        curves: Curves,
        shifts: FloatArray,
        depth: FloatArray,
        span_s: float,
        interval_s: float,
        weight: float = 1.0,
        felt: tuple[float, float] | None = None,
        gained: float = 0.0,
        readout: float = 0.0,
    ) -> SpeedEstimate:
        """Take the curves (B, S) over `shifts` (S,) of bands at `depth` (B,), all in camera heights.

        The two views are `span_s` apart, and `interval_s` has passed since the last update; `weight` lessens what the
        curves say where the same images are compared more than once. `felt` is the acceleration [m/s^2] and its sigma,
        as an accelerometer has it; None: any that a vehicle may have. `gained` is by how much the way between the
        views is longer than at the newest speed all the time [camera heights]. `readout` [s] is how much later a
        rolling shutter sees the road at depth 1 than the horizon: depth z is seen readout / z later.
        """
        self._predict(interval_s, *(felt or (0.0, self._settings.acceleration)))
        explained = self._explained(curves, shifts, depth, span_s, gained, readout)
        says = self._settings.trust * weight * explained
        # A pair may show something else than the road at rest: what it says against any speed has an end.
        says = np.maximum(says - says.max(), -self._settings.most_said)
        belief = self._belief * np.exp(says)
        self._belief = belief / belief.sum()
        return self._estimate()

    def _predict(self, interval_s: float, acceleration: float, sigma: float) -> None:
        settings = self._settings
        cells = interval_s / settings.speed_step_h / self._camera_height
        along = shifting_kernel(sigma * cells, acceleration * cells)
        drift = settings.tilt_drift_deg * np.sqrt(interval_s) / settings.tilt_step_deg
        moved = cv2.sepFilter2D(self._belief, -1, shifting_kernel(drift), along, borderType=cv2.BORDER_REPLICATE)
        belief = moved * np.exp(0.2 * interval_s * self._prior).astype(np.float32)  # drawn back to zero within seconds
        belief = belief / belief.sum()
        anew = cv2.sepFilter2D(belief, -1, self._jolt, _AS_IS, borderType=cv2.BORDER_REPLICATE)
        belief = cv2.addWeighted(belief, 1.0 - settings.bump, anew, settings.bump / float(anew.sum()), 0.0)
        # Whatever is taken for the road at rest and is not, a vehicle that moves along, a mirror image, a drop on the
        # glass, seems to move less: so what was believed wrongly was too slow.
        faster = np.cumsum(belief.astype(np.float64) @ np.ones(len(self._tilts)))
        chance = settings.surprise * faster / faster.sum() + settings.surprise_slower / len(faster)
        self._belief = belief + chance[:, None].astype(np.float32) * self._tilts_alone

    def _explained(
        self, curves: Curves, shifts: FloatArray, depth: FloatArray, span_s: float, gained: float, readout: float
    ) -> Curves:
        """Log-likelihood (V, T) of each speed and tilt, the sum over the bands."""
        step = shifts[1] - shifts[0]
        ways = (self._ways(depth, span_s, readout) + gained) / step
        stretch = 1.0 + 2.0 * depth[:, None] * self._tilts
        places = ways.astype(np.float32)[:, :, None] * stretch.astype(np.float32)[:, None, :]
        places -= np.float32(shifts[0] / step)
        return np.asarray(functools.reduce(np.add, map(self._looked_up, curves, places)), dtype=np.float32)

    def _ways(self, depth: FloatArray, span_s: float, readout: float) -> FloatArray:
        """(B, V) way of each speed between the moments at which a shutter sees the road of each band."""
        ways = np.broadcast_to(self._speeds * span_s, (len(depth), len(self._speeds)))
        if not readout:
            return ways
        newer = depth[:, None]
        older = np.maximum(newer + ways, 0.5 * newer)
        return np.asarray(self._speeds * (span_s + readout * (1.0 / newer - 1.0 / older)))

    def _looked_up(self, curve: Curves, place: Curves) -> Curves:
        """Values of a curve at places (V, T) in steps; beyond its ends the least of it: such were not looked for."""
        least, border = float(curve.min()), cv2.BORDER_CONSTANT
        values = cv2.remap(curve[None], place, self._flat, cv2.INTER_LINEAR, borderMode=border, borderValue=least)
        return np.asarray(values, dtype=np.float32)

    def _estimate(self) -> SpeedEstimate:
        settings = self._settings
        of_speed = self._belief.astype(np.float64) @ np.ones(len(self._tilts))
        best = int(of_speed.argmax())
        reach = max(1, round(settings.local / settings.speed_step_h))
        near = slice(max(0, best - reach), best + reach + 1)
        speed = float(of_speed[near] @ self._speeds[near] / of_speed[near].sum())
        if of_speed[best] < _LIKELIER / len(of_speed):  # nothing is known
            speed = 0.0
        variance = float(of_speed @ (self._speeds - speed) ** 2)
        return SpeedEstimate(speed, float(np.sqrt(variance)), float(self._belief.sum(axis=0) @ self._tilts))


def shifting_kernel(sigma: float, mean: float = 0.0) -> FloatArray:
    """Gaussian in grid steps, to correlate a belief with: it moves by the mean towards larger values."""
    reach = max(1, int(np.ceil(abs(mean) + 4.0 * sigma)))
    weights = np.exp(-0.5 * ((np.arange(-reach, reach + 1) + mean) / max(sigma, 0.3)) ** 2)
    return np.asarray(weights / weights.sum())
