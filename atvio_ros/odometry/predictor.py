"""Odometry at the rate of the IMU: from the last image's pose, by gyro and accelerometer, to the newest reading."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from atvio_ros.geometry import from_quaternion, quaternion, skew, transform
from atvio_ros.odometry.carried_force import CarriedForce
from atvio_ros.odometry.quaternions import (
    Quaternion,
    Vector,
    added,
    conjugate,
    cross,
    exponential,
    logarithm,
    product,
    turned,
)  # fmt: skip
from atvio_ros.odometry.reading_history import ReadingHistory
from atvio_ros.rig.rig import Rig
from atvio_ros.types import NANOSECONDS, FloatArray, ImuSample, OdometryEstimate

# What between two images is not known (one sigma), beside what the odometry does not know of its own motion.
ACCELERATION_SIGMA = 0.7  # m/s^2: slopes, vibration, bias; without the accelerometer what cars do
GYRO_SIGMA = 0.01  # rad/s of one reading
_SNAP_M, _SNAP_RAD = 1.0, 0.2  # corrections beyond are not spread over time: nobody drives so
_FADED = 1e-3  # share of a correction that is none any more


@dataclass(frozen=True)
class PredictionSettings:
    """How far and how smoothly is predicted."""

    smoothing_s: float = 0.1  # time constant by which a correction at a new image fades in; 0: it is a jump
    horizon_s: float = 1.0  # no prediction that long after the last image
    rate: float = 400.0  # predictions a second at most, by the stamps

    @property
    def period_ns(self) -> int:
        """Least time between two predictions, on average."""
        return round(NANOSECONDS / self.rate)


@dataclass(frozen=True)
class Prediction:
    """Odometry at the stamp of an IMU reading: pose in odom, twist in base_link (REP 105, nav_msgs/Odometry)."""

    stamp_ns: int  # on the clock of the images
    position: Vector  # m
    orientation: Quaternion  # x y z w
    linear_velocity: Vector  # m/s
    angular_velocity: Vector  # rad/s
    pose_covariance: FloatArray  # (36,) rows of the 6x6 of nav_msgs
    twist_covariance: FloatArray  # (36,)

    @property
    def T_odom_base(self) -> FloatArray:  # noqa: N802 (the field's notation)
        """Pose (4, 4)."""
        return transform(from_quaternion(*self.orientation), np.array(self.position))


class _State(NamedTuple):
    """Where the robot is at a time, all in odom."""

    at_ns: int
    position: Vector
    orientation: Quaternion
    velocity: Vector


class OdometryPredictor:
    """Fed with every IMU reading, gives the odometry at its stamp; `update` takes each estimate of the engine.

    Estimates are late: from the pose of the newest the motion is integrated anew, through all readings since. Rotation
    is the gyro's, less the bias that images show; the velocity changes as the accelerometer feels it, once it is known
    what it shows of gravity and bias (CarriedForce), until then it keeps its direction in the robot. A robot that the
    engine holds at rest stays there. Where a new image corrects the pose, the difference fades out (`smoothing_s`), and
    until then is part of the covariance, which grows with the time since the image. The lever of the IMU is left out:
    at 0.5 rad/s and 1 m it is 1 mm after 0.1 s.

    Depends on the order of the calls alone. `update` may be called in any thread, all else in one.
    """

    def __init__(self, rig: Rig, settings: PredictionSettings | None = None) -> None:
        self.settings = settings or PredictionSettings()
        self._history = ReadingHistory(rig)
        self._arrived: deque[OdometryEstimate] = deque()
        self.reset()

    def reset(self) -> None:
        """No pose to predict from, as at the start."""
        self._history.clear()
        self._arrived.clear()
        self._forget()

    def _forget(self) -> None:
        self._carried = CarriedForce()
        self._estimate: OdometryEstimate | None = None
        self._due_ns = 0
        self._state = _State(0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0))  # where all is known
        self._output: tuple[int, Vector, Quaternion] | None = None  # what was given last
        self._offset: tuple[Vector, Vector] | None = None  # of position [m] and attitude [rad] in odom, at _offset_ns
        self._offset_ns = 0

    def update(self, estimate: OdometryEstimate) -> None:
        """Go on from another pose."""
        self._arrived.append(estimate)

    def add(self, sample: ImuSample) -> Prediction | None:
        """Odometry at the stamp of a reading; None without a pose to start from, or where none is due.

        Readings that are not newer than those before are left out, and those that are not finite or not possible.
        """
        history, jump_ns = self._history, round(self.settings.horizon_s * NANOSECONDS)
        before_ns = history.latest_ns if len(history) else None
        if not history.add(sample, jump_ns):
            return None
        now_ns = history.latest_ns
        if before_ns is not None and abs(now_ns - before_ns) > jump_ns:
            self._forget()
        arrived = bool(self._arrived)
        while self._arrived:
            self._take(self._arrived.popleft())
        estimate = self._estimate
        if estimate is None or not 0 <= now_ns - estimate.stamp_ns <= jump_ns:
            return None
        if arrived:
            self._correct(estimate)
        self._state = self._moved(self._state, now_ns - history.lag_ns)
        half_ns = self.settings.period_ns // 2
        if now_ns < self._due_ns - half_ns:
            return None
        self._due_ns = max(self._due_ns, now_ns - half_ns) + self.settings.period_ns
        return self._predicted(estimate, now_ns)

    def _take(self, estimate: OdometryEstimate) -> None:
        if not self._history.reaches_back_to(estimate.stamp_ns):  # too late to be of use
            return
        before = self._estimate
        if before is not None and not 0 < estimate.stamp_ns - before.stamp_ns <= self.settings.horizon_s * NANOSECONDS:
            before, self._output = None, None
        if before is None or estimate.gap_s or estimate.warnings:
            self._carried.restart()
        self._carried.learn(estimate, self._history)
        self._estimate = estimate
        R = estimate.T_odom_base[:3, :3]
        x, y, z, w = quaternion(R).tolist()
        px, py, pz = estimate.T_odom_base[:3, 3].tolist()
        correction = np.zeros(3) if estimate.geometry is None else estimate.geometry.gyro_correction
        self._bias = -correction[0].item(), -correction[1].item(), -correction[2].item()
        self._held = estimate.stationary
        self._attitude: Quaternion = (x, y, z, w)
        velocity = self._carried.velocity(estimate, self._history)
        self._state = _State(estimate.stamp_ns, (px, py, pz), self._attitude, turned(self._attitude, velocity))
        carried = self._carried.force
        self._gravity = None if carried is None else turned(self._attitude, carried)  # in odom
        self._growth, self._twist_growth = _growth(estimate, np.array(self._state.velocity))

    def _moved(self, state: _State, to_ns: int) -> _State:
        """The state integrated to a time, through all readings between."""
        if to_ns <= state.at_ns:
            return state
        for stop_ns in self._history.between(state.at_ns, to_ns):
            state = self._step(state, stop_ns)
        return self._step(state, to_ns) if to_ns > state.at_ns else state

    def _step(self, state: _State, to_ns: int) -> _State:
        """One step, by trapezoids."""
        history, from_ns = self._history, state.at_ns
        step_s = (to_ns - from_ns) * 1e-9
        if self._held:
            return _State(to_ns, state.position, state.orientation, state.velocity)
        one, other, b = history.rate(from_ns), history.rate(to_ns), self._bias
        turn = (
            (0.5 * (one[0] + other[0]) - b[0]) * step_s,
            (0.5 * (one[1] + other[1]) - b[1]) * step_s,
            (0.5 * (one[2] + other[2]) - b[2]) * step_s,
        )
        orientation = product(state.orientation, exponential(turn))
        if self._gravity is None:
            velocity = turned(orientation, turned(conjugate(state.orientation), state.velocity))
        else:
            one, other = history.force(from_ns), history.force(to_ns)
            middle = 0.5 * (one[0] + other[0]), 0.5 * (one[1] + other[1]), 0.5 * (one[2] + other[2])
            felt = turned(state.orientation, added(middle, cross(turn, middle), 0.5))
            acceleration = added(felt, self._gravity, -1.0)
            velocity = added(state.velocity, acceleration, step_s)
        position = added(added(state.position, state.velocity, 0.5 * step_s), velocity, 0.5 * step_s)
        return _State(to_ns, position, orientation, velocity)

    def _correct(self, estimate: OdometryEstimate) -> None:
        """How far what was given last is from what is now known of that time: to fade out from there."""
        output, self._offset = self._output, None
        if output is None or self.settings.smoothing_s <= 0.0 or output[0] < estimate.stamp_ns:
            return
        at_ns, position, orientation = output
        self._state = self._moved(self._state, at_ns - self._history.lag_ns)
        there = self._step(self._state, at_ns) if at_ns > self._state.at_ns else self._state
        apart = added(position, there.position, -1.0)
        turn = logarithm(product(orientation, conjugate(there.orientation)))
        if math.hypot(*apart) <= _SNAP_M and math.hypot(*turn) <= _SNAP_RAD:
            self._offset, self._offset_ns = (apart, turn), at_ns
            both = np.array([*apart, *turn])
            self._growth[:, 4] = np.outer(both, both).reshape(36)

    def _predicted(self, estimate: OdometryEstimate, now_ns: int) -> Prediction:
        state = self._step(self._state, now_ns) if now_ns > self._state.at_ns else self._state
        position, orientation, left = state.position, state.orientation, 0.0
        if self._offset is not None:
            left = math.exp((self._offset_ns - now_ns) / (NANOSECONDS * self.settings.smoothing_s))
            if left < _FADED:
                self._offset, left = None, 0.0
            else:
                position = added(position, self._offset[0], left)
                a, b, c = self._offset[1]
                orientation = product(exponential((a * left, b * left, c * left)), orientation)
        self._output = now_ns, position, orientation
        age_s = (now_ns - estimate.stamp_ns) * 1e-9
        rate, bias = self._history.rate(now_ns), self._bias
        held = self._held
        return Prediction(
            now_ns,
            position,
            orientation,
            (0.0, 0.0, 0.0) if held else turned(conjugate(state.orientation), state.velocity),
            (0.0, 0.0, 0.0) if held else (rate[0] - bias[0], rate[1] - bias[1], rate[2] - bias[2]),
            self._growth @ (1.0, age_s, age_s**2, age_s**4, left * left),
            self._twist_growth @ (1.0, age_s**2),
        )


def _growth(estimate: OdometryEstimate, velocity: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Covariance of pose (36, 5) and twist (36, 2) as coefficients of the age t: those of 1, t, t^2, t^4 and of what a
    correction has left; of 1 and t^2. To first order, with the velocity (3,) [m/s] in odom at the image.

    The error of the attitude turns the way; the twist is as wrong as it was over the pair; then acceleration.
    """
    lever = np.zeros((6, 6))
    lever[:3, 3:] = -skew(velocity)
    turned_twist = np.kron(np.eye(2), estimate.T_odom_base[:3, :3])
    pose, twist = estimate.pose_covariance, estimate.twist_covariance
    linear, angular = np.diag([1.0] * 3 + [0.0] * 3), np.diag([0.0] * 3 + [1.0] * 3)
    unknown = 0.0 if estimate.stationary else ACCELERATION_SIGMA**2
    of_gyro = 0.0 if estimate.stationary else GYRO_SIGMA**2
    grows = lever @ pose @ lever.T + turned_twist @ twist @ turned_twist.T
    terms = (pose, lever @ pose + pose @ lever.T, grows, 0.25 * unknown * linear, np.zeros((6, 6)))
    of_twist = (twist + of_gyro * angular, unknown * linear)
    return tuple(np.stack([term.reshape(36) for term in each], axis=1) for each in (terms, of_twist))  # type: ignore
