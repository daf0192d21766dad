"""What a lens draws is where its model says, in every part of the image, and smooth; what it cannot see is black."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from samples.worlds import CORNERS, a_lone_rectangle
from scipy.spatial.transform import Rotation

from atvio_ros.errors import CalibrationError, RenderError
from atvio_ros.geometry import inverse, transform
from atvio_ros.rendering import DriveSettings, synthesize
from atvio_ros.rendering.optics import Lens, Straight, make_optics
from atvio_ros.rendering.renderer import Renderer
from atvio_ros.rendering.robots import ROBOTS
from atvio_ros.rig.camera import CameraModel

LENSES = {
    'plumb_bob': ((230.0, 231.0, 158.0, 122.0), (-0.28, 0.09, 0.001, -0.0007, -0.01)),
    'rational_polynomial': ((180.0, 180.0, 161.0, 119.0), (0.9, 0.12, 0.0002, -0.0001, 0.004, 1.25, 0.32, 0.022)),
    'equidistant': ((140.0, 141.0, 160.0, 118.0), (-0.012, 0.004, -0.0016, 0.0002)),  # 130 degrees wide
}
R = Rotation.from_euler('xyz', (4.0, -30.0, 3.0), degrees=True).as_matrix()
T_WORLD_CAMERA = transform(R, np.array((812.3, -455.1, 31.7)))


def lens(model: str) -> CameraModel:
    (fx, fy, cx, cy), d = LENSES[model]
    return CameraModel(320, 240, np.array(((fx, 0, cx), (0, fy, cy), (0, 0, 1.0))), model, np.array(d))


def edge(ray: np.ndarray, points: int = 1) -> np.ndarray:
    """A small square (4 points, 3) that faces the camera, 20 m off along a ray, each side in so many parts."""
    toward = Rotation.align_vectors([ray], [[0.0, 0.0, 1.0]])[0].as_matrix()
    corners = 0.6 * np.stack((np.cos(CORNERS), np.sin(CORNERS), np.zeros(4)), axis=1)
    share = np.linspace(0.0, 1.0, points, endpoint=False)[:, None]
    sides = [a + share * (b - a) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    return np.concatenate(sides) @ toward.T + 20.0 * ray


@pytest.mark.parametrize('model', LENSES)
def test_a_point_is_drawn_where_the_lens_model_puts_it(model):
    camera = lens(model)
    pixels = np.array([(160.0, 120.0), (14.0, 20.0), (303.0, 222.0), (20.0, 130.0), (150.0, 226.0)])
    rays = camera.unproject(pixels)
    np.testing.assert_allclose(camera.project(rays), pixels, atol=1e-3)
    squares = np.stack([edge(ray) for ray in rays]) @ R.T + T_WORLD_CAMERA[:3, 3]
    with Renderer(a_lone_rectangle(squares), make_optics(camera, 2.0)) as renderer:
        whole = renderer.render(T_WORLD_CAMERA, 0.0)[..., 0] / 255.0
    v, u = np.mgrid[:240, :320]
    for pixel, ray in zip(pixels, rays, strict=True):
        image = whole * (np.hypot(u - pixel[0], v - pixel[1]) < 30.0)
        centre = np.array(((image * u).sum(), (image * v).sum())) / image.sum()
        assert np.hypot(*(centre - pixel)) < 0.15
        outline = camera.project(edge(ray, points=15)).astype(np.float32)
        assert image.sum() == pytest.approx(cv2.contourArea(outline), rel=0.05)


def test_a_view_of_more_than_a_hundred_degrees_is_drawn_from_several_faces_without_a_seam():
    camera = lens('equidistant')
    optics = make_optics(camera, 2.0)
    assert len(optics.faces) >= 3
    assert len(make_optics(lens('plumb_bob'), 2.0).faces) == 1
    full = optics.image([np.full((face.size[1], face.size[0], 4), 200, np.uint8) for face in optics.faces])
    assert (full == 200).all()


def test_every_face_shows_each_ray_where_it_is():
    """The direction drawn into the faces comes back as the directions of the lens's pixels."""
    camera = lens('equidistant')
    optics = make_optics(camera, 2.0)
    faces = []
    for face in optics.faces:
        width, height = face.size
        u, v = np.meshgrid(np.arange(width), np.arange(height))
        pinhole = face.pinhole
        local = np.stack(((u - pinhole.cx) / pinhole.fx, (v - pinhole.cy) / pinhole.fy, np.ones(u.shape)), axis=-1)
        rays = local / np.linalg.norm(local, axis=-1, keepdims=True) @ face.R_camera_face.T
        faces.append(np.dstack((np.round((rays + 1) * 127.0), np.zeros(u.shape))).astype(np.uint8))
    pixels = np.stack(np.meshgrid(np.arange(320.0), np.arange(240.0)), axis=-1)
    seen = optics.image(faces) / 127.0 - 1
    assert np.abs(seen - camera.unproject(pixels)).max() < 0.012  # eight bits


def test_beyond_its_rim_a_lens_sees_black():
    K = np.array(((60.0, 0, 79.5), (0, 60.0, 59.5), (0, 0, 1.0)))
    camera = CameraModel(160, 120, K, 'equidistant', np.array((0.0, 0.0, 0.0, 0.0)))  # 90 degrees are 94 px off
    optics = Lens(camera, 1.0)
    full = optics.image([np.full((face.size[1], face.size[0], 4), 255, np.uint8) for face in optics.faces])
    assert full[0, 0, 0] == 0
    assert full[60, 80, 0] == full[60, 2, 0] == 255


def test_without_distortion_nothing_is_bent():
    assert isinstance(make_optics(DriveSettings().rig().camera, 1.5), Straight)


def test_a_distorted_drive_has_its_size_and_moves():
    drive = synthesize(DriveSettings(length=30.0, width=96, height=64, distortion_model='equidistant',
                                     distortion=(0.0, 0.0, 0.0, 0.0), intrinsics=(40.0, 40.0, 47.5, 31.5)))  # fmt: skip
    (_, first), (_, second) = drive.images(10, 12)
    assert first.shape == (64, 96, 3)
    assert (first != second).any()


def test_all_robots_can_be_drawn():
    for settings in ROBOTS.values():
        camera = settings.rig().needed_camera
        assert make_optics(camera.resized(camera.width // 4, camera.height // 4), 1.0).faces


def test_an_impossible_lens_is_refused_in_one_line():
    with pytest.raises(CalibrationError, match='plumb_bob takes 4 or 5 coefficients'):
        synthesize(DriveSettings(distortion_model='plumb_bob', distortion=(0.1,)))
    camera = CameraModel(4000, 3000, np.array(((3000.0, 0, 2000), (0, 3000.0, 1500), (0, 0, 1.0))), 'plumb_bob',
                         np.array((-0.1, 0.0, 0.0, 0.0)))  # fmt: skip
    with pytest.raises(RenderError, match='Lower the supersampling'):
        make_optics(camera, 4.0)


@pytest.mark.parametrize(('name', 'smaller'), [('courier', 2), ('panorama', 4)])
def test_rig_truth_and_images_agree_on_the_length_of_a_step(name, smaller):
    """Carried over by the rig and the true motion, the road of one image falls onto that of the next.

    Of all lengths of the step the true one must fit best: lens, tilt, height and truth are all in it.
    """
    settings = ROBOTS[name]
    camera = settings.rig().needed_camera.resized(settings.width // smaller, settings.height // smaller)
    drive = synthesize(
        replace(
            settings, seed=2, length=40.0, color=False, jitter=False, supersampling=1.0,
            width=camera.width, height=camera.height, intrinsics=camera.intrinsics,
        )
    )  # fmt: skip
    rig, h = drive.rig, drive.rig.needed_height
    ahead_m, left_m = np.meshgrid(np.linspace(2.5 * h, 6.0 * h, 120), np.linspace(-h, h, 80), indexing='ij')
    shares = np.linspace(0.8, 1.2, 41)
    found = []
    for index in range(10, len(drive) - 2, len(drive) // 7):
        T = inverse(drive.camera_poses[index]) @ drive.camera_poses[index + 1]
        if np.linalg.norm(T[:3, 3]) < 0.02 * h:
            continue
        ahead = T[:3, 3] / np.linalg.norm(T[:3, 3])
        down = rig.down - (rig.down @ ahead) * ahead
        down /= np.linalg.norm(down)
        road = h * down + ahead_m[..., None] * ahead + left_m[..., None] * np.cross(ahead, down)
        before, after = (image for _, image in drive.images(index, index + 2))
        seen = sampled(before, rig.needed_camera.project(road))
        errors = [
            np.nanmean(np.abs(seen - sampled(after, rig.needed_camera.project((road - share * T[:3, 3]) @ T[:3, :3]))))
            for share in shares
        ]
        found.append(shares[int(np.argmin(errors))])
    assert len(found) >= 5
    assert np.median(found) == pytest.approx(1.0, abs=0.021)


def sampled(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Brightness at pixels (..., 2); NaN outside the image."""
    u, v = pixels.astype(np.float32)[..., 0], pixels.astype(np.float32)[..., 1]
    return cv2.remap(image.astype(np.float32), u, v, cv2.INTER_LINEAR, borderValue=np.nan)
