"""ROS messages to our values and back."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image, Imu

from atvio_ros.errors import SettingsError
from atvio_ros.geometry import from_quaternion, transform
from atvio_ros.image_decoding import decode_compressed, decode_image
from atvio_ros.preprocessing import scale_image
from atvio_ros.types import NANOSECONDS, CameraFrame, FloatArray, ImuSample


def make_message(type_name: str, /, **fields: Any) -> Any:
    """The MessageFactory (atvio_ros.messages) of rclpy's message classes."""
    return message_class(type_name)(**fields)


@functools.cache
def message_class(type_name: str) -> Any:
    """Class of a message type, from 'package/msg/Name'. ImportError or AttributeError when it is not installed."""
    package, kind, name = type_name.split('/')
    return getattr(importlib.import_module(f'{package}.{kind}'), name)


def stamp_ns(stamp: Time) -> int:
    """builtin_interfaces/Time as int nanoseconds."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def stamp_from_ns(nanoseconds: int) -> Time:
    """Int nanoseconds as builtin_interfaces/Time."""
    sec, nanosec = divmod(nanoseconds, NANOSECONDS)
    return Time(sec=sec, nanosec=nanosec)


def imu_sample(message: Imu) -> ImuSample:
    """sensor_msgs/Imu, in its own frame; its orientation is not used."""
    w, a = message.angular_velocity, message.linear_acceleration
    return ImuSample(stamp_ns(message.header.stamp), np.array([w.x, w.y, w.z]), np.array([a.x, a.y, a.z]))


def camera_frame(
    message: Image | CompressedImage,
    received_ns: int,
    height_px: int,
    width_px: int,
    on_size: Callable[[int, int], None] = lambda height_px, width_px: None,
) -> CameraFrame:
    """Decoded and scaled to the network's input size; `on_size` is told height and width of the image that arrived.

    Raises ImageError on what cannot be decoded.
    """
    if isinstance(message, CompressedImage):
        pixels = decode_compressed(message.format, message.data)
    else:
        pixels = decode_image(
            message.encoding, message.height, message.width, message.step, bool(message.is_bigendian), message.data
        )
    on_size(*pixels.shape[:2])
    return CameraFrame(stamp_ns(message.header.stamp), scale_image(pixels, height_px, width_px), received_ns)


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
