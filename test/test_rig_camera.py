"""A camera as CameraInfo says: lenses agree with OpenCV, sizes follow the half-pixel rule, nonsense is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.errors import CalibrationError
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.camera_info import from_camera_info, is_rectified_topic

K = np.array([[420.0, 0.0, 322.0], [0.0, 415.0, 243.0], [0.0, 0.0, 1.0]])
LENSES = {
    'none': (),
    'plumb_bob': (-0.32, 0.12, 0.001, -0.0015, -0.02),
    'rational_polynomial': (0.9, 0.2, -0.0004, 0.0003, 0.01, 1.25, 0.35, 0.02),
    'equidistant': (-0.02, 0.004, -0.003, 0.0005),
}


def camera(model: str, width: int = 640, height: int = 480) -> CameraModel:
    return CameraModel(width, height, K, model, np.array(LENSES[model]))


def grid(width: int = 640, height: int = 480) -> np.ndarray:
    u, v = np.meshgrid(np.linspace(0, width - 1, 17), np.linspace(0, height - 1, 13))
    return np.stack((u, v), axis=-1)


def info(**changes):
    fields = {
        'width': 640, 'height': 480, 'distortion_model': 'plumb_bob', 'd': LENSES['plumb_bob'], 'k': K.ravel(),
        'r': np.eye(3).ravel(), 'p': np.column_stack((K, np.zeros(3))).ravel(),
    }  # fmt: skip
    return from_camera_info(**(fields | changes))


@pytest.mark.parametrize('model', LENSES)
def test_a_pixel_seen_along_its_ray_is_that_pixel(model):
    rays = camera(model).unproject(grid())
    assert np.allclose(np.linalg.norm(rays, axis=-1), 1)
    assert np.abs(camera(model).project(rays * 7.5) - grid()).max() < 1e-3


@pytest.mark.parametrize('model', LENSES)
def test_points_land_where_opencv_projects_them(model):
    points = np.random.default_rng(3).uniform((-3, -2, 4), (3, 2, 9), (50, 3))
    zero, d = np.zeros(3), np.array(LENSES[model])
    if model == 'equidistant':
        expected, _ = cv2.fisheye.projectPoints(points[:, None], zero, zero, K, d)
    else:
        expected, _ = cv2.projectPoints(points, zero, zero, K, d if len(d) else np.zeros(5))
    assert np.abs(camera(model).project(points) - expected[:, 0]).max() < 1e-9


def test_what_a_lens_model_would_fold_back_into_the_image_is_not_seen():
    lens = camera('plumb_bob')
    far_out = np.array([np.tan(np.radians(75.0)), 0.0, 1.0])
    folded, _ = cv2.projectPoints(far_out[None], np.zeros(3), np.zeros(3), K, np.array([-0.32, 0.12, 0, 0, -0.02]))
    assert lens.steepest < np.radians(75)
    assert np.isnan(lens.project(far_out)).all()
    assert np.isfinite(folded).all()


def test_what_is_behind_is_not_seen():
    for model in LENSES:
        pixels = camera(model).project(np.array([[0.1, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
        assert np.isnan(pixels[:2]).all()
        assert camera(model).inside(pixels).tolist() == [False, False, True]


def test_a_scaled_image_keeps_its_corners_not_its_first_pixel_centre():
    half = camera('plumb_bob').scaled(320, 240)
    assert half.K[0, 2] == pytest.approx((322 + 0.5) / 2 - 0.5)
    assert half.K[1, 1] == pytest.approx(415 / 2)
    ray = camera('plumb_bob').unproject(np.array([100.0, 60.0]))
    assert half.project(ray) == pytest.approx([(100 + 0.5) / 2 - 0.5, (60 + 0.5) / 2 - 0.5], abs=1e-3)


def test_an_image_of_another_aspect_ratio_is_refused_and_one_within_a_percent_is_not():
    with pytest.raises(CalibrationError, match=r'calibrated for 640x480 images, but they are 640x400.*ROI'):
        camera('none').scaled(640, 400)
    assert camera('none').scaled(642, 480).K[0, 0] == pytest.approx(420 * 642 / 640)


def test_raw_images_take_k_and_d_and_rectified_ones_p_and_r():
    turned = Rotation.from_euler('y', 3, degrees=True).as_matrix()
    P = np.column_stack((K * 0.8, (-50, 0, 0)))
    P[2] = 0, 0, 1, 0
    raw = info(r=turned.ravel(), p=P.ravel())
    rectified = info(r=turned.ravel(), p=P.ravel(), rectified=True)
    assert np.array_equal(raw.K, K)
    assert raw.distortion_model == 'plumb_bob'
    assert np.array_equal(raw.R_image_camera, np.eye(3))
    assert np.array_equal(rectified.K, P[:, :3])
    assert rectified.is_pinhole
    # A point of the optical frame, as image_proc would show it: turned by R, then projected by P.
    point = np.array([0.4, -0.2, 3.0])
    expected = P[:, :3] @ turned @ point
    assert rectified.project(point) == pytest.approx(expected[:2] / expected[2])
    assert rectified.unproject(rectified.project(point)) == pytest.approx(point / np.linalg.norm(point))
    assert is_rectified_topic('/camera/image_rect_color')
    assert not is_rectified_topic('/camera/image_raw')


def test_roi_counts_full_pixels_and_binning_comes_after_it():
    binned = info(binning_x=2, binning_y=2, roi=(40, 20, 400, 300))
    assert (binned.width, binned.height) == (200, 150)
    ray = info().unproject(np.array([140.0, 120.0]))
    assert binned.project(ray) == pytest.approx([(140 - 40 + 0.5) / 2 - 0.5, (120 - 20 + 0.5) / 2 - 0.5], abs=1e-3)
    assert info(binning_x=0, binning_y=1).width == 640


def test_a_lens_of_zeros_is_none_and_of_another_length_is_completed_or_refused():
    assert info(d=(0.0,) * 5).distortion_model == 'none'
    assert info(distortion_model='', d=()).is_pinhole
    assert np.allclose(info(d=LENSES['plumb_bob'][:4]).project(np.array([0.3, 0.1, 1])),
                       info(d=(*LENSES['plumb_bob'][:4], 0)).project(np.array([0.3, 0.1, 1])))  # fmt: skip


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'k': np.zeros(9)}, r'K is all zeros, so the camera is not calibrated.*rig file'),
        ({'k': np.zeros(9), 'p': np.zeros(12), 'rectified': True, 'd': ()}, r'K is all zeros'),
        ({'p': np.zeros(12), 'rectified': True}, r'P is all zeros.*raw image topic'),
        ({'k': np.where(K.ravel() == 420, np.nan, K.ravel())}, r'K holds NaN'),
        ({'d': (np.nan,) * 5}, r'd holds NaN'),
        ({'k': [1, 2, 3]}, r'K must have 9 numbers, not 3'),
        ({'k': (K * 2).ravel() / [1, 1, 1, 1, 1, 1, 1, 1, 2]}, r'cannot be that of 640x480'),
        ({'k': (K / 2).ravel() * [1, 1, 1, 1, 1, 1, 1, 1, 2]}, r'cannot be that of 640x480'),
        ({'distortion_model': 'radtan'}, r"'radtan' is not known.*Did you mean plumb_bob\?"),
        ({'distortion_model': 'plumb_bop'}, r'Did you mean plumb_bob\?'),
        ({'distortion_model': 'omni'}, r'only none, plumb_bob, rational_polynomial, equidistant'),
        ({'d': (0.1, 0.2)}, r'plumb_bob takes 4 or 5 coefficients in d, not 2'),
        ({'d': (0.1,) * 8}, r'not 8'),
        ({'distortion_model': 'equidistant', 'd': ()}, r'equidistant takes 4'),
        ({'d': (1e300, 0, 0, 0)}, r'd holds 1e\+300; coefficients of a lens'),
        ({'k': [420, 0, 322, 0, 1e300, 243, 0, 0, 1]}, r'fy 1e\+300, .*cannot be that of 640x480'),
        ({'width': 0}, r'0x480 is not possible'),
        ({'width': 100_000, 'height': 1000}, r'50 million'),
        ({'roi': (600, 0, 100, 100)}, r'ROI of 100x100 at 600, 0 does not lie within 640x480'),
        ({'binning_x': 1000}, r'leaves nothing'),
        ({'r': np.ones(9), 'rectified': True}, r'R is not a rotation'),
        ({'k': [420, 5, 322, 0, 415, 243, 0, 0, 1]}, r'no skew'),
    ],
)
def test_what_cannot_be_a_camera_is_refused_in_one_line_that_names_the_fix(changes, said):
    with pytest.raises(CalibrationError, match=said) as refused:
        info(**changes)
    assert '\n' not in str(refused.value)
    assert str(refused.value).startswith('camera_info: ')
