"""From a frame pair to what the network `road` weighs: views, curves, the filter's speed, and figures beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atvio_ros.geometry import rotation_vector
from atvio_ros.network.road_config import AROUND, LEVEL_SIZE, SCALARS, RoadConfig
from atvio_ros.odometry.older_images import OlderImages
from atvio_ros.odometry.road_views import MARGIN_H, DrawnPair, RoadDrawer, RoadGrid
from atvio_ros.odometry.sight import Sight
from atvio_ros.preprocessing import resample_imu
from atvio_ros.road.felt_speed import FeltSpeed, FeltSpeedFilter, FeltSpeedSettings
from atvio_ros.types import FloatArray, FramePair, ImageArray, PairGeometry
from atvio_ros.view.virtual_camera import KITTI_VIEW

Values = NDArray[np.float32]

_VIEW = KITTI_VIEW.resized(LEVEL_SIZE[1], LEVEL_SIZE[0])
_SPREAD_CELLS = 24.0  # of the points of a curve around the filter's speed
_LEAST_WAY = 0.004  # camera heights: floor of sigma
_LEAST_SHARE = 0.01  # of the way
_TEXTURE = 0.5  # deviation [grey levels] below which a view says nothing
_GRAVITY = 9.81


@dataclass(frozen=True)
class RoadStep:
    """One pair after matching and filter, as RoadInputs has it, without B and T."""

    curves: Values  # (4, AROUND)
    scalars: Values  # (SCALARS,)
    imu: Values  # (11, 6)
    views: ImageArray  # (2, 64, 208)
    way: float  # camera heights over the pair
    sigma: Values  # (3,)
    found: FeltSpeed
    seen: bool  # whether road was in view at all


# Views of a pair and their grid -> log-likelihoods of shifts, and which of them are in view, each (B, S).
Match = Callable[[DrawnPair, RoadGrid], tuple[Values, Values]]


class RoadFront:
    """Matcher and filter on one robot, with the memory that they have."""

    def __init__(self, sight: Sight, config: RoadConfig, match: Match) -> None:
        self._sight = sight
        self._match = match
        self._config = config
        self._drawer: RoadDrawer | None = None  # made with the first pair: the images tell where the road begins
        settings = FeltSpeedSettings(trust=self._config.trust, felt_sigma=self._config.felt_sigma)
        self._filter = FeltSpeedFilter(sight.camera_height, settings)
        self._older = OlderImages(checked=None)
        self._R_base_image = sight.rig.R_base_camera @ sight.R_camera_stored
        self.reset()

    def reset(self) -> None:
        """Forget the pairs before."""
        self._filter.reset()
        self._older.reset()
        self._speed: float | None = None

    def step(self, pair: FramePair) -> RoadStep:
        """Take the next pair, whose geometry must be known. Raises ImuError on unusable readings."""
        geometry = pair.geometry
        assert geometry is not None  # the engine has a tracker for every estimator with a view
        block = resample_imu(pair.imu, pair.previous.stamp_ns, pair.current.stamp_ns)  # (11, 6)
        block[:, :3] += geometry.gyro_correction
        return self.step_from(pair, geometry, block)

    def step_from(self, pair: FramePair, geometry: PairGeometry, block: FloatArray) -> RoadStep:
        """As `step`, from IMU readings (11, 6) in base axes."""
        if self._drawer is None:
            self._drawer = RoadDrawer(self._sight, self._config)
        drawer, config = self._drawer, self._config
        if not pair.continues:
            self.reset()
        older, R_older_newest, span_s, weight = self._older.choose(
            pair, geometry.R_previous_current, self._speed, config.backward * drawer.cell
        )
        drawn = drawer.draw(older.image, pair.current.image, R_older_newest, geometry.R_image_level)
        matched, present = self._match(drawn, drawer)
        expected = config.forward if self._speed is None else (self._speed * span_s + MARGIN_H) / drawer.cell
        curves = _within_reach(matched, present, config.backward, expected)  # (B, S)
        texture = float(np.sqrt(np.mean(np.square(drawn.newer))))
        seen = texture > _TEXTURE
        shifts: FloatArray = np.asarray(drawer.cell * np.arange(-config.backward, config.forward + 1), np.float64)
        ahead, R_base = self._in_base(geometry)
        interval_s = pair.interval_s
        found = self._filter.update(
            curves, shifts, drawer.depth, span_s, interval_s, block[:, 3:].mean(axis=0), ahead, R_base,
            weight if seen else 0.0,
        )  # fmt: skip
        self._speed = found.speed
        way = found.speed * interval_s
        return RoadStep(
            curves=self._around(curves, found, span_s),
            scalars=self._scalars(curves, found, geometry, block, span_s, interval_s, texture, drawn),
            imu=(block - self._resting(ahead)).astype(np.float32),
            views=self._level_views(pair, geometry),
            way=way,
            sigma=_sigma(way, found.sigma * interval_s, geometry),
            found=found,
            seen=seen,
        )

    def _in_base(self, geometry: PairGeometry) -> tuple[FloatArray, FloatArray]:
        """Direction of travel (3,) and R_previous_current (3, 3) in base axes."""
        R = self._R_base_image
        return R @ geometry.R_image_level[:, 2], R @ geometry.R_previous_current @ R.T

    def _resting(self, ahead: FloatArray) -> FloatArray:
        """Readings (6,) of a robot at rest: gravity along the image's down."""
        return np.concatenate((np.zeros(3), -_GRAVITY * self._R_base_image[:, 1]))

    def _around(self, curves: Values, found: FeltSpeed, span_s: float) -> Values:
        assert self._drawer is not None
        centre = found.speed * span_s / self._drawer.cell + self._config.backward
        tilted = 1.0 + 2.0 * self._drawer.depth * found.tilt
        offsets = np.linspace(-_SPREAD_CELLS, _SPREAD_CELLS, AROUND)
        index = np.arange(curves.shape[1])
        rows = [
            np.interp(centre * factor + offsets, index, curve) - curve.max()
            for factor, curve in zip(tilted, curves, strict=True)
        ]
        return np.asarray(np.maximum(np.array(rows), -20.0), dtype=np.float32)

    def _scalars(
        self,
        curves: Values,
        found: FeltSpeed,
        geometry: PairGeometry,
        block: FloatArray,
        span_s: float,
        interval_s: float,
        texture: float,
        drawn: DrawnPair,
    ) -> Values:
        """Figures of order one (SCALARS,), in this order."""
        assert self._drawer is not None
        cell, backward = self._drawer.cell, self._config.backward
        shift = found.speed * span_s / cell
        tilted = 1.0 + 2.0 * self._drawer.depth * found.tilt
        index = np.arange(curves.shape[1])
        total = curves.sum(axis=0)
        density = np.exp(total - total.max())
        alone = float(density @ index / density.sum()) - backward  # cells, of this pair by itself
        spread = float(np.sqrt(density @ (index - backward - alone) ** 2 / density.sum()))
        here = sum(np.interp(shift * f + backward, index, c) for f, c in zip(tilted, curves, strict=True))
        still = float(total[backward] - total.max())
        size = max(abs(shift), 5.0)
        turn = rotation_vector(geometry.R_previous_current) / interval_s
        values = (
            found.speed * interval_s,
            min(found.sigma * span_s / cell / size, 3.0),
            np.degrees(found.tilt) * 2.0,
            np.tanh((alone - shift) / size * 5.0),
            min(spread / size, 3.0),
            np.tanh((float(here) - float(total.max())) / 10.0),
            np.tanh(still / 10.0),
            np.log(texture + 0.1),
            float(drawn.seen.mean()),
            span_s,
            interval_s * 5.0,
            np.degrees(geometry.pitch_sigma) * 2.0,
            np.degrees(geometry.yaw_sigma),
            float(geometry.confident),
            float(geometry.lost),
            turn[1] * 2.0,
            found.felt * 0.3,
            np.log(block[:, 3:].std(axis=0).mean() + 0.01) * 0.5,
            np.log(block[:, :3].std(axis=0).mean() + 0.0005) * 0.25,
            (self._drawer.road.near - 3.0) * 0.5,
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
    """Sigma (3,) of the way across, down and along [camera heights], before the network."""
    floor = _LEAST_WAY
    yaw = max(geometry.yaw_sigma, np.radians(0.2))
    return np.array(
        (
            np.hypot(way * yaw, floor),
            np.hypot(way * geometry.pitch_sigma, floor),
            np.sqrt(along**2 + (_LEAST_SHARE * way) ** 2 + (0.5 * floor) ** 2),
        ),
        dtype=np.float32,
    )


def _within_reach(curves: Values, present: Values, backward: int, needed: float) -> Values:
    """As network/road_matching.py, of one pair: curves (B, S) without those of bands that cannot show a shift."""
    reach = (present * np.arange(curves.shape[1])).max(axis=1) - backward  # (B,)
    kept = reach >= np.float32(needed)
    kept[0] = True
    return np.asarray(curves * kept[:, None], dtype=np.float32)
