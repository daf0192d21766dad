"""What an IMU shows while nothing happens: the quietest second of the last minute, and its usual angular velocity."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from atvio_ros.types import NANOSECONDS, FloatArray

BLOCK_NS = NANOSECONDS
FEWEST_READINGS = 8  # of a block that is used


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

    @property
    def noise(self) -> ImuNoise | None:
        """The scale of rest; None before `learn_s` of readings: until then nobody can tell quiet from loud."""
        if len(self._blocks) < self._learn_blocks:
            return None
        gyro, force, means = zip(*self._blocks, strict=True)
        return ImuNoise(min(gyro), min(force), np.median(means, axis=0))
