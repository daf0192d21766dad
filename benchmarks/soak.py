"""Does the node survive? `python -m benchmarks.soak --bag BAG --minutes 20 --rate 5 [--json FILE]`.

Plays a bag in a loop, faster than real time, to atvio_node in its own process: time jumps back at every round, and
where the node does not keep up it has to drop images. In the end every input must be accounted for, and memory be what
it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rich.console import Console

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.storage import RawMessage
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.files import write_text
from atvio_ros.ros.node_process import node_process, spinning
from atvio_ros.ros.player import BagPlayer
from atvio_ros.ros.recording import Recording

ANSWER_LIMIT_S = 60.0
SAMPLE_PERIOD_NS = 1_000_000_000  # of bag time


@dataclass(frozen=True)
class Soak:
    """The books of one soak, and the node's own memory over it."""

    bag_minutes: float
    rounds: int
    images_sent: int
    imu_sent: int
    images_received: int
    imu_received: int
    processed: int
    dropped: dict[str, int]  # by reason; images and IMU readings
    images_dropped: int
    imu_dropped: int
    memory_mb: list[float]  # every second of bag time

    @property
    def balanced(self) -> bool:
        """Whether all that was sent was received, and every image is processed or dropped for a reason."""
        return (
            self.images_received == self.images_sent
            and self.imu_received == self.imu_sent
            and self.images_received == self.processed + self.images_dropped
        )

    @property
    def growth_mb(self) -> float:
        """Memory at the end (its last fifth) less that after the first fifth (its second one)."""
        fifths = np.array_split(np.array(self.memory_mb), 5)
        return float(np.median(fifths[-1]) - np.median(fifths[1])) if len(self.memory_mb) >= 5 else float('nan')


def soak(bag: Path, minutes: float, rate: float, log: Path) -> Soak:
    """Play `bag` to a node of our own, `rate` times as fast as it was recorded, for so many minutes of bag time."""
    context = Context()
    rclpy.init(context=context)
    try:
        with BagReader(bag) as reader:
            node, recording, sent = Node('soak', context=context), Recording(), Counter[str]()
            recording.subscribe(node)
            player = BagPlayer(node, reader)
            rig = bag_rig(reader).rig
            # A queue of images as deep as the rate is high: what the middleware drops, the node cannot count.
            parameters = {'image_depth': 200, 'queue_limit': 5}
            with spinning(node, context), node_process(reader, rig, parameters, log) as process:
                if not player.wait_for_subscribers(60.0, lambda: process.poll() is None):
                    raise SystemExit(f'The node did not start. See {log}.')
                memory, rounds, played_s = [], 0, 0.0
                first_ns = last_ns = sampled_ns = 0

                def before(message: RawMessage) -> None:
                    nonlocal first_ns, last_ns, sampled_ns
                    sent[message.topic] += 1
                    first_ns, last_ns = first_ns or message.log_stamp_ns, message.log_stamp_ns
                    if last_ns - sampled_ns >= SAMPLE_PERIOD_NS:
                        sampled_ns = last_ns
                        memory.append(own_memory_mb(process.pid))

                while played_s < 60.0 * minutes:
                    first_ns = sampled_ns = 0
                    player.play(rate, before)
                    rounds, played_s = rounds + 1, played_s + (last_ns - first_ns) * 1e-9
                images, imu = sent[reader.topics.image or ''], sent[reader.topics.imu or '']
                _wait_for_answers(recording, images, imu)
            status = recording.status
            return Soak(
                played_s / 60.0,
                rounds,
                images,
                imu,
                status.images_received,
                status.imu_received,
                status.frames_processed,
                recording.dropped,
                status.frames_dropped,
                status.imu_dropped,
                memory,
            )
    finally:
        rclpy.try_shutdown(context=context)


def _wait_for_answers(recording: Recording, images: int, imu: int) -> None:
    """Until the node's status accounts for all that was sent. Where it never does, the books will tell."""
    deadline_s = time.monotonic() + ANSWER_LIMIT_S
    while time.monotonic() < deadline_s:
        if recording.images_accounted_for >= images and recording.status.imu_received >= imu:
            return
        time.sleep(0.1)


def own_memory_mb(pid: int) -> float:
    """Resident memory of a process that it does not share: segments of the middleware belong to those who send."""
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith('RssAnon:'):
            return int(line.split()[1]) / 1024.0
    return float('nan')


def main() -> None:
    """Print the books; status 1 if they do not balance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--bag', type=Path, required=True)
    parser.add_argument('--minutes', type=float, default=20.0, help='of bag time')
    parser.add_argument('--rate', type=float, default=5.0, help='times real time')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.monotonic()
        result = soak(args.bag, args.minutes, args.rate, Path(folder) / 'node.log')
        wall_s = time.monotonic() - started_s
    console = Console()
    console.print(f'{result.bag_minutes:.1f} minutes of bag time in {wall_s / 60:.1f}, {result.rounds} rounds')
    console.print(f'images: {result.images_sent} sent, {result.images_received} received, {result.processed} processed')
    console.print(f'IMU readings: {result.imu_sent} sent, {result.imu_received} received')
    console.print('dropped: ' + ', '.join(f'{reason} {count}' for reason, count in sorted(result.dropped.items())))
    console.print(f'memory: {result.memory_mb[0]:.0f} MB, after the first fifth {result.growth_mb:+.1f} MB')
    console.print('the books balance' if result.balanced else 'the books do NOT balance')
    if args.json:
        write_text(args.json, json.dumps({**asdict(result), 'growth_mb': result.growth_mb}, indent=2) + '\n')
    sys.exit(not result.balanced)


if __name__ == '__main__':
    main()
