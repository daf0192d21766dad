"""Simulated IMUs: KITTI's OXTS RT3003 with the delay of its filtered outputs, an ideal one, and an ordinary MEMS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from atvio_ros.drives.kitti_tables import READINGS_PER_IMAGE, read_imu_table
from atvio_ros.errors import ImuError
from atvio_ros.rendering.trajectory import Motion
from atvio_ros.settings import setting
from atvio_ros.types import NANOSECONDS, FloatArray

KITTI_RATE_HZ = 100.0


@dataclass(frozen=True)
class ImuSettings:
    """Errors of the simulated IMU. The defaults are like those seen in KITTI's packets."""

    gyro_delay: float = setting(0.065, 'Delay of the angular velocity [s]; KITTI has 0.06 to 0.07.', minimum=0.0)
    accelerometer_delay: float = setting(0.015, 'Delay of the specific force [s]; 0.01 to 0.02.', minimum=0.0)
    gyro_noise: float = setting(0.0005, 'White noise of the angular velocity, per sample [rad/s].', minimum=0.0)
    accelerometer_noise: float = setting(0.01, 'White noise of the specific force, per sample [m/s^2].', minimum=0.0)
    gyro_bias: float = setting(1.0e-4, 'Spread of the constant gyro bias, per axis [rad/s].', minimum=0.0)
    accelerometer_bias: float = setting(0.04, 'Spread of the constant accelerometer bias [m/s^2].', minimum=0.0)
    gyro_vibration: float = setting(0.0025, 'Road vibration in roll and pitch rate at 8 m/s [rad/s].', minimum=0.0)
    accelerometer_vibration: float = setting(0.1, 'Road vibration on the z axis at 8 m/s [m/s^2].', minimum=0.0)
    gyro_noise_density: float = setting(0.0, 'White noise of the gyro besides [rad/s/sqrt(Hz)].', minimum=0.0)
    accelerometer_noise_density: float = setting(0.0, 'Likewise of the specific force [m/s^2/sqrt(Hz)].', minimum=0.0)
    gyro_bias_walk: float = setting(0.0, 'Random walk of the gyro bias [rad/s/sqrt(s)].', minimum=0.0)
    gyro_bias_ramp: float = setting(0.0, 'Spread of a steady drift of the gyro bias [rad/s each minute].', minimum=0.0)


IDEAL = ImuSettings(
    gyro_delay=0.0,
    accelerometer_delay=0.0,
    gyro_noise=1.0e-5,
    accelerometer_noise=1.0e-3,
    gyro_bias=0.0,
    accelerometer_bias=0.0,
    gyro_vibration=0.0,
    accelerometer_vibration=0.0,
)
MEMS = ImuSettings(  # of a few euros: unfiltered, noisy, and its bias follows the temperature
    gyro_delay=0.0,
    accelerometer_delay=0.0,
    gyro_noise=0.0,
    accelerometer_noise=0.0,
    gyro_bias=float(np.radians(0.5)),
    accelerometer_bias=0.3,
    gyro_noise_density=0.005,
    accelerometer_noise_density=0.02,
    gyro_bias_walk=1.0e-4,
    gyro_bias_ramp=float(np.radians(0.1)),
)
QUALITIES = {'kitti': ImuSettings(), 'ideal': IDEAL, 'mems': MEMS}


def simulate_imu(
    motion: Motion,
    stamps_ns: NDArray[np.int64],
    settings: ImuSettings,
    rng: np.random.Generator,
    start_ns: int | None = None,
    rate_hz: float = KITTI_RATE_HZ,
) -> FloatArray:
    """Readings (M, 6) at stamps (M,) [ns]; the motion starts at `start_ns`, without it at the first of them.

    Columns: wx wy wz [rad/s], ax ay az [m/s^2] in base axes, gravity included (REP 145). A noise density d is one of
    d sqrt(rate) in each reading.
    """
    times_s = (stamps_ns - (stamps_ns[0] if start_ns is None else start_ns)) / NANOSECONDS
    count = len(times_s)
    liveliness = np.minimum(motion.speed(times_s) / 8.0, 1.5)[:, None]
    gyro_shake = _vibration(count, rng, rate_hz) * (1.0, 1.0, 0.15) * settings.gyro_vibration
    force_shake = _vibration(count, rng, rate_hz) * (0.5, 0.8, 1.0) * settings.accelerometer_vibration
    gyro = motion.angular_velocity(times_s - settings.gyro_delay) + liveliness * gyro_shake
    force = motion.specific_force(times_s - settings.accelerometer_delay) + liveliness * force_shake
    root_hz = np.sqrt(rate_hz)
    gyro_noise = np.hypot(settings.gyro_noise, settings.gyro_noise_density * root_hz)
    force_noise = np.hypot(settings.accelerometer_noise, settings.accelerometer_noise_density * root_hz)
    gyro += rng.normal(0.0, settings.gyro_bias, 3) + rng.normal(0.0, gyro_noise, (count, 3))
    force += rng.normal(0.0, settings.accelerometer_bias, 3)
    force += rng.normal(0.0, force_noise, (count, 3))
    gyro += np.cumsum(rng.normal(0.0, settings.gyro_bias_walk / root_hz, (count, 3)), axis=0)
    gyro += np.outer((times_s - times_s[0]) / 60.0, rng.normal(0.0, settings.gyro_bias_ramp, 3))
    return np.concatenate((gyro, force), axis=1)


def read_imu(path: Path, images: int, first: int = 0) -> FloatArray:
    """Recorded readings (10 (images - 1) + 1, 6), gyro first, of the images from `first` on; see read_imu_table.

    Raises DatasetError when the file is missing or malformed, ImuError when it is too short.
    """
    table = read_imu_table(path)
    begin = READINGS_PER_IMAGE * first
    end = begin + READINGS_PER_IMAGE * (images - 1) + 1
    if len(table) < end:
        raise ImuError(
            f'{path} holds {len(table)} readings; {first + images} images need {end}, ten per image interval.'
            ' Give the readings of the whole drive.'
        )
    return table[begin:end]


def _vibration(samples: int, rng: np.random.Generator, rate_hz: float) -> FloatArray:
    """Noise (N, 3) of unit deviation, mostly between 5 and 20 Hz, as wheels and engine shake a sensor."""
    noise = rng.standard_normal((samples, 3))
    faster = rate_hz / KITTI_RATE_HZ
    band = gaussian_filter1d(noise, 0.8 * faster, axis=0) - gaussian_filter1d(noise, 3.0 * faster, axis=0)
    return np.asarray(band / (0.46 / np.sqrt(faster)))  # the same power, spread over so many more readings
