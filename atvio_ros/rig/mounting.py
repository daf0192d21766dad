"""A rig for those who need only where the sensors sit."""

from __future__ import annotations

from atvio_ros.mounting import Mounting
from atvio_ros.rig.rig import Rig


def rig_mounting(rig: Rig) -> Mounting:
    """Poses of camera and IMU, and the offset of their clocks."""
    return Mounting(rig.T_base_camera, rig.T_base_imu, rig.imu_time_offset)
