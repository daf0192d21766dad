"""A bag through the real node: atvio_node in its own process, fed over DDS, its output recorded."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.node import Node

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.storage import RawMessage
from atvio_ros.bags.topics import Topics
from atvio_ros.errors import NodeError
from atvio_ros.rig.rig import Rig
from atvio_ros.ros.node_process import IMAGE_DEPTH, IN_FLIGHT, START_LIMIT_S, node_process, spinning
from atvio_ros.ros.player import BagPlayer
from atvio_ros.ros.recording import Pictures, Recording, cdr_stamp_ns
from atvio_ros.types import Trajectory

ANSWER_LIMIT_S = 60.0  # longest silence of the node before it is given up
LARGEST_LAG_NS = 250_000_000  # of an IMU's filters, and its clock's offset


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
        self._recording.bag_ns = message.log_stamp_ns
        if message.topic == self._topics.imu:
            self._imu_ns = max(self._imu_ns, cdr_stamp_ns(message.cdr) - LARGEST_LAG_NS)
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
        stamps_ns.append(cdr_stamp_ns(message.cdr))

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


def _why_not_started(process: subprocess.Popen[bytes], log: Path) -> str:
    if process.poll() is not None:
        return _why_ended(process, log)
    return f'The node did not subscribe within {START_LIMIT_S:.0f} s. See {log}.'


def _why_ended(process: subprocess.Popen[bytes], log: Path) -> str:
    lines = log.read_text(errors='replace').strip().splitlines()
    last = lines[-1].rstrip('.') if lines else 'without a message'
    return f'The node ended with status {process.returncode}: {last}. See {log}.'
