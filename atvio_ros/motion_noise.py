"""How far one relative motion may be from the truth: the error model that model files carry for covariances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atvio_ros.settings import setting
from atvio_ros.types import FloatArray


@dataclass(frozen=True)
class MotionNoise:
    """Errors of the motion of base_link over one frame pair, each part for the axes x forward, y left, z up.

    A motion over a distance d [m], an angle a [rad] and a time t [s] errs by a white part, new for every pair, of
    deviation sqrt(floor^2 + (share d)^2 + (turn a)^2), and by slow parts: `scale` d + `creep` t for translation and
    `drift` t for rotation. A slow error is a first-order Gauss-Markov process: it is forgotten over so many metres
    driven, or seconds passed. The slow parts make the error of a trajectory grow in proportion to its length.

    The defaults are not calibrated: five per cent of the distance, white. `atvio calibrate-covariance` fits a model's.
    """

    translation_floor_m: tuple[float, float, float] = setting(
        (0.01, 0.01, 0.01), 'White error of a pair at rest [m].', minimum=1e-6
    )
    translation_share: tuple[float, float, float] = setting(
        (0.05, 0.05, 0.05), 'White error as a share of the distance.', minimum=0.0
    )
    translation_turn_m: tuple[float, float, float] = setting(
        (0.0, 0.0, 0.0), 'White error of position in a turn [m/rad].', minimum=0.0
    )
    rotation_floor_rad: tuple[float, float, float] = setting(
        (0.002, 0.002, 0.002), 'White error of a pair at rest [rad].', minimum=1e-7
    )
    rotation_share: tuple[float, float, float] = setting(
        (0.0, 0.0, 0.0), 'White error of rotation by distance [rad/m].', minimum=0.0
    )
    rotation_turn: tuple[float, float, float] = setting(
        (0.0, 0.0, 0.0), 'White error as a share of the angle.', minimum=0.0
    )
    scale: tuple[float, float, float] = setting((0.0, 0.0, 0.0), 'Slow error as a share of the distance.', minimum=0.0)
    scale_length_m: tuple[float, float, float] = setting(
        (100.0, 100.0, 100.0), 'Way over which `scale` is forgotten [m].', minimum=0.1
    )
    creep: tuple[float, float, float] = setting((0.0, 0.0, 0.0), 'Slow error of the speed [m/s].', minimum=0.0)
    creep_time_s: tuple[float, float, float] = setting(
        (100.0, 100.0, 100.0), 'Time over which `creep` is forgotten [s].', minimum=0.1
    )
    drift: tuple[float, float, float] = setting((0.0, 0.0, 0.0), 'Slow error of the turn rate [rad/s].', minimum=0.0)
    drift_time_s: tuple[float, float, float] = setting(
        (100.0, 100.0, 100.0), 'Time over which `drift` is forgotten [s].', minimum=0.1
    )
    fitted_to: str = setting('', 'The data it was fitted to; empty: not calibrated.')

    @property
    def calibrated(self) -> bool:
        """Whether it was fitted to a model's errors."""
        return bool(self.fitted_to)

    def white_variances(self, distance_m: float, angle_rad: float) -> FloatArray:
        """(6,) of the white part: translation [m^2], rotation [rad^2]."""
        floor = np.array([*self.translation_floor_m, *self.rotation_floor_rad])
        share = np.array([*self.translation_share, *self.rotation_share])
        turn = np.array([*self.translation_turn_m, *self.rotation_turn])
        return np.asarray(floor**2 + (share * distance_m) ** 2 + (turn * angle_rad) ** 2)

    @property
    def slow_variances(self) -> FloatArray:
        """(9,) of the slow errors: `scale` [1], `creep` [m^2/s^2], `drift` [rad^2/s^2]."""
        return np.array([*self.scale, *self.creep, *self.drift]) ** 2

    def slow_memory(self, distance_m: float, interval_s: float) -> FloatArray:
        """(9,) share of each slow error that is left after a motion."""
        ways = distance_m / np.array(self.scale_length_m)
        times = interval_s / np.array([*self.creep_time_s, *self.drift_time_s])
        return np.asarray(np.exp(-np.concatenate((ways, times))))
