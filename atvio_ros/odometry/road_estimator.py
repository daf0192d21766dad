"""The road as a motion estimator: how fast the road below comes towards a camera whose height is known. No training."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from atvio_ros.geometry import transform
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.odometry.engine import MotionEstimator
from atvio_ros.odometry.sight import Sight
from atvio_ros.rig.rig import Rig
from atvio_ros.road.shift_curves import Curves, MatchSettings, ShiftCurves
from atvio_ros.road.speed_filter import SpeedEstimate, SpeedFilter, SpeedSettings
from atvio_ros.types import NANOSECONDS, CameraFrame, FloatArray, FramePair, RelativeMotion
from atvio_ros.view.virtual_camera import KITTI_VIEW, VirtualCamera

NEAREST_H, FARTHEST_H = 1.5, 6.0  # where the view may begin
WANTED_SHIFT_H = 0.3  # slower robots are compared with an older image, so that the road moves by this much
MOST_SPAN_S = 0.6
REMEMBERED = 12  # images
LEAST_PATCHES = 4  # that a pair is measured with; fewer, and the speed is that of before
UNSEEN_S = 1.0
DOUBTFUL = 0.1  # sigma of the speed, as a share of it
ERRORS_LAST = 5.0  # pairs over which the error of one goes on: the filter remembers

# Of the motions beside each pair's own sigma: the deviations over 10 and 50 m of drawn robots and of four real drives.
NOISE = MotionNoise(
    translation_floor_m=(0.004, 0.004, 0.004),
    translation_share=(0.01, 0.01, 0.01),
    rotation_floor_rad=(0.0005, 0.0005, 0.0005),
    rotation_turn=(0.01, 0.01, 0.01),
    scale=(0.012, 0.012, 0.012),
    drift=(0.0005, 0.0005, 0.0005),
    fitted_to='drawn robots of several kinds and four real drives of KITTI',
)


@dataclass(frozen=True)
class RoadEstimator:
    """The road estimator, before it is put on a robot."""

    matching: MatchSettings = field(default_factory=MatchSettings)
    filtering: SpeedSettings = field(default_factory=SpeedSettings)
    noise: MotionNoise = NOISE
    kind: str = 'road'
    name: str = 'road'
    trained: bool = True  # there is nothing to train
    view: VirtualCamera = KITTI_VIEW
    image_size_px: tuple[int, int] = (0, 0)  # it takes no scaled images
    undoes_lags: bool = True
    device: str = 'cpu'

    def warm_up(self) -> None:
        """Nothing to do: it allocates nothing big."""

    def remark(self, rig: Rig) -> str | None:
        """See pipeline.Estimator: it was made for no robot in particular."""
        return None

    def on_robot(self, rig: Rig, sight: Sight | None) -> MotionEstimator:
        """See pipeline.Estimator."""
        assert sight is not None  # assemble makes one for every estimator with a view
        return RoadOdometry(self, sight)


class RoadOdometry:
    """Road estimator on one robot. Its translation lies along the direction of travel, its rotation is the gyro's."""

    def __init__(self, settings: RoadEstimator, sight: Sight) -> None:
        self._settings = settings
        self._sight = sight
        self._curves: ShiftCurves | None = None  # made with the first pair: the images tell where the road begins
        self._speed = SpeedFilter(sight.camera_height, settings.filtering)
        self.reset()

    def reset(self) -> None:
        """Forget the pairs before."""
        self._speed.reset()
        self._older: deque[tuple[CameraFrame, FloatArray]] = deque(maxlen=REMEMBERED)  # with R_newest_older
        self._newest: SpeedEstimate | None = None
        self._unseen_s = 0.0

    def predict(self, pair: FramePair) -> RelativeMotion:
        """Motion of the images' axes over one pair, whose geometry must be known."""
        geometry = pair.geometry
        assert geometry is not None  # the engine has a tracker for every estimator with a view
        self._remember(pair, geometry.R_previous_current)
        frame, R_older_newest = self._compared(pair)
        span_s = (pair.current.stamp_ns - frame.stamp_ns) / NANOSECONDS
        expected = None if self._newest is None else self._newest.speed * span_s
        curves, patches = self._look(frame, pair.current, R_older_newest, geometry.R_image_level, expected)
        seen = int(patches.sum()) >= LEAST_PATCHES
        self._unseen_s = 0.0 if seen else self._unseen_s + pair.interval_s
        shifts, depth = self._matcher.shifts, self._matcher.depth
        found = self._speed.update(
            curves, shifts, depth, span_s, pair.interval_s, pair.interval_s / span_s if seen else 0.0
        )
        self._newest = found
        height = self._sight.camera_height
        way_m = found.speed * height * pair.interval_s
        ahead = geometry.R_previous_current @ geometry.R_image_level[:, 2]
        sigma_m = found.sigma * height * pair.interval_s
        covariance = np.zeros((6, 6))
        covariance[:3, :3] = ERRORS_LAST * sigma_m**2 * np.outer(ahead, ahead)
        covariance[:3, :3] += (way_m * geometry.pitch_sigma) ** 2 * (np.eye(3) - np.outer(ahead, ahead))
        return RelativeMotion(
            transform(geometry.R_previous_current, way_m * ahead),
            covariance=covariance,
            warnings=self._warnings(found),
        )

    @property
    def _matcher(self) -> ShiftCurves:
        if self._curves is None:
            stored = self._sight.stored
            nearest = nearest_seen(stored.mask, stored.virtual)
            self._curves = ShiftCurves(float(np.clip(nearest, NEAREST_H, FARTHEST_H)), self._settings.matching)
        return self._curves

    def _remember(self, pair: FramePair, R_previous_current: FloatArray) -> None:
        """Older images, each with the rotation from it to the newest one."""
        turned = [(frame, R_older_previous @ R_previous_current) for frame, R_older_previous in self._older]
        self._older = deque(turned, maxlen=REMEMBERED)
        self._older.append((pair.previous, R_previous_current))

    def _compared(self, pair: FramePair) -> tuple[CameraFrame, FloatArray]:
        """The image to compare the newest with, and R_older_newest: the one before, or an older one when slow."""
        speed = self._newest.speed if self._newest else WANTED_SHIFT_H / max(pair.interval_s, 1e-3)
        # Of backward shifts few are looked for: half of them leaves room for a robot that accelerates.
        wanted = WANTED_SHIFT_H if speed >= 0.0 else 0.5 * self._settings.matching.backward_shift
        best = self._older[-1]
        for frame, R in reversed(self._older):
            span_s = (pair.current.stamp_ns - frame.stamp_ns) / NANOSECONDS
            if span_s > MOST_SPAN_S:
                break
            best = frame, R
            if abs(speed) * span_s >= wanted:
                break
        return best

    def _look(
        self,
        older: CameraFrame,
        newer: CameraFrame,
        R_older_newest: FloatArray,
        R_image_level: FloatArray,
        expected: float | None,
    ) -> tuple[Curves, NDArray[np.intp]]:
        matcher, stored, R = self._matcher, self._sight.stored, self._sight.R_camera_stored
        before = stored.road(older.image, matcher.road, R @ R_older_newest @ R_image_level)[:, :, 0]
        now = stored.road(newer.image, matcher.road, R @ R_image_level)[:, :, 0]
        return matcher.compare(before, now, stored.road_seen(matcher.road, R @ R_image_level), expected)

    def _warnings(self, found: SpeedEstimate) -> tuple[str, ...]:
        words = []
        if self._unseen_s > UNSEEN_S:
            words.append(
                'the road near the robot is not seen, so the last speed is kept: check the pitch of the camera, its '
                'height (camera_height), and what stands before it'
            )
        elif found.sigma > DOUBTFUL * max(abs(found.speed), 1.0):
            words.append('the speed over the road is not clear: it has little texture, or the view is blocked')
        return tuple(words)


def nearest_seen(mask: NDArray[np.bool_], virtual: VirtualCamera) -> float:
    """How far ahead [camera heights] the road comes into view of stored images on their own axes."""
    middle = mask[:, round(virtual.cx) - 2 : round(virtual.cx) + 3].all(axis=1)
    rows = np.flatnonzero(middle)
    if not len(rows):
        return FARTHEST_H
    down = (rows[-1] - 1.0 - virtual.cy) / virtual.fy
    return float(1.0 / down) if down > 0.01 else FARTHEST_H
