"""The filter of speed from curves and felt acceleration: units, gravity, stretches without texture."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.road.felt_speed import FeltSpeedFilter, FeltSpeedSettings

HEIGHT_M, INTERVAL_S = 1.5, 0.1
SHIFTS = 0.02 * np.arange(-15, 151)
DEPTH = np.array([2.5, 3.5, 4.5, 5.5])
GRAVITY = np.array([0.0, 0.0, 9.81])
AHEAD = np.array([1.0, 0.0, 0.0])


def curves(shift_h: float, height: float = 8.0) -> np.ndarray:
    """(4, S) that peak at one shift; `height` 0 says nothing."""
    return np.tile(height * np.exp(-0.5 * ((SHIFTS - shift_h) / 0.02) ** 2), (4, 1)).astype(np.float32)


def drive(speeds: np.ndarray, seen: np.ndarray, gravity: np.ndarray = GRAVITY, felt: bool = True) -> np.ndarray:
    """Estimated speed and sigma (N, 2) [m/s] of a drive with these speeds (N,) [m/s], curves only where `seen` (N,)."""
    tracker = FeltSpeedFilter(HEIGHT_M)
    found = []
    for k, speed in enumerate(speeds):
        acceleration = (speed - speeds[max(k - 1, 0)]) / INTERVAL_S
        force = gravity + AHEAD * acceleration * felt
        says = curves(speed * INTERVAL_S / HEIGHT_M, 8.0 * seen[k])
        one = tracker.update(says, SHIFTS, DEPTH, INTERVAL_S, INTERVAL_S, force, AHEAD, np.eye(3))
        found.append((one.speed * HEIGHT_M, one.sigma * HEIGHT_M))
    return np.array(found)


def test_a_steady_speed_is_found_in_metres_a_second():
    found = drive(np.full(30, 8.0), np.ones(30))
    assert found[-1, 0] == pytest.approx(8.0, abs=0.1)
    assert found[-1, 1] < 0.5


def test_braking_without_texture_is_felt():
    """3 m/s^2 over two seconds in which the road shows nothing."""
    speeds = np.concatenate((np.full(60, 12.0), 12.0 - 0.3 * np.arange(1, 21)))
    seen = (np.arange(80) < 60).astype(float)
    felt, not_felt = drive(speeds, seen), drive(speeds, seen, felt=False)
    assert felt[-1, 0] == pytest.approx(6.0, abs=0.8)
    assert not_felt[-1, 0] > 9.0
    assert felt[-1, 1] > 2.0 * felt[59, 1]  # and it is told to be less sure


def test_a_slope_or_a_tilted_imu_is_not_an_acceleration():
    """Gravity shows along the way by 0.85 m/s^2, all the time: it is learnt, not integrated."""
    tilted = Rotation.from_euler('y', 5, degrees=True).as_matrix() @ GRAVITY
    speeds, seen = np.full(120, 10.0), (np.arange(120) < 80).astype(float)
    assert drive(speeds, seen, gravity=tilted)[-1, 0] == pytest.approx(10.0, abs=0.8)


def test_a_crest_turns_gravity_with_the_gyro():
    """The road falls away by 5 degrees while nothing is seen: the gyro tells, and the speed stays."""
    tracker, steps = FeltSpeedFilter(HEIGHT_M), 20
    turn = Rotation.from_euler('y', 5.0 / steps, degrees=True).as_matrix()  # nose down
    R_odom_base = np.eye(3)
    for k in range(80 + steps + 20):
        turned = turn if 80 <= k < 80 + steps else np.eye(3)
        R_odom_base = R_odom_base @ turned
        says = curves(10.0 * INTERVAL_S / HEIGHT_M, 8.0 * (k < 80))
        one = tracker.update(
            says, SHIFTS, DEPTH, INTERVAL_S, INTERVAL_S, R_odom_base.T @ GRAVITY, AHEAD, turned
        )  # fmt: skip
    assert one.speed * HEIGHT_M == pytest.approx(10.0, abs=0.8)


def test_a_weight_of_zero_is_no_look_at_the_curves():
    tracker = FeltSpeedFilter(HEIGHT_M)
    for shift, weight in ((0.5, 1.0),) * 20 + ((1.5, 0.0),) * 5:
        one = tracker.update(
            curves(shift), SHIFTS, DEPTH, INTERVAL_S, INTERVAL_S, GRAVITY, AHEAD, np.eye(3), weight
        )  # fmt: skip
    assert one.speed == pytest.approx(0.5 / INTERVAL_S, rel=0.02)


def test_after_a_reset_nothing_is_remembered():
    tracker = FeltSpeedFilter(HEIGHT_M, FeltSpeedSettings())
    arguments = (SHIFTS, DEPTH, INTERVAL_S, INTERVAL_S, GRAVITY, AHEAD, np.eye(3))
    first = tracker.update(curves(0.8), *arguments)
    tracker.update(curves(0.2), *arguments)
    tracker.reset()
    assert tracker.update(curves(0.8), *arguments) == first


@pytest.mark.parametrize('knock', [100.0, -1e6])
def test_a_knock_that_no_vehicle_can_do_changes_nothing(knock):
    tracker = FeltSpeedFilter(HEIGHT_M)
    says = curves(8.0 * INTERVAL_S / HEIGHT_M)
    for k in range(40):
        force = GRAVITY + AHEAD * (knock if k == 35 else 0.0)
        found = tracker.update(says, SHIFTS, DEPTH, INTERVAL_S, INTERVAL_S, force, AHEAD, np.eye(3))
        assert np.isfinite((found.speed, found.sigma)).all()
    assert found.speed * HEIGHT_M == pytest.approx(8.0, abs=0.1)
