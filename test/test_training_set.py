"""The set of rendered drives: every image of a sequence is seen in so many worlds, held-out ones never."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from atvio_ros.drives.sequence_store import read_meta
from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.rendering import DriveSettings, synthesize
from atvio_ros.rendering.random_robots import random_robot
from atvio_ros.rendering.training_set import SetSettings, plan_set, render
from atvio_ros.trajectory_files import write_kitti_poses
from atvio_ros.types import NANOSECONDS

IMAGES = 100


@pytest.fixture
def kitti(tmp_path):
    """A folder like KITTI's with one sequence of IMAGES images."""
    drive = synthesize(DriveSettings(seed=8, length=150.0))
    assert len(drive) >= IMAGES
    for name in ('poses', 'times', 'imu100'):
        (tmp_path / name).mkdir()
    write_kitti_poses(tmp_path / 'poses/09.txt', drive.camera_poses[:IMAGES])
    times_s = (drive.stamps_ns - drive.stamps_ns[0]) / NANOSECONDS
    np.savetxt(tmp_path / 'times/09.txt', times_s[:IMAGES], fmt='%.9f')
    with (tmp_path / 'imu100/09.mat').open('wb') as file:
        savemat(file, {'imu_data_interp': drive.imu.values[: 10 * IMAGES - 9, [3, 4, 5, 0, 1, 2]]})
    return tmp_path


def settings(**changes):
    return SetSettings(
        **{'sequences': ('09',), 'passes': 2, 'images_per_world': 40, 'drives': 1, 'validation_drives': 1, **changes}
    )


def test_every_image_is_in_as_many_worlds_as_passes_and_a_held_out_one_only_in_validation(kitti):
    jobs = plan_set(settings(), kitti, {'09': ((60, 99),)}, {})
    assert len({job.name for job in jobs}) == len(jobs)
    assert len({job.drive.seed for job in jobs}) == len(jobs)
    seen = np.zeros(IMAGES, int)
    for job in jobs:
        if job.name.startswith('09_'):
            first, last = job.drive.images
            seen[first : last + 1] += 1
    assert (seen[:20] >= 1).all()
    assert seen[30] == 2
    assert not seen[60:].any()
    assert [job.drive.images for job in jobs if job.name.startswith('validation_09')] == [(60, 99)]
    assert sum(job.drive.poses is None for job in jobs) == 2


def test_a_share_of_the_stretches_is_spread_evenly(kitti):
    def firsts(share):
        few = settings(passes=1, images_per_world=30, drives=0, validation_drives=0, share=share)
        return [job.drive.images[0] for job in plan_set(few, kitti, {}, {})]

    assert firsts(1.0) == [0, 30, 60]
    assert firsts(0.34) == [60]
    assert firsts(0.67) == [30, 60]


def test_stretches_can_be_made_to_look_alike(kitti):
    seeds = {job.drive.seed for job in plan_set(settings(appearances=2), kitti, {}, {}) if job.drive.poses}
    assert len(seeds) == 2


def test_stretches_to_leave_out_are_counted_from_the_stretch_they_fall_into(kitti):
    jobs = plan_set(settings(passes=1), kitti, {}, {'09': ((38, 45),)})
    assert [job.excluded for job in jobs if job.name.startswith('09_')] == [((38, 39),), ((0, 5),)]


def test_a_rendered_stretch_has_the_motion_and_the_imu_of_its_images_and_is_not_rendered_twice(kitti, tmp_path):
    small = settings(width=64, height=32, grey=True, drives=0, validation_drives=0)
    job = next(job for job in plan_set(small, kitti, {}, {}) if job.drive.images == (40, 79))
    assert render(job, tmp_path / 'set', small) == 40
    files = {name: getattr(job.drive, name) for name in ('poses', 'times', 'imu')}
    whole, stretch = synthesize(DriveSettings(**files)), synthesize(DriveSettings(**files, images=(40, 79)))
    np.testing.assert_allclose(stretch.imu.values, whole.imu.values[400:791])
    np.testing.assert_array_equal(np.diff(stretch.stamps_ns), np.diff(whole.stamps_ns[40:80]))
    images = tmp_path / 'set' / job.name / 'images.npy'
    assert np.load(images, mmap_mode='r').shape == (40, 32, 64, 1)
    before = images.stat().st_mtime_ns
    assert render(job, tmp_path / 'set', small) == 40
    assert images.stat().st_mtime_ns == before


def test_random_robots_are_all_kinds_that_can_see_the_road_and_drive_as_fits_them():
    robots = [random_robot(seed) for seed in range(60)]
    assert robots == [random_robot(seed) for seed in range(60)]
    heights = np.array([robot.camera_height for robot in robots])
    rates = np.array([robot.rate or 9.6 for robot in robots])
    speeds = np.array([robot.speed or 10.0 for robot in robots])
    assert heights.min() < 0.5 < 2.0 < heights.max()
    assert 5.0 <= rates.min() < 10.0 < 20.0 < rates.max() <= 30.0
    assert speeds.min() < 2.0 < 25.0 < speeds.max() < 40.0
    assert speeds[heights < 0.4].max() < 6.0  # a low robot is slow
    assert (speeds / (rates * heights) < 2.8).all()  # camera heights an image
    for robot in robots:
        robot.check()
        camera = robot.rig().camera
        assert camera.width * camera.height < 300_000
        level = robot.rig().down @ camera.unproject(np.array([[camera.width / 2, camera.height - 1.0]]))[0]
        assert np.degrees(np.arcsin(level)) > 7.0  # what the last row sees is road: less than 8 heights away
    hard = [robot.conditions for robot in robots]
    assert all(
        any(getattr(each, name) for each in hard) for name in ('wet', 'car_ahead', 'tree_shadows', 'slope', 'bumps')
    )


def test_a_set_of_robots_needs_nothing_of_kitti_and_is_stored_as_odometry_sees_it(tmp_path):
    few = settings(robots=2, validation_robots=1, drives=0, validation_drives=0, robot_images=30, view='stored')
    jobs = plan_set(few, None, {}, {})
    assert [job.name for job in jobs] == ['validation_robot_s290000', 'robot_s200000', 'robot_s200001']
    assert len({job.source for job in jobs}) == 3
    assert render(jobs[1], tmp_path, few) == 30
    meta = read_meta(tmp_path / jobs[1].name)
    assert (meta.view, meta.images, meta.source) == ('stored', 30, jobs[1].source)
    written = (tmp_path / jobs[1].name / 'images.npy').stat().st_mtime_ns
    assert render(jobs[1], tmp_path, few) == 30
    assert (tmp_path / jobs[1].name / 'images.npy').stat().st_mtime_ns == written


def test_conditions_vary_on_a_recorded_motion_but_not_its_route(kitti):
    jobs = plan_set(settings(varied=True, passes=3, drives=0, validation_drives=0), kitti, {}, {})
    assert len({job.drive.conditions for job in jobs}) > len(jobs) / 2
    for job in jobs:
        job.drive.check()


def test_what_cannot_be_is_refused(kitti):
    with pytest.raises(SettingsError, match='05'):
        plan_set(settings(), kitti, {'05': ((0, 9),)}, {})
    with pytest.raises(DatasetError, match='poses/, times/ and imu100/'):
        plan_set(settings(), kitti / 'poses', {}, {})
    files = {'poses': kitti / 'poses/09.txt', 'times': kitti / 'times/09.txt'}
    with pytest.raises(SettingsError, match='FIRST:LAST'):
        synthesize(DriveSettings(images=(90, 100), **files))
