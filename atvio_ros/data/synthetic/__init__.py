"""Rendered drives with exact ground truth. `synthesize(DriveSettings(seed=1))` gives a Drive; docs/synthetic.md."""

from atvio_ros.data.synthetic.drive import Drive, DriveSettings, kitti_intrinsics, synthesize
from atvio_ros.data.synthetic.imu import ImuSettings

__all__ = ['Drive', 'DriveSettings', 'ImuSettings', 'kitti_intrinsics', 'synthesize']
