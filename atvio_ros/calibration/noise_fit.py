"""Fits MotionNoise to a network's errors on drives with ground truth: what its covariances stand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from atvio_ros.geometry import rotation_angle, rotation_vectors
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.types import FloatArray

FEWEST_PAIRS = 100  # that a fit is made from; with fewer the model stays uncalibrated
LENGTHS_M = (10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)  # candidates for scale_length_m
TIMES_S = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)  # candidates for creep_time_s and drift_time_s
_HORIZONS = tuple(2**n for n in range(10))  # pairs over which errors are added up
_FEWEST_WINDOWS = 12  # of a horizon, without overlap
_CLASSES = 3  # by distance, and by angle: tells shares from floors
LEAST_FLOOR_M, LEAST_FLOOR_RAD = 1e-4, 1e-5
_LEAST_SQUARE = 1e-20
_LEAST_TURN_RAD_S = 0.05  # 3 deg/s, reached in 2 % of the time


@dataclass(frozen=True)
class MotionErrors:
    """Errors of the motions of base_link over N successive frame pairs of one drive."""

    errors: FloatArray  # (N, 6) x y z [m], rotation vector [rad], in base_link's axes before each motion
    distance_m: FloatArray  # (N,) as estimated: what is known when a covariance is told
    angle_rad: FloatArray  # (N,) as estimated
    interval_s: FloatArray  # (N,)


def motion_errors(estimate: FloatArray, truth: FloatArray, interval_s: FloatArray) -> MotionErrors:
    """Errors of estimated motions (N, 4, 4) of base_link, T_previous_current, against the true ones."""
    rotation = rotation_vectors(estimate[:, :3, :3] @ np.swapaxes(truth[:, :3, :3], 1, 2))
    return MotionErrors(
        np.concatenate((estimate[:, :3, 3] - truth[:, :3, 3], rotation), axis=1),
        np.linalg.norm(estimate[:, :3, 3], axis=1),
        rotation_angle(estimate[:, :3, :3]),
        interval_s,
    )


def fit_noise(drives: Sequence[MotionErrors], fitted_to: str) -> MotionNoise:
    """The noise whose variances are those of the errors, added up over 1 to 512 pairs; `fitted_to` names the data.

    One pair tells the white part, many the slow parts. The variance of a sum is linear in the squares of the
    deviations; those are found by maximum likelihood, as if each class of windows had given a sample variance (the
    gamma likelihood), for every candidate of memory, and the likeliest is taken. Per axis; a constant error is slow.
    Fewer than FEWEST_PAIRS pairs give the defaults, not calibrated. Errors in turns are 0 where turns_told is False.
    """
    drives = [drive for drive in drives if len(drive.errors) > 0]
    if sum(len(drive.errors) for drive in drives) < FEWEST_PAIRS:
        return MotionNoise()
    classes = _tabulate(drives)
    told = np.array([True, True, turns_told(drives)])  # columns of `white`
    translation = [_fit_translation(classes, axis, told) for axis in range(3)]
    rotation = [_fit_rotation(classes, axis, told) for axis in range(3, 6)]
    names = (
        ('translation_floor_m', 'translation_share', 'translation_turn_m', 'scale', 'creep'),
        ('rotation_floor_rad', 'rotation_share', 'rotation_turn', 'drift'),
    )
    fitted: dict[str, list[float]] = {}
    for group, fits in zip(names, (translation, rotation), strict=True):
        for k, name in enumerate(group):
            fitted[name] = [fit.deviations[k] for fit in fits]
    for k, (name, fits) in enumerate(
        (('scale_length_m', translation), ('creep_time_s', translation), ('drift_time_s', rotation))
    ):
        fitted[name] = [fit.memories[k % 2] for fit in fits]
    for name, least in (('translation_floor_m', LEAST_FLOOR_M), ('rotation_floor_rad', LEAST_FLOOR_RAD)):
        fitted[name] = [max(value, least) for value in fitted[name]]
    rounded = {name: tuple(float(f'{value:.4g}') for value in values) for name, values in fitted.items()}
    return MotionNoise(**rounded, fitted_to=fitted_to)  # type: ignore[arg-type]


def turns_told(drives: Sequence[MotionErrors]) -> bool:
    """Whether the drives turn enough to tell errors in turns: else nothing bounds them, and any value may come out."""
    rates = [np.abs(drive.angle_rad) / np.maximum(drive.interval_s, 1e-6) for drive in drives if len(drive.errors)]
    return bool(rates) and float(np.quantile(np.concatenate(rates), 0.98)) > _LEAST_TURN_RAD_S


@dataclass(frozen=True)
class _Classes:
    """Errors added up over windows of pairs; R classes of windows that are alike in pairs, distance and angle."""

    white: FloatArray  # (R, 3) mean over windows of: pairs, sum of distance^2, sum of angle^2
    scale: FloatArray  # (R, len(LENGTHS_M)) variance of the sum for a scale error of deviation 1
    creep: FloatArray  # (R, len(TIMES_S)) likewise for an error of the rate
    observed: FloatArray  # (R, 6) mean square of the sums, by axis
    samples: FloatArray  # (R,) independent windows, about


@dataclass(frozen=True)
class _Fit:
    cost: float  # minus the log likelihood but for a constant
    deviations: FloatArray
    memories: tuple[float, ...]


def _fit_translation(classes: _Classes, axis: int, told: NDArray[np.bool_]) -> _Fit:
    fits = []
    for k, length_m in enumerate(LENGTHS_M):
        for j, time_s in enumerate(TIMES_S):
            features = np.column_stack((classes.white[:, told], classes.scale[:, k], classes.creep[:, j]))
            fits.append(_fit(features, classes.observed[:, axis], classes.samples, (length_m, time_s)))
    return _with_zeros(min(fits, key=lambda fit: fit.cost), told)


def _fit_rotation(classes: _Classes, axis: int, told: NDArray[np.bool_]) -> _Fit:
    fits = []
    for j, time_s in enumerate(TIMES_S):
        features = np.column_stack((classes.white[:, told], classes.creep[:, j]))
        fits.append(_fit(features, classes.observed[:, axis], classes.samples, (time_s,)))
    return _with_zeros(min(fits, key=lambda fit: fit.cost), told)


def _with_zeros(fit: _Fit, told: NDArray[np.bool_]) -> _Fit:
    """The fit with a deviation of 0 for each white column that was left out."""
    places = np.flatnonzero(~told) - np.arange(np.count_nonzero(~told))
    return _Fit(fit.cost, np.insert(fit.deviations, places, 0.0), fit.memories)


def _fit(features: FloatArray, observed: FloatArray, samples: FloatArray, memories: tuple[float, ...]) -> _Fit:
    """The likeliest deviations (K,) for features (R, K) that multiply their squares."""
    scale = np.maximum(np.mean(features / observed[:, None], axis=0), 1e-300)
    features = features / (scale * observed[:, None])  # all of order 1, and observed 1
    weights = samples / samples.sum()

    def cost(logarithms: FloatArray) -> tuple[float, FloatArray]:
        parts = features * np.exp(logarithms)
        predicted = parts.sum(axis=1)
        slope = weights * (1.0 / predicted - 1.0 / predicted**2)
        return float(weights @ (np.log(predicted) + 1.0 / predicted)), slope @ parts

    bounds = [(-30.0, 10.0)] * features.shape[1]
    found = minimize(cost, np.full(features.shape[1], -1.0), jac=True, method='L-BFGS-B', bounds=bounds)
    squares = np.where(found.x > -15.0, np.exp(found.x), 0.0) / scale
    return _Fit(float(found.fun), np.sqrt(squares), memories)


def _tabulate(drives: Sequence[MotionErrors]) -> _Classes:
    rows: list[FloatArray] = []
    samples: list[float] = []
    for horizon in _HORIZONS:
        long_enough = [drive for drive in drives if len(drive.errors) >= horizon]
        if horizon > 1 and sum(len(drive.errors) // horizon for drive in long_enough) < _FEWEST_WINDOWS:
            break
        windows = np.concatenate([_windows(drive, horizon) for drive in long_enough])
        for members in _alike(windows):
            rows.append(members.mean(axis=0))
            samples.append(len(members) / (1.0 if horizon == 1 else 2.0))  # they overlap by half
    ends = np.cumsum([3, len(LENGTHS_M), len(TIMES_S)])
    white, scale, creep, squares = np.split(np.array(rows), ends, axis=1)
    return _Classes(white, scale, creep, np.maximum(squares, _LEAST_SQUARE), np.array(samples))


def _alike(windows: FloatArray) -> Iterator[FloatArray]:
    """The windows (rows) by distance, and those by angle: tells shares from floors."""
    for near in np.array_split(windows[np.argsort(windows[:, 1], kind='stable')], _CLASSES):
        for group in np.array_split(near[np.argsort(near[:, 2], kind='stable')], _CLASSES):
            if len(group):
                yield group


def _windows(drive: MotionErrors, horizon: int) -> FloatArray:
    """A row for each window of `horizon` pairs, which overlap by half: the columns of _Classes side by side."""
    starts = np.arange(0, len(drive.errors) - horizon + 1, max(1, horizon // 2))
    rows = starts[:, None] + np.arange(horizon)  # (W, horizon)
    distance_m, interval_s = drive.distance_m[rows], drive.interval_s[rows]
    return np.column_stack(
        (
            np.full(len(starts), float(horizon)),
            (distance_m**2).sum(axis=1),
            (drive.angle_rad[rows] ** 2).sum(axis=1),
            *(_slow(distance_m, length_m) for length_m in LENGTHS_M),
            *(_slow(interval_s, time_s) for time_s in TIMES_S),
            drive.errors[rows].sum(axis=1) ** 2,
        )
    )


def _slow(reach: FloatArray, memory: float) -> FloatArray:
    """(W,) variance of the sum over each row of (W, H) reach * slow error, whose deviation is 1."""
    left = np.exp(-reach / memory)
    total, carried = np.zeros(len(reach)), np.zeros(len(reach))
    for k in range(reach.shape[1]):
        total += reach[:, k] ** 2 + 2.0 * reach[:, k] * carried
        carried = (carried + reach[:, k]) * left[:, k]
    return total
