"""How a gyro sits and errs: lag, rotation against the camera and bias, together, each with its standard error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from atvio_ros.calibration.gyro_lag import LEAST_EXPLAINED, LEAST_PAIRS, GyroLag, cauchy_weights, estimate_gyro_lag
from atvio_ros.calibration.gyro_recording import GyroRecording, RecordedGyro, RotationPairs
from atvio_ros.calibration.jackknife import jackknife
from atvio_ros.errors import ImuError
from atvio_ros.geometry import nearest_rotation
from atvio_ros.types import FloatArray

MOST_ROTATION_SIGMA = float(np.radians(0.5))  # an axis that is known less well counts as not observed
MOST_BIAS_SIGMA = 0.003  # rad/s
MOST_LAG_SIGMA_S = 0.006  # about the vertical alone; with more, the other axes help
_STEPS = 10
_STEP_S = 0.02  # of the search without a mounting to start from
_LAG, _TURN, _BIAS = slice(0, 1), slice(1, 4), slice(4, 7)  # columns of the unknowns


@dataclass(frozen=True)
class GyroMounting:
    """Rotation of the camera over a pair = R_camera_imu (integral of the gyro, lag_s later, - bias * interval)."""

    lag_s: float  # about the vertical, where the drive shows it: the heading bends a trajectory for good
    lag_sigma_s: float
    all_axes_lag_s: float  # of shaking, too: a gyro may filter its axes differently
    R_camera_imu: FloatArray  # (3, 3); where an axis was not observed, as it was given
    rotation_sigma: FloatArray  # (3,) rad, about the camera's axes; inf: not observed
    bias: FloatArray  # (3,) rad/s, in imu_link
    bias_sigma: FloatArray  # (3,) rad/s
    pairs: int  # that entered
    explained: float  # share of the rotation's variance that the gyro explains, of typical pairs
    from_nothing: bool  # the given mounting was so wrong that it was found without it

    @property
    def observed(self) -> NDArray[np.bool_]:
        """(3,) about which of the camera's axes the mounting was found."""
        return np.isfinite(self.rotation_sigma)


def fit_mounting(
    pairs: RotationPairs,
    stamps_ns: NDArray[np.int64],
    angular_velocity: FloatArray,
    R_nominal: FloatArray,
    down: FloatArray,
    search_s: float = 0.5,
) -> GyroMounting:
    """Fit to rotations of the camera (`pairs`, in its axes) and the gyro's readings (M, 3) [rad/s] in imu_link.

    `stamps_ns` (M,) are theirs. `R_nominal` (3, 3), R_camera_imu as it is given, is where the search begins, and is
    kept about axes that the motion does not show: a car turns about one axis and shakes about the others. `down` (3,)
    is the vertical, in the camera. Raises ImuError as estimate_gyro_lag does.
    """
    gyro = RecordedGyro(stamps_ns, angular_velocity)
    from_nothing = False
    try:
        lag, R = _lag_with(pairs, stamps_ns, angular_velocity, R_nominal, search_s), R_nominal
    except ImuError:
        found = _search(GyroRecording(pairs, gyro), search_s)
        if found is None:
            raise
        from_nothing, R = True, found
        lag = _lag_with(pairs, stamps_ns, angular_velocity, R, search_s)
    start_s, end_s = gyro.seconds(pairs.start_ns), gyro.seconds(pairs.end_ns)
    known = gyro.known(start_s + lag.lag_s - 0.02, end_s + lag.lag_s + 0.02)
    problem = _Problem(gyro, start_s[known], end_s[known], pairs.rotation[known])
    free = np.ones(7, dtype=bool)
    fit = problem.solve(lag.lag_s, R, free)
    unseen = ~(fit.sigma[_TURN] <= MOST_ROTATION_SIGMA)
    if unseen.any() and not from_nothing:
        free[_TURN] = ~unseen
        fit = problem.solve(lag.lag_s, R, free)
    lag_s, lag_sigma_s = problem.lag_about(down, fit)
    if not lag_sigma_s <= max(MOST_LAG_SIGMA_S, float(fit.sigma[0])):
        lag_s, lag_sigma_s = fit.lag_s, float(fit.sigma[0])
    return GyroMounting(
        lag_s=lag_s,
        lag_sigma_s=lag_sigma_s,
        all_axes_lag_s=fit.lag_s,
        R_camera_imu=fit.R,
        rotation_sigma=np.where(unseen, np.inf, fit.sigma[_TURN]),
        bias=fit.bias,
        bias_sigma=fit.sigma[_BIAS],
        pairs=int(known.sum()),
        explained=problem.explained(fit),
        from_nothing=from_nothing,
    )


def _lag_with(
    pairs: RotationPairs, stamps_ns: NDArray[np.int64], angular_velocity: FloatArray, R: FloatArray, search_s: float
) -> GyroLag:
    return estimate_gyro_lag(GyroRecording(pairs, RecordedGyro(stamps_ns, angular_velocity @ R.T)), search_s)


def _search(recording: GyroRecording, search_s: float) -> FloatArray | None:
    """R_camera_imu without any idea of it: the best rotation (Kabsch) at each lag. None where none explains much."""
    start_s, end_s = recording.intervals()
    usable = recording.gyro.known(start_s - search_s, end_s + search_s)
    if usable.sum() < LEAST_PAIRS:
        return None
    seen = recording.pairs.rotation[usable]
    seen = seen - np.median(seen, axis=0)
    seen = seen * np.minimum(1.0, 0.3 / np.maximum(np.linalg.norm(seen, axis=1), 1e-9))[:, None]
    best, best_R = np.inf, None
    for lag_s in np.arange(-search_s, search_s + 0.5 * _STEP_S, _STEP_S):
        felt = recording.gyro.turned(start_s[usable] + lag_s, end_s[usable] + lag_s)
        felt = felt - np.median(felt, axis=0)
        limit = 3.0 * np.quantile(np.linalg.norm(felt, axis=1), 0.99)
        near = np.linalg.norm(seen, axis=1) <= limit
        R = nearest_rotation(seen[near].T @ felt[near])
        misfit = float(np.sum((seen[near] - felt[near] @ R.T) ** 2) / max(np.sum(seen[near] ** 2), 1e-12))
        if misfit < best:
            best, best_R = misfit, R
    return best_R if best < 1.0 - LEAST_EXPLAINED else None


@dataclass(frozen=True)
class _Fit:
    lag_s: float
    R: FloatArray
    bias: FloatArray
    sigma: FloatArray  # (7,) of lag, turn and bias; inf where fixed or not told at all


class _Problem:
    def __init__(self, gyro: RecordedGyro, start_s: FloatArray, end_s: FloatArray, rotation: FloatArray) -> None:
        self._gyro, self._start_s, self._end_s, self._rotation = gyro, start_s, end_s, rotation
        self._interval_s = end_s - start_s

    def solve(self, lag_s: float, R: FloatArray, free: NDArray[np.bool_]) -> _Fit:
        """Gauss-Newton with Cauchy weights on those of the seven unknowns that are `free`."""
        bias = np.zeros(3)
        for _ in range(_STEPS):
            J, residual = self._linearised(lag_s, R, bias)
            step = _least_squares(J[:, :, free], residual, cauchy_weights(residual), free)
            lag_s += float(np.clip(step[0], -_STEP_S, _STEP_S))
            R = Rotation.from_rotvec(step[_TURN]).as_matrix() @ R
            bias = bias + step[_BIAS]
        J, residual = self._linearised(lag_s, R, bias)
        weights = cauchy_weights(residual)
        J = J[:, :, free]
        by_parts = jackknife(lambda kept: _least_squares(J[kept], residual[kept], weights[kept], free), len(residual))
        formal = np.zeros(7)
        information = np.einsum('nij,ni,nik->jk', J, weights, J)
        formal[free] = np.sqrt(np.diag(np.linalg.pinv(information, rcond=1e-12)))
        sigma = np.where(free, np.maximum(by_parts, formal), np.inf)
        return _Fit(lag_s, R, bias, sigma)

    def lag_about(self, axis: FloatArray, fit: _Fit) -> tuple[float, float]:
        """The lag [s] at which rotation about one axis (3,) of the camera fits best, and its standard error."""
        lag_s, bias = fit.lag_s, 0.0
        for _ in range(_STEPS):
            J, residual = self._linearised(lag_s, fit.R, fit.bias)
            A, b = np.stack((J[:, :, 0] @ axis, self._interval_s), axis=1), residual @ axis
            weights = cauchy_weights((b - A[:, 1] * bias)[:, None])[:, 0]
            step, bias = _two(A, b, weights)
            lag_s += float(np.clip(step, -_STEP_S, _STEP_S))
        sigma_s = float(jackknife(lambda kept: _two(A[kept], b[kept], weights[kept])[:1], len(b))[0])
        return lag_s, sigma_s

    def explained(self, fit: _Fit) -> float:
        """Share of the variance of typical pairs."""
        _, residual = self._linearised(fit.lag_s, fit.R, fit.bias)
        weights = cauchy_weights(residual)
        typical = weights > 0.5 * weights.max(axis=0)
        centred = self._rotation - np.median(self._rotation, axis=0)
        whole = float((centred[typical] ** 2).sum())
        return 1.0 - float((residual[typical] ** 2).sum()) / whole if whole > 0.0 else 0.0

    def _linearised(self, lag_s: float, R: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives (N, 3, 7) of the predicted rotation by the unknowns, and what is left to explain (N, 3)."""
        start_s, end_s = self._start_s + lag_s, self._end_s + lag_s
        felt = (self._gyro.turned(start_s, end_s) - self._interval_s[:, None] * bias) @ R.T
        J = np.empty((len(felt), 3, 7))
        J[:, :, 0] = self._gyro.change(start_s, end_s) @ R.T
        for axis, unit in enumerate(np.eye(3)):
            J[:, :, 1 + axis] = np.cross(unit, felt)  # exp(unit * small) felt
            J[:, :, 4 + axis] = -self._interval_s[:, None] * R[:, axis]
        return J, self._rotation - felt


def _least_squares(J: FloatArray, residual: FloatArray, weights: FloatArray, free: NDArray[np.bool_]) -> FloatArray:
    """Step (7,) of the unknowns; 0 where they are fixed."""
    A = np.einsum('nij,ni,nik->jk', J, weights, J)
    b = np.einsum('nij,ni,ni->j', J, weights, residual)
    scale = np.sqrt(np.maximum(np.diag(A), 1e-30))
    step = np.zeros(7)
    step[free] = np.linalg.lstsq(A / np.outer(scale, scale), b / scale, rcond=1e-10)[0] / scale
    return step


def _two(A: FloatArray, b: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted least squares of A (N, 2) x = b (N,): x (2,)."""
    root = np.sqrt(weights)
    return np.asarray(np.linalg.lstsq(A * root[:, None], b * root, rcond=None)[0])
