"""Rendered drives with exact ground truth: `synthesize(DriveSettings(seed=1))`; docs/synthetic.md."""

from atvio_ros.rendering.imu import ImuSettings
from atvio_ros.rendering.rendered_drive import DriveSettings, RenderedDrive, kitti_intrinsics, synthesize

__all__ = ['DriveSettings', 'ImuSettings', 'RenderedDrive', 'kitti_intrinsics', 'synthesize']
