"""Tiny streams of images and IMU readings whose truth is known, for the tests of the odometry."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from atvio_ros.odometry.frame_pairs import FramePairer
from atvio_ros.types import CameraFrame, FloatArray, FramePair, ImuSample, ImuWindow, RelativeMotion

MS = 1_000_000
SECOND = 1000 * MS
START_NS = 1_317_646_534_997_992_705  # an epoch stamp that no float64 holds


def frame(stamp_ns: int, received_ns: int = 0) -> CameraFrame:
    """A tiny image that shows something, and something else at every stamp: a camera that works."""
    return CameraFrame(stamp_ns, np.random.default_rng(stamp_ns).integers(0, 256, (4, 6, 1), np.uint8), received_ns)


def reading(stamp_ns: int, gyro: Sequence[float] = (0.0, 0.0, 0.0), force: Sequence[float] = (0.0, 0.0, 9.81)):
    return ImuSample(stamp_ns, np.array(gyro, dtype=np.float64), np.array(force, dtype=np.float64))


def readings(start_ns: int, end_ns: int, step_ns: int = 10 * MS) -> list[ImuSample]:
    """Both ends included. What they read is a linear function of time, so interpolation must be exact."""
    return [ramp(stamp_ns) for stamp_ns in range(start_ns, end_ns + 1, step_ns)]


def ramp(stamp_ns: int) -> ImuSample:
    """The reading at a time of a gyro that rises by 1, 2, 3 rad/s and a force that falls by 1, 2, 3 m/s^2 a second."""
    t = (stamp_ns - START_NS) / 1e9
    return reading(stamp_ns, (t, 2 * t, 3 * t), (-t, -2 * t, -3 * t))


def pair(previous_ns: int, current_ns: int, continues: bool = True) -> FramePair:
    samples = readings(previous_ns, current_ns)
    stamps_ns = np.array([sample.stamp_ns for sample in samples])
    values = np.array([[*sample.angular_velocity, *sample.linear_acceleration] for sample in samples])
    return FramePair(frame(previous_ns), frame(current_ns), ImuWindow(stamps_ns, values), continues)


def stretch(frames: int, interval_ns: int = 100 * MS) -> list[FramePair]:
    """The pairs of `frames` images without a gap."""
    stamps_ns = [START_NS + i * interval_ns for i in range(frames)]
    return [pair(a, b, continues=i > 0) for i, (a, b) in enumerate(itertools.pairwise(stamps_ns))]


def feed(pairer: FramePairer, events: Sequence[CameraFrame | ImuSample]) -> list[FramePair]:
    """The pairs released while the events arrive in this order."""
    pairs = []
    for event in events:
        if isinstance(event, ImuSample):
            pairer.add_imu(event)
        else:
            pairer.add_frame(event)
        while (released := pairer.poll()) is not None:
            pairs.append(released)
    return pairs


def stamps(pairs: Sequence[FramePair]) -> list[tuple[int, int]]:
    return [(each.previous.stamp_ns, each.current.stamp_ns) for each in pairs]


class Scripted:
    """Stands in for the network: camera motions in the order given, the last one for ever."""

    def __init__(self, *motions: FloatArray) -> None:
        self.motions = list(motions)
        self.resets = 0

    def predict(self, pair: FramePair) -> RelativeMotion:
        return RelativeMotion(self.motions.pop(0) if len(self.motions) > 1 else self.motions[0])

    def reset(self) -> None:
        self.resets += 1
