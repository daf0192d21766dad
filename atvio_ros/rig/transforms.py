"""What a tree of transforms says of a robot."""

from __future__ import annotations

from collections.abc import Sequence

from atvio_ros.rig.rig import RigPart
from atvio_ros.types import FloatArray

BASE_FOOTPRINT = 'base_footprint'  # on the ground below base_link (REP 120)


def transforms_part(
    T_base_camera: FloatArray | None,
    T_base_imu: FloatArray | None,
    T_footprint_base: FloatArray | None = None,
    source: str = '/tf_static',
    earlier: Sequence[RigPart] = (),
) -> RigPart:
    """Poses (4, 4) of the sensors in base_link, and of base_link in base_footprint; None where the tree lacks one.

    The height is how far the camera is above base_footprint: that of the tree, or, where it has none, of the first of
    `earlier`, which speak before it, to say its pose. Raises CalibrationError where that is not a height.
    """
    said = (T_base_camera, *(part.T_base_camera for part in earlier))
    placed = next((T for T in said if T is not None), None)
    height = None if placed is None or T_footprint_base is None else float((T_footprint_base @ placed)[2, 3])
    return RigPart(source, T_base_camera=T_base_camera, T_base_imu=T_base_imu, camera_height=height)
