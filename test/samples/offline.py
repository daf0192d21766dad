"""Tiny bags of images and IMU readings in any order, and odometry of them with a network that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from atvio_ros import messages
from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.topics import IMAGE_TOPIC, IMU_TOPIC
from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.evaluation.run import BagRun, run_bag
from atvio_ros.geometry import translation
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.odometry.sight import Sight
from atvio_ros.rig.rig import Rig
from atvio_ros.types import FramePair, ImuSample, RelativeMotion
from samples.bags import MAKE, START_NS
from samples.bags import image as picture


class OneMetreForward:
    """Stands in for the network: the camera moves 1 m along its optical axis per pair. Keeps the pairs it was given."""

    kind, name, trained, noise = 'network', 'one metre', False, MotionNoise()
    view, image_size_px = None, (32, 64)

    def __init__(self, undoes_lags: bool = True) -> None:
        self.undoes_lags = undoes_lags
        self.pairs: list[FramePair] = []

    def remark(self, rig: Rig) -> None:
        """Every robot is fine."""

    def on_robot(self, rig: Rig, sight: Sight | None) -> OneMetreForward:
        return self

    def predict(self, pair: FramePair) -> RelativeMotion:
        self.pairs.append(pair)
        return RelativeMotion(translation(0.0, 0.0, 1.0))

    def reset(self) -> None:
        pass


def run(path: Path, estimator: OneMetreForward | None = None, **options: Any) -> BagRun:
    """Odometry of a bag with the robot it tells."""
    with BagReader(path) as reader:
        return run_bag(reader, estimator or OneMetreForward(), bag_rig(reader).rig, **options)


def still(stamp_ns: int) -> ImuSample:
    """A reading at rest."""
    return ImuSample(stamp_ns, np.zeros(3), np.array([0.0, 0.0, 9.81]))


def write_bag(path: Path, events: list[tuple[int, int | ImuSample | Any]]) -> Path:
    """A bag from (log stamp, event); an event is an image stamp, an IMU sample or an Image message."""
    with BagWriter(path) as bag:
        for log_ns, event in events:
            if isinstance(event, ImuSample):
                message, topic = messages.imu(MAKE, event, 'imu_link'), IMU_TOPIC
            else:
                message, topic = event, IMAGE_TOPIC
                if isinstance(event, int):
                    message = messages.image(MAKE, event, 'camera', picture(0))
            bag.write_raw(topic, message.__msgtype__, log_ns, MAKE.serialize(message))
    return path


def drive(frames: int, imu_from: int = 0, imu_to: int | None = None) -> list[tuple[int, int | ImuSample]]:
    """(log stamp, event) of `frames` images 0.1 s apart and IMU readings every 10 ms, as they happen."""
    last = 10 * (frames - 1) if imu_to is None else imu_to
    imu = [still(START_NS + i * 10_000_000) for i in range(imu_from, last + 1)]
    images = [START_NS + i * 100_000_000 for i in range(frames)]
    events: list[tuple[int, int | ImuSample]] = [(sample.stamp_ns, sample) for sample in imu]
    return sorted([*events, *((stamp, stamp) for stamp in images)], key=lambda event: event[0])


def grainy(stamp_ns: int, size: tuple[int, int] = (32, 64)) -> Any:
    """An image of one scene with the noise of a camera at that stamp."""
    scene = (
        np.random.default_rng(0).integers(20, 230, (8, 16)).repeat(size[0] // 8, axis=0).repeat(size[1] // 16, axis=1)
    )
    noise = np.random.default_rng(stamp_ns).integers(-2, 3, size)
    return messages.image(MAKE, stamp_ns, 'camera', (scene + noise).astype(np.uint8))
