"""What the node publishes: odometry, TF, path and status."""

from __future__ import annotations

from collections import deque
from typing import Any

from nav_msgs.msg import Odometry, Path
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Header
from tf2_ros import TransformBroadcaster

from atvio_ros import messages
from atvio_ros.msg import OdometryStatus
from atvio_ros.odometry.frame_pairs import FramePairer
from atvio_ros.ros.conversions import make_message, stamp_from_ns
from atvio_ros.ros.parameters import NodeParameters
from atvio_ros.types import OdometryEstimate


class Outputs:
    """The publishers. Every stamp is the image's."""

    def __init__(self, node: Node, parameters: NodeParameters) -> None:
        self.parameters = parameters
        self._odometry = node.create_publisher(Odometry, 'odometry', QoSProfile(depth=50))
        self._path = node.create_publisher(Path, 'path', QoSProfile(depth=1))
        self._status = node.create_publisher(OdometryStatus, 'status', QoSProfile(depth=10))
        self._broadcaster = TransformBroadcaster(node)
        self._poses: deque[Any] = deque(maxlen=parameters.path_length)

    def publish(self, estimate: OdometryEstimate) -> None:
        """Send one estimate: odometry first, then what shows it."""
        frames = self.parameters.odom_frame, self.parameters.base_frame
        stamp_ns, T = estimate.stamp_ns, estimate.T_odom_base
        self._odometry.publish(messages.odometry(make_message, estimate, *frames))
        if self.parameters.publish_tf:
            self._broadcaster.sendTransform(messages.transform_stamped(make_message, stamp_ns, *frames, T))
        if self.parameters.publish_path:
            if self._poses.maxlen != self.parameters.path_length:
                self._poses = deque(self._poses, maxlen=self.parameters.path_length)
            self._poses.append(messages.pose_stamped(make_message, stamp_ns, frames[0], T))
            if self._path.get_subscription_count():  # its size grows with the drive: build it for someone only
                self._path.publish(messages.path(make_message, stamp_ns, frames[0], list(self._poses)))

    def publish_status(self, status: OdometryStatus) -> None:
        """Send the health of the odometry."""
        self._status.publish(status)

    def clear_path(self) -> None:
        """Start a new path."""
        self._poses.clear()


def status_message(
    state: int,
    text: str,
    stamp_ns: int,
    frame_id: str,
    pairer: FramePairer,
    processed: int,
    estimate: OdometryEstimate | None,
    inference_s: float,
    latency_s: float,
) -> OdometryStatus:
    """OdometryStatus from the counts so far and the newest estimate."""
    counts = dict(pairer.counts)
    nothing = float('nan')
    return OdometryStatus(
        header=Header(stamp=stamp_from_ns(stamp_ns), frame_id=frame_id),
        state=state,
        message=text,
        attention_visual=estimate.motion.attention_visual if estimate else nothing,
        attention_inertial=estimate.motion.attention_inertial if estimate else nothing,
        inference_latency=inference_s,
        end_to_end_latency=latency_s,
        images_received=pairer.images_received,
        imu_received=pairer.imu_received,
        frames_processed=processed,
        frames_dropped=pairer.dropped_images,
        imu_dropped=pairer.dropped_imu,
        drop_reasons=[reason.value for reason in counts],
        drop_counts=list(counts.values()),
    )
