"""Plays a bag into the ROS graph: its messages go out as the bytes they are stored as, paced by their stamps."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from nav_msgs.msg import Path as PathMessage
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock

from atvio_ros import messages
from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.storage import RawMessage
from atvio_ros.bags.topics import CAMERA_INFO_TOPIC, ODOM_FRAME, RIG_TOPIC, STATIC_TRANSFORM_TOPIC, Topics
from atvio_ros.errors import AtvioError, NodeError
from atvio_ros.ros import starting
from atvio_ros.ros.conversions import make_message, message_class, stamp_from_ns
from atvio_ros.ros.given_parameters import declare_all
from atvio_ros.types import NANOSECONDS

LATCHED = (STATIC_TRANSFORM_TOPIC, RIG_TOPIC)
AFTER_A_JUMP_S = 1.0  # RViz has noticed by then that time went back, and has cleared its displays
LONGEST_SLEEP_S = 0.1  # the end of the process may be asked for meanwhile
PUBLISHER_DEPTH = 1000  # IMU at 100 Hz comes in bursts when a bag is played faster than real time


class BagPlayer:
    """Publishes images, IMU, what describes the robot, and ground truth of a bag, reliably, with /clock."""

    def __init__(self, node: Node, reader: BagReader) -> None:
        self._node = node
        self._reader = reader
        self._topics = {
            topic
            for topic in (
                reader.topics.image,
                reader.topics.imu,
                reader.topics.ground_truth,
                CAMERA_INFO_TOPIC,
                *LATCHED,
            )
            if topic
        }
        self._publishers: dict[str, Any] = {}
        self._truth: PathMessage | None = None  # made once
        self._clock = node.create_publisher(Clock, '/clock', 10)
        for topic, type_name in reader.types(self._topics).items():
            latched = topic in LATCHED
            durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
            qos = QoSProfile(depth=1 if latched else PUBLISHER_DEPTH, durability=durability)
            self._publishers[topic] = node.create_publisher(message_class(type_name), topic, qos)

    def wait_for_subscribers(self, limit_s: float, keep_waiting: Callable[[], bool] = lambda: True) -> bool:
        """Wait until somebody takes images and IMU; False if nobody does within limit_s or keep_waiting says stop."""
        wanted = [self._publishers[topic] for topic in (self._reader.topics.image, self._reader.topics.imu) if topic]
        deadline_s = time.monotonic() + limit_s
        while not all(publisher.get_subscription_count() for publisher in wanted):
            if time.monotonic() > deadline_s or not keep_waiting():
                return False
            time.sleep(0.02)
        return True

    def play(self, rate: float, before: Callable[[RawMessage], None] = lambda message: None) -> None:
        """Play once. `rate` 1 is real time, 0 as fast as `before`, called ahead of each message, lets it."""
        started_s, first_ns = time.monotonic(), None
        for message in self._reader.raw_messages(self._topics):
            first_ns = message.log_stamp_ns if first_ns is None else first_ns
            if rate > 0.0:
                self._wait_until(started_s + (message.log_stamp_ns - first_ns) / NANOSECONDS / rate)
            before(message)
            self._clock.publish(Clock(clock=stamp_from_ns(message.log_stamp_ns)))
            self._publishers[message.topic].publish(message.cdr)

    def _wait_until(self, due_s: float) -> None:
        while (left_s := due_s - time.monotonic()) > 0.0 and self._node.context.ok():
            time.sleep(min(left_s, LONGEST_SLEEP_S))

    def publish_truth_path(self) -> None:
        """Latch the whole ground truth as one path on /ground_truth/path, for RViz, which forgets it at a time jump."""
        if self._reader.topics.ground_truth is None:
            return
        if self._truth is None:
            self._truth = self._make_truth_path()
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._truth_path = self._node.create_publisher(PathMessage, '/ground_truth/path', latched)
        self._truth_path.publish(self._truth)

    def _make_truth_path(self) -> PathMessage:
        truth = self._reader.ground_truth()
        poses = [
            messages.pose_stamped(make_message, int(stamp_ns), ODOM_FRAME, T)
            for stamp_ns, T in zip(truth.stamps_ns, truth.poses, strict=True)
        ]
        return messages.path(make_message, int(truth.stamps_ns[0]), ODOM_FRAME, poses)


PARAMETERS = {'bag': '', 'rate': 1.0, 'image_topic': '', 'imu_topic': '', 'loop': False, 'wait_for_subscribers': 30.0}


def main() -> None:
    """`ros2 run atvio_ros atvio_player --ros-args -p bag:=BAG -p rate:=1.0 -p loop:=false`."""
    starting.init('atvio_player')
    node = Node('atvio_player')
    try:
        with contextlib.suppress(ExternalShutdownException):
            _play(node)
    except AtvioError as error:
        print(f'atvio_player: {error}', file=sys.stderr)
        sys.exit(1)
    except RuntimeError:  # what rclpy raises for everything that is still tried on a context that was shut down
        if rclpy.ok():
            raise
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _play(node: Node) -> None:
    given = declare_all(node, PARAMETERS)
    bag, rate, loop, wait_s = (given[name] for name in ('bag', 'rate', 'loop', 'wait_for_subscribers'))
    image, imu = given['image_topic'] or None, given['imu_topic'] or None  # found in the bag where not given
    if not bag:
        raise NodeError('the parameter `bag` names no bag. Use --ros-args -p bag:=PATH.')
    if not rate > 0.0:
        raise NodeError(f'the parameter `rate` must be above 0, not {rate}.')
    with BagReader(Path(bag), Topics(image, imu)) as reader:
        player = BagPlayer(node, reader)
        player.publish_truth_path()
        if not player.wait_for_subscribers(wait_s, rclpy.ok):
            node.get_logger().warning(
                f'Nobody subscribed to images and IMU within {wait_s:.0f} s; playing all the same'
            )
        jumped_s: float | None = None  # when time went back, until RViz has been shown the ground truth again

        def before(_: RawMessage) -> None:
            nonlocal jumped_s
            if not rclpy.ok():
                raise ExternalShutdownException
            if jumped_s is not None and time.monotonic() - jumped_s > AFTER_A_JUMP_S:
                jumped_s = None
                player.publish_truth_path()

        while rclpy.ok():
            node.get_logger().info(f'playing {bag}')
            player.play(rate, before)
            if not loop:
                time.sleep(0.5)  # what was published last must leave before the process does
                break
            jumped_s = jumped_s or time.monotonic()


if __name__ == '__main__':
    main()
