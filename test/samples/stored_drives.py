"""Tiny prepared drives over a textured plane, kept as the odometry keeps images: what the network road learns from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from atvio_ros.drives.imu_readings import ImuReadings
from atvio_ros.drives.prepare import prepare
from atvio_ros.drives.sequence_store import SequenceMeta
from atvio_ros.geometry import translation
from atvio_ros.types import Trajectory
from samples.drives import MemoryDrive
from samples.plane import PlaneDrive
from samples.streams import MS, START_NS


def write_stored(folder: Path, drive: PlaneDrive, view: str = 'stored') -> Path:
    """The drive as a prepared sequence."""
    stamps_ns = START_NS + drive.interval_ms * MS * np.arange(drive.frames)
    imu_ns = START_NS + 5 * MS * np.arange(-10, drive.interval_ms * drive.frames // 5 + 10)
    rig = dataclasses.replace(drive.rig, gyro_lag=0.0, accelerometer_lag=0.0)
    memory = MemoryDrive(
        stamps_ns,
        tuple(drive.image(index) for index in range(drive.frames)),
        ImuReadings(imu_ns, np.tile((0.0, 0.0, 0.0, 0.0, 0.0, 9.81), (len(imu_ns), 1))),
        Trajectory(stamps_ns, np.stack([translation(i * drive.metres_a_frame, 0.0, 0.0) for i in range(drive.frames)])),
        rig,
    )
    prepare(memory, folder, SequenceMeta(source='a plane'), view=view)
    return folder
