"""Compares an exported network with PyTorch's, pair by pair, each with its own memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from atvio_ros.errors import ModelError
from atvio_ros.network.road_config import AROUND, BANDS, FIGURES, LEVEL_SIZE, MOST_PATCHES, SCALARS
from atvio_ros.odometry.networks import PairAnswer, PairNetwork, RoadAnswer, RoadWeights, Values
from atvio_ros.odometry.road_estimator import RoadReading
from atvio_ros.odometry.road_front import RoadStep
from atvio_ros.road.patch_figures import NOTHING_SAID
from atvio_ros.road.shift_curves import Comparison
from atvio_ros.road.speed_filter import SpeedEstimate
from atvio_ros.types import FloatArray, ImageArray

# Largest difference of one pair that is rounding. Motions are of the order of metres and hundredths of radians, or of
# camera heights; weights of patches of the order of one.
TOLERANCE = {'motion': 1e-4, 'attention': 1e-4, 'log_sigma': 1e-3, 'weights': 1e-4}
DRIVE_PAIRS = 200  # of the drive that is made up where no bag is given


@dataclass
class Differences:
    """The largest difference of each output between two networks, over all pairs compared."""

    largest: dict[str, float] = field(default_factory=dict)
    pairs: int = 0

    def note(self, name: str, one: Values, other: Values) -> None:
        """Compare one output of one pair. NaN equals NaN and nothing else."""
        same = np.isnan(one) & np.isnan(other)
        apart = float(np.max(np.where(same, 0.0, np.abs(one - other)), initial=0.0))
        self.largest[name] = max(self.largest.get(name, 0.0), float('inf') if np.isnan(apart) else apart)

    def check(self) -> None:
        """Raise ModelError where they differ by more than rounding."""
        wrong = {name: apart for name, apart in self.largest.items() if apart > TOLERANCE[name]}
        if wrong or not self.pairs:
            name = next(iter(wrong), '')
            raise ModelError(
                f'ONNX Runtime differs from PyTorch by {wrong[name]:.3g} in {name} (at most {TOLERANCE[name]:g} is '
                'rounding), so nothing was written.'
                if wrong
                else 'Not one frame pair was compared, so nothing was written. Give a bag with images and IMU.'
            )


class ComparedPairs:
    """Two networks of the paper as one: answers as the first, and notes how far the second is from it."""

    def __init__(self, one: PairNetwork, other: PairNetwork, differences: Differences) -> None:
        self._one, self._other, self._differences = one, other, differences
        self.config, self.digest, self.device = one.config, one.digest, one.device

    def on_robot(self, R_camera_base: FloatArray) -> ComparedPairs:
        """See networks.PairNetwork."""
        return ComparedPairs(self._one.on_robot(R_camera_base), self._other.on_robot(R_camera_base), self._differences)

    def reset(self) -> None:
        """See networks.PairNetwork."""
        self._one.reset()
        self._other.reset()

    def motion(self, images: ImageArray, imu: Values, interval_s: float) -> PairAnswer:
        """See networks.PairNetwork."""
        answers = [each.motion(images, imu, interval_s) for each in (self._one, self._other)]
        self._differences.pairs += 1
        for name, one, other in zip(PairAnswer._fields, *answers, strict=True):
            self._differences.note(name, one, other)
        return answers[0]

    def warm_up(self) -> None:
        """See networks.PairNetwork."""


class ComparedRoads:
    """The same of two networks `road`."""

    def __init__(self, one: RoadWeights, other: RoadWeights, differences: Differences) -> None:
        self._one, self._other, self._differences = one, other, differences
        self.config, self.digest, self.device = one.config, one.digest, one.device

    def fresh(self) -> ComparedRoads:
        """See networks.RoadWeights."""
        return ComparedRoads(self._one.fresh(), self._other.fresh(), self._differences)

    def reset(self) -> None:
        """See networks.RoadWeights."""
        self._one.reset()
        self._other.reset()

    def patches(self, figures: Values) -> Values:
        """See networks.RoadWeights."""
        one, other = (each.patches(figures) for each in (self._one, self._other))
        self._differences.note('weights', one, other)
        return one

    def weigh(self, step: RoadStep) -> RoadAnswer:
        """See networks.RoadWeights."""
        answers = [each.weigh(step) for each in (self._one, self._other)]
        self._differences.pairs += 1
        for name, one, other in zip(RoadAnswer._fields, *answers, strict=True):
            self._differences.note(name, one, other)
        return answers[0]

    def warm_up(self) -> None:
        """See networks.RoadWeights."""


def drive_pairs(network: PairNetwork, pairs: int | None = None, seed: int = 0) -> None:
    """Let a network answer a drive that is made up: a texture that comes nearer and turns, and readings to it."""
    rng, config = np.random.default_rng(seed), network.config
    network.reset()
    size = config.image_height_px, config.image_width_px
    for images in _neighbours(_approach(size, config.image_channels, rng), pairs or DRIVE_PAIRS):
        imu = np.cumsum(rng.normal(size=(11, 6)) * (0.02, 0.02, 0.05, 0.3, 0.3, 0.3), axis=0)
        imu[:, 5] += 9.8
        network.motion(images, imu.astype(np.float32), float(rng.uniform(0.03, 0.2)))


def drive_road(network: RoadWeights, pairs: int | None = None, seed: int = 0) -> None:
    """The same for a network `road`: patches of any figures, and figures of the order of a filter's."""
    rng = np.random.default_rng(seed)
    network.reset()
    views = _approach(LEVEL_SIZE, 1, rng)
    for level in _neighbours(views, pairs or DRIVE_PAIRS):
        network.patches(rng.normal(size=(int(rng.integers(0, MOST_PATCHES + 1)), FIGURES)).astype(np.float32))
        network.weigh(_made_up_step(np.asarray(level[..., 0]), float(rng.uniform(0.1, 1.5)), rng))


def _made_up_step(views: ImageArray, way: float, rng: np.random.Generator) -> RoadStep:
    nothing = Comparison(np.zeros((BANDS, 1), np.float32), np.zeros(BANDS, np.intp), np.zeros(0), np.zeros(0))
    curves = rng.uniform(-20.0, 0.0, (BANDS, AROUND)).astype(np.float32)
    return RoadStep(
        curves=curves - curves.max(axis=1, keepdims=True),
        scalars=rng.normal(size=SCALARS).astype(np.float32),
        imu=rng.normal(size=(11, 6)).astype(np.float32) * np.float32(0.3),
        views=views,
        way=way,
        sigma=np.full(3, rng.choice((0.003, 0.3)), np.float32),  # clear, or in doubt, when the perspective counts
        reading=RoadReading(
            nothing, SpeedEstimate(way, 0.01, 0.0), 1.0, True, 0.1, 1.0, (0.0, 0.5), 0.0, None, NOTHING_SAID
        ),
    )


def _approach(size: tuple[int, int], channels: int, rng: np.random.Generator) -> Iterator[ImageArray]:
    """Images (H, W, C) without an end of a texture that a camera approaches, turning."""
    height, width = size
    while True:
        noise = rng.normal(size=(height, width, 3))
        texture = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.0, 3.0, 8.0))
        texture = np.clip(110.0 + 60.0 * texture, 0.0, 255.0).astype(np.uint8)
        zoom, angle = 1.0, 0.0
        for _ in range(25):
            zoom *= 1.0 + float(rng.uniform(0.0, 0.06))
            angle += float(rng.normal(0.0, 1.0))
            M = cv2.getRotationMatrix2D((0.5 * width, 0.5 * height), angle, zoom)
            image = cv2.warpAffine(texture, M, (width, height), borderMode=cv2.BORDER_REFLECT)
            yield np.asarray(image, np.uint8)[:, :, :channels]


def _neighbours(images: Iterator[ImageArray], pairs: int) -> Iterator[ImageArray]:
    previous = next(images)
    for _ in range(pairs):
        current = next(images)
        yield np.stack((previous, current))
        previous = current
