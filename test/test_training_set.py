"""The set of rendered drives: every image of a sequence is seen in so many worlds, held-out ones never."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.rendering import DriveSettings, synthesize
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


def test_what_cannot_be_is_refused(kitti):
    with pytest.raises(SettingsError, match='05'):
        plan_set(settings(), kitti, {'05': ((0, 9),)}, {})
    with pytest.raises(DatasetError, match='poses/, times/ and imu100/'):
        plan_set(settings(), kitti / 'poses', {}, {})
    files = {'poses': kitti / 'poses/09.txt', 'times': kitti / 'times/09.txt'}
    with pytest.raises(SettingsError, match='FIRST:LAST'):
        synthesize(DriveSettings(images=(90, 100), **files))
