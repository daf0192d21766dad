"""Rules of drawn conditions: what each does to motion and images, and that none is there unless asked for."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from samples.worlds import a_wet_road
from scipy.spatial.transform import Rotation

from atvio_ros.cli.synthesize import _conditions
from atvio_ros.errors import SettingsError
from atvio_ros.geometry import R_BODY_OPTICAL, inverse, transform
from atvio_ros.rendering import DriveSettings, synthesize
from atvio_ros.rendering.conditions import CONDITIONS, Conditions, named_conditions
from atvio_ros.rendering.image_formation import ImageFormation
from atvio_ros.rendering.imu import IDEAL
from atvio_ros.rendering.mirror import RoadPlane
from atvio_ros.rendering.optics import Pinhole, Straight, make_optics
from atvio_ros.rendering.renderer import Renderer
from atvio_ros.rendering.road import directions, trace
from atvio_ros.rendering.textures import make_textures
from atvio_ros.rendering.traffic import Traffic
from atvio_ros.rendering.trajectory import Motion
from atvio_ros.rendering.weather import Rain
from atvio_ros.rendering.zones import zones_under
from atvio_ros.settings import from_mapping
from atvio_ros.types import NANOSECONDS

SMALL = DriveSettings(seed=4, length=60.0, width=208, height=64, color=False, supersampling=1.0, imu_errors=IDEAL)


def moved(settings=SMALL, **conditions):
    """A drive under conditions whose world nobody needs to see."""
    return synthesize(dataclasses.replace(settings, conditions=Conditions(**conditions)))


@cache
def ordinary():
    return moved()


def shown(**conditions):
    """A drive under conditions of light and camera, through the ordinary world: it is built once."""
    drive = moved(**conditions)
    drive._world = dataclasses.replace(ordinary().world, conditions=drive.settings.conditions)
    return drive


def image(drive, index=20):
    return next(drive.images(index))[1].astype(float)


def road_under(drive):
    """Centre line (S, 3) of the road, and the way [m] along it at each image."""
    settings = drive.settings
    centre, _, way_m = trace(drive.motion, settings.T_base_level, drive._times_s, settings.camera_height)
    return centre, way_m


def test_names_are_settings_that_can_be_had_together():
    for name, conditions in CONDITIONS.items():
        assert from_mapping(Conditions, dataclasses.asdict(conditions), name) == conditions  # in range
    both = named_conditions(['wet_asphalt', 'car_ahead'])
    assert (both.wet, both.car_ahead, both.texture) == (0.9, 8.0, 1.0)
    with pytest.raises(SettingsError, match='Choose from ordinary'):
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
    drive, road = ordinary(), ordinary().world.road
    light = drive.world.appearance.light
    traffic = Traffic(
        road, drive._times_s, light, make_textures(np.random.default_rng(1)), np.random.default_rng(2), 8.0
    )
    [ahead] = [vehicle for vehicle in traffic.vehicles if len(vehicle.times_s) > 50]
    rear = np.interp(drive._times_s, ahead.times_s, ahead.way_m) - np.ptp(ahead.shape['position'][..., 0]) / 2
    gaps = rear - road.image_way_m
    assert np.abs(gaps - 8.0).max() < 0.9
    assert gaps.std() > 0.01  # its speed is not quite ours
    assert all(len(traffic.at(t, way)) for t, way in zip(drive._times_s, road.image_way_m, strict=True))


def test_a_rolling_shutter_shifts_rows_by_the_turn_of_their_time():
    drive, still = shown(readout=0.05), shown()
    rate = 2.5  # rad/s, to the left: what is seen moves right by fx * rate * t
    index = 10
    times_s = drive._times_s[index] + np.linspace(-0.5, 0.5, 51)
    spin = np.tile(np.eye(4), (51, 1, 1))
    spin[:, :3, :3] = Rotation.from_euler('y', -rate * np.linspace(-0.5, 0.5, 51)[:, None]).as_matrix()
    for each in (drive, still):
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


@pytest.mark.parametrize('lens', [{}, {'distortion_model': 'plumb_bob', 'distortion': (-0.2, 0.05, 0.0, 0.0, 0.0)}])
def test_bands_of_one_pose_are_the_whole_image(lens):
    drive, index = ordinary(), 5
    pose, way, time_s = drive._T_world_camera[index], drive.world.image_way_m[index], drive._times_s[index]
    optics = make_optics(dataclasses.replace(SMALL, **lens).rig().needed_camera, 1.5)
    with Renderer(drive.world, optics) as renderer:
        whole = renderer.render(pose, way, time_s).astype(int)
        bands = renderer.render_rows(np.tile(pose, (8, 1, 1)), np.full(8, way), np.full(8, time_s)).astype(int)
    assert np.abs(whole - bands).mean() < 0.1


def test_a_wet_road_shows_things_where_a_mirror_does():
    """So they do not move with the road: a thing 30 m away is seen 30 m away."""
    square = np.array(((30.0, -2.0, 3.0), (30.0, 2.0, 3.0), (30.0, 2.0, 5.0), (30.0, -2.0, 5.0)))[::-1]
    world = a_wet_road(square)
    camera = Pinhole(208, 96, 120.0, 120.0, 103.5, 40.0)
    for x in (0.0, 6.0):  # from here, and from further along the way
        pose = transform(R_BODY_OPTICAL, np.array((x, 0.0, 1.65)))
        with Renderer(world, Straight(camera, 2.0)) as renderer:
            seen = renderer.render(pose, x)[..., 0].astype(float)
        rows = np.arange(96)
        below = np.where(rows > 41, seen.sum(axis=1), 0.0)
        row = (below * rows).sum() / below.sum()
        top, bottom = (120.0 * (1.65 + z) / (30.0 - x) + 40.0 for z in (3.0, 5.0))
        assert below.max() > 500.0
        assert row == pytest.approx((top + bottom) / 2, abs=1.2)


def test_the_plane_of_a_slope_mirrors_square_to_it():
    centre = np.stack((np.arange(200.0), np.zeros(200), 0.05 * np.arange(200.0)), axis=1)
    plane = RoadPlane.under(dataclasses.replace(ordinary().world.road, centre=centre), 120.0)
    np.testing.assert_allclose(plane.normal, np.array((-0.05, 0.0, 1.0)) / np.hypot(1.0, 0.05), atol=1e-12)
    eye = plane.point + 1.65 * plane.normal
    there = plane.point + np.array((9.0, 2.0, 0.0)) + 3.0 * plane.normal
    seen = eye + (plane.reflection(eye) @ (*(there - eye), 1.0))[:3]
    assert (seen - plane.point) @ plane.normal == pytest.approx(-(there - plane.point) @ plane.normal)
    np.testing.assert_allclose(np.cross(seen - there, plane.normal), 0.0, atol=1e-9)


def test_an_even_surface_has_that_much_less_contrast_and_nothing_else_changes():
    textures = make_textures(np.random.default_rng(1))
    even = textures.under(Conditions(texture=0.25))
    for name, layers in textures.layers.items():
        before, after = (each.images[list(layers)].astype(float) for each in (textures, even))
        if name in ('asphalt', 'patches', 'line'):
            for now, then in zip(after[..., 0], before[..., 0], strict=True):
                assert now.std() == pytest.approx(0.25 * then.std(), rel=0.1)
            assert after.mean() == pytest.approx(before.mean(), abs=1.0)
        else:
            np.testing.assert_array_equal(after, before)


def test_the_imu_feels_bumps_slopes_and_crests():
    plain, bumpy = moved(), moved(bumps=6.0)
    ups = [drive.imu.values[:, 5].std() for drive in (plain, bumpy)]
    assert ups[1] > 1.5 * ups[0]
    pitches = [drive.imu.values[:, 1].std() for drive in (plain, bumpy)]
    assert pitches[1] > 1.5 * pitches[0]
    for drive in (bumpy, moved(crests=0.05), moved(slope=0.08), moved(suspension=2.0)):
        stamps_s = (drive.imu.stamps_ns - drive.imu.stamps_ns[0]) / NANOSECONDS
        poses = drive.motion.poses(stamps_s)
        R = Rotation.from_matrix(poses[:, :3, :3])
        acceleration = R.apply(drive.imu.values[:, 3:]) - (0.0, 0.0, 9.81)
        velocity = np.cumsum((acceleration[1:] + acceleration[:-1]) / 2 * np.diff(stamps_s)[:, None], axis=0)
        start = (poses[1, :3, 3] - poses[0, :3, 3]) / (stamps_s[1] - stamps_s[0])
        travelled = np.gradient(poses[:, :3, 3], stamps_s, axis=0)
        assert np.abs(velocity + start - travelled[1:])[5:-5].max() < 0.15  # m/s: integrated IMU against ground truth


def test_springs_do_not_move_the_road():
    (hard, _), soft_drive = road_under(moved()), moved(suspension=3.0, bumps=8.0)
    soft, way_m = road_under(soft_drive)
    np.testing.assert_allclose(soft[100:130], hard[100:130], atol=0.05)
    heights = soft_drive._T_world_camera[:, 2, 3] - np.interp(way_m, np.arange(len(soft)), soft[:, 2])
    assert heights.mean() == pytest.approx(1.65, abs=0.1)
    assert 0.01 < heights.std() < 0.08


def test_routes_are_as_they_were_asked_for():
    def of(name, length):
        return synthesize(dataclasses.replace(SMALL, length=length, conditions=CONDITIONS[name]))

    _, curvature = directions(road_under(of('tight_bends', 150.0))[0])
    assert 7.0 < 1.0 / np.abs(curvature).max() < 13.0
    fast = of('motorway_35', 400.0)
    assert 32.0 < fast.motion.speed(fast._times_s).mean() < 38.0
    rise = np.diff(road_under(of('slopes', 300.0))[0][80:-330, 2])
    assert 0.03 < np.abs(rise).max() < 0.1
    waiting = of('stop_and_go', 200.0)
    assert waiting.motion.speed(waiting._times_s).min() < 0.2
    for zone in zones_under(CONDITIONS['kerbs']):
        assert zone.lane_m[1] < 3.0
        assert (zone.oncoming_lanes, zone.kerb_m) == ((0, 0), 0.12)


def test_night_is_dark_but_for_what_the_headlights_reach_and_noisy():
    drive = shown(night='headlights')
    here, next_one = image(drive, 20), image(drive, 21)
    assert here[:20].mean() < 0.5 * here[52:, 60:150].mean()
    assert image(ordinary(), 20).mean() > 2 * here.mean()
    assert np.abs(here - next_one).mean() > 0.5


def test_an_open_shutter_blurs_what_moves_past():
    edges = [np.abs(np.diff(image(shown(exposure_time=t))[:, 150:], axis=1)).mean() for t in (0.0, 0.03)]
    assert edges[1] < edges[0]


def test_rain_falls_anew_in_each_image_and_drops_stay_until_they_are_wiped():
    scene = np.random.default_rng(0).integers(60, 200, (64, 208, 3)).astype(np.uint8)
    scene = np.repeat(np.repeat(scene[::16, ::16], 16, axis=0), 16, axis=1)
    rain = Rain(208, 64, 1.0, seed=3)
    first, second, wiped = (rain.before(scene, i, t).astype(int) for i, t in ((0, 0.0), (1, 0.1), (0, 3.0)))
    for pair in ((first, second), (first, wiped), (first, scene.astype(int))):
        assert np.abs(pair[0] - pair[1]).mean() > 0.3
    np.testing.assert_array_equal(Rain(208, 64, 1.0, seed=3).before(scene, 0, 0.0), first)


def test_exposure_wanders_as_much_as_it_was_told():
    scene = np.full((32, 64, 3), 60, np.uint8)
    look = dataclasses.replace(ordinary().world.appearance, gamma=1.0, black_level=0.0, noise=0.5)
    formation = ImageFormation(look, 64, 32, False, 1, Conditions(exposure_changes=0.3))
    stops = [np.log2(formation.develop(scene, i, 0.1 * i).mean() / 60.0) for i in range(600)]
    assert np.std(stops) == pytest.approx(0.3, rel=0.3)
    assert np.abs(np.diff(stops)).max() < 0.25  # and never jumps
