"""What the network is given: whole images averaged by area, and IMU readings at exactly the times asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.streams import START_NS

from atvio_ros.errors import ImuError
from atvio_ros.preprocessing import IMU_SAMPLES, resample_imu, scale_image
from atvio_ros.types import ImuWindow


def window(stamps_ns, values) -> ImuWindow:
    values = np.asarray(values, dtype=np.float64)
    return ImuWindow(
        np.array(stamps_ns, dtype=np.int64), values if values.ndim == 2 else np.stack([values] * 6, axis=1)
    )


@pytest.mark.parametrize(
    ('shape', 'channels'), [((375, 1242), 1), ((375, 1242, 1), 1), ((375, 1242, 3), 3), ((128, 416), 1), ((9, 7, 3), 3)]
)
def test_any_image_comes_out_in_the_size_of_the_network(shape, channels):
    scaled = scale_image(np.full(shape, 77, np.uint8))
    assert scaled.shape == (128, 416, channels)
    assert scaled.dtype == np.uint8
    assert scaled.flags.c_contiguous
    assert (scaled == 77).all()


def test_the_whole_image_is_kept_and_no_colour_changes_place():
    image = np.zeros((64, 80, 3), np.uint8)
    image[:, :40] = (200, 100, 50)  # the left half
    scaled = scale_image(image, 16, 40)
    np.testing.assert_array_equal(scaled[:, :20], np.broadcast_to([200, 100, 50], (16, 20, 3)))
    assert (scaled[:, 20:] == 0).all()


def test_a_pixel_is_the_mean_of_the_area_it_covers():
    image = np.random.default_rng(0).integers(0, 256, (256, 832), dtype=np.uint8)
    means = image.reshape(128, 2, 416, 2).mean(axis=(1, 3))
    assert np.abs(scale_image(image)[:, :, 0] - means).max() <= 0.5


def test_an_image_of_the_right_size_is_not_resampled():
    image = np.random.default_rng(0).integers(0, 256, (128, 416, 3), dtype=np.uint8)
    np.testing.assert_array_equal(scale_image(image), image)


def test_eleven_samples_hold_the_readings_at_both_images():
    stamps_ns = START_NS + np.arange(12) * 10_000_003
    values = np.random.default_rng(1).normal(size=(12, 6))
    block = resample_imu(window(stamps_ns, values), int(stamps_ns[0]), int(stamps_ns[10]))
    assert block.shape == (IMU_SAMPLES, 6) == (11, 6)
    np.testing.assert_allclose(block, values[:11], rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.integers(1, 40_000_000), min_size=2, max_size=30),
    start=st.floats(0.0, 0.4),
    end=st.floats(0.6, 1.0),
    slope=st.floats(-10.0, 10.0),
)
def test_a_linear_signal_is_met_exactly_however_irregular_the_readings(steps, start, end, slope):
    stamps_ns = START_NS + np.cumsum(steps)
    span_ns = int(stamps_ns[-1] - stamps_ns[0])
    start_ns, end_ns = (int(stamps_ns[0]) + round(share * span_ns) for share in (start, end))
    block = resample_imu(window(stamps_ns, slope * (stamps_ns - START_NS) / 1e9), start_ns, end_ns)
    wanted_s = np.linspace(start_ns - START_NS, end_ns - START_NS, 11) / 1e9
    np.testing.assert_allclose(block[:, 0], slope * wanted_s, atol=1e-12)


def test_epoch_stamps_keep_their_nanoseconds():
    stamps_ns = START_NS + np.arange(11)
    block = resample_imu(window(stamps_ns, np.arange(11.0)), START_NS, START_NS + 10)
    np.testing.assert_allclose(block[:, 0], np.arange(11.0), atol=1e-12)


def test_each_axis_is_interpolated_by_itself():
    block = resample_imu(window([0, 100], [[0, 1, 2, 3, 4, 5], [10, 1, 0, 3, 5, 5]]), 0, 100, samples=3)
    np.testing.assert_allclose(block[1], [5, 1, 1, 3, 4.5, 5])


def test_outside_the_window_the_nearest_reading_is_held():
    block = resample_imu(window([40, 60], [1.0, 2.0]), 0, 100, samples=6)
    np.testing.assert_allclose(block[:, 0], [1, 1, 1, 2, 2, 2])


def test_no_readings_are_an_error_that_says_what_to_check():
    with pytest.raises(ImuError, match='Check that the IMU topic is published'):
        resample_imu(window([], np.empty((0, 6))), 0, 100)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_a_reading_that_is_no_number_is_an_error_and_not_a_motion(bad):
    with pytest.raises(ImuError, match='NaN or infinity'):
        resample_imu(window([0, 50, 100], [0.0, bad, 0.0]), 0, 100)
