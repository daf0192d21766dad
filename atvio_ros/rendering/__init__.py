"""Rendered drives with exact ground truth: `synthesize(DriveSettings(seed=1))`; docs/synthetic.md."""

from atvio_ros.rendering.drive_settings import DriveSettings, kitti_intrinsics
from atvio_ros.rendering.imu import ImuSettings
from atvio_ros.rendering.rendered_drive import RenderedDrive, synthesize

__all__ = ['DriveSettings', 'ImuSettings', 'RenderedDrive', 'kitti_intrinsics', 'synthesize']
