"""~/debug_image: what the odometry sees, drawn only while somebody looks (odometry/debug_image.py draws it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from atvio_ros.odometry.debug_image import draw_debug
from atvio_ros.odometry.sight import Sight
from atvio_ros.ros.conversions import stamp_from_ns
from atvio_ros.types import FramePair, OdometryEstimate

if TYPE_CHECKING:
    from cv_bridge import CvBridge

FRAME = 'camera'


class DebugImage:
    """The publisher. Without cv_bridge it says so once, and sends nothing: a picture must not keep odometry away."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(Image, '~/debug_image', QoSProfile(depth=1))
        self._bridge: CvBridge | None = None
        self._broken = False

    @property
    def wanted(self) -> bool:
        """Whether somebody has subscribed."""
        return not self._broken and bool(self._publisher.get_subscription_count())

    def publish(
        self, pair: FramePair, estimate: OdometryEstimate, sight: Sight | None, state: str, estimator: str
    ) -> None:
        """Draw one estimate and send it."""
        if self._bridge is None:
            try:
                from cv_bridge import CvBridge
            except Exception as error:  # built for another numpy, it raises whatever it likes
                self._broken = True
                self._node.get_logger().error(f'~/debug_image stays empty: cv_bridge cannot be imported ({error})')
                return
            self._bridge = CvBridge()
        picture = draw_debug(pair, estimate, sight, state, estimator)
        message = self._bridge.cv2_to_imgmsg(picture, encoding='bgr8')
        message.header = Header(stamp=stamp_from_ns(estimate.stamp_ns), frame_id=FRAME)
        self._publisher.publish(message)

    def close(self) -> None:
        """Take the publisher out of the graph."""
        self._node.destroy_publisher(self._publisher)
