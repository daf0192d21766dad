"""Where camera and IMU sit, from /tf_static. Links between parts of a robot do not move, so the tree is all it takes.

tf2's own buffer also interpolates moving transforms; extrinsics must not move, and PyPI has no tf2. So there is one
implementation, the same on a ROS 2 installation and on a bare machine.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from atvio_ros.errors import SettingsError
from atvio_ros.geometry import inverse
from atvio_ros.ros.conversions import pose_from_numbers
from atvio_ros.types import FloatArray

TOPIC = '/tf_static'


class TransformTree:
    """Fixed transforms, parent to child, as far as they have been heard."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, FloatArray]] = {}  # child: its parent, T_parent_child

    @property
    def frames(self) -> list[str]:
        """All frames that are known, by name."""
        return sorted({*self._parents, *(parent for parent, _ in self._parents.values())})

    def add(self, stamped: TransformStamped) -> None:
        """Take a transform; a newer one replaces an older. Raises SettingsError when it is none."""
        t, q = stamped.transform.translation, stamped.transform.rotation
        parent, child = _name(stamped.header.frame_id), _name(stamped.child_frame_id)
        T_parent_child = pose_from_numbers((t.x, t.y, t.z, q.x, q.y, q.z, q.w), f'{parent} -> {child}')
        self._parents[child] = parent, T_parent_child

    def lookup(self, target: str, source: str) -> FloatArray | None:
        """T_target_source (4, 4), through their common ancestor; None while a link is missing."""
        from_target, from_source = self._ancestors(_name(target)), self._ancestors(_name(source))
        for ancestor, T_ancestor_source in from_source.items():
            if ancestor in from_target:
                return inverse(from_target[ancestor]) @ T_ancestor_source
        return None

    def _ancestors(self, frame: str) -> dict[str, FloatArray]:
        """The frame and what is above it, nearest first: its pose in each. A loop ends where it closes."""
        poses = {frame: np.eye(4)}
        while frame in self._parents and self._parents[frame][0] not in poses:
            parent, T_parent_frame = self._parents[frame]
            poses[parent] = T_parent_frame @ poses[frame]
            frame = parent
        return poses


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
                self._tree.add(stamped)
            except SettingsError as error:
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


def _name(frame: str) -> str:
    return frame.removeprefix('/')
