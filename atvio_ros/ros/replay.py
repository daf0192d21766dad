"""A bag through the real node: atvio_node in its own process, fed over DDS, its output recorded."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import rclpy
import yaml
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.storage import RawMessage
from atvio_ros.bags.topics import DEBUG_IMAGE_TOPIC, Topics
from atvio_ros.bags.writer import BagWriter
from atvio_ros.errors import NodeError
from atvio_ros.message_decoding import header_stamp_ns, image_pixels, pose
from atvio_ros.msg import OdometryStatus
from atvio_ros.rig.rig import Rig
from atvio_ros.rig.rig_yaml import write_rig
from atvio_ros.ros.player import BagPlayer
from atvio_ros.types import ImageArray, Trajectory

START_LIMIT_S = 60.0  # importing PyTorch and loading a model takes seconds, on a busy machine many
ANSWER_LIMIT_S = 60.0  # longest silence of the node before it is given up
STOP_LIMIT_S = 10.0
PATIENCE_S = 3.0  # that the node waits for the IMU
IMAGE_DEPTH = 50
LARGEST_LAG_NS = 250_000_000  # of an IMU's filters, and its clock's offset
IN_FLIGHT = 4  # images that may be on their way, or in the node, without an answer

RECORDED = {
    '/odometry': ('nav_msgs/msg/Odometry', Odometry),
    '/tf': ('tf2_msgs/msg/TFMessage', TFMessage),
    DEBUG_IMAGE_TOPIC: ('sensor_msgs/msg/Image', Image),
    '/status': ('atvio_ros/msg/OdometryStatus', OdometryStatus),
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
    status: OdometryStatus = field(default_factory=OdometryStatus)

    def subscribe(self, node: Node) -> None:
        """Take from now on what atvio_node publishes."""
        handlers: dict[str, Callable[[bytes], None]] = {
            '/odometry': self._on_odometry,
            '/tf': self.transforms.append,
            **({DEBUG_IMAGE_TOPIC: self._on_picture} if self.pictures else {}),
            '/status': self._on_status,
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
        self.odometry.append((_header_stamp_ns(cdr), cdr))

    def _on_picture(self, cdr: bytes) -> None:
        if self.pictures and self.pictures.wants(stamp := _header_stamp_ns(cdr)):
            self.pictures.add(stamp, image_pixels(deserialize_message(cdr, Image))[..., ::-1])  # kept as it is drawn

    def _on_status(self, cdr: bytes) -> None:
        self.status = deserialize_message(cdr, OdometryStatus)

    def write(self, writer: BagWriter) -> None:
        """Record it into a bag, each message at its image's stamp."""
        for stamp, cdr in self.odometry:
            writer.write_raw('/odometry', RECORDED['/odometry'][0], stamp, cdr)
        for cdr in self.transforms:
            stamp = header_stamp_ns(deserialize_message(cdr, TFMessage).transforms[0])
            writer.write_raw('/tf', RECORDED['/tf'][0], stamp, cdr)


@dataclass(frozen=True)
class Replay:
    """What came of playing one bag to the node."""

    recording: Recording
    image_stamps_ns: list[int]  # of the images sent, by log time
    waited_s: float = 0.0  # that the player was late for, because it waited for the node

    @property
    def trajectory(self) -> Trajectory:
        """base_link in odom, as /odometry told it."""
        return self.recording.trajectory(self.image_stamps_ns)


def replay(
    reader: BagReader,
    rig: Rig,
    parameters: dict[str, Any],
    log: Path,
    rate: float = 1.0,
    on_progress: Callable[[int], None] = lambda processed: None,
    pictures: Pictures | None = None,
) -> Replay:
    """Play `reader`'s bag to a node of our own and record what it publishes.

    The node gets the robot whole, as `rig`, in a file. `rate` 1 is real time; 0 goes as fast as the node answers. At
    every rate the player waits while more than a few images are without an answer, so that nothing is dropped and the
    odometry is the same. `parameters` are set on the node beyond those that the bag and lossless transport ask for;
    its log goes to the file `log`. Raises NodeError when the node does not start, stops answering or publishes nothing.
    """
    context = Context()
    rclpy.init(context=context)
    try:
        player_node = Node('atvio_replay', context=context)
        recording = Recording(pictures=pictures)
        recording.subscribe(player_node)
        player = BagPlayer(player_node, reader)
        with spinning(player_node, context), node_process(reader, rig, parameters, log) as process:
            if not player.wait_for_subscribers(START_LIMIT_S, lambda: process.poll() is None):
                raise NodeError(_why_not_started(process, log))
            pacer = _Pacer(recording, reader.topics, process, log, on_progress)
            player.play(rate, pacer.before)
            pacer.wait_until_all_is_answered()
        if not recording.odometry:
            raise NodeError(f'The node published no odometry: {recording.dropped or "no image reached it"}. See {log}.')
        return Replay(recording, pacer.image_stamps_ns, pacer.waited_s)
    finally:
        rclpy.try_shutdown(context=context)


class _Pacer:
    """Counts what is sent, holds the player back where the node does not keep up, and notices a silent node.

    Only images that the IMU has passed are waited for: where readings were recorded late, images wait in the node.
    """

    def __init__(
        self,
        recording: Recording,
        topics: Topics,
        process: subprocess.Popen[bytes],
        log: Path,
        on_progress: Callable[[int], None],
    ) -> None:
        self.image_stamps_ns: list[int] = []
        self.waited_s = 0.0
        self._recording = recording
        self._topics = topics
        self._process = process
        self._log = log
        self._on_progress = on_progress
        self._imu_ns = -(1 << 62)  # the newest reading sent
        self._passed = 0  # images sent that the IMU has passed

    def before(self, message: RawMessage) -> None:
        """To be called ahead of each message played."""
        if message.topic == self._topics.imu:
            self._imu_ns = max(self._imu_ns, _header_stamp_ns(message.cdr) - LARGEST_LAG_NS)
        if message.topic != self._topics.image:
            return
        stamps_ns, started_s = self.image_stamps_ns, time.monotonic()
        while self._passed < len(stamps_ns) and stamps_ns[self._passed] <= self._imu_ns:
            self._passed += 1
        recording = self._recording
        self._wait(lambda: recording.images_accounted_for, self._passed - IN_FLIGHT, 'accounted for')
        self._wait(lambda: int(recording.status.images_received), len(stamps_ns) - IMAGE_DEPTH // 2, 'received')
        self.waited_s += time.monotonic() - started_s
        self._on_progress(recording.images_accounted_for)
        stamps_ns.append(_header_stamp_ns(message.cdr))

    def wait_until_all_is_answered(self) -> None:
        """Wait until the node has accounted for all images."""
        self._wait(lambda: self._recording.images_accounted_for, len(self.image_stamps_ns), 'accounted for')
        self._on_progress(self._recording.images_accounted_for)

    def _wait(self, count: Callable[[], int], images: int, what: str) -> None:
        """Wait until the node has done `what` with that many images; raise NodeError when it does no more."""
        seen, since_s = -1, time.monotonic()
        if self._process.poll() is not None:
            raise NodeError(_why_ended(self._process, self._log))
        while (now := count()) < images:
            if self._process.poll() is not None:
                raise NodeError(_why_ended(self._process, self._log))
            if now > seen:
                seen, since_s = now, time.monotonic()
            elif time.monotonic() - since_s > ANSWER_LIMIT_S:
                said = self._recording.status.message or 'nothing'
                raise NodeError(
                    f'The node {what} {seen} of {images} images and then no more in {ANSWER_LIMIT_S:.0f} s. '
                    f'Its status: {said}. See {self._log}.'
                )
            time.sleep(0.002)


@contextmanager
def spinning(node: Node, context: Context) -> Iterator[None]:
    """A thread that runs the node's callbacks until the block ends."""
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin() -> None:
        with contextlib.suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join()


@contextmanager
def node_process(
    reader: BagReader, rig: Rig, parameters: dict[str, Any], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """atvio_node, set up for the bag of `reader` and its robot, until the block ends. Its output goes to `log`."""
    settings = {
        'image_reliability': 'reliable',
        'imu_reliability': 'reliable',
        'image_depth': IMAGE_DEPTH,
        'imu_depth': 5000,  # all that comes with so many images
        'queue_limit': 10 * IN_FLIGHT,
        'max_wait': PATIENCE_S,
        'compressed_image': 'CompressedImage' in reader.types({reader.topics.image or ''}).popitem()[1],
        **parameters,
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, log.open('wb') as output:
        file, rig_file = Path(folder) / 'parameters.yaml', Path(folder) / 'rig.yaml'
        write_rig(rig_file, rig)
        settings['rig'] = str(rig_file)
        file.write_text(yaml.safe_dump({'/**': {'ros__parameters': settings}}))
        process = subprocess.Popen(
            [
                sys.executable, '-m', 'atvio_ros.ros.node', '--ros-args', '--params-file', str(file),
                '-r', f'image:={reader.topics.image}', '-r', f'imu:={reader.topics.imu}',
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, 'PYTHONUNBUFFERED': '1'},
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(STOP_LIMIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _header_stamp_ns(cdr: bytes) -> int:
    """Stamp of a message that begins with a Header: behind the 4-byte CDR header, int32 seconds, uint32 nanoseconds."""
    order = 'little' if cdr[1] & 1 else 'big'
    seconds = int.from_bytes(cdr[4:8], order, signed=True)  # type: ignore[arg-type]
    return seconds * 1_000_000_000 + int.from_bytes(cdr[8:12], order)  # type: ignore[arg-type]


def _why_not_started(process: subprocess.Popen[bytes], log: Path) -> str:
    if process.poll() is not None:
        return _why_ended(process, log)
    return f'The node did not subscribe within {START_LIMIT_S:.0f} s. See {log}.'


def _why_ended(process: subprocess.Popen[bytes], log: Path) -> str:
    lines = log.read_text(errors='replace').strip().splitlines()
    return f'The node ended with status {process.returncode}: {lines[-1] if lines else "without a message"}'
