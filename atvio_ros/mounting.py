"""Where the sensors sit on the robot and how their clocks relate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atvio_ros.geometry import R_BODY_OPTICAL, transform
from atvio_ros.types import FloatArray


def _looking_forward() -> FloatArray:
    return transform(R_BODY_OPTICAL, np.zeros(3))


@dataclass(frozen=True)
class Mounting:
    """Where the sensors sit on the robot and how their clocks relate."""

    T_base_camera: FloatArray = field(default_factory=_looking_forward)  # (4, 4) optical camera frame in base_link
    R_base_imu: FloatArray = field(default_factory=lambda: np.eye(3))  # (3, 3) imu_link in base_link
    imu_time_offset_s: float = 0.0  # added to IMU stamps
