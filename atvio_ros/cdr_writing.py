"""Messages that go out hundreds of times a second, as CDR (see cdr.py): a tenth of the time of message objects."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from atvio_ros.geometry import quaternion
from atvio_ros.messages import seconds_of
from atvio_ros.types import NANOSECONDS, FloatArray, Trajectory

_LITTLE = b'\0\1\0\0'
_STAMP = struct.Struct('<iI')
_POSE = struct.Struct('<7d')
_TWIST = struct.Struct('<6d')

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


class OdometryCdr:
    """nav_msgs/Odometry of one pair of frames."""

    def __init__(self, odom_frame: str, base_frame: str) -> None:
        self._names = _padded(bytes(8) + _string(odom_frame), 4)[8:]
        self._names = _padded(bytes(8) + self._names + _string(base_frame), 8)[8:]

    def message(
        self,
        stamp_ns: int,
        position: Vector,
        orientation: Quaternion,
        pose_covariance: FloatArray,
        linear: Vector,
        angular: Vector,
        twist_covariance: FloatArray,
    ) -> bytes:
        """Pose [m, x y z w] and its covariance (36,) in the fixed frame; twist [m/s, rad/s] and its in the moving one.

        Raises MessageError on a stamp beyond what ROS 2 has.
        """
        return b''.join(
            (
                _LITTLE, _STAMP.pack(*seconds_of(stamp_ns)), self._names,
                _POSE.pack(*position, *orientation), pose_covariance.astype('<f8').tobytes(),
                _TWIST.pack(*linear, *angular), twist_covariance.astype('<f8').tobytes(),
            )
        )  # fmt: skip


class TransformCdr:
    """tf2_msgs/TFMessage with one transform between two frames."""

    def __init__(self, parent: str, child: str) -> None:
        self.parent, self.child = parent, child
        names = _padded(bytes(12) + _string(parent), 4)
        self._names = _padded(names + _string(child), 8)[12:]

    def message(self, stamp_ns: int, translation: Vector, rotation: Quaternion) -> bytes:
        """Pose [m, x y z w] of the child in the parent. Raises MessageError as above."""
        stamp = _STAMP.pack(*seconds_of(stamp_ns))
        return b''.join((_LITTLE, b'\1\0\0\0', stamp, self._names, _POSE.pack(*translation, *rotation)))


class PosesCdr:
    """geometry_msgs/PoseStamped and nav_msgs/Path of the poses of a trajectory, which become bytes once for all."""

    def __init__(self, frame: str, trajectory: Trajectory) -> None:
        """Raises MessageError on a stamp beyond what ROS 2 has."""
        stamps_ns = np.asarray(trajectory.stamps_ns, dtype=np.int64)
        for stamp_ns in (stamps_ns.min(), stamps_ns.max()) if len(stamps_ns) else ():
            seconds_of(int(stamp_ns))
        self._name = _string(frame)
        name = _padded(bytes(8) + self._name, 8)[8:]
        form = [('sec', '<i4'), ('nanosec', '<u4'), ('name', f'S{len(name)}'), ('pose', '<f8', 7)]
        self._rows = np.empty(len(stamps_ns), np.dtype(form))  # of messages that begin at a multiple of 8
        self._rows['sec'], self._rows['nanosec'] = np.divmod(stamps_ns, NANOSECONDS)
        self._rows['name'] = name
        self._rows['pose'][:, :3] = trajectory.poses[:, :3, 3]
        self._rows['pose'][:, 3:] = quaternion(trajectory.poses[:, :3, :3])

    def pose(self, index: int) -> bytes:
        """One pose as geometry_msgs/PoseStamped."""
        return _LITTLE + bytes(self._rows[index].tobytes())

    def path(self, stamp_ns: int, chosen: NDArray[np.intp] | None = None) -> bytes:
        """The poses, or these of them, as nav_msgs/Path. Raises MessageError as above."""
        rows = self._rows if chosen is None else self._rows[chosen]
        head = _padded(_STAMP.pack(*seconds_of(stamp_ns)) + self._name, 4) + struct.pack('<I', len(rows))
        poses = rows.tobytes()
        if len(head) % 8 and poses:  # the first lies 4 bytes beside a multiple of 8, and so does its gap end
            size = 8 + len(self._name)
            poses = _padded(head + poses[:size], 8)[len(head) :] + poses[8 + self._rows.dtype['name'].itemsize :]
        return b''.join((_LITTLE, head, poses))


def _string(text: str) -> bytes:
    encoded = text.encode() + b'\0'
    return struct.pack('<I', len(encoded)) + encoded


def _padded(body: bytes, multiple: int) -> bytes:
    return body + bytes(-len(body) % multiple)
