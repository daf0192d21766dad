"""Rules of drawn robots: where the camera is, how fast they go, when and how well their IMU measures."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from atvio_ros.bags.reader import BagReader
from atvio_ros.cli.main import main
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.drives.kitti_tables import read_times
from atvio_ros.errors import SettingsError
from atvio_ros.geometry import inverse
from atvio_ros.rendering import DriveSettings, synthesize
from atvio_ros.rendering.imu import IDEAL, MEMS, QUALITIES, ImuSettings, simulate_imu
from atvio_ros.rendering.robots import ROBOTS
from atvio_ros.rendering.route import random_drive
from atvio_ros.rendering.trajectory import Motion, smooth_heights
from atvio_ros.settings import from_mapping
from atvio_ros.trajectory_files import write_kitti_poses
from atvio_ros.types import NANOSECONDS

COURIER = dataclasses.replace(ROBOTS['courier'], length=60.0, seed=3)
KITTI = Path(__file__).resolve().parents[2] / 'shared/data/kitti'


def test_without_a_word_about_the_robot_drives_are_what_they_always_were():
    drive = synthesize(DriveSettings(seed=3, length=60.0))
    assert len(drive) == 59
    assert drive.stamps_ns[[0, 1, -1]].tolist() == [*(1317000000000000000, 1317000000103265438, 1317000006021970767)]
    np.testing.assert_allclose(
        drive.imu.values.sum(axis=0),
        (
            0.13816600217789732,
            -0.5077221759994421,
            1.3445800890431359,
            35.482836511424,
            87.010204142799,
            5708.057445996,
        ),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        drive.truth.poses[-1, :3, 3], (59.5052806263335, 0.32320949253717046, 0.5980533572741636), rtol=1e-9
    )
    assert (drive.rig.camera_height, drive.rig.gyro_lag, drive.rig.accelerometer_lag) == (1.65, 0.065, 0.015)


@pytest.mark.parametrize(
    ('angle', 'axis_of_base', 'toward'),
    [
        ('camera_pitch_deg', 0, (0.0, 1.0)),  # base x is seen above the axis: the camera looks down
        ('camera_yaw_deg', 0, (-1.0, 0.0)),  # base x is seen right of the axis: the camera looks left
    ],
)
def test_angles_are_those_of_the_camera_in_base_axes(angle, axis_of_base, toward):
    R = DriveSettings(**{angle: 6.0}).rig().R_base_camera
    right, down = -np.degrees(np.arcsin(R[axis_of_base, :2]))
    np.testing.assert_allclose((right, down), 6.0 * np.array(toward), atol=1e-9)
    assert R[2, 0] == pytest.approx(0.0, abs=1e-12)  # no roll


def test_a_rolled_camera_leans_right():
    R = DriveSettings(camera_roll_deg=2.0).rig().R_base_camera
    assert np.degrees(np.arcsin(-R[2, 0])) == pytest.approx(2.0)  # its x axis, to the right, points down
    np.testing.assert_allclose(R[:, 2], (1.0, 0.0, 0.0), atol=1e-12)


@pytest.mark.parametrize('name', ROBOTS)
def test_the_road_is_straight_below_the_camera_however_it_is_turned(name):
    drive = synthesize(dataclasses.replace(ROBOTS[name], length=60.0, seed=2))
    road = drive.world.road
    times_s = np.linspace(0.5, drive.motion.times_s[-1] - 0.5, 200)
    camera = drive.motion.poses(times_s) @ drive.rig.T_base_camera
    _, nearest = road.tree.query(camera[:, :2, 3])
    height = camera[:, 2, 3] - np.interp(
        drive_way(road, camera, nearest), np.arange(len(road.centre)), road.centre[:, 2]
    )
    assert height.mean() == pytest.approx(drive.settings.camera_height, rel=0.005)


def drive_way(road, camera, nearest):
    """Metres along the road of the camera, between its samples."""
    offset = camera[:, :2, 3] - road.centre[nearest, :2]
    return nearest + offset[:, 0] * road.left_axis[nearest, 1] - offset[:, 1] * road.left_axis[nearest, 0]


def test_a_low_camera_is_not_above_a_base_in_the_ground():
    low = DriveSettings(camera_height=0.3)
    assert low.place[2] == pytest.approx(0.15)
    assert DriveSettings().place == (1.08, -0.32, 0.73)


@pytest.mark.parametrize('speed', [0.8, 1.3, 6.0, 13.0, 25.0])
def test_a_robot_moves_at_the_speed_asked_for_and_stops_now_and_then(speed):
    rests, moving = [], []
    for seed in range(5):
        motion = random_drive(max(100.0, 30.0 * speed), np.random.default_rng(seed), 0.3, speed)
        times_s = np.arange(0.0, motion.times_s[-1], 0.05)
        now = motion.speed(times_s)
        moving.append(now[now > 0.2 * speed].mean())
        rests.append(float((now < 0.02 * speed).mean()))
        assert now.max() < 1.7 * speed
        assert np.abs(np.gradient(now, times_s)).max() < 2.5  # m/s^2
        assert np.degrees(np.abs(motion.angular_velocity(times_s)[:, 2])).max() < 60.0
    assert np.mean(moving) == pytest.approx(speed, rel=0.08)
    assert (max(rests) > 0.02) == (speed < 15.0)
    assert max(rests) < 0.4


def test_a_walking_robot_is_gentle():
    motion = random_drive(150.0, np.random.default_rng(0), 0.3, 1.2)
    times_s = np.arange(0.0, motion.times_s[-1], 0.02)
    assert np.abs(motion.specific_force(times_s)[:, 1]).max() < 1.5
    assert np.abs(np.gradient(motion.speed(times_s), times_s)).max() < 1.0


def test_an_imu_with_its_own_clock_measures_at_its_rate_around_all_images():
    drive = synthesize(COURIER)
    stamps_ns, images_ns = drive.imu.stamps_ns, drive.stamps_ns
    np.testing.assert_allclose(np.diff(stamps_ns), 5e6, atol=1.0)
    assert 0.19 < (images_ns[0] - stamps_ns[0]) / NANOSECONDS <= 0.2
    assert 0.19 < (stamps_ns[-1] - images_ns[-1]) / NANOSECONDS <= 0.2
    assert not np.isin(images_ns, stamps_ns).all()
    rate = (len(images_ns) - 1) / np.ptp(images_ns) * NANOSECONDS
    assert rate == pytest.approx(15.0, rel=0.01)
    intervals_ns = np.diff(images_ns)
    assert 0.002 < intervals_ns.std() / intervals_ns.mean() < 0.01


def test_along_recorded_poses_the_imu_ends_with_the_motion_and_images_come_at_the_rate_asked_for(tmp_path):
    drive = synthesize(DriveSettings(seed=8, length=60.0))
    write_kitti_poses(tmp_path / 'poses.txt', drive.camera_poses)
    np.savetxt(tmp_path / 'times.txt', (drive.stamps_ns - drive.stamps_ns[0]) / NANOSECONDS, fmt='%.9f')
    files = {'poses': tmp_path / 'poses.txt', 'times': tmp_path / 'times.txt'}
    faster = synthesize(DriveSettings(rate=20.0, jitter=False, imu_rate=250.0, **files))
    assert (np.diff(faster.stamps_ns) == 50_000_000).all()
    assert faster.stamps_ns[0] <= faster.imu.stamps_ns[0] < faster.stamps_ns[0] + 4_000_000
    end_ns = faster.stamps_ns[0] + read_times(files['times'])[-1]
    assert 0 <= end_ns - faster.imu.stamps_ns[-1] < 4_000_000
    # Another camera rides on the same car.
    other = synthesize(
        DriveSettings(camera_pitch_deg=10.0, camera_height=2.5, camera_translation=(0.5, 0.0, 1.6), **files)
    )
    np.testing.assert_allclose(other.truth.poses, drive.truth.poses, atol=1e-6)


@pytest.fixture(scope='module')
def at_rest():
    """A level motion that stands still for two minutes, and readings of it at 200 Hz by quality."""
    times_s = np.arange(0.0, 120.5, 0.5)
    still = Motion(times_s, np.tile(np.eye(4), (len(times_s), 1, 1)))
    stamps_ns = np.arange(0, 120 * NANOSECONDS, NANOSECONDS // 200)
    return {
        name: [simulate_imu(still, stamps_ns, quality, np.random.default_rng(seed), 0, 200.0) for seed in range(12)]
        for name, quality in QUALITIES.items()
    }


def test_mems_readings_have_the_noise_and_bias_of_an_ordinary_sensor(at_rest):
    runs = np.stack(at_rest['mems']) - (0, 0, 0, 0, 0, 9.81)
    noise = np.diff(runs, axis=1).std(axis=1) / np.sqrt(2)
    np.testing.assert_allclose(noise[:, :3], 0.005 * np.sqrt(200.0), rtol=0.05)
    np.testing.assert_allclose(noise[:, 3:], 0.02 * np.sqrt(200.0), rtol=0.05)
    bias = runs[:, :2000].mean(axis=1)
    assert np.degrees(bias[:, :3].std()) == pytest.approx(0.5, rel=0.4)
    assert bias[:, 3:].std() == pytest.approx(0.3, rel=0.4)
    drift = np.degrees(runs[:, -2000:, :3].mean(axis=1) - bias[:, :3])
    assert 0.1 < drift.std() < 0.5  # deg/s in two minutes


def test_an_ideal_imu_shows_the_motion_and_hardly_anything_else(at_rest):
    for values in at_rest['ideal']:
        np.testing.assert_allclose(values, np.tile((0, 0, 0, 0, 0, 9.81), (len(values), 1)), atol=0.01)
        assert values[:, :3].std() < 2e-5
    assert (IDEAL.gyro_delay, IDEAL.accelerometer_delay, MEMS.gyro_delay) == (0.0, 0.0, 0.0)
    assert QUALITIES['kitti'] == ImuSettings()


def test_vibration_is_as_strong_whatever_the_rate():
    times_s = np.arange(0.0, 40.0, 0.1)
    poses = np.tile(np.eye(4), (len(times_s), 1, 1))
    poses[:, 0, 3] = 8.0 * times_s
    shaken = dataclasses.replace(IDEAL, gyro_vibration=0.01, gyro_noise=0.0)
    strengths = []
    for rate in (100.0, 400.0):
        stamps_ns = np.arange(0, 39 * NANOSECONDS, int(NANOSECONDS / rate))
        values = simulate_imu(Motion(times_s, poses), stamps_ns, shaken, np.random.default_rng(0), 0, rate)
        strengths.append(values[:, 0].std())
    np.testing.assert_allclose(strengths, 0.01, rtol=0.1)


def test_smoothed_heights_leave_the_way_and_take_the_trembling():
    times_s = np.arange(0.0, 30.0, 0.1)
    poses = np.tile(np.eye(4), (len(times_s), 1, 1))
    poses[:, 0, 3] = 10.0 * times_s
    hill = 3.0 * np.sin(poses[:, 0, 3] / 60.0)
    poses[:, 2, 3] = hill + np.random.default_rng(0).normal(0.0, 0.005, len(times_s))
    smooth = smooth_heights(Motion(times_s, poses)).poses(times_s)
    np.testing.assert_allclose(smooth[:, :2], poses[:, :2], atol=1e-9)
    np.testing.assert_allclose(smooth[:, 2, 3], hill, atol=0.02)
    assert np.diff(smooth[:, 2, 3] - hill).std() < 0.4 * np.diff(poses[:, 2, 3] - hill).std()


@pytest.mark.skipif(not KITTI.is_dir(), reason=f'needs KITTI poses in {KITTI}')
def test_kittis_direction_of_travel_trembles_half_as_much_with_smoothed_heights():
    trembling = []
    for smooth in (False, True):
        drive = synthesize(DriveSettings(poses=KITTI / 'poses/06.txt', times=KITTI / 'times/06.txt', images=(0, 400),
                                         smooth_vertical=smooth))  # fmt: skip
        step = (inverse(drive.truth.poses[:-1]) @ drive.truth.poses[1:])[:, :3, 3]
        moving = step[:, 0] > 0.3
        trembling.append(np.diff(np.arctan2(step[moving, 2], step[moving, 0])).std())
    assert trembling[1] < 0.65 * trembling[0]


def words(bag: Path, *more: str) -> list[str]:
    return ['synthesize', '--out', str(bag), '--length', '30', '--width', '104', '--height', '64', *more]


def test_the_command_draws_the_robot_it_is_told_and_the_bag_says_so(tmp_path):
    bag = tmp_path / 'bag'
    options = (
        '--camera-height 0.6 --camera-pitch-deg 6 --camera-yaw-deg 1 --camera-roll-deg -2 --intrinsics 60,61,52,31'
    )
    more = '--distortion plumb_bob:-0.2,0.05,0,0 --rate 12 --imu-rate 200 --imu-quality mems --speed 4 --grey'
    assert main(words(bag, *options.split(), *more.split())) == 0
    with BagReader(bag) as reader:
        rig, reports, sources = bag_rig(reader)
        assert reader.rig_text() is None  # an IMU that is not late: nothing to say
        assert reader.count('/imu/data_raw') > 10 * reader.count('/camera/image_raw')
    assert rig.camera_height == pytest.approx(0.6)
    assert rig.needed_camera.intrinsics == (60.0, 61.0, 52.0, 31.0)
    assert rig.needed_camera.distortion_model == 'plumb_bob'
    np.testing.assert_allclose(rig.needed_camera.d, (-0.2, 0.05, 0.0, 0.0))
    expected = DriveSettings(camera_pitch_deg=6.0, camera_yaw_deg=1.0, camera_roll_deg=-2.0).rig().R_base_camera
    np.testing.assert_allclose(rig.R_base_camera, expected, atol=1e-9)
    assert sources['camera_height'] == '/tf_static'
    assert len(reports) == 1  # lags and biases that nobody says


def test_a_late_imu_is_said_in_the_bag_unless_it_is_switched_off(tmp_path):
    for name, more, lags in (('late', [], (0.065, 0.015)), ('prompt', ['--no-imu-lag'], (0.0, 0.0))):
        assert main(words(tmp_path / name, *more)) == 0
        with BagReader(tmp_path / name) as reader:
            rig = bag_rig(reader).rig
        assert (rig.gyro_lag, rig.accelerometer_lag) == lags


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        ('--distortion radtan:0.1', "distortion_model 'radtan' is not known"),
        ('--distortion plumb_bob', '--distortion MODEL:'),
        ('--camera-height 0.1', 'camera_height must be at least 0.2'),
        ('--rate 100', 'rate must be at most 60'),
        ('--imu-rate 20', 'imu_rate must be at least 50'),
        ('--speed 0', 'speed must be at least 0.3'),
        ('--smooth-vertical', '--smooth-vertical mends the height of --poses'),
        ('--imu x.txt --poses p --times t --imu-quality mems', '--imu is a recorded IMU'),
        ('--imu x.txt --poses p --times t --rate 20', 'leave out --image-rate and --imu-rate'),
        ('--speed 3 --poses p --times t', '--speed is for procedural drives'),
    ],
)
def test_what_cannot_be_drawn_is_one_line(more, message, tmp_path, capsys):
    assert main(words(tmp_path / 'bag', *more.split())) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count('\n') == 1
    assert not (tmp_path / 'bag').exists()


def test_settings_of_a_robot_can_be_read_from_a_mapping():
    values = {'imu_errors': {'gyro_noise_density': 0.001}, 'camera_pitch_deg': 3, 'distortion': [0.1, 0, 0, 0]}
    settings = from_mapping(DriveSettings, values, 'robot')
    assert settings.imu_errors.gyro_noise_density == 0.001
    assert settings.distortion == (0.1, 0.0, 0.0, 0.0)
    with pytest.raises(SettingsError, match=r'Did you mean camera_pitch_deg'):
        from_mapping(DriveSettings, {'camera_pitch': 3.0}, 'robot')
