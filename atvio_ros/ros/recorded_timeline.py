"""The timeline of a replay: what the node told of each image, on /odometry and /status."""

from __future__ import annotations

import math

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message

from atvio_ros.message_decoding import header_stamp_ns, pose
from atvio_ros.msg import OdometryStatus
from atvio_ros.rig.rig import DirectionOfTravel
from atvio_ros.ros.recording import Recording
from atvio_ros.timeline import COLUMNS, Timeline

STATES = {
    OdometryStatus.STATE_WAITING: 'waiting',
    OdometryStatus.STATE_TRACKING: 'tracking',
    OdometryStatus.STATE_DEGRADED: 'degraded',
    OdometryStatus.STATE_PAUSED: 'paused',
    OdometryStatus.STATE_STATIONARY: 'stationary',
    OdometryStatus.STATE_LOST: 'lost',
}


def recorded_timeline(recording: Recording, expected: DirectionOfTravel) -> Timeline:
    """A row for each message on /odometry, with what /status said of the same image.

    `expected` is the direction of travel that the rig tells, beside which the timeline has the one that was seen. What
    no message holds, such as the road's tilt, is NaN.
    """
    statuses: dict[int, OdometryStatus] = {}
    for _, cdr in recording.statuses:
        status = deserialize_message(cdr, OdometryStatus)
        statuses.setdefault(header_stamp_ns(status), status)  # the first is of the image, later ones repeat its stamp
    received = [deserialize_message(cdr, Odometry) for _, cdr in recording.odometry]
    found = [statuses.get(stamp_ns) for stamp_ns, _ in recording.odometry]
    rows = [_values(odometry, status, expected) for odometry, status in zip(received, found, strict=True)]
    return Timeline(
        np.array([stamp_ns for stamp_ns, _ in recording.odometry], dtype=np.int64),
        np.stack([pose(each.pose.pose.position, each.pose.pose.orientation) for each in received]),
        {name: np.array([row.get(name, math.nan) for row in rows]) for name in COLUMNS},
        [STATES.get(status.state, 'unknown') if status else 'unknown' for status in found],
        [status.message if status else '' for status in found],
    )


def _values(odometry: Odometry, status: OdometryStatus | None, expected: DirectionOfTravel) -> dict[str, float]:
    P = np.reshape(odometry.pose.covariance, (6, 6))
    values = {
        'speed': odometry.twist.twist.linear.x,
        'speed_sigma': math.sqrt(max(0.0, odometry.twist.covariance[0])),
        'yaw_rate': odometry.twist.twist.angular.z,
        'cov_xx': float(P[0, 0]),
        'cov_xy': float(P[0, 1]),
        'cov_yy': float(P[1, 1]),
        'cov_zz': float(P[2, 2]),
        'yaw_sigma': math.sqrt(max(0.0, float(P[5, 5]))),
    }
    if status is not None:
        values |= {
            'travel_pitch': status.travel_pitch - expected.pitch,
            'travel_yaw': status.travel_yaw - expected.yaw,
            'travel_sigma': status.travel_sigma,
            'attention_visual': status.attention_visual,
            'attention_inertial': status.attention_inertial,
        }
    return values
