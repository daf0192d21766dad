"""What benchmarks/node.py sends, and what it measures: cases, the drives that they take a part of, and the table."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.write_bag import write_bag
from atvio_ros.rendering.drive_settings import DriveSettings
from atvio_ros.rendering.imu import ImuSettings
from atvio_ros.rendering.rendered_drive import synthesize
from atvio_ros.ros.recording import cdr_stamp_ns

DRAWN_IMAGES, DRAWN_IMU = 60, 400  # a second; cases take a part of them


@dataclass(frozen=True)
class Case:
    """What is sent, and how the node is set."""

    width: int
    height: int
    images: int  # a second
    imu: int  # a second
    predicted: bool = False
    grey: bool = False

    @property
    def name(self) -> str:
        """For people."""
        words = f'{self.width}x{self.height} {"mono8" if self.grey else "rgb8"}, {self.images} + {self.imu} Hz'
        return f'{words}, predicted' if self.predicted else words


@dataclass(frozen=True)
class Cost:
    """What came of a case; processor times and latencies are those after the warm-up."""

    case: Case
    frames: int  # that gave odometry
    node_ms: float  # processor time of the node a frame
    estimator_ms: float  # of its estimator's thread
    other_ms: float  # of everything else
    cores: float  # busy on average
    by_thread: dict[str, float]  # share of a core
    latency_ms: tuple[float, float]  # p50, p99: last needed sample sent -> odometry here
    predicted_ms: tuple[float, float]  # p50, p99: reading sent -> its prediction here; nan without
    predicted_hz: float
    images_lost: int  # sent, and not received by the node
    imu_lost: int
    images_dropped: dict[str, int]  # by the node, for a reason
    memory_mb: float


def drawn(folder: Path, width: int, height: int, metres: float) -> Path:
    """A bag of a drive at this size; drawn where it is not there yet."""
    bag = folder / f'node-{width}x{height}-{metres:g}m'
    if not bag.exists():
        focal = 0.65 * width
        settings = DriveSettings(
            seed=3, length=metres, speed=8.0, width=width, height=height, rate=float(DRAWN_IMAGES), jitter=False,
            intrinsics=(focal, focal, width / 2 - 0.5, height / 2 - 0.5), imu_rate=float(DRAWN_IMU),
            imu_errors=ImuSettings(gyro_delay=0.0, accelerometer_delay=0.0),
        )  # fmt: skip
        print(f'drawing {bag} ...', flush=True)
        write_bag(synthesize(settings), BagWriter(bag))
    return bag


def chosen(reader: BagReader, case: Case) -> Iterator[tuple[int, str, bytes]]:
    """(stamp, image or imu, CDR) of what the case sends, in the order of the stamps."""
    every = {'image': DRAWN_IMAGES // case.images, 'imu': DRAWN_IMU // case.imu}
    names = {reader.topics.image: 'image', reader.topics.imu: 'imu'}
    counts = {kind: itertools.count() for kind in every}
    for message in reader.raw_messages({str(topic) for topic in names}):
        kind = names[message.topic]
        if next(counts[kind]) % every[kind] == 0:
            cdr = grey(message.cdr) if kind == 'image' and case.grey else message.cdr
            yield cdr_stamp_ns(cdr), kind, bytes(cdr)


def grey(cdr: bytes) -> bytes:
    import cv2
    from rclpy.serialization import serialize_message

    image = deserialize_message(bytes(cdr), Image)
    pixels = np.asarray(image.data, dtype=np.uint8).reshape(image.height, image.width, 3)
    image.encoding, image.step, image.data = 'mono8', image.width, cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).tobytes()
    return bytes(serialize_message(image))


def table(costs: list[Cost]) -> str:
    """For docs/performance.md."""
    rows = [
        '| case | frames | node [ms a frame] | estimator | other | cores | latency p50 / p99 [ms] '
        '| predicted p50 / p99 [ms] | lost: images, readings | memory [MB] |',
        '|---|---|---|---|---|---|---|---|---|---|',
    ]
    for cost in costs:
        rows.append(
            f'| {cost.case.name} | {cost.frames} | {cost.node_ms:.1f} | {cost.estimator_ms:.1f} | {cost.other_ms:.1f} '
            f'| {cost.cores:.3f} | {cost.latency_ms[0]:.1f} / {cost.latency_ms[1]:.1f} '
            f'| {cost.predicted_ms[0]:.2f} / {cost.predicted_ms[1]:.2f} '
            f'| {cost.images_lost}, {cost.imu_lost} | {cost.memory_mb:.0f} |'
        )
    return '\n'.join(rows)
