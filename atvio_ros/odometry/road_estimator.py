"""The road as a motion estimator: how fast the road below comes towards a camera whose height is known.

What its patches say is geometry. How much each counts may be learned (road/learned_weights.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from atvio_ros.geometry import transform
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.odometry.engine import MotionEstimator
from atvio_ros.odometry.older_images import OlderImage, OlderImages
from atvio_ros.odometry.sight import Sight
from atvio_ros.odometry.standstill import inside
from atvio_ros.rig.rig import Rig
from atvio_ros.road.felt_acceleration import FeltAcceleration, FeltSettings
from atvio_ros.road.parallax_scale import ParallaxScale
from atvio_ros.road.patch_figures import NOTHING_SAID, Said, WeighFigures, patch_figures
from atvio_ros.road.shift_curves import Comparison, MatchSettings, SaidPatch, ShiftCurves
from atvio_ros.road.speed_filter import SpeedEstimate, SpeedFilter, SpeedSettings
from atvio_ros.types import FloatArray, FramePair, PairGeometry, RelativeMotion, RoadMeasurement
from atvio_ros.view.virtual_camera import KITTI_VIEW, VirtualCamera

NEAREST_H, FARTHEST_H = 1.5, 6.0  # where the view may begin
LEAST_PATCHES = 4  # that a pair is measured with; fewer, and the speed is that of before
KNOWN_H = 2.0  # sigma of a speed by which shifts are expected [camera heights a second]
# Parallax of corners [rad] in a camera height of way, their median: measured 0.005 to 0.15 on all kinds of robots that
# see the world; the road itself, where it comes into view so many heights ahead, has 1 / height^2.
MOST_PARALLAX, MOST_PARALLAX_ROAD = 0.2, 1.2
MOVING_RAD, MOVING_H = 0.004, 0.18  # parallax and expected shift by which the robot moves for sure
LEAST_SHIFT_H = 0.03  # smaller ones are not told apart by a patch alone
UNMOVED_H = 0.06  # up to this, a patch shows something that moves along
LEAST_WAY_H = 0.01  # over a pair; of less, the curvature of the way is not told
UNSEEN_S = 1.0
DOUBTFUL = 0.1  # sigma of the speed, as a share of it
LEAST_SUPPORT = 0.6  # share of the patches that agree on a clear road
DISSENT = 0.4  # sigma of the speed, as a share of it, where none agrees
# Share of the patches that agree with the speed, and over what time: fewer, and no shift is expected from it. So the
# road is found again after a mirror image or a vehicle was taken for it.
EXPECTED_SUPPORT, EXPECTED_S = 0.25, 2.0
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
    feeling: FeltSettings = field(default_factory=FeltSettings)
    weights: WeighFigures | None = None  # of patches, as they were learned; None: all count alike
    noise: MotionNoise = NOISE
    kind: str = 'geometry'
    name: str = 'geometry'
    trained: bool = True  # without weights there is nothing to train
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


@dataclass(frozen=True)
class RoadReading:
    """What the road and the accelerometer say of one pair."""

    compared: Comparison
    found: SpeedEstimate
    support: float  # share of the patches that agree
    seen: bool  # whether enough patches were compared
    span_s: float  # between the images that were compared
    weight: float  # of the comparison
    felt: tuple[float, float]  # acceleration along the way and its sigma [m/s^2]
    gained_h: float  # see SpeedFilter.update
    expected: float | None  # shift before the comparison [camera heights]
    said: Said  # by patches; nothing where all count alike


class RoadOdometry:
    """Road estimator on one robot. Its translation lies along the direction of travel, its rotation is the gyro's."""

    def __init__(self, settings: RoadEstimator, sight: Sight) -> None:
        self._settings = settings
        self._sight = sight
        self._curves: ShiftCurves | None = None  # made with the first pair: the images tell where the road begins
        self._R_image_base = sight.R_camera_stored.T @ sight.rig.R_base_camera.T
        self._felt = FeltAcceleration(self._R_image_base[:, 2], settings.feeling)
        self._older = OlderImages()
        self._parallax = ParallaxScale()
        self._speed = SpeedFilter(sight.camera_height, settings.filtering)
        self.reset()

    def reset(self) -> None:
        """Forget the pairs before."""
        self._speed.reset()
        self._felt.reset()
        self._older.reset()
        self._parallax.reset()
        self._newest: SpeedEstimate | None = None
        self._unseen_s = 0.0
        self._said = NOTHING_SAID
        self._agreed = 1.0  # share of the patches that agreed with the speed lately: their mean at first
        self._driven_s = 0.0

    def predict(self, pair: FramePair) -> RelativeMotion:
        """Motion of the images' axes over one pair, whose geometry must be known."""
        reading = self.read(pair)
        assert pair.geometry is not None
        return self._motion(pair, pair.geometry, reading.found, reading.support)

    def read(self, pair: FramePair, blind: bool = False, numb: bool = False) -> RoadReading:
        """Take the next pair, whose geometry must be known; `blind`: as if no road were in view, `numb`: as if the
        accelerometer told nothing.
        """
        geometry = pair.geometry
        assert geometry is not None  # the engine has a tracker for every estimator with a view
        backward_h = self._settings.matching.backward_shift
        older = self._older.choose(pair, geometry.seen_rotation, self._known_speed, backward_h)
        expected = None if self._known_speed is None else self._known_speed * older.span_s
        self._said = NOTHING_SAID
        compared = self._compare(older, pair, geometry, expected)
        seen = int(compared.patches.sum()) >= LEAST_PATCHES and not blind
        self._unseen_s = 0.0 if seen else self._unseen_s + pair.interval_s
        force = self._R_image_base @ inside(pair.imu, pair)[:, 3:].mean(axis=0)
        felt = self._felt.before(force, geometry.R_previous_current, geometry.R_image_level[:, 2], pair.interval_s)
        gained_h = self._felt.gained(older.span_s) / self._sight.camera_height
        if numb:
            felt, gained_h = (0.0, self._settings.filtering.acceleration), 0.0
        found = self._speed.update(
            compared.curves,
            self.matcher.shifts,
            self.matcher.depth,
            older.span_s,
            pair.interval_s,
            older.weight if seen else 0.0,
            felt,
            gained_h,
            self._readout,
        )
        if self._newest is not None and seen:
            change = self._sight.camera_height * float(np.hypot(found.sigma, self._newest.sigma))
            self._felt.after(force, self._acceleration(found, geometry, pair.interval_s), pair.interval_s, change)
        self._newest = found
        way, sigma = found.speed * pair.interval_s, found.sigma * pair.interval_s
        self._parallax.learn(geometry.parallax, way, sigma if seen else np.inf, pair.interval_s)
        support = compared.support(found.speed * older.span_s + gained_h, found.tilt) if seen else 1.0
        self._driven_s += pair.interval_s
        self._agreed += (support - self._agreed) * pair.interval_s / min(self._driven_s, EXPECTED_S)
        return RoadReading(
            compared, found, support, seen, older.span_s, older.weight, felt, gained_h, expected, self._said
        )

    def _motion(self, pair: FramePair, geometry: PairGeometry, found: SpeedEstimate, support: float) -> RelativeMotion:
        """Along the direction of travel, turned as the gyro says."""
        speed, sigma = self._sight.camera_height * found.speed, self._sight.camera_height * found.sigma
        sigma = float(np.hypot(sigma, DISSENT * max(0.0, LEAST_SUPPORT - support) * abs(speed)))
        way_m = speed * pair.interval_s
        ahead = geometry.R_previous_current @ geometry.R_image_level[:, 2]
        covariance = np.zeros((6, 6))
        covariance[:3, :3] = ERRORS_LAST * (sigma * pair.interval_s) ** 2 * np.outer(ahead, ahead)
        covariance[:3, :3] += (way_m * geometry.pitch_sigma) ** 2 * (np.eye(3) - np.outer(ahead, ahead))
        covariance[3:, 3:] = geometry.rotation_noise**2 * np.eye(3)
        return RelativeMotion(
            transform(geometry.R_previous_current, way_m * ahead),
            covariance=covariance,
            warnings=self._warnings(speed, sigma),
            road=RoadMeasurement(speed, sigma, found.tilt, support),
        )

    @property
    def matcher(self) -> ShiftCurves:
        """What compares the views of the road; there is one from the first pair on."""
        if self._curves is None:
            stored = self._sight.stored
            nearest = nearest_seen(stored.mask, stored.virtual)
            self._curves = ShiftCurves(float(np.clip(nearest, NEAREST_H, FARTHEST_H)), self._settings.matching)
        return self._curves

    @property
    def _readout(self) -> float:
        """How much later [s] the shutter reaches the road one camera height ahead than the horizon."""
        camera = self._sight.rig.needed_camera
        return self._sight.rig.readout_time * float(camera.K[1, 1]) / camera.height

    @property
    def _known_speed(self) -> float | None:
        """Of the pair before [camera heights a second]; None: it is not clear, or patches do not agree with it."""
        if self._newest is None or self._newest.sigma >= KNOWN_H or self._agreed < EXPECTED_SUPPORT:
            return None
        return self._newest.speed

    @property
    def _most_parallax(self) -> float:
        return max(MOST_PARALLAX, MOST_PARALLAX_ROAD / self.matcher.road.near**2)

    def _acceleration(self, found: SpeedEstimate, geometry: PairGeometry, interval_s: float) -> FloatArray:
        """(3,) m/s^2 over the pair, in axes of the newest image: of the speed along the way, and of its bend."""
        assert self._newest is not None
        height, ahead = self._sight.camera_height, geometry.R_image_level[:, 2]
        before = geometry.R_previous_current.T @ ahead  # where it went, if it went ahead then, too
        return np.asarray(height * (found.speed * ahead - self._newest.speed * before) / interval_s)

    def _curvature(self, geometry: PairGeometry, interval_s: float) -> float:
        """Of the way [1 / camera heights], to the right: the gyro's turn over the way of the pair before."""
        way = self._newest.speed * interval_s if self._newest else 0.0
        ahead = geometry.R_image_level.T @ geometry.R_previous_current @ geometry.R_image_level[:, 2]
        return float(np.arctan2(ahead[0], ahead[2]) / way) if way > LEAST_WAY_H else 0.0

    def _compare(
        self, older: OlderImage, pair: FramePair, geometry: PairGeometry, expected: float | None
    ) -> Comparison:
        matcher, stored = self.matcher, self._sight.stored
        patches = matcher.along(self._curvature(geometry, pair.interval_s))
        R_camera_level = self._sight.R_camera_stored @ geometry.R_image_level
        parallax = geometry.parallax * older.span_s / pair.interval_s
        least = max(parallax / self._most_parallax, self._parallax.least(parallax))
        moving = parallax > MOVING_RAD and (expected or 0.0) > MOVING_H
        R_older_level = self._sight.R_camera_stored @ older.R_older_newest @ geometry.R_image_level
        return matcher.compare(
            stored.road(older.frame.image, patches.road, R_older_level)[:, :, 0],
            stored.road(pair.current.image, patches.road, R_camera_level)[:, :, 0],
            stored.road_seen(patches.road, R_camera_level),
            expected=expected,
            patches=patches,
            least_moved=max(least if least > LEAST_SHIFT_H else 0.0, UNMOVED_H if moving else 0.0),
            weigh=None if self._settings.weights is None else self._weigh,
        )

    def _weigh(self, said: Sequence[SaidPatch], expected: float | None) -> FloatArray:
        """Weights (P,) of patches."""
        weights, matching = self._settings.weights, self._settings.matching
        assert weights is not None
        figures = patch_figures(said, expected, round(matching.backward_shift / matching.cell), matching.cell)
        self._said = Said(tuple(said), figures)
        return np.asarray(weights(figures.astype(np.float32)), dtype=np.float64) if len(said) else np.zeros(0)

    def _warnings(self, speed: float, sigma: float) -> tuple[str, ...]:
        words = []
        if self._unseen_s > UNSEEN_S:
            words.append(
                'the road near the robot is not seen, so the last speed is kept: check the pitch of the camera, its '
                'height (camera_height), and what stands before it'
            )
        elif sigma > DOUBTFUL * max(abs(speed), 1.0):
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
