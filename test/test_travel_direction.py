"""The direction of travel: corners of a known motion give it back, and the filter holds, follows and recovers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.errors import ImageError
from atvio_ros.road.epipolar import fit_rotation, fit_travel
from atvio_ros.road.tracks import Tracks, track_corners
from atvio_ros.road.travel_direction import TravelDirection, TravelSettings, level_axes

K = np.array([[240.0, 0.0, 207.5], [0.0, 245.0, 60.0], [0.0, 0.0, 1.0]])
WIDTH, HEIGHT = 416, 128
R_LEVEL = Rotation.from_euler('x', 4.0, degrees=True).as_matrix()  # level axes in a camera that looks down
FORWARD = R_LEVEL @ np.array([0.0, 0.0, 1.0])
STILL = np.zeros(3)


def rotation(x_deg=0.0, y_deg=0.0, z_deg=0.0):
    return Rotation.from_rotvec([x_deg, y_deg, z_deg], degrees=True).as_matrix()


def pixels(points):
    shown = points @ K.T
    return shown[:, :2] / shown[:, 2:]


def scene(count=250, seed=0):
    """Points (N, 3) [m] in front of the camera: a road 1.65 m below, and what stands 4 to 60 m ahead."""
    rng = np.random.default_rng(seed)
    at = np.column_stack((rng.uniform(5, WIDTH - 5, count), rng.uniform(5, HEIGHT - 5, count), np.ones(count)))
    rays = at @ np.linalg.inv(K).T
    depth = rng.uniform(4.0, 60.0, count)
    down = (rays @ R_LEVEL)[:, 1]
    depth[down > 0.05] = np.minimum(depth[down > 0.05], 1.65 / down[down > 0.05])
    return rays * depth[:, None]


def tracks(travel, R_previous_current, points=None, noise_px=0.0, seed=1):
    """Corners of static points when the camera moves by `travel` (3,) [m], previous camera axes, and turns."""
    points = scene() if points is None else points
    moved = (points - travel) @ R_previous_current
    noise = np.random.default_rng(seed).normal(0.0, noise_px, (len(points), 2)) if noise_px else 0.0
    covariance = np.tile(np.eye(2) * max(noise_px, 0.05) ** 2, (len(points), 1, 1))
    return Tracks(pixels(points), pixels(moved) + noise, covariance)


def joined(a, b):
    return Tracks(*(np.concatenate(pair) for pair in zip(vars(a).values(), vars(b).values(), strict=True)))


def travel(pitch_deg, yaw_deg, metres=1.0):
    return metres * R_LEVEL @ level_axes(np.radians(pitch_deg), np.radians(yaw_deg))[:, 2]


@pytest.mark.parametrize(('pitch', 'yaw'), [(0.0, 0.0), (1.5, -2.0), (-3.0, 0.7), (6.0, 5.0)])
@pytest.mark.parametrize('turn', [np.eye(3), rotation(0.3, 2.5, -0.2)])
def test_exact_corners_give_the_direction_back(pitch, yaw, turn):
    fit = fit_travel(tracks(travel(pitch, yaw), turn), K, turn, R_LEVEL)
    assert np.degrees([fit.pitch, fit.yaw]) == pytest.approx([pitch, yaw], abs=0.02)
    assert fit.support == 1.0


def test_a_reversing_camera_has_the_same_line_of_travel():
    fit = fit_travel(tracks(travel(1.0, 0.5, -0.8), np.eye(3)), K, np.eye(3), R_LEVEL)
    assert np.degrees([fit.pitch, fit.yaw]) == pytest.approx([1.0, 0.5], abs=0.02)


def test_sigma_tells_the_scatter():
    errors = []
    for seed in range(60):
        fit = fit_travel(tracks(travel(1.0, 0.0), np.eye(3), noise_px=0.1, seed=seed), K, np.eye(3), R_LEVEL)
        errors.append((fit.pitch - np.radians(1.0)) / fit.pitch_sigma)
    assert 0.2 < np.std(errors) < 1.0  # sigma allows for corners that err alike, which these do not


def test_wrong_matches_and_moving_cars_do_not_turn_it():
    rng = np.random.default_rng(3)
    right = tracks(travel(1.0, -0.5), np.eye(3), noise_px=0.05)
    wrong = tracks(travel(1.0, -0.5), np.eye(3), scene(60, 5))
    wrong.current_px[:] += rng.uniform(-15, 15, (60, 2))
    crossing = tracks(travel(0.0, 0.0) + np.array([0.8, 0.0, 0.0]), np.eye(3), scene(40, 6))
    fit = fit_travel(joined(joined(right, wrong), crossing), K, np.eye(3), R_LEVEL)
    assert np.degrees([fit.pitch, fit.yaw]) == pytest.approx([1.0, -0.5], abs=0.1)
    assert 0.6 < fit.support < 0.9


def test_a_wrong_gyro_is_mended_within_its_sigma():
    true, gyro = rotation(0.1, 1.0, 0.0), rotation(0.1 + 0.05, 1.0, 0.0)
    seen = tracks(travel(0.5, 0.0), true)
    fit = fit_travel(seen, K, gyro, R_LEVEL, gyro_sigma_rad=0.002)
    assert np.degrees(fit.pitch) == pytest.approx(0.5, abs=0.05)
    assert np.degrees(fit.rotation) == pytest.approx([-0.05, 0.0, 0.0], abs=0.005)


def test_too_few_corners_or_no_parallax_give_no_direction():
    assert fit_travel(tracks(FORWARD, np.eye(3), scene(15)), K, np.eye(3), R_LEVEL) is None
    turn = rotation(0.2, 3.0, 0.1)
    assert fit_travel(tracks(STILL, turn, noise_px=0.05), K, turn, R_LEVEL) is None


def test_a_turn_on_the_spot_tells_the_rotation():
    true, gyro = rotation(0.2, 3.0, 0.1), rotation(0.25, 2.95, 0.12)
    beside = fit_rotation(tracks(STILL, true, noise_px=0.05), K, gyro)
    R = Rotation.from_rotvec(beside).as_matrix() @ gyro
    assert np.degrees(Rotation.from_matrix(R.T @ true).magnitude()) < 0.01


# ------------------------------------------------------------------------------------------------ the filter


def drive(direction, pitch_deg, yaw_deg=0.0, pairs=20, interval_s=0.1, speed=10.0, noise_px=0.05):
    for i in range(pairs):
        seen = tracks(travel(pitch_deg, yaw_deg, speed * interval_s), np.eye(3), scene(seed=i), noise_px, i)
        estimate = direction.update_from_tracks(seen, np.eye(3), interval_s)
    return estimate


def test_a_wrong_tilt_is_found_and_the_level_axes_point_along_the_travel():
    for wrong in (-2.0, 2.0, 4.0):
        estimate = drive(TravelDirection(K, R_LEVEL), wrong, 0.5, pairs=15)
        assert np.degrees(estimate.pitch) == pytest.approx(wrong, abs=0.05)
        assert estimate.R_camera_level[:, 2] == pytest.approx(travel(wrong, 0.5), abs=2e-3)
        assert (R_LEVEL.T @ estimate.R_camera_level[:, 0])[1] == pytest.approx(0.0, abs=1e-12)  # x is horizontal
        assert np.linalg.det(estimate.R_camera_level) == pytest.approx(1.0)
        assert estimate.used
        assert estimate.confident
        assert not estimate.lost


def test_a_tilt_far_from_the_calibrated_is_found_later():
    assert np.degrees(drive(TravelDirection(K, R_LEVEL), 9.0, pairs=150).pitch) == pytest.approx(9.0, abs=0.1)


def test_a_single_wild_direction_is_not_used():
    direction = TravelDirection(K, R_LEVEL)
    before = drive(direction, 1.0)
    after = drive(direction, 5.0, pairs=1)
    assert not after.used
    assert after.pitch == pytest.approx(before.pitch, abs=1e-4)
    assert after.pitch_sigma > before.pitch_sigma


def test_a_direction_that_is_unusual_for_seconds_is_followed_a_little():
    """As corners on a vehicle ahead show it in a bend; a robot that was told wrongly is found out within a minute."""
    direction = TravelDirection(K, R_LEVEL)
    usual = drive(direction, 1.0, pairs=100).pitch
    assert np.degrees(drive(direction, 4.0, pairs=15).pitch - usual) < 1.0
    assert np.degrees(drive(direction, 4.0, pairs=600).pitch) == pytest.approx(4.0, abs=0.1)


def test_standing_and_turning_on_the_spot_hold_it_though_the_gyro_drifts():
    direction = TravelDirection(K, R_LEVEL)
    before = drive(direction, 1.0)
    for i in range(100):
        drift = rotation(0.05, 0.0, 0.0)  # half a degree a second
        estimate = direction.update_from_tracks(tracks(STILL, np.eye(3), noise_px=0.03, seed=i), drift, 0.1)
    assert not estimate.moving
    assert not estimate.lost
    assert np.degrees(estimate.pitch - before.pitch) == pytest.approx(0.0, abs=0.1)
    assert np.degrees(estimate.gyro_bias) == pytest.approx([-0.5, 0.0, 0.0], abs=0.05)
    for _ in range(10):
        turn = rotation(*(R_LEVEL @ np.array([0.0, 5.0, 0.0])))
        estimate = direction.update_from_tracks(tracks(STILL, turn), turn @ drift, 0.1)
    assert np.degrees(estimate.pitch - before.pitch) == pytest.approx(0.0, abs=0.15)


def test_a_nod_of_the_camera_follows_the_gyro_where_corners_fail():
    direction = TravelDirection(K, R_LEVEL, TravelSettings(follow_gyro=1.0))
    before = drive(direction, 1.0)
    nothing = Tracks(np.empty((0, 2)), np.empty((0, 2)), np.empty((0, 2, 2)))
    after = direction.update_from_tracks(nothing, rotation(0.4), 0.1)
    assert np.degrees(after.pitch - before.pitch) == pytest.approx(0.4, abs=0.01)  # nose up, travel lower in the image
    for _ in range(30):
        after = direction.update_from_tracks(nothing, np.eye(3), 0.1)
    assert after.lost
    assert not after.confident


def test_a_steady_bend_is_followed():
    """A camera ahead of the rear axle moves outwards in its own axes by a constant angle, seen halfway."""
    direction = TravelDirection(K, R_LEVEL)
    turn = R_LEVEL @ rotation(0.0, 3.0, 0.0) @ R_LEVEL.T
    for i in range(30):
        ahead = travel(0.0, 4.0 + 1.5)  # halfway it is 4 degrees to the right
        estimate = direction.update_from_tracks(tracks(ahead, turn, scene(seed=i)), turn, 0.1)
    assert np.degrees(estimate.yaw) == pytest.approx(4.0 - 1.5, abs=0.1)


@pytest.mark.parametrize('rate', [5.0, 30.0])
def test_a_change_is_followed_as_fast_at_any_rate(rate):
    def halfway(rate):
        direction = TravelDirection(K, R_LEVEL)
        drive(direction, 0.0, pairs=int(2 * rate), interval_s=1 / rate, noise_px=0.02)
        return np.degrees(drive(direction, 0.4, pairs=round(0.2 * rate), interval_s=1 / rate, noise_px=0.02).pitch)

    assert halfway(rate) == pytest.approx(halfway(10.0), abs=0.06)


def test_the_same_pairs_give_the_same_and_reset_forgets():
    direction = TravelDirection(K, R_LEVEL)
    first = drive(direction, 1.3, 0.2)
    direction.reset()
    again = drive(direction, 1.3, 0.2)
    assert (first.pitch, first.yaw, first.pitch_sigma) == (again.pitch, again.yaw, again.pitch_sigma)


# ------------------------------------------------------------------------------------------------ images


def textured(seed=0):
    noise = np.random.default_rng(seed).uniform(0, 255, (HEIGHT, WIDTH)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.6), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def test_images_of_a_slanted_wall_give_the_direction():
    """A plane n . X = distance, seen before and after a motion: one homography between two images."""
    before, turn, moved = textured(), rotation(0.1, 1.0, 0.0), travel(1.0, 0.5, 0.8)
    n = np.array([0.6, 0.3, 0.74]) / np.linalg.norm([0.6, 0.3, 0.74])
    H = K @ turn.T @ (np.eye(3) - np.outer(moved, n) / 12.0) @ np.linalg.inv(K)
    after = cv2.warpPerspective(before, H, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    seen = track_corners(before, after, K, turn)
    assert len(seen) > 100
    fit = fit_travel(seen, K, turn, R_LEVEL)
    assert np.degrees([fit.pitch, fit.yaw]) == pytest.approx([1.0, 0.5], abs=0.15)
    estimate = TravelDirection(K, R_LEVEL).update(before, after, turn, 0.1)
    assert estimate.used
    assert estimate.corners == len(seen)


def test_the_measured_point_of_a_window_is_where_its_gradients_are():
    """Expansion about the middle of the image: the shift of each corner is that of its measured point."""
    before, grow = textured(4), 1.08
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    A = np.array([[grow, 0.0, middle[0] * (1 - grow)], [0.0, grow, middle[1] * (1 - grow)]])
    after = cv2.warpAffine(before, A, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
    seen = track_corners(before, after, K, np.eye(3))
    away = seen.current_px - ((seen.previous_px - middle) * grow + middle)
    assert np.percentile(np.abs(away), 68) < 0.04


def test_no_corner_is_taken_where_the_mask_shows_nothing():
    before = textured()
    before[:, :100] = 102  # outside the lens
    mask = np.ones((HEIGHT, WIDTH), bool)
    mask[:, :100] = False
    still = TravelDirection(K, R_LEVEL, mask=mask)
    seen = track_corners(before, before, K, np.eye(3), mask=still._mask)
    assert len(seen) > 50
    assert seen.previous_px[:, 0].min() > 100
    assert not still.update(before, before, np.eye(3), 0.1).moving


def test_images_without_corners_and_wrong_images():
    direction = TravelDirection(K, R_LEVEL)
    grey = np.full((HEIGHT, WIDTH), 90, np.uint8)
    assert len(track_corners(grey, grey, K, np.eye(3))) == 0
    assert len(track_corners(textured(), textured(), K, rotation(0.0, 170.0))) == 0
    estimate = direction.update(grey, grey, np.eye(3), 0.1)
    assert not estimate.used
    with pytest.raises(ImageError, match='one size'):
        direction.update(grey, grey[:, :-2], np.eye(3), 0.1)


def test_corners_of_which_none_is_found_again_are_no_tracks():
    """A camera that goes black between two images, or comes back: nothing to measure, and no failure."""
    noise = np.random.default_rng(5).integers(0, 255, (64, 208), np.uint8)
    seen = cv2.resize(noise, (416, 128), interpolation=cv2.INTER_CUBIC)
    dark = np.zeros_like(seen)
    for previous, current in ((seen, dark), (dark, seen)):
        assert len(track_corners(previous, current, np.diag([240.0, 240.0, 1.0]), np.eye(3))) == 0
