"""The parts of the road estimator, each on what it must not get wrong: bends, slopes, brakes, vehicles ahead, bumps."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from samples.streams import MS, START_NS, pair
from scipy.optimize import brentq

from atvio_ros.odometry.imu_noise import GyroNoise
from atvio_ros.odometry.older_images import CHECKED, OlderImages
from atvio_ros.road.felt_acceleration import GRAVITY, FeltAcceleration
from atvio_ros.road.likeness import likeness
from atvio_ros.road.parallax_scale import ParallaxScale
from atvio_ros.road.shift_curves import ShiftCurves
from atvio_ros.road.speed_filter import SpeedFilter
from atvio_ros.types import ImuWindow

UP = np.array([0.0, -1.0, 0.0])  # optical axes: y is down
AHEAD = np.array([0.0, 0.0, 1.0])
INTERVAL_S = 0.1


def views(matcher: ShiftCurves, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Older and newer view of a grained road that moved by `cells`, and what is seen of it."""
    road = matcher.road
    grain = np.random.default_rng(0).normal(110.0, 30.0, (road.rows + 200, road.columns))
    grain = np.clip(grain, 0, 255).astype(np.uint8)
    return (
        grain[100 : 100 + road.rows],
        grain[100 - cells : 100 - cells + road.rows],
        np.ones(grain[: road.rows].shape, bool),
    )


def test_every_patch_looks_best_where_the_road_moved():
    matcher = ShiftCurves(3.0)
    found = matcher.compare(*views(matcher, 25))
    assert found.patches[0] == matcher.settings.strips
    assert matcher.shifts[found.curves[0].argmax()] == pytest.approx(0.5, abs=0.005)
    assert found.support(0.5, 0.0) == 1.0
    assert found.support(0.8, 0.0) == 0.0


def test_what_moves_along_is_left_out_where_the_robot_is_known_to_move():
    matcher = ShiftCurves(3.0)
    unmoved = views(matcher, 0)
    assert matcher.compare(*unmoved).patches.sum() > 0
    assert matcher.compare(*unmoved, least_moved=0.06).patches.sum() == 0
    assert matcher.compare(*views(matcher, 25), least_moved=0.06).patches.sum() > 0


def test_patches_lie_on_the_way_of_a_bend():
    """A right bend of a radius of 20 camera heights: at 6 heights ahead the way is 0.9 to the right."""
    matcher = ShiftCurves(3.0)
    straight, bend = matcher.along(0.0), matcher.along(1.0 / 20.0)
    for band, depth in enumerate(matcher.depth):
        (left, _), (_, right) = bend.columns[band][0], bend.columns[band][-1]
        middle = bend.road.from_pixel @ np.array([(left + right - 1) / 2, 0.0, 1.0])
        assert middle[0] == pytest.approx(depth**2 / 40.0, abs=bend.road.cell_across)
    assert straight.road == matcher.road


def test_a_band_of_a_tight_bend_that_is_far_aside_is_left_out():
    far = ShiftCurves(4.0).along(0.2)
    assert far.columns[0]
    assert not far.columns[-1]


def test_braking_is_felt_and_a_slope_is_not():
    felt = FeltAcceleration(UP)
    still = GRAVITY * UP
    assert felt.before(still - 2.0 * AHEAD, np.eye(3), AHEAD, INTERVAL_S)[0] == pytest.approx(-2.0)
    slope = GRAVITY * np.array([0.0, -np.cos(0.05), np.sin(0.05)])  # nose up by 0.05 rad: 0.49 m/s^2
    for _ in range(400):
        acceleration, _ = felt.before(slope, np.eye(3), AHEAD, INTERVAL_S)
        felt.after(slope, np.zeros(3), INTERVAL_S)
    assert acceleration == pytest.approx(0.0, abs=0.02)


def test_what_a_slope_adds_at_the_start_is_gone_within_seconds():
    """Wrong by 0.5 m/s^2 for longer, it drags the speed along, and the tilt with it: the way came out 1 % short."""
    felt, slope = FeltAcceleration(UP), GRAVITY * UP - 0.5 * AHEAD
    for _ in range(round(4.0 / INTERVAL_S)):
        felt.before(slope, np.eye(3), AHEAD, INTERVAL_S)
        felt.after(slope, np.zeros(3), INTERVAL_S)
    assert abs(felt.before(slope, np.eye(3), AHEAD, INTERVAL_S)[0]) < 0.12


def test_speeds_that_are_not_clear_yet_teach_little_of_the_slope():
    felt, still = FeltAcceleration(UP), GRAVITY * UP
    for _ in range(5):
        felt.after(still, 10.0 * AHEAD, INTERVAL_S, sigma=3.0)  # the first speeds of a drive jump
    assert abs(felt.before(still, np.eye(3), AHEAD, INTERVAL_S)[0]) < 0.2


def test_a_nod_that_the_gyro_feels_is_no_acceleration():
    felt = FeltAcceleration(UP)
    angle = 0.05
    nod = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    force = nod.T @ (GRAVITY * UP)  # the same force in the axes of the camera that has turned
    assert felt.before(force, nod, AHEAD, INTERVAL_S)[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize('knock', [100.0, -1e5, 1e12])
def test_a_knock_that_no_vehicle_can_do_is_neither_believed_nor_learnt(knock):
    felt = FeltAcceleration(UP)
    force = GRAVITY * UP + knock * AHEAD
    assert felt.before(force, np.eye(3), AHEAD, INTERVAL_S)[0] == 0.0
    felt.after(force, np.zeros(3), INTERVAL_S)
    assert felt.before(GRAVITY * UP, np.eye(3), AHEAD, INTERVAL_S)[0] == pytest.approx(0.0)


def test_the_way_of_a_braking_robot_is_longer_than_its_last_speed_tells():
    felt = FeltAcceleration(UP)
    for _ in range(5):
        felt.before(GRAVITY * UP - 2.0 * AHEAD, np.eye(3), AHEAD, INTERVAL_S)
    assert felt.gained(0.5) == pytest.approx(0.5 * 2.0 * 0.5**2)
    assert felt.gained(0.1) == pytest.approx(0.5 * 2.0 * 0.1**2)


def test_a_robot_that_seems_slow_is_compared_with_older_images_but_now_and_then_with_the_newest():
    older, spans = OlderImages(), []
    for index in range(2 * CHECKED):
        begin = START_NS + index * 100 * MS
        spans.append(older.choose(pair(begin, begin + 100 * MS), np.eye(3), 0.8, 0.3).span_s)
    assert max(spans) == pytest.approx(0.4)  # 0.3 heights at 0.8 a second
    assert spans[2 * CHECKED - 1] == pytest.approx(0.1)


def test_white_noise_of_a_gyro_is_measured_beside_a_turn():
    """Density 0.005 rad/s/sqrt(Hz), an ordinary MEMS gyro; a turn that swings at 0.5 Hz."""
    rng, noise = np.random.default_rng(1), GyroNoise()
    rate_hz, density = 200.0, 0.005
    for index in range(100):
        begin = START_NS + index * 100 * MS
        plain = pair(begin, begin + 100 * MS)
        times_s = index * 0.1 + np.arange(21) / rate_hz
        values = np.zeros((21, 6))
        values[:, :3] = rng.normal(0.0, density * np.sqrt(rate_hz), (21, 3))
        values[:, 2] += 0.5 * np.sin(np.pi * times_s)
        stamps_ns = begin + (np.arange(21) * 5 * MS)
        sigma = noise.update(dataclasses.replace(plain, imu=ImuWindow(stamps_ns, values)))
    assert sigma == pytest.approx(density * np.sqrt(0.1), rel=0.1)


def peak(shifts: np.ndarray, at: float, height: float) -> np.ndarray:
    return (height * np.exp(-0.5 * ((shifts - at) / 0.03) ** 2)).astype(np.float32)


def test_one_pair_that_shows_something_else_does_not_move_the_speed():
    """A vehicle that fills the view for a frame looks as if the robot stood."""
    matcher, filtered = ShiftCurves(3.0), SpeedFilter(1.5)
    moving = np.stack([peak(matcher.shifts, 0.8, 150.0)] * 4)
    standing = np.stack([peak(matcher.shifts, 0.0, 150.0)] * 4)
    for _ in range(10):
        filtered.update(moving, matcher.shifts, matcher.depth, 0.1, 0.1, felt=(0.0, 0.5))
    found = filtered.update(standing, matcher.shifts, matcher.depth, 0.1, 0.1, felt=(0.0, 0.5))
    assert found.speed == pytest.approx(8.0, rel=0.02)


def test_a_speed_that_was_believed_wrongly_too_slow_is_left_within_a_second():
    matcher, filtered = ShiftCurves(3.0), SpeedFilter(1.5)
    for at, frames in ((0.0, 20), (0.8, 10)):
        curves = np.stack([peak(matcher.shifts, at, 150.0)] * 4)
        for _ in range(frames):
            found = filtered.update(curves, matcher.shifts, matcher.depth, 0.1, 0.1, felt=(0.0, 0.5))
    assert found.speed == pytest.approx(8.0, rel=0.02)


def test_the_speed_follows_what_is_felt_while_nothing_is_seen_and_is_less_certain():
    matcher, filtered = ShiftCurves(3.0), SpeedFilter(1.5)
    curves = np.stack([peak(matcher.shifts, 0.8, 150.0)] * 4)
    for _ in range(10):
        seen = filtered.update(curves, matcher.shifts, matcher.depth, 0.1, 0.1, felt=(0.0, 0.5))
    for _ in range(10):
        blind = filtered.update(curves, matcher.shifts, matcher.depth, 0.1, 0.1, 0.0, felt=(-1.5, 0.5))
    assert blind.speed == pytest.approx(seen.speed - 1.5 / 1.5, rel=0.03)
    assert blind.sigma > 2.0 * seen.sigma


def test_patches_side_by_side_are_as_like_as_opencv_finds_each():
    values = np.random.default_rng(0).normal(size=(90, 40)).astype(np.float32)
    older = cv2.GaussianBlur(values, (0, 0), 2.0)
    newer = older[30:50] + np.float32(0.1) * values[:20]
    older[:, 30:34] = 7.0  # nothing to compare with
    columns = ((3, 12), (12, 20), (20, 30), (30, 34))
    found = likeness(older, newer, columns)
    for (left, right), correlation, contrast in zip(columns[:3], *found, strict=False):
        patch = newer[:, left:right]
        expected = cv2.matchTemplate(older[:, left:right], patch, cv2.TM_CCOEFF_NORMED)[:, 0]
        assert correlation == pytest.approx(expected, abs=2e-5)
        assert contrast == pytest.approx(patch.std(), rel=1e-4)
        assert correlation.argmax() == 30
    assert np.array_equal(found.correlation[3], np.zeros(71))


def test_a_rolling_shutter_that_is_told_does_not_make_the_way_longer():
    """A point is seen `readout / depth` later than the horizon: so nearer, and later, in the newer image."""
    speed, readout, span_s = 8.0, 0.05, 0.1  # camera heights a second, s
    matcher = ShiftCurves(2.0)
    shifts = []
    for newer in matcher.depth:  # where it is now; before, it was at `older`, seen readout / older after the horizon
        older = brentq(
            lambda older, newer=newer: newer + speed * (span_s + readout / newer - readout / older) - older, 1, 9
        )
        shifts.append(older - newer)
    curves = np.stack([peak(matcher.shifts, shift, 150.0) for shift in shifts])
    found = {}
    for told in (0.0, readout):
        filtered = SpeedFilter(1.5)
        for _ in range(10):
            found[told] = filtered.update(
                curves, matcher.shifts, matcher.depth, span_s, span_s, felt=(0.0, 0.5), readout=told
            )
    assert found[readout].speed == pytest.approx(speed, rel=0.005)
    assert abs(found[readout].tilt) < np.radians(0.1)
    assert found[0.0].speed > 1.02 * speed


def test_corners_tell_how_far_the_robot_came_at_least_once_their_scale_is_known():
    scale = ParallaxScale()
    assert scale.least(0.02) == 0.0
    for _ in range(20):
        scale.learn(0.008, 0.8, 0.02, INTERVAL_S)
    assert 0.08 < scale.least(0.008) < 0.4  # a way of 0.8 passes, one of a tenth of it does not
    assert scale.least(0.0008) == pytest.approx(0.1 * scale.least(0.008))  # it stops, or so it seems
    known = scale.least(0.008)
    for _ in range(50):
        scale.learn(0.008, 0.04, 0.03, INTERVAL_S)  # too slow to be believed, and not clear
    assert scale.least(0.008) < 0.1 * known  # but who knows for how long things stay as far away
    for _ in range(30):
        scale.learn(0.08, 0.8, 0.02, INTERVAL_S)  # a narrow street
    assert scale.least(0.08) == pytest.approx(known, rel=0.2)
