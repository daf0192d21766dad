"""Messages that go out hundreds of times a second, as CDR (see cdr.py): a tenth of the time of message objects."""

from __future__ import annotations

import struct

from atvio_ros.messages import seconds_of
from atvio_ros.types import FloatArray

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


def _string(text: str) -> bytes:
    encoded = text.encode() + b'\0'
    return struct.pack('<I', len(encoded)) + encoded


def _padded(body: bytes, multiple: int) -> bytes:
    return body + bytes(-len(body) % multiple)
