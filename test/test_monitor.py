"""The state of the odometry: every transition of docs/odometry.md, with a clock of the test's own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from atvio_ros.odometry.ledger import Reason
from atvio_ros.odometry.monitor import MonitorLimits, TrackingMonitor, TrackingState
from atvio_ros.types import OdometryEstimate, RelativeMotion

GOOD = OdometryEstimate(0, np.eye(4), np.zeros(3), np.zeros(3), np.eye(6), np.eye(6), RelativeMotion(np.eye(4)))
AT_REST = dataclasses.replace(GOOD, stationary=True)
LIMITS = MonitorLimits(hold_s=2.0, lost_after_s=1.0, failures=5)


@pytest.fixture
def monitor():
    return TrackingMonitor(LIMITS)


def follow(monitor: TrackingMonitor, start_s: float, seconds: float, estimate: OdometryEstimate = GOOD) -> float:
    """Estimates at 10 Hz; returns the time after."""
    steps = round(10 * seconds)
    for k in range(steps):
        monitor.on_estimate(estimate, start_s + 0.1 * k)
    return start_s + 0.1 * steps


def state(monitor: TrackingMonitor, now_s: float) -> TrackingState:
    return monitor.state(now_s)[0]


def test_it_waits_until_the_first_odometry_and_says_for_what(monitor):
    assert monitor.state(0.0) == (TrackingState.WAITING, 'no odometry yet')
    monitor.on_drop(Reason.FIRST_IMAGE, 0.5)
    assert monitor.state(0.5) == (TrackingState.WAITING, 'no odometry yet')
    monitor.on_drop(Reason.NO_IMU, 1.0, 'The IMU did not pass the image within the limit.')
    assert monitor.state(1000.0)[0] is TrackingState.WAITING
    monitor.on_drop(Reason.NO_IMU, 1001.0, 'The IMU did not pass the image within the limit.')
    assert monitor.state(1001.0) == (TrackingState.WAITING, 'no_imu: The IMU did not pass the image within the limit.')


def test_odometry_without_trouble_is_tracking(monitor):
    now_s = follow(monitor, 0.0, 3.0)
    assert monitor.state(now_s) == (TrackingState.TRACKING, '')


def test_odometry_held_by_the_gate_is_stationary_until_it_moves(monitor):
    now_s = follow(monitor, 0.0, 1.0)
    now_s = follow(monitor, now_s, 1.0, AT_REST)
    assert state(monitor, now_s) is TrackingState.STATIONARY
    now_s = follow(monitor, now_s, 0.1)
    assert state(monitor, now_s) is TrackingState.TRACKING


@pytest.mark.parametrize('reason', [Reason.OVERLOAD, Reason.IMU_GAP, Reason.IMAGE_INVALID, Reason.IMU_INVALID])
def test_a_drop_degrades_for_a_while_with_its_words(monitor, reason):
    now_s = follow(monitor, 0.0, 1.0, AT_REST)
    monitor.on_drop(reason, now_s, 'because')
    monitor.on_drop(reason, now_s, 'because of this')
    assert monitor.state(now_s) == (TrackingState.DEGRADED, f'{reason.value}: because of this (2x)')
    now_s = follow(monitor, now_s, 1.9, AT_REST)
    assert state(monitor, now_s) is TrackingState.DEGRADED
    now_s = follow(monitor, now_s, 0.3, AT_REST)
    assert state(monitor, now_s) is TrackingState.STATIONARY


@pytest.mark.parametrize(
    'reason', [Reason.FIRST_IMAGE, Reason.PAUSED, Reason.RESET, Reason.INACTIVE, Reason.IMU_DUPLICATE]
)
def test_what_is_asked_for_or_harmless_degrades_nothing(monitor, reason):
    now_s = follow(monitor, 0.0, 1.0)
    monitor.on_drop(reason, now_s)
    assert monitor.state(now_s) == (TrackingState.TRACKING, '')


def test_warnings_degrade_those_of_an_estimate_too(monitor):
    now_s = follow(monitor, 0.0, 1.0)
    monitor.on_warning('the driver publishes g', now_s)
    now_s = follow(monitor, now_s, 0.5, dataclasses.replace(GOOD, warnings=('the camera image is blank',)))
    found, words = monitor.state(now_s)
    assert found is TrackingState.DEGRADED
    assert words == 'the driver publishes g; the camera image is blank (5x)'


def test_what_stands_degrades_until_it_is_taken_back_and_through_a_reset(monitor):
    monitor.stand('camera', 'camera_info changed')
    now_s = follow(monitor, 0.0, 5.0, AT_REST)
    assert monitor.state(now_s) == (TrackingState.DEGRADED, 'camera_info changed')
    monitor.on_warning('camera_info changed', now_s)
    monitor.on_warning('the driver publishes g', now_s)
    assert monitor.state(now_s)[1] == 'camera_info changed; the driver publishes g'
    monitor.reset()
    assert monitor.state(now_s) == (TrackingState.WAITING, 'camera_info changed')
    now_s = follow(monitor, now_s, 1.0)
    assert state(monitor, now_s) is TrackingState.DEGRADED
    monitor.stand('camera', '')
    assert monitor.state(now_s) == (TrackingState.TRACKING, '')


def test_silence_after_odometry_is_lost_with_the_last_that_was_known(monitor):
    now_s = follow(monitor, 0.0, 1.0)
    assert state(monitor, now_s + 0.8) is TrackingState.TRACKING
    found, words = monitor.state(now_s + 4.9)
    assert found is TrackingState.LOST
    assert words == 'no odometry for 5.0 s'
    monitor.on_drop(Reason.NO_IMU, now_s + 5.0, 'The IMU is silent.')
    assert monitor.state(now_s + 60.0)[1] == 'no odometry for 60.1 s; last: no_imu: The IMU is silent.'


def test_failures_in_a_row_are_lost_at_once_and_an_odometry_between_them_is_not(monitor):
    now_s = follow(monitor, 0.0, 1.0)
    for k in range(4):
        monitor.on_drop(Reason.FAILED, now_s + 0.01 * k, 'out of memory')
    assert state(monitor, now_s + 0.05) is TrackingState.DEGRADED
    monitor.on_estimate(GOOD, now_s + 0.06)
    for k in range(5):
        assert state(monitor, now_s + 0.07) is TrackingState.DEGRADED
        monitor.on_drop(Reason.FAILED, now_s + 0.07 + 0.01 * k, 'out of memory')
    found, words = monitor.state(now_s + 0.2)
    assert found is TrackingState.LOST
    assert words.startswith('the network failed on 5 frame pairs in a row; inference_failed: out of memory')


def test_from_lost_it_comes_back_through_degraded(monitor):
    now_s = follow(monitor, 0.0, 1.0) + 10.0
    assert state(monitor, now_s) is TrackingState.LOST
    monitor.on_estimate(dataclasses.replace(GOOD, gap_s=10.1), now_s)
    found, words = monitor.state(now_s)
    assert found is TrackingState.DEGRADED
    assert '10.1 s' in words
    now_s = follow(monitor, now_s, 2.2)
    assert monitor.state(now_s) == (TrackingState.TRACKING, '')


def test_a_reset_waits_anew(monitor):
    now_s = follow(monitor, 0.0, 1.0)
    monitor.on_warning('something', now_s)
    monitor.reset()
    assert monitor.state(now_s + 100.0) == (TrackingState.WAITING, 'no odometry yet')


def test_a_flood_of_drops_takes_bounded_memory_and_few_words(monitor):
    now_s = follow(monitor, 0.0, 1.0)
    for k in range(20_000):
        monitor.on_drop(Reason.IMU_IMPLAUSIBLE, now_s + 1e-5 * k, f'{k} rad/s is not possible')
        monitor.on_warning(f'warning {k % 7}', now_s + 1e-5 * k)
    found, words = monitor.state(now_s + 0.2)
    assert found is TrackingState.DEGRADED
    assert len(words) < 500
    assert '19999 rad/s' in words


def test_a_machine_that_stalls_makes_odometry_late_and_not_less_certain(monitor):
    now_s = 100.0
    monitor.on_estimate(GOOD, now_s)
    now_s += 1.5 * monitor.limits.lost_after_s
    assert monitor.state(now_s)[0] is TrackingState.LOST
    monitor.on_estimate(GOOD, now_s)  # whose stamp follows the one before: no image is missing
    assert monitor.state(now_s) == (TrackingState.TRACKING, '')
