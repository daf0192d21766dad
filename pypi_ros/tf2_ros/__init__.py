"""Stand-in for ROS 2's tf2_ros where PyPI is all there is: TransformBroadcaster, used as the real one is."""

from __future__ import annotations

from collections.abc import Iterable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from tf2_msgs.msg import TFMessage


class TransformBroadcaster:
    """Publishes transforms that change on /tf."""

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        self.pub_tf = node.create_publisher(TFMessage, '/tf', QoSProfile(depth=100) if qos is None else qos)

    def sendTransform(self, transform: TransformStamped | Iterable[TransformStamped]) -> None:  # noqa: N802 (real name)
        """Publish one transform or several."""
        transforms = list(transform) if isinstance(transform, Iterable) else [transform]
        self.pub_tf.publish(TFMessage(transforms=transforms))
