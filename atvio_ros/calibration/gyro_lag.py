"""How far a gyro lags a reference of rotation: the shift in time at which its integral explains the rotations best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atvio_ros.calibration.gyro_recording import GyroRecording, RecordedGyro
from atvio_ros.calibration.jackknife import jackknife
from atvio_ros.errors import ImuError
from atvio_ros.types import FloatArray

LEAST_PAIRS = 30
LEAST_EXPLAINED = 0.3  # of the rotation's variance; less, and the streams do not belong together
RIVAL_SHARE = 0.9  # of the best shift's explanation; above, the motion repeats itself
RIVAL_DISTANCE_S = 0.1
MAX_ERROR_S = 0.01
_STEP_S = 0.005
_ITERATIONS = 12
_CAUCHY = 2.385  # 95 % efficiency on Gaussian errors


@dataclass(frozen=True)
class GyroLag:
    """A gyro reading stamped t + lag_s describes the motion at t."""

    lag_s: float
    standard_error_s: float  # jackknife over parts of the recording
    pairs: int  # that entered
    explained: float  # share of the rotation's variance that the shifted gyro explains, of typical pairs
    bias: FloatArray  # (3,) rad/s, of the gyro against the reference


def estimate_gyro_lag(recording: GyroRecording, search_s: float = 0.5) -> GyroLag:
    """The lag in [-search_s, search_s] at which the gyro's integral comes closest to the rotations of the pairs.

    Pairs and gyro in the same axes, those of base_link. A scan finds the valley of the sum of squares; within it robust
    least squares (Cauchy weights) solve for lag and bias, each axis weighted by its own scatter; leaving out one tenth
    of the recording after the other gives the error. Raises ImuError that says why when the recording does not suffice:
    too short, too little rotation, a motion that repeats itself, streams that do not match, or a lag at the end of the
    range.
    """
    pairs, gyro = recording.pairs, recording.gyro
    start_s, end_s = recording.intervals()
    usable = gyro.known(start_s - search_s, end_s + search_s)
    if usable.sum() < LEAST_PAIRS:
        raise ImuError(
            f'Only {usable.sum()} of {len(pairs)} frame pairs have gyro readings without holes from {search_s:g} s '
            f'before to {search_s:g} s after them; {LEAST_PAIRS} are needed. Take a longer recording '
            'or a smaller --search.'
        )
    coarse_s = _scan(gyro, start_s[usable], end_s[usable], pairs.rotation[usable], search_s)
    usable = gyro.known(start_s + coarse_s - 2 * _STEP_S, end_s + coarse_s + 2 * _STEP_S)
    lag = _refine(gyro, start_s[usable], end_s[usable], pairs.rotation[usable], coarse_s)
    if not abs(lag.lag_s) < search_s:
        raise ImuError(_at_the_end(search_s))
    if not lag.standard_error_s <= MAX_ERROR_S:
        raise ImuError(
            f'The recording turns too little to tell: the lag would be {1e3 * lag.lag_s:.0f} ms with a standard '
            f'error of {1e3 * lag.standard_error_s:.0f} ms. Record a minute with several sharp turns.'
        )
    return lag


def _scan(gyro: RecordedGyro, start_s: FloatArray, end_s: FloatArray, rotation: FloatArray, search_s: float) -> float:
    """The best lag on a grid."""
    lags_s = np.arange(-search_s, search_s + 0.5 * _STEP_S, _STEP_S)
    still = np.abs(rotation - np.median(rotation, axis=0))
    largest = np.quantile(np.abs(gyro.turned(start_s, end_s)), 0.99, axis=0)
    limit = np.maximum(largest, 1e-4)  # [rad] what the gyro never turns is no reference but an error
    misfit = np.empty(len(lags_s))
    for i, lag_s in enumerate(lags_s):
        residual = rotation - gyro.turned(start_s + lag_s, end_s + lag_s)
        misfit[i] = np.sum(np.clip(residual - np.median(residual, axis=0), -limit, limit) ** 2)
    nothing = np.sum(np.minimum(still, limit) ** 2)
    explained = 1.0 - misfit / nothing if nothing > 0.0 else np.zeros(len(lags_s))
    best = int(np.argmax(explained))
    if explained[best] < LEAST_EXPLAINED:
        raise ImuError(
            f'The gyro explains {100 * max(0.0, explained[best]):.0f} % of the rotation at best, at least '
            f'{100 * LEAST_EXPLAINED:.0f} % are needed. The recording turns too little, the stamps are further '
            'apart than --search, or the mounting of camera or IMU (/tf_static) or the intrinsics are wrong.'
            ' Record a minute with several sharp turns, or correct what is wrong.'
        )
    if best in (0, len(lags_s) - 1):
        raise ImuError(_at_the_end(search_s))
    peaks = np.flatnonzero((explained[1:-1] > explained[:-2]) & (explained[1:-1] >= explained[2:])) + 1
    rivals = peaks[np.abs(lags_s[peaks] - lags_s[best]) > RIVAL_DISTANCE_S]
    rival = rivals[np.argmax(explained[rivals])] if len(rivals) else None
    if rival is not None and explained[rival] > RIVAL_SHARE * explained[best]:
        raise ImuError(
            f'The lag is ambiguous: {1e3 * lags_s[best]:.0f} ms and {1e3 * lags_s[rival]:.0f} ms fit about equally '
            'well, for the motion repeats itself. Use a recording with irregular turns, or a smaller --search.'
        )
    return float(lags_s[best])


def _refine(gyro: RecordedGyro, start_s: FloatArray, end_s: FloatArray, rotation: FloatArray, lag_s: float) -> GyroLag:
    """Gauss-Newton on lag and bias from within the valley, reweighted in each step."""
    interval_s = end_s - start_s
    bias = np.zeros(3)
    for _ in range(_ITERATIONS):
        change = gyro.change(start_s + lag_s, end_s + lag_s)
        residual = rotation - gyro.turned(start_s + lag_s, end_s + lag_s)  # what a later window and a bias must explain
        weight = cauchy_weights(residual - interval_s[:, None] * bias)
        step_s, bias = _solve(change, residual, interval_s, weight)
        lag_s += step_s
    change = gyro.change(start_s + lag_s, end_s + lag_s)
    residual = rotation - gyro.turned(start_s + lag_s, end_s + lag_s)
    weight = cauchy_weights(residual - interval_s[:, None] * bias)
    typical = weight > 0.5 * weight.max(axis=0)
    left = np.where(typical, weight * (residual - interval_s[:, None] * bias) ** 2, 0.0).sum()
    whole = np.where(typical, weight * (rotation - np.median(rotation, axis=0)) ** 2, 0.0).sum()
    return GyroLag(
        lag_s=float(lag_s),
        standard_error_s=_jackknife(change, residual, interval_s, weight),
        pairs=len(rotation),
        explained=float(1.0 - left / whole) if whole > 0.0 else 0.0,
        bias=-bias,
    )


def cauchy_weights(residual: FloatArray) -> FloatArray:
    """(N, 3): one over the variance of the axis, less for what lies outside it."""
    scale = np.maximum(1.4826 * np.median(np.abs(residual - np.median(residual, axis=0)), axis=0), 1e-9)
    return np.asarray(1.0 / (scale**2 * (1.0 + (residual / (_CAUCHY * scale)) ** 2)))


def _solve(
    change: FloatArray, residual: FloatArray, interval_s: FloatArray, weight: FloatArray
) -> tuple[float, FloatArray]:
    """Weighted least squares of residual = change * step + interval * bias: step [s], bias (3,) [rad/s]."""
    aa = np.sum(weight * change**2)
    ab = np.sum(weight * change * interval_s[:, None], axis=0)
    bb = np.sum(weight * interval_s[:, None] ** 2, axis=0)
    ay = np.sum(weight * change * residual)
    by = np.sum(weight * residual * interval_s[:, None], axis=0)
    remaining = aa - np.sum(ab**2 / bb)
    if not remaining > 0.0:
        raise ImuError('The recording does not turn at all. Record a minute with several sharp turns.')
    step_s = float((ay - np.sum(ab * by / bb)) / remaining)
    return float(np.clip(step_s, -_STEP_S, _STEP_S)), (by - ab * step_s) / bb


def _jackknife(change: FloatArray, residual: FloatArray, interval_s: FloatArray, weight: FloatArray) -> float:
    """Standard error [s] from leaving out part after part of the recording: neighbouring errors go together."""
    return float(
        jackknife(
            lambda kept: np.array(_solve(change[kept], residual[kept], interval_s[kept], weight[kept])[0]),
            len(residual),
        )
    )


def _at_the_end(search_s: float) -> str:
    return (
        f'The best lag lies at the end of the range searched, {search_s:g} s. Give a larger --search, or check that '
        'the IMU and the images are stamped by the same clock.'
    )
