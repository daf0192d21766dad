"""What the node publishes: odometry, TF, path and status."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from nav_msgs.msg import Odometry, Path
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Header
from tf2_ros import TransformBroadcaster

from atvio_ros import messages
from atvio_ros.cdr_writing import Quaternion, TransformCdr, Vector
from atvio_ros.geometry import inverse
from atvio_ros.msg import OdometryStatus
from atvio_ros.odometry.ledger import Counts
from atvio_ros.rig.rig import DirectionOfTravel
from atvio_ros.ros.conversions import make_message, stamp_from_ns
from atvio_ros.ros.parameters import NodeParameters
from atvio_ros.ros.rivals import Rivals
from atvio_ros.types import OdometryEstimate
from atvio_ros.words import shortened


@dataclass(frozen=True)
class Processed:
    """The newest image that gave odometry, as status tells it; the defaults are what it tells before the first."""

    stamp_ns: int = 0
    attention_visual: float = float('nan')
    attention_inertial: float = float('nan')
    inference_s: float = 0.0
    latency_s: float = 0.0
    direction: DirectionOfTravel | None = None  # of travel, where the estimator looks at it


class Outputs:
    """The publishers. Stamps are the image's, but for `broadcast`. `parameters` may be replaced while others publish;
    `estimator` is the name of what makes the odometry.
    """

    def __init__(self, node: Node, parameters: NodeParameters, estimator: str) -> None:
        self.parameters = parameters
        self._node = node
        self._estimator = estimator
        self._odometry = node.create_publisher(Odometry, 'odometry', QoSProfile(depth=50))
        self._path = node.create_publisher(Path, 'path', QoSProfile(depth=1))
        self._status = node.create_publisher(OdometryStatus, 'status', QoSProfile(depth=10))
        self._broadcaster = TransformBroadcaster(node)
        self.rivals = Rivals(node, 'odometry')
        self._poses: deque[Any] = deque(maxlen=parameters.path_length)

    def publish(self, estimate: OdometryEstimate) -> None:
        """Send one estimate: odometry first, then what shows it."""
        parameters = self.parameters  # may be replaced by another thread meanwhile
        odom, base = parameters.odom_frame, parameters.base_frame
        stamp_ns, T_odom_base = estimate.stamp_ns, estimate.T_odom_base
        self._odometry.publish(messages.odometry(make_message, estimate, odom, base))
        if parameters.publish_tf and not parameters.predicted_tf:
            parent, child, T = (base, odom, inverse(T_odom_base)) if parameters.invert_tf else (odom, base, T_odom_base)
            stamped = messages.transform_stamped(make_message, stamp_ns, parent, child, T)
            self.rivals.sent(stamped)
            self._broadcaster.sendTransform(stamped)
        if parameters.publish_path:
            if self._poses.maxlen != parameters.path_length:
                self._poses = deque(self._poses, maxlen=parameters.path_length)
            self._poses.append(messages.pose_stamped(make_message, stamp_ns, odom, T_odom_base))
            if self._path.get_subscription_count():  # its size grows with the drive: build it for someone only
                self._path.publish(messages.path(make_message, stamp_ns, odom, list(self._poses)))

    def broadcast(self, form: TransformCdr, stamp_ns: int, translation: Vector, rotation: Quaternion) -> None:
        """Send a transform [m, x y z w] that does not come from an image."""
        self.rivals.sent_values(form.parent, form.child, stamp_ns, translation)
        self._broadcaster.pub_tf.publish(form.message(stamp_ns, translation, rotation))

    def publish_status(self, state: int, text: str, counts: Counts, newest: Processed) -> None:
        """Send what the odometry is doing, with the counts so far and what is known of the newest image."""
        direction = newest.direction
        header = Header(stamp=stamp_from_ns(newest.stamp_ns), frame_id=self.parameters.odom_frame)
        self._status.publish(
            OdometryStatus(
                header=header,
                state=state,
                message=shortened(text),
                attention_visual=newest.attention_visual,
                attention_inertial=newest.attention_inertial,
                inference_latency=newest.inference_s,
                end_to_end_latency=newest.latency_s,
                images_received=counts.images_received,
                imu_received=counts.imu_received,
                frames_processed=counts.images_processed,
                frames_dropped=counts.images_dropped,
                imu_dropped=counts.imu_dropped,
                drop_reasons=[reason.value for reason in counts.dropped],
                drop_counts=list(counts.dropped.values()),
                estimator=self._estimator,
                travel_pitch=direction.pitch if direction else float('nan'),
                travel_yaw=direction.yaw if direction else float('nan'),
                travel_sigma=direction.pitch_sigma if direction else float('nan'),
            )
        )

    def clear_path(self) -> None:
        """Start a new path."""
        self._poses = deque(maxlen=self.parameters.path_length)

    def close(self) -> None:
        """Take the publishers out of the graph."""
        self.rivals.close()
        for publisher in (self._odometry, self._path, self._status, self._broadcaster.pub_tf):
            self._node.destroy_publisher(publisher)
