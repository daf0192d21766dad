"""Whether the robot stands still: then its odometry must, too, whatever the network makes of noise."""

from __future__ import annotations

import functools
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.odometry.imu_noise import ImuNoiseScale
from atvio_ros.settings import setting
from atvio_ros.types import NANOSECONDS, CameraFrame, FloatArray, FramePair, ImageArray, ImuWindow

VIEW_SIZE_PX = (208, 64)  # width, height images are compared at, whatever the network takes
TILE_PX = 16
FEWEST_PAIRS = 4  # that rest is told from
CHANCE_SIGMAS = 5.0  # of the mean of a pair's readings, where they scatter

View = NDArray[np.float32]


@dataclass(frozen=True)
class StandstillSettings:
    """What counts as rest. The gate opens by the stricter limits and closes by the looser: hysteresis.

    Deviations and means are the largest of the three axes. In KITTI's drives 99 % of the seconds at rest stay below
    0.0017 rad/s and 0.07 m/s^2 of deviation, 98 % of those in motion above 0.01 rad/s or 0.1 m/s^2. For an IMU that
    scatters more, or has more bias, the limits are those of its quietest second (`noise_factor`); then the images must
    show rest for `noisy_dwell` times as long.
    """

    dwell_s: float = setting(1.0, 'How long everything must be at rest before the pose is held [s].', minimum=0.2)
    gyro_deviation: float = setting(0.01, 'Largest standard deviation of the gyro at rest [rad/s].', minimum=0.0)
    gyro_mean: float = setting(0.02, 'Largest mean of the gyro at rest: its bias [rad/s].', minimum=0.0)
    force_deviation: float = setting(0.1, 'Largest deviation of the specific force at rest [m/s^2].', minimum=0.0)
    force_shift: float = setting(0.15, 'Change of the mean specific force that ends rest [m/s^2].', minimum=0.0)
    gyro_shift: float = setting(0.01, 'Change of the mean angular velocity that ends rest [rad/s].', minimum=0.0)
    image_motion_px: float = setting(0.15, 'Largest image motion over the dwell time, at 208x64 [px].', minimum=0.0)
    image_change_px: float = setting(0.5, 'Largest image change, noise included, at 208x64 [px].', minimum=0.0)
    noise_factor: float = setting(
        1.5, "Deviations at rest may be so many times those of the IMU's quietest second.", minimum=1.0
    )
    noise_learn_s: float = setting(10.0, 'Readings that the quietest second is told from [s].', minimum=1.0)
    noise_memory_s: float = setting(60.0, 'For how long the quietest second is remembered [s].', minimum=1.0)
    noisy_dwell: float = setting(
        2.0, 'Dwell time, as a multiple of the above, where the IMU is too noisy for the limits above.', minimum=1.0
    )
    most_gyro_deviation: float = setting(0.2, 'No noise of a gyro at rest is larger [rad/s].', minimum=0.0)
    most_force_deviation: float = setting(1.5, 'No vibration at rest is larger [m/s^2].', minimum=0.0)
    most_gyro_mean: float = setting(0.2, 'No bias of a gyro is larger [rad/s].', minimum=0.0)
    looser: float = setting(2.0, 'Deviations and image motion that end rest, as a multiple of the above.', minimum=1.0)


@dataclass(frozen=True)
class _Moment:
    """One frame pair as the gate remembers it."""

    start_ns: int
    first: View  # what was seen at its start
    last: View  # and at its end
    imu: FloatArray  # (N, 6)

    @functools.cached_property
    def change_px(self) -> float:
        """From its start to its end: told where the IMU is at rest only."""
        return image_change_px(self.first, self.last)


@dataclass(frozen=True)
class _Anchor:
    """What rest looked like when it began."""

    view: View
    noise_px: float  # change of the image from frame to frame
    imu_mean: FloatArray  # (6,)
    gyro_deviation: float  # rad/s, largest that may open the gate
    force_deviation: float  # m/s^2
    scatter: FloatArray  # (6,) of single readings, so far as it is beyond the fixed limits; else 0


class StandstillGate:
    """Fed with every frame pair in order, says of each whether the robot stood still during it.

    Rest needs the IMU and the camera to agree: over `dwell_s` the gyro and the accelerometer are quiet, and the image
    is the one it was that long ago. An IMU alone cannot tell rest from a smooth motorway, and an image that is black or
    exactly the one before (a frozen camera) tells nothing, so neither is rest. How much of a change is noise is told by
    the change from frame to frame: motion adds up over the dwell time, noise does not. While at rest, the image is
    compared with the one at the beginning, so a creeping robot is noticed. An IMU that is never quiet by the fixed
    limits is measured by its own quietest second, and the images decide, over a longer time. Depends on the pairs
    alone, not on a clock.
    """

    def __init__(self, settings: StandstillSettings | None = None) -> None:
        self.settings = settings or StandstillSettings()
        self.reset()

    def reset(self) -> None:
        """Forget everything: in motion until shown otherwise."""
        self._scale = ImuNoiseScale(self.settings.noise_learn_s, self.settings.noise_memory_s)
        self._rest_gyro: FloatArray | None = None  # (3,) rad/s, mean of the gyro at the last rest
        self._forget_stretch()

    def _forget_stretch(self) -> None:
        """After a gap, or when rest ends: what is known of the IMU's noise stays."""
        self._moments: deque[_Moment] = deque()
        self._anchor: _Anchor | None = None
        self._newest: tuple[CameraFrame, View] | None = None  # the first image of the next pair

    def update(self, pair: FramePair, blind: bool) -> bool:
        """Whether the robot stood still during this pair. `blind`: its images show no motion (SightCheck)."""
        if blind or not pair.continues:
            self._forget_stretch()
        readings = inside(pair.imu, pair)
        self._scale.update(readings, pair.current.stamp_ns - pair.previous.stamp_ns)
        if blind:
            return False
        first, current = self._view(pair.previous), self._view(pair.current)
        if self._anchor is not None and not self._still(self._anchor, current, readings):
            self._forget_stretch()
        self._newest = pair.current, current
        self._remember(_Moment(pair.previous.stamp_ns, first, current, readings), pair)
        if self._anchor is None:
            self._anchor = self._settled(pair, current) or self._settled_in_noise(pair, current)
            if self._anchor is not None:
                self._rest_gyro = self._anchor.imu_mean[:3]
        return self._anchor is not None

    def _view(self, frame: CameraFrame) -> View:
        if self._newest is not None and self._newest[0] is frame:
            return self._newest[1]
        return view(frame.image)

    def _remember(self, moment: _Moment, pair: FramePair) -> None:
        self._moments.append(moment)
        dwell_ns = round(self.settings.dwell_s * self.settings.noisy_dwell * NANOSECONDS)
        while len(self._moments) > FEWEST_PAIRS and pair.current.stamp_ns - self._moments[1].start_ns >= dwell_ns:
            self._moments.popleft()

    def _settled(self, pair: FramePair, current: View) -> _Anchor | None:
        """The anchor, if the last dwell_s are rest by the fixed limits."""
        limits = self.settings
        moments = self._newest_moments(pair, limits.dwell_s)
        if moments is None:
            return None
        readings = np.concatenate([moment.imu for moment in moments])
        deviation, mean = readings.std(axis=0), readings.mean(axis=0)
        quiet = (
            deviation[:3].max() <= limits.gyro_deviation
            and deviation[3:].max() <= limits.force_deviation
            and np.abs(mean[:3]).max() <= limits.gyro_mean
        )
        if not quiet or (noise_px := self._image_noise_at_rest(moments, current)) is None:
            return None
        return _Anchor(moments[0].first, noise_px, mean, limits.gyro_deviation, limits.force_deviation, np.zeros(6))

    def _settled_in_noise(self, pair: FramePair, current: View) -> _Anchor | None:
        """The anchor, if the longer dwell time of noisy IMUs is rest by what this IMU shows in its quietest second."""
        limits, noise = self.settings, self._scale.noise
        moments = None if noise is None else self._newest_moments(pair, limits.dwell_s * limits.noisy_dwell)
        if noise is None or moments is None:
            return None
        gyro = max(limits.gyro_deviation, min(limits.noise_factor * noise.gyro_deviation, limits.most_gyro_deviation))
        force = max(
            limits.force_deviation, min(limits.noise_factor * noise.force_deviation, limits.most_force_deviation)
        )
        readings = np.concatenate([moment.imu for moment in moments])
        deviation, mean = readings.std(axis=0), readings.mean(axis=0)
        biases = [noise.gyro_mean] if self._rest_gyro is None else [noise.gyro_mean, self._rest_gyro]
        beside = min(float(np.abs(mean[:3] - bias).max()) for bias in biases)
        quiet = (
            deviation[:3].max() <= gyro
            and deviation[3:].max() <= force
            and beside <= limits.gyro_mean
            and np.abs(mean[:3]).max() <= limits.most_gyro_mean
        )
        if not quiet:
            return None
        between = [moments[len(moments) * quarter // 4].first for quarter in (1, 2, 3)]  # it may sway there and back
        if any(self._image_noise_at_rest(moments, each) is None for each in between):
            return None
        noise_px = self._image_noise_at_rest(moments, current)
        if noise_px is None or noise_px > limits.image_change_px:
            return None
        return _Anchor(moments[0].first, noise_px, mean, gyro, force, deviation)

    def _newest_moments(self, pair: FramePair, dwell_s: float) -> list[_Moment] | None:
        """The newest moments that cover dwell_s together; None where there are too few yet."""
        dwell_ns = round(dwell_s * NANOSECONDS)
        count = next(
            (
                count
                for count, moment in enumerate(reversed(self._moments), start=1)
                if count >= FEWEST_PAIRS and pair.current.stamp_ns - moment.start_ns >= dwell_ns
            ),
            None,
        )
        return None if count is None else list(self._moments)[-count:]

    def _image_noise_at_rest(self, moments: list[_Moment], current: View) -> float | None:
        """Change of the image from frame to frame [px], if it is the one that it was at the first moment; else None."""
        noise_px = float(np.median([moment.change_px for moment in moments]))
        change_px = image_change_px(moments[0].first, current)
        if change_px > self.settings.image_change_px or motion_px(change_px, noise_px) > self.settings.image_motion_px:
            return None
        return noise_px

    def _still(self, anchor: _Anchor, current: View, readings: FloatArray) -> bool:
        """Whether nothing has changed since rest began, by the looser limits and what chance allows in few readings."""
        limits = self.settings
        deviation, shift = readings.std(axis=0), np.abs(readings.mean(axis=0) - anchor.imu_mean)
        change_px = image_change_px(anchor.view, current)
        by_chance = CHANCE_SIGMAS * anchor.scatter / np.sqrt(len(readings))
        return bool(
            deviation[:3].max() <= limits.looser * anchor.gyro_deviation
            and deviation[3:].max() <= limits.looser * anchor.force_deviation
            and (shift[:3] <= np.maximum(limits.gyro_shift, by_chance[:3])).all()
            and (shift[3:] <= np.maximum(limits.force_shift, by_chance[3:])).all()
            and change_px <= limits.looser * limits.image_change_px
            and motion_px(change_px, anchor.noise_px) <= limits.looser * limits.image_motion_px
        )


def inside(window: ImuWindow, pair: FramePair) -> FloatArray:
    """(N, 6) readings from the first image to the second, both included; all there are, if none lies between them."""
    within = (window.stamps_ns >= pair.previous.stamp_ns) & (window.stamps_ns <= pair.current.stamp_ns)
    return window.values[within] if within.any() else window.values


def view(image: ImageArray) -> View:
    """An image (H, W, 1 or 3) as the gate compares it: (64, 208) grey in [0, 255], averaged by area."""
    height, width = (size // 2 for size in image.shape[:2])
    if width >= VIEW_SIZE_PX[0] and height >= VIEW_SIZE_PX[1]:  # halving is far cheaper than averaging by area is
        half = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
        image = np.asarray(half, np.uint8).reshape(height, width, -1)
    channels = [image[:, :, k].astype(np.float32) for k in range(image.shape[2])]
    grey = sum(channels[1:], channels[0]) / len(channels)  # several times faster than a mean over the last axis
    return np.asarray(cv2.resize(grey, VIEW_SIZE_PX, interpolation=cv2.INTER_AREA), dtype=np.float32)


def image_change_px(before: View, after: View) -> float:
    """By how many pixels the scene would have had to move to change so between two views; infinite if none can tell.

    In each tile the mean absolute difference over the mean gradient, both after taking off the tile's mean and the
    change of contrast (exposure); then the median of the tiles, which a passer-by does not change. Small motions come
    out somewhat small, large ones as 1 to 3. Two views that are the same to the bit tell nothing.
    """
    if np.array_equal(before, after):
        return float('inf')
    slope_x = np.abs(np.diff(before, axis=1, append=before[:, -1:]))
    slope_y = np.abs(np.diff(before, axis=0, append=before[-1:]))
    slope = tiles(0.5 * (slope_x + slope_y)).mean(axis=1)
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (tiles(before), tiles(after)))
    spread = a.std(axis=1)
    textured = spread > 0.0
    if not textured.any():
        return float('inf')
    contrast = np.median(b[textured].std(axis=1) / spread[textured])
    difference = np.abs(contrast * a - b).mean(axis=1)
    return float(np.median(difference[textured] / np.maximum(contrast * slope[textured], 1e-6)))


def motion_px(change_px: float, noise_px: float) -> float:
    """What is left of a change when the noise is taken off: independent parts add in squares."""
    return float(np.sqrt(max(0.0, change_px**2 - noise_px**2)))


def tiles(image: FloatArray | View) -> FloatArray | View:
    """(64, 208) -> (tiles, pixels)."""
    rows, columns = (size // TILE_PX for size in image.shape)
    return np.asarray(image.reshape(rows, TILE_PX, columns, TILE_PX).swapaxes(1, 2).reshape(rows * columns, -1))
