"""What an IMU shows while nothing happens, the quietest second of the last minute; and the white noise of a gyro."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from atvio_ros.types import NANOSECONDS, FloatArray, FramePair

BLOCK_NS = NANOSECONDS
FEWEST_READINGS = 8  # of a block that is used
_FEWEST_FOR_NOISE = 4


@dataclass(frozen=True)
class ImuNoise:
    """The scale of rest of one IMU."""

    gyro_deviation: float  # rad/s, of the axis that scatters most, in the quietest block
    force_deviation: float  # m/s^2, likewise
    gyro_mean: FloatArray  # (3,) rad/s, median over the blocks: the bias of a robot that turns now and then


class ImuNoiseScale:
    """Fed with the readings of one frame pair after the other. Blocks older than `memory_s` are forgotten.

    So a robot that stands with its engine on, after it stood with the engine off, waits for that time at most.
    """

    def __init__(self, learn_s: float, memory_s: float) -> None:
        self._learn_blocks = max(1, round(learn_s * NANOSECONDS / BLOCK_NS))
        self._blocks: deque[tuple[float, float, FloatArray]] = deque(
            maxlen=max(self._learn_blocks, round(memory_s * NANOSECONDS / BLOCK_NS))
        )
        self._readings: list[FloatArray] = []
        self._length_ns = 0
        self._noise: ImuNoise | None = None

    def update(self, readings: FloatArray, interval_ns: int) -> None:
        """Take the readings (N, 6) of the next pair and its length."""
        self._readings.append(readings)
        self._length_ns += interval_ns
        if self._length_ns < BLOCK_NS:
            return
        block = np.concatenate(self._readings)
        self._readings, self._length_ns = [], 0
        if len(block) >= FEWEST_READINGS:
            deviation = block.std(axis=0)
            self._blocks.append((float(deviation[:3].max()), float(deviation[3:].max()), block[:, :3].mean(axis=0)))
            self._noise = self._found()

    @property
    def noise(self) -> ImuNoise | None:
        """The scale of rest; None before `learn_s` of readings: until then nobody can tell quiet from loud."""
        return self._noise

    def _found(self) -> ImuNoise | None:
        if len(self._blocks) < self._learn_blocks:
            return None
        gyro, force, means = zip(*self._blocks, strict=True)
        return ImuNoise(min(gyro), min(force), np.median(means, axis=0))


class GyroNoise:
    """White noise of a gyro, from its second differences: what a vehicle does is smooth beside them.

    Vibration faster than half the rate of the readings counts as noise, too. Fed with every pair in order.
    """

    def __init__(self, memory_s: float = 10.0) -> None:
        self._memory_s = memory_s
        self.reset()

    def reset(self) -> None:
        """Nothing is known of it."""
        self._density2, self._seen_s = 0.0, 0.0  # rad^2/s: mean of the axes, and the time that it was seen

    def update(self, pair: FramePair) -> float:
        """Standard deviation [rad] of the rotation over the pair, each axis, by the readings so far; 0: none yet."""
        stamps_ns, gyro = pair.imu.stamps_ns, pair.imu.values[:, :3]
        if len(gyro) >= _FEWEST_FOR_NOISE:
            step_s = float(stamps_ns[-1] - stamps_ns[0]) / NANOSECONDS / (len(gyro) - 1)
            bends = gyro[2:] - 2.0 * gyro[1:-1] + gyro[:-2]
            density2 = float(np.mean(bends**2)) / 6.0 * step_s  # 1 + 4 + 1 variances of a reading
            self._seen_s += pair.interval_s
            share = min(1.0, pair.interval_s / min(self._seen_s, self._memory_s))
            self._density2 += share * (density2 - self._density2)
        return float(np.sqrt(self._density2 * pair.interval_s))
