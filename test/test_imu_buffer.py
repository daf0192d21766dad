"""The IMU buffer: whatever order readings arrive in, windows are sorted, complete, in base_link and free of the lag."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.streams import MS, SECOND, START_NS, ramp, reading, readings
from scipy.spatial.transform import Rotation

from atvio_ros.errors import ImuError
from atvio_ros.odometry.imu_buffer import ImuBuffer
from atvio_ros.preprocessing import resample_imu


def filled(samples, **options) -> ImuBuffer:
    buffer = ImuBuffer(**options)
    for sample in samples:
        buffer.add(sample)
    return buffer


def at(*milliseconds: float) -> list:
    return [ramp(START_NS + round(ms * MS)) for ms in milliseconds]


def window_ms(buffer: ImuBuffer, start_ms: float, end_ms: float) -> list[float]:
    stamps_ns = buffer.window(START_NS + round(start_ms * MS), START_NS + round(end_ms * MS)).stamps_ns
    return [(int(stamp_ns) - START_NS) / MS for stamp_ns in stamps_ns]


def hole_ms(buffer: ImuBuffer, start_ms: float, end_ms: float) -> float:
    return buffer.widest_hole_ns(START_NS + round(start_ms * MS), START_NS + round(end_ms * MS)) / MS


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=5))
def test_the_order_of_arrival_and_repeated_readings_do_not_show(order, again):
    samples = readings(START_NS, START_NS + 110 * MS)
    shuffled = filled(samples[i] for i in (*order, *again))
    sorted_window = filled(samples).window(START_NS, START_NS + 110 * MS)
    window = shuffled.window(START_NS, START_NS + 110 * MS)
    np.testing.assert_array_equal(window.stamps_ns, sorted_window.stamps_ns)
    np.testing.assert_array_equal(window.values, sorted_window.values)
    assert (np.diff(window.stamps_ns) > 0).all()


def test_a_second_reading_of_one_stamp_is_told_apart_and_the_first_is_kept():
    buffer = ImuBuffer()
    assert buffer.add(reading(START_NS, force=(1.0, 0.0, 0.0)))
    assert not buffer.add(reading(START_NS, force=(2.0, 0.0, 0.0)))
    assert len(buffer) == 1
    assert buffer.window(START_NS, START_NS).values[0, 3] == 1.0


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_reading_that_is_no_number_is_refused_and_changes_nothing(bad):
    buffer = filled(at(0))
    with pytest.raises(ImuError):
        buffer.add(reading(START_NS + MS, gyro=(0.0, bad, 0.0)))
    with pytest.raises(ImuError):
        buffer.add(reading(START_NS + MS, force=(0.0, 0.0, bad)))
    assert len(buffer) == 1
    assert buffer.latest_ns == START_NS


def test_the_buffer_is_bounded_in_time():
    buffer = filled(readings(START_NS, START_NS + 30 * SECOND, step_ns=100 * MS), horizon_ns=2 * SECOND)
    assert len(buffer) == 21
    assert buffer.latest_ns == START_NS + 30 * SECOND


def test_a_window_brackets_its_two_ends():
    buffer = filled(at(*range(0, 100, 10)))
    assert window_ms(buffer, 25, 45) == [20, 30, 40, 50]
    assert window_ms(buffer, 20, 40) == [20, 30, 40]
    assert window_ms(buffer, 85, 120) == [80, 90]
    assert window_ms(buffer, -30, 15) == [0, 10, 20]


def test_a_window_of_an_empty_buffer_is_empty():
    window = ImuBuffer().window(START_NS, START_NS + 100 * MS)
    assert window.stamps_ns.shape == (0,)
    assert window.values.shape == (0, 6)


def test_forgetting_keeps_the_reading_that_brackets():
    buffer = filled(at(*range(0, 100, 10)))
    buffer.forget_before(START_NS + 35 * MS)
    assert window_ms(buffer, 0, 60) == [30, 40, 50, 60]
    buffer.clear()
    assert len(buffer) == 0
    assert buffer.latest_ns is None


def test_readings_are_turned_into_the_axes_of_the_base():
    upside_down = Rotation.from_euler('x', 180, degrees=True).as_matrix()
    values = filled([reading(START_NS, (0.1, 0.2, 0.3), (1.0, 2.0, -9.81))], R_base_imu=upside_down)
    window = values.window(START_NS, START_NS)
    np.testing.assert_allclose(window.values[0], [0.1, -0.2, -0.3, 1.0, -2.0, 9.81], atol=1e-12)


def test_the_time_offset_is_added_to_every_stamp():
    buffer = filled(at(0, 10), time_offset_ns=-3 * MS)
    assert window_ms(buffer, -3, 7) == [-3, 7]
    assert buffer.latest_ns == START_NS + 7 * MS


@pytest.mark.parametrize('lag_ms', [65, -35])
def test_a_lagging_gyro_is_brought_back_in_time_and_the_force_is_not(lag_ms):
    late = [
        reading(truth.stamp_ns, ramp(truth.stamp_ns - lag_ms * MS).angular_velocity, truth.linear_acceleration)
        for truth in readings(START_NS - 200 * MS, START_NS + 300 * MS)
    ]
    start_ns, end_ns = START_NS + 3 * MS, START_NS + 103 * MS
    block = resample_imu(filled(late, gyro_lag_ns=lag_ms * MS).window(start_ns, end_ns), start_ns, end_ns)
    t = np.linspace(0.003, 0.103, 11)
    np.testing.assert_allclose(block[:, :3], np.outer(t, [1, 2, 3]), atol=1e-9)
    np.testing.assert_allclose(block[:, 3:], np.outer(t, [-1, -2, -3]), atol=1e-9)


def test_a_window_is_complete_once_no_newer_reading_can_change_it():
    buffer = filled(at(0, 10, 20))
    assert buffer.covers(START_NS + 20 * MS)
    assert not buffer.covers(START_NS + 20 * MS + 1)
    assert not ImuBuffer().covers(START_NS)


@pytest.mark.parametrize(('lag_ms', 'complete_ms'), [(0, 110), (65, 180), (-35, 110)])
def test_a_window_with_a_gyro_lag_is_complete_when_the_gyro_has_passed_its_last_reading(lag_ms, complete_ms):
    buffer, end_ns = ImuBuffer(gyro_lag_ns=lag_ms * MS), START_NS + 105 * MS
    samples = readings(START_NS - 100 * MS, START_NS + 300 * MS)
    complete = [sample.stamp_ns for sample in samples if buffer.add(sample) and buffer.covers(end_ns)]
    assert complete[0] == START_NS + complete_ms * MS
    truth = filled(samples, gyro_lag_ns=lag_ms * MS).window(START_NS, end_ns)
    seen = filled([s for s in samples if s.stamp_ns <= complete[0]], gyro_lag_ns=lag_ms * MS).window(START_NS, end_ns)
    np.testing.assert_array_equal(seen.values, truth.values)


def test_the_widest_hole_counts_the_ends_of_the_interval_and_nothing_beyond():
    buffer = filled(at(0, 10, 40, 50))
    assert hole_ms(buffer, 0, 50) == 30
    assert hole_ms(buffer, -25, 5) == 25
    assert hole_ms(buffer, 45, 100) == 50
    assert hole_ms(buffer, 20, 40) == 20
    assert hole_ms(buffer, 60, 100) == 40
    assert hole_ms(ImuBuffer(), 0, 100) == 100


def test_a_hole_that_the_gyro_lag_shifts_a_window_to_counts():
    buffer = filled(at(*range(0, 121, 10), 200, 210), gyro_lag_ns=65 * MS)
    assert hole_ms(buffer, 0, 100) == 45  # from 120 to 165
    assert hole_ms(buffer, 0, 50) == 10
    early = filled(at(0, 10, *range(60, 301, 10)), gyro_lag_ns=-65 * MS)
    assert hole_ms(early, 100, 200) == 25  # from 35 to 60


def test_where_the_stream_ends_the_lag_makes_no_hole():
    buffer = filled(at(*range(0, 101, 10)), gyro_lag_ns=65 * MS)
    assert hole_ms(buffer, 0, 100) == 10
    assert hole_ms(filled(at(*range(0, 101, 10)), gyro_lag_ns=-65 * MS), 0, 100) == 10


def test_gyro_and_accelerometer_each_have_a_lag_of_their_own():
    buffer = filled(readings(START_NS, START_NS + SECOND), gyro_lag_ns=66 * MS, accelerometer_lag_ns=15 * MS)
    window = buffer.window(START_NS + 300 * MS, START_NS + 400 * MS)
    later = [(window.stamps_ns + lag_ms * MS - START_NS) / 1e9 for lag_ms in (66, 15)]
    expected = np.column_stack([later[0] * k for k in (1, 2, 3)] + [-later[1] * k for k in (1, 2, 3)])
    np.testing.assert_allclose(window.values, expected, atol=1e-9)


@pytest.mark.parametrize(('gyro_ms', 'accelerometer_ms', 'complete_ms'), [(0, 65, 180), (65, 15, 180), (-35, -10, 110)])
def test_a_window_waits_for_the_later_of_both_sensors(gyro_ms, accelerometer_ms, complete_ms):
    lags = {'gyro_lag_ns': gyro_ms * MS, 'accelerometer_lag_ns': accelerometer_ms * MS}
    reached = [
        ms
        for ms in range(100, 300, 10)
        if filled(readings(START_NS, START_NS + ms * MS), **lags).covers(START_NS + 105 * MS)
    ]
    assert reached[0] == complete_ms


def test_a_robot_without_lag_waits_for_no_reading_beyond_the_image():
    buffer = filled(readings(START_NS, START_NS + 100 * MS))
    assert buffer.covers(START_NS + 100 * MS)


def test_the_gyros_bias_is_taken_off_in_its_own_axes():
    R_base_imu = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    buffer = ImuBuffer(R_base_imu, gyro_bias=np.array([0.1, 0.0, -0.2]))
    buffer.add(reading(START_NS, (0.3, 0.5, 0.1), (1.0, 2.0, 9.81)))
    values = buffer.window(START_NS, START_NS).values
    np.testing.assert_allclose(values, [[-0.5, 0.2, 0.3, -2.0, 1.0, 9.81]], atol=1e-12)
