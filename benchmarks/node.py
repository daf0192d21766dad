"""What does the whole node cost? `python -m benchmarks.node --size 640x480 --images 10,30,60 --imu 100,200,400`.

Draws a drive for each size (kept in --drives), plays it in real time over DDS to atvio_node in its own process, and
tells for each case: processor time of the estimator's thread and of all others, latency from the last sample that an
odometry needs to its arrival here, latency of `odometry/predicted` from the reading it belongs to, and what was lost.
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, Imu

from atvio_ros.bags.reader import BagReader
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.files import write_text
from atvio_ros.msg import OdometryStatus
from atvio_ros.ros.node_process import node_process, spinning
from atvio_ros.ros.recording import cdr_stamp_ns
from benchmarks.node_cases import Case, Cost, chosen, drawn, table

PROFILE = Path(__file__).resolve().parent.parent / 'config' / 'fastdds.xml'  # or large images are lost
START_LIMIT_S, LAST_ANSWERS_S = 60.0, 2.0
TICKS_S = os.sysconf('SC_CLK_TCK')
ESTIMATOR_THREAD = 'inference'


@dataclass
class _Peer:
    """What was sent when, and what came back when: monotonic seconds by stamp."""

    images: dict[int, float] = field(default_factory=dict)
    imu: dict[int, float] = field(default_factory=dict)
    odometry: dict[int, float] = field(default_factory=dict)
    predicted: dict[int, float] = field(default_factory=dict)
    status: OdometryStatus = field(default_factory=OdometryStatus)

    def subscribe(self, node: Node) -> None:
        for topic, times in (('odometry', self.odometry), ('odometry/predicted', self.predicted)):

            def keep(cdr: bytes, times: dict[int, float] = times) -> None:
                times[cdr_stamp_ns(cdr)] = time.monotonic()

            node.create_subscription(Odometry, topic, keep, QoSProfile(depth=1000), raw=True)
        node.create_subscription(OdometryStatus, 'status', self._on_status, QoSProfile(depth=100), raw=True)

    def _on_status(self, cdr: bytes) -> None:
        self.status = deserialize_message(cdr, OdometryStatus)

    def latencies_ms(self, after_ns: int) -> list[float]:
        """Of each odometry, from when the later of its image and the reading that passed it was sent."""
        readings = sorted(self.imu)
        result = []
        for stamp_ns, came_s in self.odometry.items():
            passing = bisect.bisect_left(readings, stamp_ns)
            if stamp_ns > after_ns and passing < len(readings):
                result.append(1e3 * (came_s - max(self.images[stamp_ns], self.imu[readings[passing]])))
        return result

    def predicted_latencies_ms(self, after_ns: int) -> list[float]:
        """Of each prediction, from when its reading was sent."""
        return [1e3 * (came_s - self.imu[at]) for at, came_s in self.predicted.items() if at > after_ns]


def measure(bag: Path, case: Case, warm_up_s: float, log: Path, parameters: dict[str, Any]) -> Cost:
    """Play the bag as the case says. Raises SystemExit where the node does not start."""
    context = Context()
    rclpy.init(context=context)
    try:
        with BagReader(bag) as reader:
            messages = list(chosen(reader, case))
            rig = bag_rig(reader).rig
            sender, receiver = Node('node_benchmark', context=context), _Peer()
            receiver.subscribe(sender)
            publishers = {
                'image': sender.create_publisher(Image, str(reader.topics.image), 10),
                'imu': sender.create_publisher(Imu, str(reader.topics.imu), 100),
            }
            given = {
                'image_reliability': 'best_effort', 'imu_reliability': 'best_effort', 'image_depth': 5,
                'imu_depth': 500, 'max_wait': 1.0, **({'publish_predicted': True} if case.predicted else {}),
                **parameters,
            }  # fmt: skip
            with spinning(sender, context), node_process(reader, rig, given, log) as process:
                deadline_s = time.monotonic() + START_LIMIT_S
                while not all(publisher.get_subscription_count() for publisher in publishers.values()):
                    if process.poll() is not None or time.monotonic() > deadline_s:
                        raise SystemExit(f'The node did not start. See {log}.')
                    time.sleep(0.05)
                time.sleep(1.0)  # both sides know each other, the node has its rig
                return _play(messages, publishers, receiver, process.pid, case, warm_up_s)
    finally:
        rclpy.try_shutdown(context=context)


def _play(
    messages: list[tuple[int, str, bytes]],
    publishers: dict[str, Any],
    peer: _Peer,
    pid: int,
    case: Case,
    warm_up_s: float,
) -> Cost:
    first_ns, began_s = messages[0][0], time.monotonic() + 0.1
    warm_ns = first_ns + round(warm_up_s * 1e9)
    before: dict[str, float] = {}
    warm_s, warm_frames = began_s, 0
    for stamp_ns, kind, cdr in messages:
        if not before and stamp_ns >= warm_ns:
            before, warm_s, warm_frames = threads_s(pid), time.monotonic(), int(peer.status.frames_processed)
        while (left_s := began_s + (stamp_ns - first_ns) * 1e-9 - time.monotonic()) > 0:
            time.sleep(left_s)
        (peer.images if kind == 'image' else peer.imu)[stamp_ns] = time.monotonic()
        publishers[kind].publish(cdr)
    after, elapsed_s = threads_s(pid), time.monotonic() - warm_s
    frames = int(peer.status.frames_processed) - warm_frames
    predicted = sum(at > warm_ns for at in peer.predicted)
    time.sleep(LAST_ANSWERS_S)
    used = {name: after[name] - before.get(name, 0.0) for name in after}
    node_s, estimator_s = sum(used.values()), used.get(ESTIMATOR_THREAD, 0.0)
    each = 1e3 / max(frames, 1)
    status = peer.status
    return Cost(
        case=case,
        frames=frames,
        node_ms=node_s * each,
        estimator_ms=estimator_s * each,
        other_ms=(node_s - estimator_s) * each,
        cores=node_s / elapsed_s,
        by_thread={name: round(each_s / elapsed_s, 4) for name, each_s in sorted(used.items()) if each_s > 0},
        latency_ms=_percentiles(peer.latencies_ms(warm_ns)),
        predicted_ms=_percentiles(peer.predicted_latencies_ms(warm_ns)),
        predicted_hz=predicted / elapsed_s,
        images_lost=len(peer.images) - int(status.images_received),
        imu_lost=len(peer.imu) - int(status.imu_received),
        images_dropped=dict(zip(status.drop_reasons, map(int, status.drop_counts), strict=True)),
        memory_mb=_memory_mb(pid),
    )


def threads_s(pid: int) -> dict[str, float]:
    """Processor time [s] of the threads of a process, by their names; of those that live."""
    result: dict[str, float] = {}
    for task in Path(f'/proc/{pid}/task').iterdir():
        try:
            name = (task / 'comm').read_text().strip()
            running_ns = int((task / 'schedstat').read_text().split()[0])
        except OSError:  # it has ended
            continue
        result[name] = result.get(name, 0.0) + running_ns * 1e-9
    return result


def _memory_mb(pid: int) -> float:
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) / 1024.0
    return float('nan')


def _percentiles(values: list[float]) -> tuple[float, float]:
    if not values:
        return float('nan'), float('nan')
    p50, p99 = np.percentile(values, (50, 99))
    return float(p50), float(p99)


def main() -> None:
    """Print the table, and where time went by threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--size', default='640x480,1280x720', help='of the images, comma-separated')
    parser.add_argument('--images', default='10,30,60', help='images a second, comma-separated; divisors of 60')
    parser.add_argument('--imu', default='100,400', help='readings a second, comma-separated; divisors of 400')
    parser.add_argument('--grey', action='store_true', help='mono8 instead of rgb8')
    parser.add_argument('--predicted', action='store_true', help='with odometry/predicted')
    parser.add_argument('--metres', type=float, default=100.0, help='length of the drive, at 8 m/s')
    parser.add_argument('--warm-up', type=float, default=3.0, help='seconds that are not measured')
    parser.add_argument('--drives', type=Path, default=None, help='folder that keeps drawn drives (default: none kept)')
    parser.add_argument('--param', action='append', default=[], metavar='NAME=VALUE', help='of the node; repeatable')
    parser.add_argument('--log', type=Path, default=None, help="the node's log (default: thrown away)")
    parser.add_argument('--json', type=Path, help='write the figures there, too')
    arguments = parser.parse_args()
    os.environ.setdefault('FASTDDS_DEFAULT_PROFILES_FILE', str(PROFILE))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(103 + os.getpid() % 90))  # beside other graphs of this machine
    parameters = {name: json.loads(value) for name, _, value in (each.partition('=') for each in arguments.param)}
    sizes = [tuple(map(int, size.split('x'))) for size in arguments.size.split(',')]
    rates = itertools.product(*(map(int, each.split(',')) for each in (arguments.images, arguments.imu)))
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        log, drives = arguments.log or Path(folder) / 'node.log', arguments.drives or Path(folder)
        for (width, height), (images, imu) in itertools.product(sizes, list(rates)):
            case = Case(width, height, images, imu, arguments.predicted, arguments.grey)
            bag = drawn(drives, width, height, arguments.metres)
            costs.append(measure(bag, case, arguments.warm_up, log, parameters))
            print(costs[-1].case.name, costs[-1].by_thread, costs[-1].images_dropped, flush=True)
    print(table(costs))
    if arguments.json:
        write_text(arguments.json, json.dumps([asdict(cost) for cost in costs], indent=2))


if __name__ == '__main__':
    main()
