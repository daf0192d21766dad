"""A bag of a camera over a road, which says its whole robot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from atvio_ros import geometry
from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.imu_readings import ImuReadings
from atvio_ros.drives.write_bag import write_bag
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.rig import Rig
from atvio_ros.types import Trajectory
from samples.bags import T_BASE_CAMERA
from samples.road_images import CAMERA_HEIGHT, HEIGHT, WIDTH, K, road_image

EPOCH_NS = 1_317_000_000_000_000_000
FRAME_NS, IMU_NS = 100_000_000, 10_000_000


@dataclass
class Road:
    """A camera over a road at 6 m/s, the IMU turning a little and late, and ground truth straight ahead."""

    frames: int
    colour: bool = False
    rig: Rig = field(
        default_factory=lambda: Rig(
            camera=CameraModel(WIDTH, HEIGHT, np.reshape(K, (3, 3))),
            T_base_camera=T_BASE_CAMERA,
            camera_height=CAMERA_HEIGHT,
            gyro_lag=0.02,
        )
    )
    notes: tuple[str, ...] = ()

    @property
    def stamps_ns(self) -> np.ndarray:
        return EPOCH_NS + np.arange(self.frames) * FRAME_NS

    def images(self) -> Iterator[tuple[int, np.ndarray]]:
        for i, stamp_ns in enumerate(self.stamps_ns.tolist()):
            picture = road_image(0.6 * i)
            yield stamp_ns, np.dstack([picture] * 3) if self.colour else picture

    @property
    def imu(self) -> ImuReadings:
        k = np.arange(-5, 10 * (self.frames - 1) + 5)
        values = np.zeros((len(k), 6))
        values[:, 2] = 0.01 * np.sin(0.1 * k)
        values[:, 3:] = 0.5, 0.0, 9.81
        return ImuReadings(EPOCH_NS + k * IMU_NS, values)

    @property
    def truth(self) -> Trajectory:
        return Trajectory(
            self.stamps_ns, np.stack([geometry.translation(0.6 * i, 0.0, 0.0) for i in range(self.frames)])
        )


def write_road(path: Path, frames: int, colour: bool = False) -> Path:
    """A bag that says the whole robot, its lag included."""
    write_bag(Road(frames, colour), BagWriter(path))
    return path
