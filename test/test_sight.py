"""What is kept of a calibrated camera's images, and the geometry of each pair that comes of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from samples.plane import CAMERA, PlaneDrive, robot
from samples.streams import MS, START_NS
from scipy.spatial.transform import Rotation

from atvio_ros.errors import CalibrationError, ImageError
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.config import AtvioConfig
from atvio_ros.odometry.estimator import NetworkEstimator
from atvio_ros.odometry.pair_torch import TorchPairs
from atvio_ros.odometry.road_estimator import FARTHEST_H, nearest_seen
from atvio_ros.odometry.sight import ScaledImages, Sight
from atvio_ros.odometry.travel import TravelTracker, pair_rotation
from atvio_ros.preprocessing import scale_image
from atvio_ros.types import CameraFrame, FramePair, ImuWindow
from atvio_ros.view.virtual_camera import KITTI_VIEW


def window(gyro: tuple[float, float, float], interval_ms: int = 100) -> ImuWindow:
    stamps_ns = START_NS + np.arange(0, interval_ms + 1, 10) * MS
    return ImuWindow(stamps_ns, np.tile([*gyro, 0.0, 0.0, 9.81], (len(stamps_ns), 1)))


def noise(width: int = CAMERA.width, height: int = CAMERA.height, channels: tuple[int, ...] = ()) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, *channels), dtype=np.uint8)


# ---- images


def test_the_papers_networks_get_the_whole_image_scaled():
    frame = ScaledImages(32, 64).frame(7, noise(), 9)
    np.testing.assert_array_equal(frame.image, scale_image(noise(), 32, 64))
    assert (frame.stamp_ns, frame.received_ns) == (7, 9)


def test_a_kept_image_is_grey_and_without_the_lens_and_stays_of_one_size():
    sight = Sight(robot())
    with pytest.raises(ImageError, match='No image has come yet'):
        _ = sight.stored
    first = sight.frame(START_NS, noise(channels=(3,)))
    virtual = sight.stored.virtual
    assert first.image.shape == (virtual.height, virtual.width, 1)
    smaller = sight.frame(START_NS + 1, noise(208, 80))  # of half the size, as after a change of the camera's mode
    assert smaller.image.shape == first.image.shape
    with pytest.raises(ImageError, match=r'of another aspect ratio.*restart the odometry'):
        sight.frame(START_NS + 2, noise(416, 128))


def test_images_of_another_aspect_ratio_than_calibrated_are_refused():
    with pytest.raises(CalibrationError, match='aspect ratio'):
        Sight(robot()).frame(START_NS, noise(416, 100))


def test_a_blank_image_is_known_for_one_though_its_borders_are_grey():
    sight = Sight(robot())
    assert sight.frame(START_NS, np.zeros((CAMERA.height, CAMERA.width), np.uint8)).blank
    assert sight.frame(START_NS, noise()).blank is False


def test_where_the_road_comes_into_view_follows_from_the_camera():
    sight = Sight(robot())
    sight.frame(START_NS, noise())
    assert nearest_seen(sight.stored.mask, sight.stored.virtual) == pytest.approx(240.0 / (159.5 - 60.0), rel=0.05)
    up = Sight(robot(pitch_deg=-40.0))
    up.frame(START_NS, noise())
    assert nearest_seen(up.stored.mask, up.stored.virtual) == FARTHEST_H


# ---- geometry of pairs


def test_the_gyro_is_integrated_over_the_pair():
    still = CameraFrame(START_NS, np.zeros((4, 4, 1), np.uint8))
    later = dataclasses.replace(still, stamp_ns=START_NS + 100 * MS)
    R = pair_rotation(FramePair(still, later, window((0.1, -0.2, 0.5))))
    np.testing.assert_allclose(Rotation.from_matrix(R).as_rotvec(), [0.01, -0.02, 0.05], atol=1e-12)


def test_the_direction_of_travel_is_found_and_forgotten_with_a_reset():
    drive, told = PlaneDrive(robot(), 0.5, frames=16), robot(pitch_deg=2.0)
    sight = Sight(told)
    frames = [sight.frame(START_NS + k * 100 * MS, drive.image(k)) for k in range(drive.frames)]
    tracker = TravelTracker(sight)

    def run() -> list[float]:
        geometries = []
        for k in range(len(frames) - 1):
            imu = ImuWindow(window((0.0, 0.0, 0.0)).stamps_ns + k * 100 * MS, window((0.0, 0.0, 0.0)).values)
            geometries.append(tracker.update(FramePair(frames[k], frames[k + 1], imu)))
        assert geometries[-1].confident
        assert not geometries[-1].lost
        assert geometries[-1].pitch_sigma < geometries[0].pitch_sigma < np.radians(2.0)
        np.testing.assert_allclose(geometries[-1].R_previous_current, np.eye(3), atol=1e-9)
        return [float(np.degrees(np.arcsin(each.R_image_level[1, 2]))) for each in geometries]

    first = run()
    assert np.mean(first[-10:]) == pytest.approx(2.0, abs=0.1)
    assert first[-1] == pytest.approx(2.0, abs=0.4)  # two of its sigmas: it follows the newest images
    tracker.reset()
    assert run() == first


# ---- a network that looks through a level view


@pytest.fixture(scope='module')
def network() -> NetworkEstimator:
    torch.manual_seed(0)
    view = KITTI_VIEW.resized(64, 32)
    config = AtvioConfig(
        visual_widths=(4, 8, 16), lstm_hidden=8, image_height_px=32, image_width_px=64, image_channels=1,
        rotation='gyro_residual', view='level', view_intrinsics_px=(view.fx, view.fy, view.cx, view.cy),
        view_height_m=1.5,
    )  # fmt: skip
    return NetworkEstimator(TorchPairs(Atvio(config)), trained=False)


def test_a_networks_motion_is_in_camera_heights_of_the_robot_it_is_on(network):
    drive = PlaneDrive(robot(), 0.3, frames=5)
    once, twice = (drive.run(network, dataclasses.replace(drive.rig, camera_height=height)) for height in (1.0, 2.0))
    for one, two in zip(once, twice, strict=True):
        np.testing.assert_allclose(two.motion.T_previous_current[:3, 3], 2.0 * one.motion.T_previous_current[:3, 3])
        np.testing.assert_array_equal(two.T_odom_base[:3, :3], one.T_odom_base[:3, :3])


def test_a_network_on_one_robot_leaves_that_on_another_alone(network):
    drive = PlaneDrive(robot(), 0.3, frames=5)
    expected = drive.run(network)
    PlaneDrive(robot(0.5, pitch_deg=5.0), 0.1, frames=3).run(network)
    np.testing.assert_array_equal(drive.run(network)[-1].T_odom_base, expected[-1].T_odom_base)


def test_its_rotation_turns_with_the_robot_and_not_with_the_mounting_it_was_trained_with(network):
    """The camera looks 5 deg down, the gyro turns about base z: so must the base, but for the network's correction."""
    estimates = PlaneDrive(robot(pitch_deg=5.0), 0.3, frames=6, gyro_bias=(0.0, 0.0, 0.3)).run(network)
    for estimate in estimates[:2]:
        np.testing.assert_allclose(estimate.angular_velocity, [0.0, 0.0, 0.3], atol=0.03)
