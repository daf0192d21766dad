"""A tiny drive in memory, for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.drives.drive import Drive
from atvio_ros.drives.imu_readings import ImuReadings
from atvio_ros.geometry import transform, translation
from atvio_ros.rig.kitti import kitti_part
from atvio_ros.rig.rig import Rig
from atvio_ros.types import ImageArray, Trajectory
from samples.bags import FRAME_NS, FRAMES, INTRINSICS, START_NS, T_BASE_CAMERA, frame_stamps_ns, image

T_BASE_IMU = transform(Rotation.from_euler('z', 90, degrees=True).as_matrix(), np.array([0.5, 0.0, 0.1]))
RIG = Rig(kitti_part(T_BASE_CAMERA, INTRINSICS, 16, 12).camera, T_BASE_CAMERA, T_BASE_IMU)


@dataclass(frozen=True)
class MemoryDrive:
    """A Drive whose images are arrays."""

    stamps_ns: np.ndarray
    pictures: tuple[ImageArray, ...]
    imu: ImuReadings
    truth: Trajectory | None
    rig: Rig
    notes: tuple[str, ...] = ()

    def images(self) -> Iterator[tuple[int, ImageArray]]:
        yield from zip(self.stamps_ns.tolist(), self.pictures, strict=True)


def tiny_drive(**changes: Any) -> Drive:
    """Three images, readings from before the first to after the last, and an IMU that is turned against base_link."""
    stamps_ns = np.array(frame_stamps_ns())
    imu_ns = START_NS + np.arange(-2, 4 * FRAMES) * FRAME_NS // 4
    values = np.arange(6.0 * len(imu_ns)).reshape(-1, 6)
    drive = MemoryDrive(
        stamps_ns,
        tuple(image(i) for i in range(FRAMES)),
        ImuReadings(imu_ns, values),
        Trajectory(stamps_ns, np.stack([translation(float(i), 0.0, 0.0) for i in range(FRAMES)])),
        RIG,
    )
    return replace(drive, **changes)


def assert_same_rig(one: Rig, other: Rig) -> None:
    for name in ('T_base_camera', 'T_base_imu', 'gyro_bias'):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-12)
    for name in ('imu_time_offset', 'gyro_lag', 'accelerometer_lag'):
        assert getattr(one, name) == getattr(other, name)
    assert one.camera_height == pytest.approx(other.camera_height, abs=1e-12)
    assert one.direction_of_travel == other.direction_of_travel
    a, b = one.needed_camera, other.needed_camera
    assert (a.width, a.height, a.distortion_model) == (b.width, b.height, b.distortion_model)
    for name in ('K', 'd', 'R_image_camera'):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
