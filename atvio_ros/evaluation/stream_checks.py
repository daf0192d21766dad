"""Checks on the two streams of a recording by themselves: rates, gaps, stamps, units, axes, range and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atvio_ros.evaluation.findings import Finding, error, graded, ok, warning
from atvio_ros.odometry.frame_pairs import PairingLimits
from atvio_ros.odometry.input_checks import (
    CLIPPED_FORCE,
    CLIPPED_READINGS,
    CLIPPED_TURN_RATE,
    GRAVITY,
    GRAVITY_BESIDE_DEG,
    GRAVITY_TOLERANCE,
    LARGEST_TURN_RATE,
    gravity_words,
)
from atvio_ros.types import FloatArray

SLOWEST_IMAGES_HZ, SLOWEST_IMU_HZ = 4.0, 50.0
FEW_IMAGES, FEW_READINGS = 10, 50
JITTER = 0.2, 0.6  # of the usual interval: warning, error
LOUD_GYRO, LOUD_FORCE = 0.1, 2.0  # rad/s and m/s^2 in the quietest second
VEHICLE_TILT_DEG = 10.0, 25.0  # 95 % of the means over 3 s lie within, seen from the mean of all
VEHICLE_TURNING = 0.15, 0.4  # rad/s about base x and y, root mean square
_TILT_S = 3.0


def image_findings(
    stamps_ns: NDArray[np.int64], sizes: set[tuple[int, int]], blank: int, undecoded: int
) -> list[Finding]:
    """Findings on images: stamps (N,) as recorded, their sizes (width, height), how many show nothing or fail."""
    if len(stamps_ns) < FEW_IMAGES:
        return [error('images', f'{len(stamps_ns)} images', f'Record at least {FEW_IMAGES}.')]
    limits = PairingLimits()
    found = _stamps('images', stamps_ns, limits.max_image_gap_ns / 1e9, SLOWEST_IMAGES_HZ, 'max_image_gap')
    if len(sizes) > 1:
        text = ', '.join(f'{width}x{height}' for width, height in sorted(sizes))
        found.append(error('image size', f'it changes: {text}', 'Set the camera to one size and calibrate it so.'))
    if blank or undecoded:
        share = (blank + undecoded) / (len(stamps_ns) + undecoded)
        text = f'{blank} images show nothing, {undecoded} cannot be decoded'
        found.append(graded('image content', text, share, (0.0, 0.2), 'Uncover the lens, check exposure and driver.'))
    return found


def imu_findings(stamps_ns: NDArray[np.int64], readings: FloatArray, R_base_imu: FloatArray) -> list[Finding]:
    """Findings on IMU readings (N, 6), in imu_link, at stamps (N,) as they were recorded."""
    finite = np.isfinite(readings).all(axis=1)
    if finite.sum() < FEW_READINGS:
        return [error('imu', f'{finite.sum()} usable IMU readings', 'Record the IMU, at 100 Hz or more.')]
    found = _stamps('imu', stamps_ns, PairingLimits().max_imu_gap_ns / 1e9, SLOWEST_IMU_HZ, 'max_imu_gap')
    if not finite.all():
        found.append(
            warning('imu values', f'{(~finite).sum()} readings hold NaN or infinity', 'Mend the driver of the IMU.')
        )
    order = np.argsort(stamps_ns[finite], kind='stable')
    stamps_ns, readings = stamps_ns[finite][order], readings[finite][order]
    return [*found, *_units(readings, R_base_imu), _range(readings), *_scatter(stamps_ns, readings)]


def vehicle_findings(stamps_ns: NDArray[np.int64], readings: FloatArray, R_base_imu: FloatArray) -> list[Finding]:
    """Whether the IMU is that of a vehicle on the ground."""
    finite = np.isfinite(readings).all(axis=1)
    stamps_ns, readings = stamps_ns[finite], readings[finite]
    if len(readings) < FEW_READINGS:
        return []
    block = ((stamps_ns - stamps_ns.min()) / (_TILT_S * 1e9)).astype(np.intp)
    count = np.bincount(block).astype(np.float64)
    kept = count > 0.5 * np.median(count[count > 0])
    means = np.stack([np.bincount(block, axis) / np.maximum(count, 1) for axis in readings[:, 3:].T], axis=1)[kept]
    middle = means.mean(axis=0)
    cosine = means @ middle / np.maximum(np.linalg.norm(means, axis=1) * np.linalg.norm(middle), 1e-9)
    tilt_deg = float(np.degrees(np.quantile(np.arccos(np.clip(cosine, -1.0, 1.0)), 0.95)))
    turning = (readings[:, :3] - np.median(readings[:, :3], axis=0)) @ R_base_imu.T
    beside = float(np.sqrt(np.mean(turning[:, 0] ** 2 + turning[:, 1] ** 2)))
    advice = (
        'This is no motion of a vehicle on the ground (a drone, or held in the hand?): the road cannot measure it. '
        'If it is one, check base_to_imu and how the IMU is fixed.'
    )
    return [
        graded('vehicle: tilt', f'gravity tips by up to {tilt_deg:.0f} deg', tilt_deg, VEHICLE_TILT_DEG, advice),
        graded(
            'vehicle: rolling', f'it turns about base x and y at {beside:.2f} rad/s', beside, VEHICLE_TURNING, advice
        ),
    ]


def _stamps(name: str, stamps_ns: NDArray[np.int64], gap_s: float, slowest_hz: float, parameter: str) -> list[Finding]:
    back = int((np.diff(stamps_ns) <= 0).sum())
    found = []
    if back:
        text = f'{back} of {len(stamps_ns)} stamps do not increase'
        advice = 'Stamp with the time of measurement, from one clock, in the driver.'
        found.append(graded(f'{name}: stamps', text, back / len(stamps_ns), (0.0, 0.05), advice))
    steps_s: FloatArray = np.diff(np.unique(stamps_ns)).astype(np.float64) / 1e9
    if not len(steps_s):
        return [*found, error(f'{name}: rate', 'all stamps are the same', 'Stamp with the time of measurement.')]
    usual_s = float(np.median(steps_s))
    text = f'{1.0 / usual_s:.1f} Hz'
    slow = 1.0 / usual_s < slowest_hz
    advice = f'Set its driver to {slowest_hz:g} Hz or more.'
    found.append(warning(f'{name}: rate', text, advice) if slow else ok(f'{name}: rate', text))
    gaps = steps_s > gap_s
    if gaps.any():
        text = f'{gaps.sum()} gaps over {1e3 * gap_s:.0f} ms, the longest {steps_s.max():.2f} s'
        advice = f'Each one interrupts the odometry. Mend driver, network or disk, or raise {parameter}.'
        found.append(graded(f'{name}: gaps', text, float(steps_s[gaps].sum() / steps_s.sum()), (0.0, 0.1), advice))
    else:
        found.append(ok(f'{name}: gaps', f'none over {1e3 * gap_s:.0f} ms'))
    jitter = float(np.std(steps_s[~gaps])) / usual_s if (~gaps).sum() > 1 else 0.0
    advice = 'Stamp with the time of measurement (of the exposure), not with that of arrival.'
    found.append(graded(f'{name}: jitter', f'{100 * jitter:.0f} % of the interval', jitter, JITTER, advice))
    return found


def _units(readings: FloatArray, R_base_imu: FloatArray) -> list[Finding]:
    gravity = R_base_imu @ readings[:, 3:].mean(axis=0)
    length = float(np.linalg.norm(gravity))
    found = []
    if abs(length - GRAVITY) > GRAVITY_TOLERANCE:
        found.append(error('imu: gravity', gravity_words(length), 'Mend the driver: REP 145, specific force in m/s^2.'))
    else:
        found.append(ok('imu: gravity', f'{length:.2f} m/s^2'))
    if length > GRAVITY / 20:
        beside = float(np.degrees(np.arccos(np.clip(gravity[2] / length, -1.0, 1.0))))
        advice = 'Set base_to_imu (or mend /tf_static) so that gravity is +9.81 on base z. Is it a ground vehicle?'
        found.append(
            graded('imu: axes', f'gravity is {beside:.0f} deg from base z', beside, (10.0, GRAVITY_BESIDE_DEG), advice)
        )
    fastest = float(np.quantile(np.abs(readings[:, :3]).max(axis=1), 0.999))
    usual = float(np.median(np.linalg.norm(readings[:, :3], axis=1)))
    if fastest > LARGEST_TURN_RATE or usual > 3.0:
        advice = 'Does the driver publish degrees per second? Multiply by pi / 180.'
        found.append(error('imu: gyro units', f'it turns at {usual:.1f} rad/s, up to {fastest:.0f}', advice))
    else:
        found.append(ok('imu: gyro units', f'up to {fastest:.2f} rad/s'))
    return found


def _range(readings: FloatArray) -> Finding:
    large = np.abs(readings) >= np.array([CLIPPED_TURN_RATE] * 3 + [CLIPPED_FORCE] * 3)
    same = np.zeros_like(large)
    same[1:] = (readings[1:] == readings[:-1]) & large[1:]
    windows = np.lib.stride_tricks.sliding_window_view(same, CLIPPED_READINGS - 1, axis=0)  # (N, 6, readings)
    stuck = np.flatnonzero(windows.min(axis=2).max(axis=0))
    if not len(stuck):
        return ok('imu: range', 'no axis stays at its end')
    sensor = 'gyro' if stuck[0] < 3 else 'accelerometer'
    return error('imu: range', f'the {sensor} is at the end of its range', 'Set a larger range in its driver.')


def _scatter(stamps_ns: NDArray[np.int64], readings: FloatArray) -> list[Finding]:
    block = ((stamps_ns - stamps_ns[0]) // 1_000_000_000).astype(np.intp)
    edges = np.flatnonzero(np.diff(block)) + 1
    deviations = np.array([part.std(axis=0) for part in np.split(readings, edges) if len(part) >= 10])
    if not len(deviations):
        return []
    gyro, force = float(deviations[:, :3].max(axis=1).min()), float(deviations[:, 3:].max(axis=1).min())
    text = f'{gyro:.4f} rad/s and {force:.2f} m/s^2 in the quietest second'
    advice = 'Fix the IMU softly to the frame, lower its bandwidth, or take a better one. Rest is found late.'
    loud = max(gyro / LOUD_GYRO, force / LOUD_FORCE)
    dead = min(gyro, force) == 0.0
    if dead:
        return [warning('imu: noise', 'readings repeat to the bit for a second', 'Check that the driver is alive.')]
    return [graded('imu: noise', text, loud, (1.0, 5.0), advice)]
