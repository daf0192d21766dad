"""Does the node survive everything at once? `python -m benchmarks.chaos --bag BAG --minutes 30 --seed 1 [--json FILE]`.

Plays a bag in real time to atvio_node in its own process and injects faults (chaos_faults.py) at random moments, up to
three at a time. In the end the books must balance, odometry must come within 2 s of the last fault, memory must be
flat, all that was published finite, and no line of the log repeated within a second.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from rich.console import Console
from sensor_msgs.msg import CameraInfo, Image, Imu
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.topics import CAMERA_INFO_TOPIC
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.files import write_text
from atvio_ros.msg import OdometryStatus
from atvio_ros.resources import find_resource
from atvio_ros.ros.node_process import START_LIMIT_S, node_process, spinning
from benchmarks.chaos_faults import SECOND, Fault, apply, faults
from benchmarks.chaos_result import RECOVERY_LIMIT_S, Chaos, repeated
from benchmarks.soak import own_memory_mb

MOST_AT_ONCE = 3
MEAN_PAUSE_S = 3.0
QUIET_EVERY, QUIET_S = 8, 5.0  # so many faults, then time to see it recover
START_NS = 1_500_000_000 * SECOND
PARAMETERS = {  # those of a robot, not those of a replay
    'image_reliability': 'best_effort', 'imu_reliability': 'best_effort', 'image_depth': 5, 'imu_depth': 500,
    'queue_limit': 5, 'max_wait': 1.0,
}  # fmt: skip


class Stream:
    """A bag's images and readings, over and over, with stamps that go on; publishes, and hears the node's answers."""

    def __init__(self, node: Node, reader: BagReader, result: Chaos, pid: int) -> None:
        self._node, self._result, self._pid = node, result, pid
        topics = {reader.topics.image: 'image', reader.topics.imu: 'imu'}
        wanted = [*(topic for topic in topics if topic), CAMERA_INFO_TOPIC]
        raw = list(reader.raw_messages(wanted))
        first_ns = raw[0].log_stamp_ns
        self._length_ns = raw[-1].log_stamp_ns - first_ns + SECOND // 10
        self.events = [
            (each.log_stamp_ns - first_ns, topics[each.topic], each.cdr) for each in raw if each.topic in topics
        ]
        self._camera_info = deserialize_message(
            next(each.cdr for each in raw if each.topic == CAMERA_INFO_TOPIC), CameraInfo
        )
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        kinds = {'image': Image, 'imu': Imu, 'image by another': Image, 'imu by another': Imu}
        self._publishers = {
            **{name: node.create_publisher(kind, name.split()[0], 1000) for name, kind in kinds.items()},
            'camera_info': node.create_publisher(CameraInfo, 'camera_info', 10),
            'rig': node.create_publisher(String, 'rig', latched),
            'tf_static': node.create_publisher(TFMessage, '/tf_static', latched),
        }
        self._clients: dict[str, Any] = {}
        self._shift_ns = 0
        self._silent_until_s = 0.0  # what is heard before does not mean that it listens
        self.active: list[Fault] = []
        self.heard_s = 0.0  # when the newest odometry came
        self.status = OdometryStatus()
        self.diagnostics: dict[str, str] = {}
        node.create_subscription(Odometry, 'odometry', self._on_odometry, 1000)
        node.create_subscription(OdometryStatus, 'status', self._on_status, 1000)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 100)

    def is_connected(self) -> bool:
        """Whether the node hears images, IMU and camera_info."""
        return all(self._publishers[name].get_subscription_count() for name in ('image', 'imu', 'camera_info'))

    def play_at(self, number: int, at_ns: int) -> int:
        """When event `number` is due [ns since the start]; it is sent where `at_ns` has reached that."""
        rounds, index = divmod(number, len(self.events))
        offset_ns, which, cdr = self.events[index]
        due_ns = rounds * self._length_ns + offset_ns
        if due_ns <= at_ns:
            stamp_ns = START_NS + due_ns + self._shift_ns
            sec, nanosec = divmod(stamp_ns, SECOND)
            stamped = cdr[:4] + sec.to_bytes(4, 'little') + nanosec.to_bytes(4, 'little') + cdr[12:]
            for message in apply(self.active, which, stamped, stamp_ns):
                self.send(which, message)
        return due_ns

    def send(self, topic: str, message: Any) -> None:
        """See chaos_faults.Peer."""
        if topic == 'camera_info':
            info = CameraInfo(
                **{name: getattr(self._camera_info, name) for name in CameraInfo.get_fields_and_field_types()}
            )
            if message == 'wrong':
                info.k = [*(1.1 * info.k[:1]), *info.k[1:]]
            message = info
        elif topic.startswith('image'):
            self._result.images_sent += 1
        elif topic.startswith('imu'):
            self._result.imu_sent += 1
        self._result.sent_unheard += topic.startswith(('image', 'imu')) and self._may_be_unheard(topic)
        self._publishers[topic].publish(message)

    def call(self, kind: Any, name: str, request: Any) -> None:
        """See chaos_faults.Peer."""
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, f'atvio_node/{name}')
        self._clients[name].call_async(request)

    def shift(self, by_ns: int) -> None:
        """See chaos_faults.Peer."""
        self._shift_ns += by_ns

    def signal(self, number: signal.Signals) -> None:
        """See chaos_faults.Peer."""
        os.kill(self._pid, number)

    def _may_be_unheard(self, topic: str) -> bool:
        if any(fault.name == 'deactivate' for fault in self.active):
            self._silent_until_s = time.monotonic() + 0.5  # the odometry of what is on its way does not count
        return self.heard_s <= self._silent_until_s or topic.endswith('another')

    def _on_odometry(self, message: Odometry) -> None:
        self.heard_s = time.monotonic()
        self._result.odometry += 1
        p, q, v = message.pose.pose.position, message.pose.pose.orientation, message.twist.twist
        numbers = (p.x, p.y, p.z, q.x, q.y, q.z, q.w, v.linear.x, v.linear.y, v.linear.z, v.angular.x, v.angular.z)
        P = np.reshape(message.pose.covariance, (6, 6))
        sigma = np.sqrt(np.maximum(np.diag(P), 1e-30))
        possible = np.isfinite(numbers).all() and np.isfinite(P).all()
        possible = possible and np.linalg.eigvalsh(P / np.outer(sigma, sigma)).min() > -1e-9
        self._result.impossible += not possible

    def _on_status(self, status: OdometryStatus) -> None:
        self.status = status

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics = {value.key: value.value for value in message.status[0].values}


def chaos(bag: Path, minutes: float, seed: int, log: Path) -> Chaos:
    """Play `bag` to a node of our own for so many minutes of wall time, with faults at random moments."""
    result, context = Chaos(minutes, seed), Context()
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    if profile := find_resource('config/fastdds.xml'):
        os.environ.setdefault('FASTDDS_DEFAULT_PROFILES_FILE', str(profile))
    rclpy.init(context=context)
    try:
        with BagReader(bag) as reader:
            node, rig = Node('chaos', context=context), bag_rig(reader).rig
            remapped = _Renamed(reader)
            with spinning(node, context), node_process(remapped, rig, PARAMETERS, log) as process:  # type: ignore[arg-type]
                stream = Stream(node, reader, result, process.pid)
                deadline_s = time.monotonic() + START_LIMIT_S
                while not stream.is_connected():
                    if process.poll() is not None or time.monotonic() > deadline_s:
                        raise SystemExit(f'The node did not start. See {log}.')
                    time.sleep(0.1)
                stream.send('camera_info', 'right')
                _play(stream, result, random.Random(seed), process, 60.0 * minutes)
                _take_books(stream, result)
                process.send_signal(signal.SIGINT)
                result.status = process.wait(10.0)
        result.repeated_lines = repeated(log.read_text(errors='replace').splitlines())
        return result
    finally:
        rclpy.try_shutdown(context=context)


class _Renamed:
    """The bag with the topics under which its messages are sent here."""

    def __init__(self, reader: BagReader) -> None:
        self._reader = reader
        self.topics = type(reader.topics)(image='image', imu='imu')

    def types(self, topics: set[str]) -> dict[str, str]:
        """Of the image topic."""
        return {'image': 'sensor_msgs/msg/Image'}


def _play(stream: Stream, result: Chaos, rng: random.Random, process: Any, seconds: float) -> None:
    """Send what is due and inject faults; the last seconds are quiet."""
    plan = _Plan(stream, result, rng)
    started_s, number, sampled_s = time.monotonic(), 0, 0.0
    while process.poll() is None and (now_s := time.monotonic()) - started_s < seconds:
        plan.follow(now_s, may_begin=QUIET_S < now_s - started_s < seconds - QUIET_S)
        at_ns = round((now_s - started_s) * SECOND)
        if stream.play_at(number, at_ns) <= at_ns:
            number += 1
        else:
            time.sleep(0.001)
        if now_s - sampled_s >= 1.0:
            sampled_s = now_s
            result.memory_mb.append(own_memory_mb(process.pid))
    plan.finish(time.monotonic())


class _Plan:
    """Which faults are active, and how long odometry takes when none is any more."""

    def __init__(self, stream: Stream, result: Chaos, rng: random.Random) -> None:
        self._stream, self._result, self._rng = stream, result, rng
        self._kinds = faults(stream)
        self._ends_s: dict[str, float] = {}
        self._next_s = 0.0
        self._quiet_since_s: float | None = None

    def follow(self, now_s: float, may_begin: bool) -> None:
        """Do what is due."""
        active = self._stream.active
        for fault in [each for each in active if self._ends_s[each.name] <= now_s]:
            self._end(fault, now_s)
        self._look(now_s)
        if may_begin and now_s >= self._next_s and len(active) < MOST_AT_ONCE:
            self._begin(now_s)

    def finish(self, now_s: float) -> None:
        """End what is active, and look for the last time."""
        for fault in list(self._stream.active):
            self._end(fault, now_s)
        self._look(now_s)
        if self._quiet_since_s is not None:
            self._result.recoveries_s.append(max(now_s - self._quiet_since_s, RECOVERY_LIMIT_S + 1.0))

    def _begin(self, now_s: float) -> None:
        active, counts = self._stream.active, self._result.faults
        if self._quiet_since_s is not None and now_s - self._quiet_since_s > RECOVERY_LIMIT_S:
            self._result.recoveries_s.append(now_s - self._quiet_since_s)
        self._quiet_since_s = None
        fault = self._rng.choice([each for each in self._kinds if each not in active])
        counts[fault.name] = counts.get(fault.name, 0) + 1
        self._ends_s[fault.name] = now_s + fault.seconds * self._rng.uniform(0.5, 1.5)
        if fault.begin:
            fault.begin(self._stream)
        active.append(fault)
        self._next_s = now_s + self._rng.expovariate(1.0 / MEAN_PAUSE_S)
        if sum(counts.values()) % QUIET_EVERY == 0:
            self._next_s = max(self._ends_s.values()) + QUIET_S

    def _end(self, fault: Fault, now_s: float) -> None:
        self._stream.active.remove(fault)
        if fault.end:
            fault.end(self._stream)
        if not self._stream.active:
            self._quiet_since_s = now_s

    def _look(self, now_s: float) -> None:
        if self._quiet_since_s is not None and self._stream.heard_s > self._quiet_since_s:
            self._result.recoveries_s.append(self._stream.heard_s - self._quiet_since_s)
            self._quiet_since_s = None


def _take_books(stream: Stream, result: Chaos) -> None:
    """Wait until nothing is on its way any more, and read what the node says."""
    deadline_s, before = time.monotonic() + 15.0, None
    while time.monotonic() < deadline_s:
        time.sleep(2.5)  # longer than it waits for anything, and than /diagnostics takes
        now = (stream.status.images_received, stream.status.imu_received, stream.diagnostics)
        if now == before:
            break
        before = now
    status = stream.status
    result.images_received, result.imu_received = int(status.images_received), int(status.imu_received)
    result.processed, result.images_dropped = int(status.frames_processed), int(status.frames_dropped)
    result.dropped = dict(zip(status.drop_reasons, map(int, status.drop_counts), strict=True))
    result.images_lost = int(stream.diagnostics.get('images lost on their way', 0))
    result.imu_lost = int(stream.diagnostics.get('IMU readings lost on their way', 0))


def main() -> None:
    """Print what became of it; status 1 if something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--bag', type=Path, required=True)
    parser.add_argument('--minutes', type=float, default=30.0, help='of wall time')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--json', type=Path)
    parser.add_argument('--log', type=Path, help="where the node's log goes")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = chaos(args.bag, args.minutes, args.seed, args.log or Path(folder) / 'node.log')
    console = Console(soft_wrap=True)
    for line in result.lines():
        console.print(line)
    if args.json:
        figures = {'growth_mb': result.growth_mb, 'balanced': result.balanced, 'failures': result.failures}
        write_text(args.json, json.dumps({**asdict(result), **figures}, indent=2) + '\n')
    sys.exit(bool(result.failures))


if __name__ == '__main__':
    main()
