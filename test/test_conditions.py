"""Rules of drawn conditions: what each does to motion and images, and that none is there unless asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.cli.synthesize import _conditions
from atvio_ros.errors import SettingsError
from atvio_ros.geometry import inverse
from atvio_ros.rendering import DriveSettings, synthesize
from atvio_ros.rendering.conditions import CONDITIONS, Conditions, named_conditions
from atvio_ros.rendering.imu import IDEAL
from atvio_ros.rendering.mirror import RoadPlane
from atvio_ros.rendering.trajectory import Motion
from atvio_ros.settings import from_mapping
from atvio_ros.types import NANOSECONDS

SMALL = DriveSettings(seed=4, length=60.0, width=208, height=64, color=False, supersampling=1.0, imu_errors=IDEAL)


def drawn(**conditions):
    return synthesize(dataclasses.replace(SMALL, conditions=Conditions(**conditions)))


def image(drive, index=20):
    return next(drive.images(index))[1].astype(float)


def test_names_are_settings_that_can_be_had_together():
    for name, conditions in CONDITIONS.items():
        assert from_mapping(Conditions, dataclasses.asdict(conditions), name) == conditions  # in range
    both = named_conditions(['wet_asphalt', 'car_ahead'])
    assert (both.wet, both.car_ahead, both.texture) == (0.9, 8.0, 1.0)
    with pytest.raises(SettingsError, match='Known: ordinary'):
        named_conditions(['sleet'])
    assert _conditions('night', ['readout=0.02', 'surroundings=town']) == Conditions(
        night='headlights', readout=0.02, surroundings='town'
    )
    with pytest.raises(SettingsError, match='SETTING=VALUE'):
        _conditions(None, ['wet'])
    with pytest.raises(SettingsError, match='Did you mean car_ahead'):
        _conditions(None, ['car_ahed=3'])


def test_a_recorded_motion_keeps_its_route(tmp_path):
    settings = DriveSettings(poses=tmp_path / 'p', times=tmp_path / 't', conditions=CONDITIONS['crests'])
    with pytest.raises(SettingsError, match='crests'):
        settings.check()


def test_the_car_ahead_keeps_its_gap():
    drive = drawn(car_ahead=8.0)
    times_s = drive._times_s
    lengths = []
    for time_s, way_m in zip(times_s, drive.world.image_way_m, strict=True):
        car = drive.world.traffic.vehicles
        [ahead] = [v for v in car if len(v.times_s) > 50]
        lengths.append(np.interp(time_s, ahead.times_s, ahead.way_m) - way_m)
    half = (ahead.shape['position'][..., 0].max() - ahead.shape['position'][..., 0].min()) / 2
    gaps = np.array(lengths) - half
    assert np.all(np.abs(gaps - 8.0) < 0.9)
    assert gaps.std() > 0.01  # its speed is not quite ours


def test_a_rolling_shutter_shifts_rows_by_the_turn_of_their_time():
    drive = drawn(readout=0.05)
    still = drawn()
    rate = 2.5  # rad/s, to the left: what is seen moves right by fx * rate * t
    index = 10
    times_s = drive._times_s[index] + np.linspace(-0.5, 0.5, 51)
    spin = np.tile(np.eye(4), (51, 1, 1))
    spin[:, :3, :3] = Rotation.from_euler('y', -rate * np.linspace(-0.5, 0.5, 51)[:, None]).as_matrix()
    for each in (drive, still):
        _ = each.world
        each.motion = Motion(times_s, each._T_world_camera[index] @ spin @ inverse(each.rig.T_base_camera))
    rolled, whole = image(drive, index), image(still, index)
    fx = SMALL.rig().camera.K[0, 0]
    for row in (12, 20, 44, 52):  # the middle of each: further out a turn moves what is seen by more
        band = slice(row - 2, row + 2)
        expected = fx * rate * ((row // 8 * 8 + 4) / 64 - 0.5) * 0.05
        shifts = np.arange(-8, 8.01, 0.1)
        columns = np.arange(66, 138)
        errors = [
            np.mean(
                [
                    np.abs(np.interp(columns - s, np.arange(208), w) - r[66:138])
                    for w, r in zip(whole[band], rolled[band], strict=True)
                ]
            )
            for s in shifts
        ]
        assert shifts[int(np.argmin(errors))] == pytest.approx(expected, abs=0.6), row


def test_one_band_without_motion_is_the_whole_image():
    drive = drawn(readout=0.03)
    index = 5
    pose, way = drive._T_world_camera[index], drive.world.image_way_m[index]
    from atvio_ros.rendering.optics import make_optics
    from atvio_ros.rendering.renderer import Renderer

    for settings in (SMALL, dataclasses.replace(SMALL, distortion_model='plumb_bob', distortion=(-0.2, 0.05, 0, 0, 0))):
        optics = make_optics(settings.rig().needed_camera, 1.5)
        with Renderer(drive.world, optics) as renderer:
            time_s = drive._times_s[index]
            whole = renderer.render(pose, way, time_s).astype(int)
            bands = renderer.render_rows(np.tile(pose, (8, 1, 1)), np.full(8, way), np.full(8, time_s)).astype(int)
        assert np.mean(np.abs(whole - bands)) < 0.1


def test_reflections_are_where_a_mirror_shows_them():
    road = drawn(slope=0.05).world.road
    plane = RoadPlane.under(road, 120.0)
    assert plane.normal @ (0.0, 0.0, 1.0) > 0.99
    eye = plane.point + 1.65 * plane.normal
    there = plane.point + np.array((9.0, 2.0, 0.0)) + 3.0 * plane.normal  # something beside the road
    seen = eye + (plane.reflection(eye) @ (*(there - eye), 1.0))[:3]
    above = (there - plane.point) @ plane.normal
    assert (seen - plane.point) @ plane.normal == pytest.approx(-above)
    np.testing.assert_allclose(np.cross(seen - there, plane.normal), 0.0, atol=1e-9)


def test_a_wet_road_is_dark_and_shows_what_stands_beside_it():
    dry, wet = (drawn(texture=0.0, markings='none', wet=w, surroundings='town') for w in (0.0, 1.0))
    road = slice(44, 62), slice(84, 124)
    assert image(wet)[road].std() > 1.5 * image(dry)[road].std()
    assert image(wet)[road].mean() < image(dry)[road].mean()


def test_an_even_surface_and_lines_leave_nothing_to_see_along_the_way():
    ordinary, even = drawn(), drawn(texture=0.1, markings='none')
    road = slice(48, 62), slice(90, 118)
    assert image(even)[road].std() < 0.6 * image(ordinary)[road].std()


def test_the_imu_feels_bumps_slopes_and_crests():
    plain, bumpy = drawn(), drawn(bumps=6.0)
    ups = [drive.imu.values[:, 5].std() for drive in (plain, bumpy)]
    assert ups[1] > 1.5 * ups[0]
    pitches = [drive.imu.values[:, 1].std() for drive in (plain, bumpy)]
    assert pitches[1] > 1.5 * pitches[0]
    for drive in (bumpy, drawn(crests=0.05), drawn(slope=0.08), drawn(suspension=2.0)):
        stamps_s = (drive.imu.stamps_ns - drive.imu.stamps_ns[0]) / NANOSECONDS
        poses = drive.motion.poses(stamps_s)
        R = Rotation.from_matrix(poses[:, :3, :3])
        acceleration = R.apply(drive.imu.values[:, 3:]) - (0.0, 0.0, 9.81)
        velocity = np.cumsum((acceleration[1:] + acceleration[:-1]) / 2 * np.diff(stamps_s)[:, None], axis=0)
        start = (poses[1, :3, 3] - poses[0, :3, 3]) / (stamps_s[1] - stamps_s[0])
        moved = np.gradient(poses[:, :3, 3], stamps_s, axis=0)
        assert np.abs(velocity + start - moved[1:])[5:-5].max() < 0.15  # m/s: integrated IMU against ground truth


def test_springs_do_not_move_the_road():
    hard, soft = drawn(), drawn(suspension=3.0, bumps=8.0)
    np.testing.assert_allclose(soft.world.road.centre[100:130], hard.world.road.centre[100:130], atol=0.05)
    camera = np.array([pose[:3, 3] for pose in soft._T_world_camera])
    heights = camera[:, 2] - np.interp(
        soft.world.image_way_m, np.arange(len(soft.world.road.centre)), soft.world.road.centre[:, 2]
    )
    assert 1.55 < heights.mean() < 1.75
    assert 0.01 < heights.std() < 0.08


def test_routes_are_as_they_were_asked_for():
    tight = synthesize(dataclasses.replace(SMALL, length=150.0, conditions=CONDITIONS['tight_bends']))
    radius = 1.0 / np.abs(tight.world.road.curvature).max()
    assert 7.0 < radius < 13.0
    fast = synthesize(dataclasses.replace(SMALL, length=400.0, conditions=CONDITIONS['motorway_35']))
    speed = fast.motion.speed(fast._times_s)
    assert 32.0 < speed.mean() < 38.0
    steep = synthesize(dataclasses.replace(SMALL, length=300.0, conditions=CONDITIONS['slopes']))
    rise = np.diff(steep.world.road.centre[80:-330, 2])
    assert 0.03 < np.abs(rise).max() < 0.1
    lane = drawn(kerbs=True, surroundings='town').world.road
    assert lane.paved_right.max() < 1.6


def test_night_is_dark_but_for_what_the_headlights_reach_and_noisy():
    drive = drawn(night='headlights', markings='none')
    here, next_one = image(drive, 20), image(drive, 21)
    assert here[:20].mean() < 0.5 * here[52:, 60:150].mean()
    assert image(drawn(), 20).mean() > 2 * here.mean()
    assert np.abs(here - next_one).mean() > 0.5


def test_rain_blur_and_exposure_show():
    plain = image(drawn())
    assert np.abs(image(drawn(rain=1.0)) - plain).mean() > 1.0
    assert np.abs(np.diff(image(drawn(exposure_time=0.03)), axis=1)).mean() < np.abs(np.diff(plain, axis=1)).mean()
    changing, steady = (
        np.array([each.mean() for _, each in drawn(exposure_changes=e).images(0, 20)]) for e in (0.5, 0.0)
    )
    assert np.log2(changing / steady).std() > 0.03
