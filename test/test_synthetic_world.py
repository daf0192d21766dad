"""Rules of the rendered world: images agree with poses, roads stay free, the same seed gives the same pixels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import moderngl
import numpy as np
import pytest
from samples.worlds import CORNERS, a_lone_rectangle
from scipy.spatial.transform import Rotation

from atvio_ros.bags.reader import BagReader
from atvio_ros.cli.main import main
from atvio_ros.errors import RenderError
from atvio_ros.geometry import inverse, rotation_angle, transform
from atvio_ros.rendering import DriveSettings, kitti_intrinsics, opengl, synthesize
from atvio_ros.rendering.items import footprint
from atvio_ros.rendering.optics import Pinhole, Straight
from atvio_ros.rendering.renderer import Renderer
from atvio_ros.rendering.trajectory import Motion
from atvio_ros.rendering.world import World, build_world

KITTI = Path(__file__).resolve().parents[2] / 'shared/data/kitti'
CAMERA = Pinhole(416, 128, *kitti_intrinsics(416, 128))


@pytest.mark.parametrize('turn_deg', [(0.0, 0.0, 0.0), (4.0, -9.0, 3.0), (-6.0, 14.0, -5.0)])
@pytest.mark.parametrize('depth_m', [6.0, 40.0, 150.0])
def test_a_known_rectangle_appears_at_its_projected_pixels(turn_deg, depth_m):
    side = 0.08 * depth_m
    square = side * np.stack((np.cos(CORNERS), np.sin(CORNERS), np.zeros(4)), axis=1)  # aslant to the pixel grid
    R = Rotation.from_euler('xyz', turn_deg, degrees=True).as_matrix()
    T_world_camera = transform(R, np.array((812.3, -455.1, 31.7)))  # far from the origin, as on a long drive
    bearing = np.array((0.21, -0.03, 1.0))
    square = (square + bearing * depth_m) @ R.T + T_world_camera[:3, 3]  # faces the camera
    with Renderer(a_lone_rectangle(square), Straight(CAMERA, 2.0)) as renderer:
        image = renderer.render(T_world_camera, 0.0)[..., 0] / 255.0
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    centre = (image * u).sum() / image.sum(), (image * v).sum() / image.sum()
    expected = CAMERA.fx * bearing[0] + CAMERA.cx, CAMERA.fy * bearing[1] + CAMERA.cy
    assert centre == pytest.approx(expected, abs=0.04)  # pixels
    assert image.sum() == pytest.approx(2 * 0.08**2 * CAMERA.fx * CAMERA.fy, rel=0.01)


@pytest.fixture(scope='module')
def drive():
    return synthesize(DriveSettings(seed=2, length=120.0))


def test_the_same_seed_gives_the_same_pixels(drive):
    again = synthesize(DriveSettings(seed=2, length=120.0))
    for (stamp, image), (stamp_again, image_again) in zip(drive.images(0, 3), again.images(0, 3), strict=True):
        assert stamp == stamp_again
        np.testing.assert_array_equal(image, image_again)


def test_images_are_textured_and_differ_as_the_car_moves(drive):
    images = [image for _, image in drive.images(20, 30)]
    assert images[0].shape == (128, 416, 3)
    assert images[0].dtype == np.uint8
    ground = images[0][90:].astype(float).mean(axis=2)
    assert ground.std() > 4.0
    assert np.abs(images[0].astype(int) - images[-1]).mean() > 3.0


def test_the_road_moves_in_the_image_as_far_as_the_ground_truth_says():
    """The plane of the road maps one image onto the next; of all lengths of the step the true one must fit best."""
    drive = synthesize(DriveSettings(seed=6, length=200.0, color=False))
    images = [image for _, image in drive.images(0, 150)]
    fx, fy, cx, cy = drive.rig.camera.intrinsics
    K = np.array(((fx, 0.0, cx), (0.0, fy, cy), (0.0, 0.0, 1.0)))
    shares = np.linspace(0.8, 1.2, 41)
    found = []
    for index in range(20, 148, 7):
        T_previous_current = inverse(drive.camera_poses[index]) @ drive.camera_poses[index + 1]
        if not 0.5 < T_previous_current[2, 3] < 1.2 or rotation_angle(T_previous_current[:3, :3]) > 0.004:
            continue  # straight pieces at town speed: there the ground is a plane
        ahead = T_previous_current[:3, 3] / np.linalg.norm(T_previous_current[:3, 3])
        down = np.array((0.0, 1.0, 0.0)) - ahead[1] * ahead  # the camera looks down a little
        errors = []
        for share in shares:
            plane = np.outer(share * T_previous_current[:3, 3], down) / 1.65
            H = K @ (T_previous_current[:3, :3] + plane) @ np.linalg.inv(K)  # current -> previous
            warped = cv2.warpPerspective(images[index], H, (416, 128), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            road = np.s_[92:124, 170:240]
            errors.append(np.abs(warped[road].astype(float) - images[index + 1][road]).mean())
        found.append(shares[int(np.argmin(errors))])
    assert len(found) >= 5
    assert np.median(found) == pytest.approx(1.0, abs=0.03)


def test_grey_drives_have_one_channel():
    drive = synthesize(DriveSettings(seed=2, length=40.0, color=False, width=160, height=64))
    _, image = next(drive.images())
    assert image.shape == (64, 160)


def test_the_camera_keeps_its_height_above_the_road(drive):
    """The height fixes the scale of the image, so it must be right: here within the springs' travel."""
    road = drive.world.road
    camera = drive.motion.poses(np.linspace(0.5, drive.motion.times_s[-1] - 0.5, 50)) @ drive.rig.T_base_camera
    distance, nearest = road.tree.query(camera[:, :2, 3])
    height = camera[:, 2, 3] - road.centre[nearest, 2]
    assert distance.max() < 0.6
    assert height == pytest.approx(1.65, abs=0.06)


def assert_roads_are_free(world: World, camera_xy: np.ndarray) -> None:
    """No footprint point within the car's own width of where the camera ever is; buildings much farther away."""
    keep_m = {'house': 3.0, 'shed': 2.5, 'tree': 1.8, 'conifer': 1.8, 'car': 1.3}
    for item in world.items:
        points = footprint(world.road, item)
        near = np.hypot(*(points[:, None] - camera_xy[None]).transpose(2, 0, 1)).min()
        assert near > keep_m.get(item.kind, 1.4), f'{item} is {near:.2f} m from the driven line'


def test_nothing_stands_on_a_road_that_crosses_itself():
    times_s = np.linspace(0.0, 60.0, 600)
    angle = times_s / 60.0 * 2 * np.pi
    x, y = 90.0 * np.sin(angle), 70.0 * np.sin(2 * angle)
    yaw = np.unwrap(np.arctan2(np.gradient(y), np.gradient(x)))
    poses = np.tile(np.eye(4), (600, 1, 1))
    poses[:, :3, :3] = Rotation.from_euler('z', yaw[:, None]).as_matrix()
    poses[:, :3, 3] = np.stack((x, y, np.full(600, 0.92)), axis=1)
    T_base_camera = synthesize(DriveSettings(length=40.0)).rig.T_base_camera
    world = build_world(Motion(times_s, poses), T_base_camera, times_s[::2], 1.65, seed=4)
    assert len(world.items) > 100
    assert_roads_are_free(world, (poses @ T_base_camera)[:, :2, 3])


@pytest.mark.slow
@pytest.mark.skipif(not KITTI.is_dir(), reason=f'needs KITTI poses in {KITTI}')
def test_nothing_stands_on_the_roads_of_a_whole_kitti_sequence():
    drive = synthesize(DriveSettings(seed=1, poses=KITTI / 'poses/06.txt', times=KITTI / 'times/06.txt'))
    times_s = (drive.stamps_ns - drive.stamps_ns[0]) / 1e9
    assert_roads_are_free(drive.world, (drive.motion.poses(times_s) @ drive.rig.T_base_camera)[:, :2, 3])


def test_without_egl_the_error_names_the_packages(monkeypatch):
    def fail(**_):
        raise OSError('libEGL.so not found')

    monkeypatch.setattr(moderngl, 'create_context', fail)
    with pytest.raises(RenderError, match='libegl1') as caught:
        Renderer(a_lone_rectangle(np.eye(4, 3)), Straight(CAMERA, 2.0))
    assert '\n' not in str(caught.value)


def test_triton_is_loaded_before_mesa(monkeypatch):
    """Mesa's LLVM, once it is loaded, kills a triton that comes after it: found with a PyTorch that has CUDA."""
    loaded: list[str] = []
    monkeypatch.setattr(opengl.importlib, 'import_module', loaded.append)
    monkeypatch.setattr(opengl.moderngl, 'create_context', lambda **_: loaded.append('mesa'))
    opengl.context()
    assert loaded == ['triton', 'mesa']


def test_drawing_and_triton_live_in_one_process():
    pytest.importorskip('triton', reason='this PyTorch has no CUDA, so no triton')
    code = 'from atvio_ros.rendering import opengl; opengl.context(); import triton; print(triton.__version__)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_command_writes_a_bag_that_holds_the_drive(tmp_path, capsys):
    bag = tmp_path / 'drive'
    words = ['synthesize', '--out', str(bag), '--length', '30', '--seed', '1', '--size', '104x32']
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(str(bag))
    drive = synthesize(DriveSettings(seed=1, length=30.0))
    with BagReader(bag) as reader:
        assert reader.count('/camera/image_raw') == reader.count('/ground_truth/odometry') == len(drive)
        assert reader.count('/imu/data_raw') == len(drive.imu)


def test_a_wrong_option_is_one_line(tmp_path, capsys):
    assert main(['synthesize', '--out', str(tmp_path / 'bag'), '--length', '3']) == 1
    message = capsys.readouterr().err
    assert 'length' in message
    assert message.count('\n') == 1
