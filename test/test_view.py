"""One scene, seen by cameras that differ in lens, focal length, size and tilt, is one and the same view."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.errors import CalibrationError, ImageError
from atvio_ros.geometry import R_BODY_OPTICAL, transform
from atvio_ros.preprocessing import scale_image
from atvio_ros.resources import find_resource
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.combine import combine
from atvio_ros.rig.rig import DirectionOfTravel, Rig
from atvio_ros.rig.rig_yaml import read_rig
from atvio_ros.view.level import camera_translation, derotated, level_rotation, nominal_level
from atvio_ros.view.redraw import MEAN_GREY, LevelView
from atvio_ros.view.road import RoadView, nearest_road
from atvio_ros.view.stored import StoredView, stored_camera
from atvio_ros.view.virtual_camera import KITTI_VIEW, VirtualCamera

KITTI = CameraModel(1241, 376, np.array([[718.856, 0, 607.1928], [0, 718.856, 185.2157], [0, 0, 1.0]]))
CAMERAS = {
    'none': CameraModel(960, 540, np.array([[560.0, 0, 470], [0, 560, 275], [0, 0, 1]])),
    'plumb_bob': CameraModel(
        800, 450, np.array([[390.0, 0, 404], [0, 386, 221], [0, 0, 1]]), 'plumb_bob',
        np.array([-0.25, 0.08, 0.001, -0.001, -0.01]),
    ),
    'rational_polynomial': CameraModel(
        640, 480, np.array([[344.0, 0, 321], [0, 344, 241], [0, 0, 1]]), 'rational_polynomial',
        np.array([0.9, 0.2, -0.0004, 0.0003, 0.01, 1.25, 0.35, 0.02]),
    ),
    'equidistant': CameraModel(
        640, 600, np.array([[216.0, 0, 316], [0, 216, 303], [0, 0, 1]]), 'equidistant',
        np.array([-0.01, 0.04, -0.04, 0.006]),
    ),
}  # fmt: skip


def turned(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """R_camera_view of a camera mounted so: angles [deg] about its z, x and y."""
    return Rotation.from_euler('zxy', (roll, pitch, yaw), degrees=True).as_matrix()


def grey(rays: np.ndarray) -> np.ndarray:
    """A scene at infinity: smooth stripes over directions (..., 3), no wave shorter than 1.4 degrees."""
    x, y, z = np.moveaxis(rays / np.linalg.norm(rays, axis=-1, keepdims=True), -1, 0)
    across, down = np.arctan2(x, z), np.arcsin(y)
    return 120 + 45 * np.sin(250 * down + 40 * across) + 45 * np.sin(130 * across)


def photographed(camera: CameraModel, R_camera_view: np.ndarray) -> np.ndarray:
    """The scene, whose axes are those of the view, as the camera's image (h, w)."""
    return np.nan_to_num(grey(rays_of(camera) @ R_camera_view)).round().astype(np.uint8)


@functools.cache
def rays_of(camera: CameraModel) -> np.ndarray:
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    return camera.unproject(np.stack((u, v), axis=-1).astype(float))


@pytest.mark.parametrize('lens', CAMERAS)
def test_every_camera_gives_the_same_view_of_the_same_scene(lens):
    camera, R = CAMERAS[lens], turned(3, -6, 2)
    view = LevelView(camera, KITTI_VIEW, R)
    drawn, expected = view.draw(photographed(camera, R))[..., 0], grey(KITTI_VIEW.rays())
    assert view.coverage > 0.95
    error = (drawn - expected)[view.mask]
    slope = np.hypot(*np.gradient(expected))[view.mask]  # grey levels a pixel
    steep = slope > np.median(slope)
    assert np.percentile(np.abs(error[steep] / slope[steep]), 99) < 0.15  # px
    assert abs(error.mean()) < 0.2
    assert np.sqrt(np.mean(error**2)) < 2.5


@pytest.mark.parametrize('lens', CAMERAS)
def test_points_in_space_land_where_the_virtual_camera_projects_them(lens):
    """... drawn as spots into the source with OpenCV's own projection, and found again in the view."""
    camera, R = CAMERAS[lens], turned(-2, 5, 3)
    wanted = np.stack(np.meshgrid(np.linspace(60, 350, 6), np.linspace(25, 100, 4)), axis=-1).reshape(-1, 2)
    K = KITTI_VIEW.K
    points = np.column_stack(((wanted - K[:2, 2]) / K[[0, 1], [0, 1]], np.ones(24))) * np.linspace(2, 30, 24)[:, None]
    zero, seen = np.zeros(3), (points @ R.T)[:, None]
    if lens == 'equidistant':
        pixels, _ = cv2.fisheye.projectPoints(seen, zero, zero, camera.K, camera.d)
    else:
        pixels, _ = cv2.projectPoints(seen, zero, zero, camera.K, camera.d if len(camera.d) else np.zeros(5))
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    image = sum(200 * np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * 3.0**2)) for x, y in pixels[:, 0])
    drawn = LevelView(camera, KITTI_VIEW, R).draw(image.round().astype(np.uint8))[..., 0].astype(float)
    for x, y in wanted:
        left, top = round(x) - 7, round(y) - 7
        spot = drawn[top : top + 15, left : left + 15]
        rows, columns = np.mgrid[top : top + 15, left : left + 15]
        assert (spot * columns).sum() / spot.sum() == pytest.approx(x, abs=0.15)
        assert (spot * rows).sum() / spot.sum() == pytest.approx(y, abs=0.15)


def test_kittis_own_images_are_only_scaled_as_the_network_was_trained():
    image = np.random.default_rng(1).integers(0, 255, (376, 1241, 3), dtype=np.uint8)
    view = LevelView(KITTI, KITTI_VIEW, np.eye(3))
    assert np.array_equal(view.draw(image), scale_image(image))
    assert np.array_equal(view.draw(image[..., 0]), scale_image(image[..., 0]))
    assert view.coverage == 1


def test_the_view_of_kitti_is_its_camera_by_the_half_pixel_rule():
    assert KITTI_VIEW.cx == pytest.approx((607.1928 + 0.5) * 416 / 1241 - 0.5)
    assert KITTI_VIEW.fy == pytest.approx(718.856 * 128 / 376)
    assert np.array_equal(KITTI_VIEW.model.K, KITTI_VIEW.K)
    with pytest.raises(CalibrationError, match='not possible'):
        VirtualCamera(416, 128, -1, 240, 200, 64)


def test_a_small_turn_changes_a_view_by_little_and_by_nothing_of_its_sharpness():
    noise = np.random.default_rng(2).integers(0, 255, (47, 156), dtype=np.uint8)
    image = cv2.resize(noise, (1241, 376), interpolation=cv2.INTER_CUBIC)
    plain = LevelView(KITTI, KITTI_VIEW, np.eye(3)).draw(image).astype(float)
    remapped = LevelView(KITTI, KITTI_VIEW, turned(0, 0.005, 0)).draw(image).astype(float)
    inner = slice(4, -4)
    assert np.abs(remapped - plain)[inner, inner].mean() < 2.0
    contrast = [np.abs(np.diff(each[inner, inner], axis=1)).mean() for each in (plain, remapped)]
    assert contrast[1] / contrast[0] == pytest.approx(1, abs=0.03)


def test_stripes_finer_than_a_pixel_of_the_view_become_grey_not_moire():
    camera = CameraModel(1664, 512, np.array([[964.0, 0, 830], [0, 964, 255], [0, 0, 1]]))
    image = np.tile(np.array([0, 0, 200, 200], dtype=np.uint8), (512, 416))
    view = LevelView(camera, KITTI_VIEW, turned(1, 0, 0))
    assert view.draw(image)[view.mask].std() < 12  # 100 undrawn


def test_what_the_camera_does_not_see_is_grey_and_masked():
    narrow = CameraModel(640, 480, np.array([[900.0, 0, 320], [0, 900, 240], [0, 0, 1]]))
    view = LevelView(narrow, KITTI_VIEW, np.eye(3))
    drawn = view.draw(np.full((480, 640), 255, dtype=np.uint8))
    assert 0.3 < view.coverage < 0.6
    assert (drawn[view.mask] == 255).all()
    assert (drawn[~view.mask] == MEAN_GREY).all()
    away = LevelView(narrow, KITTI_VIEW, turned(0, 0, 180))
    assert away.coverage == 0
    assert (away.draw(np.zeros((480, 640, 3), dtype=np.uint8)) == MEAN_GREY).all()


def test_an_image_of_another_size_than_calibrated_is_refused():
    with pytest.raises(ImageError, match='The image is 640x480, its calibration 1241x376'):
        LevelView(KITTI, KITTI_VIEW, np.eye(3)).draw(np.zeros((480, 640), dtype=np.uint8))


def test_level_axes_take_out_roll_and_look_along_the_way():
    R = level_rotation(DirectionOfTravel(0.1, -0.05).vector, np.array([0.2, 1.0, 0.0]))
    assert np.allclose(R.T @ R, np.eye(3))
    assert np.linalg.det(R) == pytest.approx(1)
    assert R[:, 2] == pytest.approx(DirectionOfTravel(0.1, -0.05).vector)
    assert R[:, 0] @ (0.2, 1.0, 0.0) == pytest.approx(0)  # x is level
    assert R[1, 1] > 0.9
    tilted = Rig(T_base_camera=transform(R_BODY_OPTICAL @ turned(4, 0, 0) @ turned(0, -7, 0), np.zeros(3)))
    # Level axes of a robot that goes along base x are base's own, whatever the tilt of its camera.
    assert np.allclose(tilted.R_base_camera @ nominal_level(tilted), R_BODY_OPTICAL)
    with pytest.raises(CalibrationError, match='points up or down'):
        level_rotation(np.array([0.0, 1, 0]), np.array([0.0, 1, 0]))


@pytest.mark.parametrize('lens', CAMERAS)
def test_a_stored_image_gives_level_and_derotated_views(lens):
    camera, nominal = CAMERAS[lens], turned(2, -4, 1)
    store = StoredView(camera, nominal)
    true = nominal @ turned(0, 1.5, -0.5)  # what images have shown since
    stored = store.store(photographed(camera, true))
    seen = store.seen(KITTI_VIEW, true)
    expected = grey(KITTI_VIEW.rays())
    error = (store.draw(stored, KITTI_VIEW, true)[..., 0] - expected)[seen]
    assert seen.mean() > 0.9
    assert np.sqrt(np.mean(error**2)) < 5
    # The previous image was turned by another three degrees; drawn derotated it is the same scene.
    R_previous_current = turned(0.3, -0.5, 3)
    previous = store.store(photographed(camera, R_previous_current @ true))
    R = derotated(R_previous_current, true)
    error = (store.draw(previous, KITTI_VIEW, R)[..., 0] - expected)[store.seen(KITTI_VIEW, R)]
    assert np.sqrt(np.mean(error**2)) < 5


def test_stored_images_are_finer_and_wider_than_the_view_and_no_wider_than_the_source():
    whole = stored_camera(KITTI_VIEW)
    assert 600 < whole.width < 680
    assert whole.fx > 1.25 * KITTI_VIEW.fx
    store = StoredView(KITTI, np.eye(3))
    assert store.virtual.width < whole.width
    assert store.mask.all()
    kitti = combine([read_rig(find_resource('config/rigs/kitti.yaml'))]).rig
    rig_store = StoredView(kitti.needed_camera, nominal_level(kitti))
    assert rig_store.seen(KITTI_VIEW, nominal_level(kitti)).mean() > 0.95
    with pytest.raises(CalibrationError, match='sees nothing of the way ahead'):
        StoredView(KITTI, turned(0, 0, 120))


def test_the_road_view_shows_the_ground_in_camera_heights():
    road, R, K = RoadView(), turned(1, -3, 0.5), KITTI_VIEW.K
    assert (road.rows, road.columns) == (230, 52)
    points = road.points()
    assert points[-1, 0] == pytest.approx([-1.275, 1, 3.6])
    assert points[0, -1] == pytest.approx([1.275, 1, 3.6 + 229 * 0.02])
    H = road.homography(K, R)
    pixel = H @ (10, 20, 1)
    expected = K @ R @ points[20, 10]
    assert pixel[:2] / pixel[2] == pytest.approx(expected[:2] / expected[2])


def test_a_painted_road_is_drawn_as_it_is_painted_from_any_camera():
    road, camera, R = RoadView(cell=0.04, cell_across=0.08), CAMERAS['plumb_bob'], turned(2, -5, 1)

    def paint(points: np.ndarray) -> np.ndarray:
        X, Z = points[..., 0] / points[..., 1], points[..., 2] / points[..., 1]
        return 120 + 50 * np.sin(2 * np.pi * X / 0.9) + 40 * np.cos(2 * np.pi * Z / 1.1)

    rays = rays_of(camera) @ R
    image = np.where(rays[..., 1] > 0.05, paint(rays), MEAN_GREY).round().astype(np.uint8)
    store = StoredView(camera, R)
    drawn, seen = store.road(store.store(image), road, R)[..., 0], store.road_seen(road, R)
    error = (drawn - paint(road.points()))[seen]
    assert seen.mean() > 0.99
    assert (seen <= road.mask(camera, R)).all()
    assert np.abs(error).max() < 12
    assert abs(error.mean()) < 0.5


def test_road_out_of_sight_is_masked_and_its_distance_found():
    level = np.eye(3)
    assert nearest_road(KITTI, level) == pytest.approx(718.856 / (375.5 - 185.2157), rel=0.02)
    assert nearest_road(KITTI, turned(0, -20, 0)) == float('inf')  # looks into the sky
    assert nearest_road(KITTI, turned(0, 5, 0)) < 3.0  # looks down
    mask = RoadView(near=2.0).mask(KITTI, level)
    assert not mask[-1].any()
    assert mask[0].all()
    for wrong in ({'near': 9.0}, {'cell': 0.0}, {'half_width': float('nan')}, {'cell': 1e-5}):
        with pytest.raises(CalibrationError):
            RoadView(**wrong)


def test_motion_comes_back_in_metres_and_in_the_previous_cameras_axes():
    R_previous_current, level = turned(0, 0, 4), turned(0, -5, 1)
    t = camera_translation(np.array([0, 0, 0.5]), 1.65, R_previous_current, level)
    assert np.linalg.norm(t) == pytest.approx(0.825)
    assert t == pytest.approx(0.825 * (R_previous_current @ level)[:, 2])
