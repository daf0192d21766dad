"""Means and scales of the training data, which the network's configuration carries."""

from __future__ import annotations

import dataclasses

import numpy as np

from atvio_ros.network.config import AtvioConfig
from atvio_ros.training.dataset import Split

# Least scales, so that a component that never moves in the training data is not blown up: x y z, roll pitch yaw.
_LEAST_MOTION = np.array([0.005, 0.005, 0.05, 0.0005, 0.001, 0.0005])
_LEAST_IMU = np.array([0.005, 0.005, 0.005, 0.1, 0.1, 0.1])


_MOTION = ('x', 'y', 'z', 'roll', 'pitch', 'yaw')


def normalised(config: AtvioConfig, split: Split) -> tuple[AtvioConfig, tuple[str, ...]]:
    """The configuration with motion_std, imu_mean and imu_std of the training parts of the data, and what these do not
    tell: a component that hardly moves has the least scale.
    """
    motions, readings = [], []
    for sequence, within in zip(split.sequences, split.training, strict=True):
        chosen = sequence.windows(1, 1, within)
        motions.append(sequence[1].motion[chosen])
        readings.append(sequence[1].imu[chosen].reshape(-1, 6))
    motion, imu = np.concatenate(motions).astype(np.float64), np.concatenate(readings).astype(np.float64)
    size = np.sqrt(np.mean(motion**2, axis=0))
    still = [name for name, value, least in zip(_MOTION, size, _LEAST_MOTION, strict=True) if value < least]
    notes = (
        (f'Motion in {", ".join(still)} was not observed: motion_std has its least value there, which is not fitted.',)
        if still
        else ()
    )
    config = dataclasses.replace(
        config,
        # Root mean squares: a car goes forward, so the mean of z is no less to be learned than its spread.
        motion_std=tuple(np.maximum(size, _LEAST_MOTION).tolist()),
        imu_mean=tuple(imu.mean(axis=0).tolist()),
        imu_std=tuple(np.maximum(imu.std(axis=0), _LEAST_IMU).tolist()),
    )
    return config, notes
