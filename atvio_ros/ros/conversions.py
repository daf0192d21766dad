"""What the node needs of ROS messages beside message_decoding: poses it is sent, and messages to publish."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time

from atvio_ros.errors import SettingsError
from atvio_ros.geometry import from_quaternion, transform
from atvio_ros.messages import seconds_of
from atvio_ros.types import FloatArray


def make_message(type_name: str, /, **fields: Any) -> Any:
    """The MessageFactory (atvio_ros.messages) of rclpy's message classes."""
    return message_class(type_name)(**fields)


@functools.cache
def message_class(type_name: str) -> Any:
    """Class of a message type, from 'package/msg/Name'. ImportError or AttributeError when it is not installed."""
    package, kind, name = type_name.split('/')
    return getattr(importlib.import_module(f'{package}.{kind}'), name)


def stamp_from_ns(nanoseconds: int) -> Time:
    """Int nanoseconds as builtin_interfaces/Time. Raises MessageError beyond its 32 bits of seconds."""
    sec, nanosec = seconds_of(nanoseconds)
    return Time(sec=sec, nanosec=nanosec)


def pose_from_numbers(numbers: Sequence[float], name: str) -> FloatArray:
    """Pose (4, 4) from x y z [m], qx qy qz qw. Raises SettingsError, beginning with `name`, on what is no pose."""
    if len(numbers) != 7:
        raise SettingsError(f'{name} must be 7 numbers, x y z qx qy qz qw, not {len(numbers)}.')
    if not np.isfinite(numbers).all():
        raise SettingsError(f'{name} must hold finite numbers, not {", ".join(map(str, numbers))}.')
    length = float(np.linalg.norm(numbers[3:]))
    if abs(length - 1.0) > 1e-3:
        raise SettingsError(f'{name} must end in a unit quaternion qx qy qz qw; its length is {length:.3f}.')
    return transform(from_quaternion(*numbers[3:]), np.array(numbers[:3]))
