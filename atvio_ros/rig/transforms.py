"""What a tree of transforms says of a robot."""

from __future__ import annotations

from atvio_ros.rig.rig import RigPart
from atvio_ros.types import FloatArray

BASE_FOOTPRINT = 'base_footprint'  # on the ground below base_link (REP 120)


def transforms_part(
    T_base_camera: FloatArray | None,
    T_base_imu: FloatArray | None,
    T_footprint_base: FloatArray | None = None,
    source: str = '/tf_static',
) -> RigPart:
    """Poses (4, 4) of the sensors in base_link, and of base_link in base_footprint; None where the tree lacks one.

    The height is how far the camera is above base_footprint. Raises CalibrationError where that is not a height.
    """
    height = None
    if T_base_camera is not None and T_footprint_base is not None:
        height = float((T_footprint_base @ T_base_camera)[2, 3])
    return RigPart(source, T_base_camera=T_base_camera, T_base_imu=T_base_imu, camera_height=height)
