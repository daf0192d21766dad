"""What atvio_node publishes during a replay, kept as it came over DDS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

from atvio_ros.bags.topics import DEBUG_IMAGE_TOPIC
from atvio_ros.bags.writer import BagWriter
from atvio_ros.errors import NodeError
from atvio_ros.message_decoding import header_stamp_ns, image_pixels, pose
from atvio_ros.msg import OdometryStatus
from atvio_ros.resources import find_resource
from atvio_ros.types import ImageArray, Trajectory

RECORDED = {
    '/odometry': ('nav_msgs/msg/Odometry', Odometry),
    '/tf': ('tf2_msgs/msg/TFMessage', TFMessage),
    DEBUG_IMAGE_TOPIC: ('sensor_msgs/msg/Image', Image),
    '/status': ('atvio_ros/msg/OdometryStatus', OdometryStatus),
    '/diagnostics': ('diagnostic_msgs/msg/DiagnosticArray', DiagnosticArray),
}


class Pictures(Protocol):
    """Keeps some of the debug images."""

    def wants(self, stamp_ns: int) -> bool:
        """Whether a picture of this stamp would be kept."""

    def add(self, stamp_ns: int, bgr: ImageArray) -> None:
        """Keep a picture (H, W, 3), if it is wanted."""


@dataclass
class Recording:
    """What the node published. Messages are kept as the bytes that came over DDS; debug images go to `pictures`."""

    odometry: list[tuple[int, bytes]] = field(default_factory=list)  # header stamp [ns], CDR
    transforms: list[bytes] = field(default_factory=list)
    pictures: Pictures | None = None
    status: OdometryStatus = field(default_factory=OdometryStatus)  # the newest
    statuses: list[tuple[int, bytes]] = field(default_factory=list)  # time of the bag [ns], CDR
    diagnostics: list[tuple[int, bytes]] = field(default_factory=list)
    bag_ns: int = 0  # how far the bag has been played: for messages that have no image's stamp

    def subscribe(self, node: Node) -> None:
        """Take from now on what atvio_node publishes."""
        handlers: dict[str, Callable[[bytes], None]] = {
            '/odometry': self._on_odometry,
            '/tf': self.transforms.append,
            **({DEBUG_IMAGE_TOPIC: self._on_picture} if self.pictures else {}),
            '/status': self._on_status,
            '/diagnostics': self._on_diagnostics,
        }
        for topic, handler in handlers.items():
            node.create_subscription(RECORDED[topic][1], topic, handler, QoSProfile(depth=1000), raw=True)

    @property
    def images_accounted_for(self) -> int:
        """Images that the node has processed or dropped, as it says itself."""
        return int(self.status.frames_processed + self.status.frames_dropped)

    @property
    def dropped(self) -> dict[str, int]:
        """Inputs that gave no odometry, by reason."""
        return dict(zip(self.status.drop_reasons, map(int, self.status.drop_counts), strict=True))

    def trajectory(self, image_stamps_ns: list[int]) -> Trajectory:
        """Poses of /odometry, with the origin at the image before the first of them."""
        stamps_ns = [stamp for stamp, _ in self.odometry]
        start_ns = max((stamp for stamp in image_stamps_ns if stamp < stamps_ns[0]), default=stamps_ns[0])
        received = (deserialize_message(cdr, Odometry).pose.pose for _, cdr in self.odometry)
        poses = [np.eye(4), *(pose(each.position, each.orientation) for each in received)]
        return Trajectory(np.array([start_ns, *stamps_ns]), np.stack(poses))

    def _on_odometry(self, cdr: bytes) -> None:
        self.odometry.append((cdr_stamp_ns(cdr), cdr))

    def _on_picture(self, cdr: bytes) -> None:
        if self.pictures and self.pictures.wants(stamp := cdr_stamp_ns(cdr)):
            self.pictures.add(stamp, image_pixels(deserialize_message(cdr, Image))[..., ::-1])  # kept as it is drawn

    def _on_status(self, cdr: bytes) -> None:
        before, self.status = self.status.header.stamp, deserialize_message(cdr, OdometryStatus)
        described = self.status.header.stamp  # no new one: it tells why there is no odometry, now
        self.statuses.append((self.bag_ns if described == before else cdr_stamp_ns(cdr), cdr))

    def _on_diagnostics(self, cdr: bytes) -> None:
        self.diagnostics.append((self.bag_ns, cdr))  # its own stamp is the clock of this machine

    def write(self, writer: BagWriter) -> None:
        """Record it into a bag, each message at its image's stamp, or where the bag was when it came."""
        for stamp, cdr in self.odometry:
            writer.write_raw('/odometry', RECORDED['/odometry'][0], stamp, cdr)
        for cdr in self.transforms:
            stamp = header_stamp_ns(deserialize_message(cdr, TFMessage).transforms[0])
            writer.write_raw('/tf', RECORDED['/tf'][0], stamp, cdr)
        for topic, kept, definition in (
            ('/status', self.statuses, _status_definition()),
            ('/diagnostics', self.diagnostics, None),
        ):
            for stamp, cdr in kept:
                writer.write_raw(topic, RECORDED[topic][0], stamp, cdr, message_definition=definition)


def _status_definition() -> str:
    """The text of OdometryStatus.msg, which goes into the bag: viewers read it without this package."""
    path = find_resource('msg/OdometryStatus.msg')
    if path is None:
        raise NodeError('msg/OdometryStatus.msg is missing beside the package: install it again.')
    return path.read_text()


def cdr_stamp_ns(cdr: bytes) -> int:
    """Stamp of a message that begins with a Header: behind the 4-byte CDR header, int32 seconds, uint32 nanoseconds."""
    order = 'little' if cdr[1] & 1 else 'big'
    seconds = int.from_bytes(cdr[4:8], order, signed=True)  # type: ignore[arg-type]
    return seconds * 1_000_000_000 + int.from_bytes(cdr[8:12], order)  # type: ignore[arg-type]
