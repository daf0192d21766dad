"""Our values from incoming messages, once for two worlds: rclpy's message classes and the dataclasses of `rosbags`.

Both give a message's fields as attributes. What goes out is built in messages.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from atvio_ros.errors import MessageError
from atvio_ros.geometry import from_quaternion, transform
from atvio_ros.image_decoding import decode_compressed, decode_image
from atvio_ros.messages import POSE_STAMPED, TRANSFORM_STAMPED
from atvio_ros.transform_tree import frame_name
from atvio_ros.types import NANOSECONDS, FloatArray, ImageArray, ImuSample
from atvio_ros.words import LONGEST_NAME, shortened

FARTHEST_M = 1e9  # of a pose from its parent: products of further ones overflow
LENGTHS = (1e-3, 1e3)  # of a quaternion that somebody has only rounded, or forgotten to normalise


@dataclass(frozen=True, eq=False)
class CameraInfo:
    """sensor_msgs/CameraInfo as it came, unchecked: rig.camera_info makes a camera of it."""

    frame_id: str
    width_px: int
    height_px: int
    distortion_model: str
    d: FloatArray  # (any,)
    k: FloatArray  # (9,)
    r: FloatArray  # (9,)
    p: FloatArray  # (12,)
    binning: tuple[int, int]  # x, y; 0 and 1 both mean none
    roi: tuple[int, int, int, int]  # x_offset, y_offset, width, height [px]; zeros: the whole image

    @property
    def intrinsics(self) -> tuple[float, float, float, float]:
        """fx, fy, cx, cy [px] of K."""
        fx, _, cx, _, fy, cy = self.k[:6].tolist()
        return fx, fy, cx, cy


@dataclass(frozen=True, eq=False)
class Fix:
    """sensor_msgs/NavSatFix that has a fix."""

    stamp_ns: int
    frame_id: str  # of the antenna
    degrees_and_height: FloatArray  # (3,) latitude, longitude [deg], height over the WGS 84 ellipsoid [m]
    sigma_m: float  # horizontal standard deviation; nan: not known


def stamp_ns(stamp: Any) -> int:
    """builtin_interfaces/Time as int nanoseconds."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def header_stamp_ns(message: Any) -> int:
    """Stamp of a message with a header."""
    return stamp_ns(message.header.stamp)


def header_frame(message: Any) -> str:
    """Frame of a message with a header, as transform_tree names it."""
    return frame_name(message.header.frame_id)


def imu_sample(message: Any) -> ImuSample:
    """sensor_msgs/Imu, in its own frame; its orientation is not used."""
    w, a = _xyz(message.angular_velocity), _xyz(message.linear_acceleration)
    return ImuSample(header_stamp_ns(message), w, a, header_frame(message))


def image_pixels(message: Any) -> ImageArray:
    """sensor_msgs/Image as uint8 (H, W) grey or (H, W, 3) RGB. Raises ImageError on what cannot be decoded."""
    return decode_image(
        message.encoding, message.height, message.width, message.step, bool(message.is_bigendian), message.data
    )


def compressed_image_pixels(message: Any) -> ImageArray:
    """sensor_msgs/CompressedImage as image_pixels."""
    return decode_compressed(message.format, message.data)


def camera_info(message: Any) -> CameraInfo:
    """sensor_msgs/CameraInfo, all of it that describes the camera."""
    d, k, r, p = (np.array(numbers, dtype=np.float64) for numbers in (message.d, message.k, message.r, message.p))
    roi = message.roi
    return CameraInfo(
        header_frame(message),
        int(message.width),
        int(message.height),
        str(message.distortion_model),
        d,
        k,
        r,
        p,
        (int(message.binning_x), int(message.binning_y)),
        (int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)),
    )


def nav_sat_fix(message: Any) -> Fix | None:
    """sensor_msgs/NavSatFix; None where the receiver had no fix, or gave numbers that are none."""
    place = np.array([message.latitude, message.longitude, message.altitude], dtype=np.float64)
    if message.status.status < 0 or not np.isfinite(place[:2]).all() or abs(place[0]) > 90.0:
        return None
    if not np.isfinite(place[2]):  # a receiver without height
        place[2] = 0.0
    covariance = np.array(message.position_covariance, dtype=np.float64)
    known = message.position_covariance_type != 0 and np.isfinite(covariance).all() and covariance[0] >= 0.0
    sigma_m = float(np.sqrt(0.5 * (covariance[0] + max(0.0, covariance[4])))) if known else float('nan')
    return Fix(header_stamp_ns(message), header_frame(message), place, sigma_m)


def stamped_transform(message: Any) -> tuple[str, str, FloatArray]:
    """geometry_msgs/TransformStamped: parent, child, T_parent_child (4, 4). Raises MessageError when it is none."""
    parent, child = header_frame(message), frame_name(message.child_frame_id)
    try:
        return parent, child, pose(message.transform.translation, message.transform.rotation)
    except MessageError as error:
        names = ' -> '.join(shortened(name, LONGEST_NAME) for name in (parent, child))
        raise MessageError(f'{names}: {error}') from error


def stamped_pose(message: Any, type_name: str) -> tuple[int, FloatArray]:
    """Stamp [ns] and pose (4, 4) of a message of one of messages.POSE_TYPES. Raises MessageError when it is none."""
    if type_name == TRANSFORM_STAMPED:
        return header_stamp_ns(message), stamped_transform(message)[2]
    body = message.pose if type_name == POSE_STAMPED else message.pose.pose
    return header_stamp_ns(message), pose(body.position, body.orientation)


def pose(position: Any, orientation: Any) -> FloatArray:
    """Pose (4, 4) from a Point or Vector3 [m] and a Quaternion, which is normalised. Raises MessageError on no pose."""
    t, q = _xyz(position), (orientation.x, orientation.y, orientation.z, orientation.w)
    if not np.isfinite((*t, *q)).all():
        raise MessageError('A pose holds NaN or infinity. Check the node that publishes it.')
    if np.abs(t).max() > FARTHEST_M:
        raise MessageError(
            f'A pose is {np.abs(t).max():.3g} m away; at most {FARTHEST_M:.0e} m are accepted.'
            ' Check the node that publishes it.'
        )
    length = math.hypot(*q)
    if not LENGTHS[0] <= length <= LENGTHS[1]:
        raise MessageError(f'A pose has a quaternion of length {length:.3g}, which is no rotation; it must be 1.')
    return transform(from_quaternion(*q), t)


def _xyz(vector: Any) -> FloatArray:
    return np.array([vector.x, vector.y, vector.z], dtype=np.float64)
