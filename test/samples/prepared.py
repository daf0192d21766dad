"""Tiny prepared sequences for the tests: a car on a winding road, its images noise, its IMU and poses consistent."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atvio_ros.drives.sequence_store import PreparedSequence, SequenceMeta
from atvio_ros.drives.sequence_writer import SequenceWriter
from atvio_ros.geometry import R_BODY_OPTICAL, transform
from atvio_ros.types import FloatArray

START_NS = 1_317_646_534_997_992_704
FRAME_NS = 103_700_001
IMU_PER_FRAME = 10
T_BASE_CAMERA = transform(R_BODY_OPTICAL, np.array([1.08, -0.32, 0.73]))


def base_poses(times_s: FloatArray, speed_m_s: float = 9.0, yaw_rate: float = 0.3) -> FloatArray:
    """T_odom_base (N, 4, 4) of a level drive whose yaw swings: yaw = yaw_rate sin(t)."""
    fine = np.linspace(0.0, max(times_s[-1], 1e-3), 20 * len(times_s))
    yaw_fine = yaw_rate * np.sin(fine)
    steps = np.diff(fine, prepend=0.0)[:, None] * speed_m_s * np.stack((np.cos(yaw_fine), np.sin(yaw_fine)), axis=1)
    path = np.cumsum(steps, axis=0)
    poses = np.tile(np.eye(4), (len(times_s), 1, 1))
    yaw = yaw_rate * np.sin(times_s)
    poses[:, 0, 0] = poses[:, 1, 1] = np.cos(yaw)
    poses[:, 1, 0], poses[:, 0, 1] = np.sin(yaw), -np.sin(yaw)
    poses[:, 0, 3] = np.interp(times_s, fine, path[:, 0])
    poses[:, 1, 3] = np.interp(times_s, fine, path[:, 1])
    return poses


def write_prepared(
    folder: Path,
    frames: int = 30,
    seed: int = 0,
    size: tuple[int, int] = (32, 64),
    channels: int = 1,
    gyro_lag_s: float = 0.0,
    missing_imu: tuple[int, int] | None = None,
    intrinsics: tuple[float, float, float, float] | None = None,
    **meta: object,
) -> PreparedSequence:
    """A sequence of so many frames; `missing_imu` leaves out the readings between two images."""
    rng = np.random.default_rng(seed)
    stamps_ns = START_NS + np.arange(frames) * FRAME_NS
    imu_stamps_ns = START_NS + np.arange(IMU_PER_FRAME * (frames - 1) + 1) * FRAME_NS // IMU_PER_FRAME
    if missing_imu:
        first, last = START_NS + missing_imu[0] * FRAME_NS, START_NS + missing_imu[1] * FRAME_NS
        imu_stamps_ns = imu_stamps_ns[(imu_stamps_ns <= first) | (imu_stamps_ns >= last)]
    times_s = (imu_stamps_ns - START_NS) / 1e9 - gyro_lag_s
    imu = np.zeros((len(imu_stamps_ns), 6))
    imu[:, 2] = 0.3 * np.cos(times_s)
    imu[:, 4] = 9.0 * imu[:, 2]
    imu[:, 5] = 9.81
    with SequenceWriter(folder, *size) as writer:
        for stamp_ns in stamps_ns:
            writer.add_image(int(stamp_ns), rng.integers(0, 256, (*size, channels), dtype=np.uint8))
        return writer.finish(
            imu_stamps_ns,
            imu + rng.normal(0.0, 1e-4, imu.shape),
            base_poses((stamps_ns - START_NS) / 1e9) @ T_BASE_CAMERA,
            T_BASE_CAMERA,
            np.eye(3),
            SequenceMeta(**meta),  # type: ignore[arg-type]
            intrinsics,
        )
