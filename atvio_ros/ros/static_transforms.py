"""Where camera and IMU sit, from /tf_static. Links between parts of a robot do not move, so a tree is all it takes."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from atvio_ros.errors import MessageError
from atvio_ros.message_decoding import stamped_transform
from atvio_ros.transform_tree import TransformTree
from atvio_ros.types import FloatArray

TOPIC = '/tf_static'


class ExtrinsicsFromTf:
    """Learns the frames of the sensors from their messages, and where they sit from /tf_static.

    Calls `on_known(T_base_camera, T_base_imu)` once, when both are known. `missing` says in words what is not.
    """

    def __init__(self, node: Node, base_frame: str, on_known: Callable[[FloatArray, FloatArray], None]) -> None:
        self.missing = 'extrinsics_from_tf: the frames of camera and IMU are not known before their first messages'
        self._node = node
        self._base_frame = base_frame
        self._on_known = on_known
        self._tree = TransformTree()
        self._refused = ''
        self._frames = {'camera': '', 'IMU': ''}
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._subscription = node.create_subscription(TFMessage, TOPIC, self._on_static, latched)

    def known_with(self, sensor: str, frame_id: str) -> bool:
        """Take the frame of a message of 'camera' or 'IMU'; whether the extrinsics are known."""
        if not self.missing:
            return True
        if frame_id != self._frames[sensor] or not frame_id:
            self._frames[sensor] = frame_id
            self._resolve()
        return not self.missing

    def close(self) -> None:
        """Stop listening."""
        self._node.destroy_subscription(self._subscription)

    def _on_static(self, message: TFMessage) -> None:
        for stamped in message.transforms:
            try:
                self._tree.add(*stamped_transform(stamped))
            except MessageError as error:
                self._refused = f'; refused: {error}'
        self._resolve()

    def _resolve(self) -> None:
        if not self.missing or not any(self._frames.values()):
            return
        poses, missing = {}, []
        for sensor, frame in self._frames.items():
            poses[sensor] = self._tree.lookup(self._base_frame, frame) if frame else None
            if not frame:
                missing.append(f'the frame of the {sensor}: no message yet, or its header.frame_id is empty')
            elif poses[sensor] is None:
                missing.append(f'the transform {self._base_frame} -> {frame} of the {sensor}')
        T_base_camera, T_base_imu = poses['camera'], poses['IMU']
        if T_base_camera is not None and T_base_imu is not None:
            self.missing = ''
            self._on_known(T_base_camera, T_base_imu)
            return
        there = ', '.join(self._tree.frames) or 'none'
        self.missing = f'missing {" and ".join(missing)} (frames on {TOPIC}: {there}{self._refused})'
