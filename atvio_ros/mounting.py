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
    """Where the sensors sit on the robot and how their clocks relate. By default the camera looks forward and the axes
    of the IMU are those of base_link, both at its origin."""

    T_base_camera: FloatArray = field(default_factory=_looking_forward)  # (4, 4) optical camera frame in base_link
    T_base_imu: FloatArray = field(default_factory=lambda: np.eye(4))  # (4, 4) imu_link in base_link
    imu_time_offset_s: float = 0.0  # added to IMU stamps

    @property
    def R_base_imu(self) -> FloatArray:  # noqa: N802 (the field's notation)
        """Rotation part (3, 3) of T_base_imu: turns readings into the axes of base_link."""
        return self.T_base_imu[:3, :3]
