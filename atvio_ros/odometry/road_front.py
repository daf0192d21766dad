"""From a frame pair to what the network `road` weighs: the road estimator's reading of it, and figures beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atvio_ros.geometry import rotation_vector
from atvio_ros.network.road_config import AROUND, LEVEL_SIZE, SCALARS
from atvio_ros.odometry.road_estimator import DISSENT, LEAST_SUPPORT, RoadEstimator, RoadOdometry, RoadReading
from atvio_ros.odometry.sight import Sight
from atvio_ros.preprocessing import resample_imu
from atvio_ros.road.patch_figures import WeighFigures
from atvio_ros.types import FloatArray, FramePair, ImageArray, PairGeometry
from atvio_ros.view.virtual_camera import KITTI_VIEW

Values = NDArray[np.float32]

_VIEW = KITTI_VIEW.resized(LEVEL_SIZE[1], LEVEL_SIZE[0])
_SPREAD_H = 0.48  # of the points of a curve around the filter's speed [camera heights]
_LEAST_WAY = 0.002  # camera heights: floor of sigma
_LEAST_SHARE = 0.003  # of the way
_GRAVITY = 9.81


@dataclass(frozen=True)
class RoadStep:
    """One pair after the filter, as RoadInputs has it, without B and T."""

    curves: Values  # (BANDS, AROUND)
    scalars: Values  # (SCALARS,)
    imu: Values  # (11, 6)
    views: ImageArray  # (2, 64, 208)
    way: float  # camera heights over the pair
    sigma: Values  # (3,)
    reading: RoadReading


class RoadFront:
    """The road estimator with weighed patches on one robot, with the memory that it has."""

    def __init__(self, sight: Sight, patches: WeighFigures) -> None:
        self._sight = sight
        self._road = RoadOdometry(RoadEstimator(weights=patches), sight)
        self._R_base_image = sight.rig.R_base_camera @ sight.R_camera_stored

    @property
    def road(self) -> RoadOdometry:
        """The estimator that reads the road."""
        return self._road

    def reset(self) -> None:
        """Forget the pairs before."""
        self._road.reset()

    def step(self, pair: FramePair, blind: bool = False, numb: bool = False) -> RoadStep:
        """Take the next pair, whose geometry must be known; `blind` and `numb` as RoadOdometry.read has them.

        Raises ImuError on unusable readings.
        """
        geometry = pair.geometry
        assert geometry is not None  # the engine has a tracker for every estimator with a view
        reading = self._road.read(pair, blind, numb)
        block = resample_imu(pair.imu, pair.previous.stamp_ns, pair.current.stamp_ns)  # (11, 6)
        block[:, :3] += geometry.gyro_correction
        way = reading.found.speed * pair.interval_s
        sigma = float(np.hypot(reading.found.sigma, self._dissent(reading) * abs(reading.found.speed)))
        return RoadStep(
            curves=self._around(reading)
            if reading.seen
            else np.zeros((len(reading.compared.curves), AROUND), np.float32),
            scalars=self._scalars(reading, sigma, geometry, block, pair.interval_s),
            imu=(block - self._resting()).astype(np.float32),
            views=self._level_views(pair, geometry),
            way=way,
            sigma=_sigma(way, sigma * pair.interval_s, geometry),
            reading=reading,
        )

    @staticmethod
    def _dissent(reading: RoadReading) -> float:
        """Sigma of the speed, as a share of it, for patches that do not agree."""
        return DISSENT * max(0.0, LEAST_SUPPORT - reading.support)

    def _resting(self) -> FloatArray:
        """Readings (6,) of a robot at rest: gravity along the image's down."""
        return np.concatenate((np.zeros(3), -_GRAVITY * self._R_base_image[:, 1]))

    def _around(self, reading: RoadReading) -> Values:
        """Curves around the filter's shift (BANDS, AROUND), the most likely 0."""
        matcher, found = self._road.matcher, reading.found
        shift = found.speed * reading.span_s + reading.gained_h
        offsets = np.linspace(-_SPREAD_H, _SPREAD_H, AROUND)
        rows = [
            np.interp(shift * (1.0 + 2.0 * depth * found.tilt) + offsets, matcher.shifts, curve) - curve.max()
            for depth, curve in zip(matcher.depth, reading.compared.curves, strict=True)
        ]
        return np.asarray(np.maximum(np.array(rows), -20.0), dtype=np.float32)

    def _scalars(
        self, reading: RoadReading, sigma: float, geometry: PairGeometry, block: FloatArray, interval_s: float
    ) -> Values:
        """Figures of order one (SCALARS,), in this order."""
        matcher, found = self._road.matcher, reading.found
        shift = found.speed * reading.span_s + reading.gained_h
        total = reading.compared.curves.sum(axis=0)
        density = np.exp(0.2 * (total - total.max()))
        density /= density.sum()
        alone = float(density @ matcher.shifts)  # of this pair by itself
        spread = float(np.sqrt(density @ (matcher.shifts - alone) ** 2))
        here = float(np.interp(shift, matcher.shifts, total))
        still = float(np.interp(0.0, matcher.shifts, total))
        size = max(abs(shift), 0.1)
        turn = rotation_vector(geometry.R_previous_current) / interval_s
        values = (
            found.speed * interval_s,
            min(sigma * reading.span_s / size, 3.0),
            np.degrees(found.tilt) * 2.0,
            np.tanh((alone - shift) / size * 5.0),
            min(spread / size, 3.0),
            np.tanh((here - float(total.max())) / 10.0),
            np.tanh((still - float(total.max())) / 10.0),
            float(reading.compared.patches.sum()) / 10.0,
            float(reading.seen),
            reading.span_s,
            interval_s * 5.0,
            np.degrees(geometry.pitch_sigma) * 2.0,
            np.degrees(geometry.yaw_sigma),
            float(geometry.confident),
            float(geometry.lost),
            turn[1] * 2.0,
            reading.felt[0] * 0.3,
            np.log(block[:, 3:].std(axis=0).mean() + 0.01) * 0.5,
            reading.support,
            (matcher.road.near - 3.0) * 0.5,
        )
        assert len(values) == SCALARS
        return np.asarray(np.clip(np.array(values), -5.0, 5.0), dtype=np.float32)

    def _level_views(self, pair: FramePair, geometry: PairGeometry) -> ImageArray:
        R = self._sight.R_camera_stored
        turns = R @ geometry.R_previous_current @ geometry.R_image_level, R @ geometry.R_image_level
        views = [
            self._sight.stored.draw(frame.image, _VIEW, R_camera_view)[:, :, 0]
            for frame, R_camera_view in zip((pair.previous, pair.current), turns, strict=True)
        ]
        return np.stack(views)


def _sigma(way: float, along: float, geometry: PairGeometry) -> Values:
    """Sigma (3,) of the way across, down and along [camera heights], before the network: the road estimator's."""
    aside = np.hypot(way * geometry.pitch_sigma, _LEAST_WAY)
    return np.array((aside, aside, np.sqrt(along**2 + (_LEAST_SHARE * way) ** 2 + _LEAST_WAY**2)), dtype=np.float32)
