"""The picture by which a person judges a calibration."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from samples.nodes.fakes import Fake
from samples.road_images import CAMERA_HEIGHT, CX, CY, FOCAL, HEIGHT, WIDTH, K, road_image

from atvio_ros.odometry import debug_image
from atvio_ros.odometry.debug_image import LEVEL, draw_debug
from atvio_ros.odometry.pipeline import assemble, run_offline
from atvio_ros.odometry.road_estimator import RoadEstimator
from atvio_ros.odometry.sight import Sight
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.rig import Rig
from atvio_ros.types import ImuSample

MS = 1_000_000
SPEED = 6.0


def drive(estimator, rig: Rig, frames: int = 12):
    """The last pair of a straight drive, its estimate, and the intake."""
    odometry = assemble(estimator, rig, standstill=False)
    events = []
    for k in range(10 * frames):
        events.append(ImuSample(k * 10 * MS, np.zeros(3), np.array([0.0, 0.0, 9.81])))
        if k % 10 == 0:
            events.append(odometry.intake.frame(k * 10 * MS, road_image(SPEED * k / 100)))
    *_, (pair, estimate) = run_offline(events, odometry.pairer, odometry.engine)
    return pair, estimate, odometry.intake


@pytest.fixture(scope='module')
def seen():
    camera = CameraModel(WIDTH, HEIGHT, np.reshape(K, (3, 3)))
    return drive(RoadEstimator(), Rig(camera=camera, camera_height=CAMERA_HEIGHT))


def is_green(pixels: np.ndarray) -> np.ndarray:
    return (np.abs(pixels.astype(int) - debug_image.GREEN) < 60).all(axis=-1)


def test_lines_of_the_grid_lie_where_the_road_is_so_far_away(seen):
    picture = draw_debug(*seen, 'tracking', 'road')
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    for far_m in (10.0, 20.0):
        row = LEVEL.cy + LEVEL.fy * CAMERA_HEIGHT / far_m
        rows = np.flatnonzero(is_green(picture[:, round(LEVEL.cx) + 20]))
        assert np.abs(rows - row).min() <= 1.0
    horizon = picture[round(LEVEL.cy), 5]
    np.testing.assert_array_less(np.abs(horizon.astype(int) - debug_image.YELLOW), 60)


def test_the_level_view_shows_the_image_at_the_horizon_of_its_camera(seen):
    """What the camera has at its own horizon row is at the view's: the drive is level and straight."""
    pair, estimate, sight = seen
    assert isinstance(sight, Sight)
    level = debug_image._level_view(pair.current.image, sight, sight.R_camera_stored @ estimate.geometry.R_image_level)
    u, v = np.meshgrid(np.arange(50, LEVEL.width - 50, dtype=np.float32), np.arange(LEVEL.cy + 40, LEVEL.cy + 110))
    expected = cv2.remap(
        road_image(SPEED * 1.1),
        (CX + FOCAL / LEVEL.fx * (u - LEVEL.cx)).astype(np.float32),
        (CY + FOCAL / LEVEL.fy * (v - LEVEL.cy)).astype(np.float32),
        cv2.INTER_LINEAR,
    )
    shown = level[round(v[0, 0]) : round(v[-1, 0]) + 1, 50 : LEVEL.width - 50, 0]
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.77  # a row beside: 0.67 to 0.76, by OpenCV's version


def test_without_a_calibrated_view_it_is_what_the_network_sees():
    pair, estimate, _ = drive(Fake(), Rig(), 4)
    picture = draw_debug(pair, estimate, None, 'degraded', 'a fake')
    assert picture.shape[1] == debug_image.WIDTH
    assert picture.shape[0] > debug_image.WIDTH * 128 // 416
