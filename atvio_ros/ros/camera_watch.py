"""Notices a camera_info that changes after the start: the calibration in use is then that of another camera."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from atvio_ros.errors import CalibrationError
from atvio_ros.message_decoding import camera_info
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.camera_info import from_camera_info
from atvio_ros.rig.combine import same_camera


class CameraWatch:
    """Compares each camera_info with that of the start: `first`, or where none had come by then, the first to come."""

    def __init__(self, node: Node, reliability: str, rectified: bool, first: CameraInfo | None) -> None:
        self.changes = 0  # how often it became another one
        self._node = node
        self._topic = str(node.resolve_topic_name('camera_info'))
        self._rectified = rectified
        self._first = self._newest = first
        self._changed = False
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[reliability.upper()])
        self._subscription = node.create_subscription(CameraInfo, 'camera_info', self.take, qos)

    @property
    def words(self) -> str:
        """Why the calibration in use is in doubt; '' while camera_info is that of the start."""
        if not self._changed:
            return ''
        return f'camera_info on {self._topic} changed, and that of the start is still used: restart, or reconfigure'

    def take(self, message: CameraInfo) -> None:
        """The next message. They come with every image and are mostly the same."""
        if self._first is None or self._newest is None:
            self._first = self._newest = message
            return
        if not self._alike(self._newest, message):
            self.changes += 1
            self._changed = not self._alike(self._first, message)
        self._newest = message

    def close(self) -> None:
        """Stop listening."""
        self._node.destroy_subscription(self._subscription)

    def _alike(self, one: CameraInfo, other: CameraInfo) -> bool:
        if _fields(one) == _fields(other):
            return True
        cameras = []
        for message in (one, other):
            try:
                cameras.append(camera_of(message, self._rectified, self._topic))
            except CalibrationError:
                return False
        return same_camera(*cameras)


def camera_of(message: CameraInfo, rectified: bool, topic: str) -> CameraModel:
    """The camera that a message describes. Raises CalibrationError, beginning with `topic`, where it describes none."""
    info = camera_info(message)
    return from_camera_info(
        info.width_px, info.height_px, info.distortion_model, info.d, info.k, info.r, info.p, *info.binning,
        roi=info.roi, rectified=rectified, where=topic,
    )  # fmt: skip


def _fields(message: CameraInfo) -> tuple[object, ...]:
    """All that a calibration says, to be compared at little cost."""
    roi = message.roi
    return (
        message.width, message.height, message.distortion_model, message.binning_x, message.binning_y,
        roi.x_offset, roi.y_offset, roi.width, roi.height, roi.do_rectify,
        *(bytes(values) for values in (message.d, message.k, message.r, message.p)),
    )  # fmt: skip
