"""Our outgoing messages, built once for two worlds: rclpy's message classes and the dataclasses of `rosbags`.

Both take every field by keyword, so a builder needs only a `make(type_name, **fields)`. Stamps are int nanoseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from atvio_ros.errors import ImageError, MessageError
from atvio_ros.geometry import quaternion
from atvio_ros.types import NANOSECONDS, FloatArray, ImageArray, ImuSample, OdometryEstimate

ODOMETRY = 'nav_msgs/msg/Odometry'
PATH = 'nav_msgs/msg/Path'
POSE_STAMPED = 'geometry_msgs/msg/PoseStamped'
POSE_WITH_COVARIANCE_STAMPED = 'geometry_msgs/msg/PoseWithCovarianceStamped'
TRANSFORM_STAMPED = 'geometry_msgs/msg/TransformStamped'
TF_MESSAGE = 'tf2_msgs/msg/TFMessage'
IMU = 'sensor_msgs/msg/Imu'
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
STRING = 'std_msgs/msg/String'
NAV_SAT_FIX = 'sensor_msgs/msg/NavSatFix'
POSE_TYPES = (ODOMETRY, POSE_STAMPED, POSE_WITH_COVARIANCE_STAMPED, TRANSFORM_STAMPED)  # what a trajectory may be


class MessageFactory(Protocol):
    """Makes a message from its type name ('nav_msgs/msg/Odometry') and its fields.

    Every field is given. Arrays of numbers, of fixed and of open length, come as flat numpy arrays of the field's type;
    arrays of messages come as lists.
    """

    def __call__(self, type_name: str, /, **fields: Any) -> Any: ...


def time(make: MessageFactory, stamp_ns: int) -> Any:
    """builtin_interfaces/Time."""
    sec, nanosec = seconds_of(stamp_ns)
    return make('builtin_interfaces/msg/Time', sec=sec, nanosec=nanosec)


def seconds_of(stamp_ns: int) -> tuple[int, int]:
    """Seconds and nanoseconds. Raises MessageError beyond the 32 bits of a stamp, which would wrap round."""
    sec, nanosec = divmod(int(stamp_ns), NANOSECONDS)
    if not -(1 << 31) <= sec < 1 << 31:
        raise MessageError(
            f'A stamp of {sec} s is beyond what ROS 2 has: 32 bits of seconds, from 1901 to 2038.'
            ' Set the clock that stamps it.'
        )
    return sec, nanosec


def header(make: MessageFactory, stamp_ns: int, frame_id: str) -> Any:
    """std_msgs/Header of ROS 2 (no sequence number)."""
    return make('std_msgs/msg/Header', stamp=time(make, stamp_ns), frame_id=frame_id)


def pose(make: MessageFactory, T: FloatArray) -> Any:
    """geometry_msgs/Pose from a pose (4, 4) [m]."""
    return make(
        'geometry_msgs/msg/Pose',
        position=_xyz(make, 'geometry_msgs/msg/Point', T[:3, 3]),
        orientation=_quaternion(make, T),
    )


def pose_stamped(make: MessageFactory, stamp_ns: int, frame_id: str, T_frame_body: FloatArray) -> Any:
    """geometry_msgs/PoseStamped: the pose (4, 4) of a body in `frame_id`."""
    return make(POSE_STAMPED, header=header(make, stamp_ns, frame_id), pose=pose(make, T_frame_body))


def path(make: MessageFactory, stamp_ns: int, frame_id: str, poses: Sequence[Any]) -> Any:
    """nav_msgs/Path from messages that pose_stamped made, oldest first."""
    return make(PATH, header=header(make, stamp_ns, frame_id), poses=list(poses))


def transform_stamped(make: MessageFactory, stamp_ns: int, parent: str, child: str, T_parent_child: FloatArray) -> Any:
    """geometry_msgs/TransformStamped from a pose (4, 4) [m]."""
    return make(
        TRANSFORM_STAMPED,
        header=header(make, stamp_ns, parent),
        child_frame_id=child,
        transform=make(
            'geometry_msgs/msg/Transform',
            translation=_xyz(make, 'geometry_msgs/msg/Vector3', T_parent_child[:3, 3]),
            rotation=_quaternion(make, T_parent_child),
        ),
    )


def tf_message(make: MessageFactory, transforms: Sequence[Any]) -> Any:
    """tf2_msgs/TFMessage from messages that transform_stamped made."""
    return make(TF_MESSAGE, transforms=list(transforms))


def odometry(make: MessageFactory, estimate: OdometryEstimate, odom_frame: str, base_frame: str) -> Any:
    """nav_msgs/Odometry: pose and its covariance in `odom_frame`, twist and its covariance in `base_frame`."""
    return _odometry(
        make,
        header(make, estimate.stamp_ns, odom_frame),
        base_frame,
        estimate.T_odom_base,
        np.concatenate((estimate.linear_velocity, estimate.angular_velocity)),
        estimate.pose_covariance,
        estimate.twist_covariance,
    )


def pose_odometry(
    make: MessageFactory, stamp_ns: int, T_odom_base: FloatArray, odom_frame: str, base_frame: str
) -> Any:
    """nav_msgs/Odometry that knows only the pose, as ground truth does. Twist and both covariances are zero."""
    zeros = np.zeros((6, 6))
    return _odometry(make, header(make, stamp_ns, odom_frame), base_frame, T_odom_base, np.zeros(6), zeros, zeros)


def imu(make: MessageFactory, sample: ImuSample, frame_id: str) -> Any:
    """sensor_msgs/Imu without orientation (its first covariance is -1, as the message asks); others unknown (0)."""
    no_orientation = np.zeros(9)
    no_orientation[0] = -1.0
    return make(
        IMU,
        header=header(make, sample.stamp_ns, frame_id),
        orientation=make('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=no_orientation,
        angular_velocity=_xyz(make, 'geometry_msgs/msg/Vector3', sample.angular_velocity),
        angular_velocity_covariance=np.zeros(9),
        linear_acceleration=_xyz(make, 'geometry_msgs/msg/Vector3', sample.linear_acceleration),
        linear_acceleration_covariance=np.zeros(9),
    )


def image(make: MessageFactory, stamp_ns: int, frame_id: str, pixels: ImageArray) -> Any:
    """sensor_msgs/Image: mono8 from (H, W) or (H, W, 1), rgb8 from (H, W, 3). Raises ImageError on other arrays."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    if pixels.ndim not in (2, 3) or channels not in (1, 3) or pixels.dtype != np.uint8 or pixels.size == 0:
        raise ImageError(
            f'An image to write must be uint8 (H, W) or (H, W, 3), not {pixels.dtype} {tuple(pixels.shape)}.'
        )
    height, width = pixels.shape[:2]
    return make(
        IMAGE,
        header=header(make, stamp_ns, frame_id),
        height=height,
        width=width,
        encoding='mono8' if channels == 1 else 'rgb8',
        is_bigendian=0,
        step=width * channels,
        data=np.ascontiguousarray(pixels).reshape(-1),
    )


def camera_info(
    make: MessageFactory,
    stamp_ns: int,
    frame_id: str,
    width_px: int,
    height_px: int,
    intrinsics: tuple[float, float, float, float],
    distortion_model: str = 'plumb_bob',
    d: FloatArray | None = None,
) -> Any:
    """sensor_msgs/CameraInfo of raw images; intrinsics are fx, fy, cx, cy [px], `d` the lens (None: no distortion).

    P is that of images rectified with the same K, R no turn: there is one camera.
    """
    fx, fy, cx, cy = intrinsics
    return make(
        CAMERA_INFO,
        header=header(make, stamp_ns, frame_id),
        height=height_px,
        width=width_px,
        distortion_model=distortion_model,
        d=np.zeros(5) if d is None else np.asarray(d, dtype=np.float64),
        k=np.array([fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]),
        r=np.eye(3).reshape(-1),
        p=np.array([fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]),
        binning_x=0,
        binning_y=0,
        roi=make('sensor_msgs/msg/RegionOfInterest', x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def string(make: MessageFactory, text: str) -> Any:
    """std_msgs/String."""
    return make(STRING, data=text)


def _odometry(
    make: MessageFactory,
    stamped: Any,
    base_frame: str,
    T_odom_base: FloatArray,
    velocity: FloatArray,  # (6,) linear [m/s], angular [rad/s]
    pose_covariance: FloatArray,
    twist_covariance: FloatArray,
) -> Any:
    twist = make(
        'geometry_msgs/msg/Twist',
        linear=_xyz(make, 'geometry_msgs/msg/Vector3', velocity[:3]),
        angular=_xyz(make, 'geometry_msgs/msg/Vector3', velocity[3:]),
    )
    return make(
        ODOMETRY,
        header=stamped,
        child_frame_id=base_frame,
        pose=make(
            'geometry_msgs/msg/PoseWithCovariance', pose=pose(make, T_odom_base), covariance=pose_covariance.reshape(-1)
        ),
        twist=make('geometry_msgs/msg/TwistWithCovariance', twist=twist, covariance=twist_covariance.reshape(-1)),
    )


def _xyz(make: MessageFactory, type_name: str, vector: FloatArray) -> Any:
    x, y, z = (float(value) for value in vector)
    return make(type_name, x=x, y=y, z=z)


def _quaternion(make: MessageFactory, T: FloatArray) -> Any:
    x, y, z, w = (float(value) for value in quaternion(T[:3, :3]))
    return make('geometry_msgs/msg/Quaternion', x=x, y=y, z=z, w=w)
