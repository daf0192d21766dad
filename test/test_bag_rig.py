"""A bag says the whole robot: what is written comes back; what is given wins; what cannot be is refused in one line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples.bags import INTRINSICS, MAKE, START_NS
from samples.drives import RIG, assert_same_rig, tiny_drive
from scipy.spatial.transform import Rotation

from atvio_ros import messages
from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.drives.drive import Drive
from atvio_ros.drives.write_bag import write_bag
from atvio_ros.errors import CalibrationError, SettingsError
from atvio_ros.geometry import inverse, transform, translation
from atvio_ros.rendering.robots import ROBOTS
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.rig import DirectionOfTravel, Rig, RigPart
from atvio_ros.types import ImuSample


def drive_of(rig: Rig) -> Drive:
    """Three black images of the rig's camera."""
    camera = rig.needed_camera
    return tiny_drive(rig=rig, pictures=(np.zeros((camera.height, camera.width), np.uint8),) * 3)


def read_rig(folder: Path, given: RigPart | None = None) -> Rig:
    with BagReader(folder) as reader:
        return bag_rig(reader, given).rig


@pytest.mark.parametrize('name', ROBOTS)
def test_a_bag_says_the_whole_robot(name, tmp_path):
    rig = ROBOTS[name].rig()
    write_bag(drive_of(rig), BagWriter(tmp_path / 'bag'))
    assert_same_rig(read_rig(tmp_path / 'bag'), rig)


def test_a_bag_also_says_what_only_a_calibration_knows(tmp_path):
    calibrated = replace(
        RIG,
        camera_height=0.9,
        imu_time_offset=-0.012,
        gyro_lag=0.004,
        gyro_bias=np.array([0.01, -0.02, 0.003]),
        direction_of_travel=DirectionOfTravel(0.02, -0.01, 0.001, 0.002),
    )
    write_bag(drive_of(calibrated), BagWriter(tmp_path / 'bag'))
    assert_same_rig(read_rig(tmp_path / 'bag'), calibrated)
    with BagReader(tmp_path / 'bag') as reader:
        text = reader.rig_text()
        assert [line.partition(':')[0] for line in text.splitlines()] == [
            *('imu_time_offset', 'gyro_lag', 'gyro_bias', 'direction_of_travel', 'direction_of_travel_sigma')
        ]
        transforms = reader.static_transforms()
    T = transforms['base_link', 'base_footprint']
    np.testing.assert_allclose(T, translation(0.0, 0.0, RIG.T_base_camera[2, 3] - 0.9), atol=1e-12)
    assert 'base_link' not in [child for _, child in transforms]  # whose parent is odom: a frame has one


def test_what_is_given_wins_over_the_bag_and_is_reported(tmp_path):
    write_bag(drive_of(replace(RIG, camera_height=0.9, gyro_lag=0.05)), BagWriter(tmp_path / 'bag'))
    with BagReader(tmp_path / 'bag') as reader:
        rig, reports, sources = bag_rig(reader, RigPart('rig.yaml', camera_height=1.0, gyro_lag=0.0))
    assert (rig.camera_height, rig.gyro_lag) == (1.0, 0.0)
    assert (sources['camera_height'], sources['T_base_camera']) == ('rig.yaml', '/tf_static')
    assert any(
        report.startswith('camera_height: 1 m from rig.yaml is used, though /tf_static says') for report in reports
    )
    assert any('gyro_lag' in report and '/rig' in report for report in reports)


def test_a_camera_turned_in_its_frame_is_written_with_a_turned_frame(tmp_path):
    turn = Rotation.from_euler('xyz', (2.0, -1.0, 0.5), degrees=True).as_matrix()
    rig = replace(RIG, camera=replace(RIG.needed_camera, R_image_camera=turn))
    write_bag(drive_of(rig), BagWriter(tmp_path / 'bag'))
    read = read_rig(tmp_path / 'bag')
    np.testing.assert_allclose(read.T_base_camera @ transform(turn, np.zeros(3)), rig.T_base_camera, atol=1e-12)
    point = np.array([0.3, -0.2, 8.0, 1.0])  # in base axes it is the same point, at the same pixel
    there, here = (
        r.needed_camera.project((inverse(r.T_base_camera) @ rig.T_base_camera @ point)[:3]) for r in (read, rig)
    )
    np.testing.assert_allclose(there, here, atol=1e-9)


def write_with_info(folder: Path, **changes: Any) -> Path:
    """A bag of 16x12 images with a changed camera_info."""
    with BagWriter(folder) as bag:
        info = messages.camera_info(MAKE, START_NS, 'camera', 16, 12, INTRINSICS)
        for name, value in changes.items():
            setattr(info, name, value)
        bag.write_raw('/camera/camera_info', info.__msgtype__, START_NS, MAKE.serialize(info))
        bag.write_imu(ImuSample(START_NS, np.zeros(3), np.zeros(3)))
        bag.write_image(START_NS, np.zeros((12, 16), np.uint8))
    return folder


def test_a_camera_info_of_zeros_describes_no_camera(tmp_path):
    bag = write_with_info(tmp_path / 'bag', k=np.zeros(9), p=np.zeros(12))
    with BagReader(bag) as reader:
        rig, reports, _ = bag_rig(reader)
    assert rig.camera is None
    assert 'camera_info has a K of zeros' in reports[0]
    with pytest.raises(CalibrationError, match='Publish camera_info, or give intrinsics'):
        _ = rig.needed_camera


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'k': np.full(9, np.nan)}, 'K holds NaN'),
        ({'distortion_model': 'fisheye', 'd': np.ones(4)}, 'Did you mean equidistant?'),
        ({'width': 32}, 'cannot be that of 32x12 images'),
    ],
)
def test_an_impossible_camera_info_is_refused_in_one_line_unless_a_rig_file_has_the_camera(tmp_path, changes, message):
    bag = write_with_info(tmp_path / 'bag', **changes)
    with pytest.raises(CalibrationError, match=re.escape(message)) as refused:
        read_rig(bag)
    assert str(refused.value).startswith(f'{bag}: camera_info: ')
    assert '\n' not in str(refused.value)
    with BagReader(bag) as reader:
        rig, reports, _ = bag_rig(reader, RigPart('rig.yaml', camera=RIG.camera))
    assert rig.camera is RIG.camera
    assert reports[0].startswith('camera_info is not used: ')


def test_a_calibration_of_larger_images_is_scaled_and_one_of_another_aspect_refused(tmp_path):
    K = np.array([28.0, 0, 16.5, 0, 29.0, 12.5, 0, 0, 1])
    rig = read_rig(write_with_info(tmp_path / 'bag', width=32, height=24, k=K))
    np.testing.assert_allclose(rig.needed_camera.intrinsics, (14.0, 14.5, 8.0, 6.0))
    with pytest.raises(CalibrationError, match='another aspect ratio'):
        read_rig(write_with_info(tmp_path / 'other', width=16, height=14))


def test_an_unknown_key_on_rig_is_refused(tmp_path):
    bag = write_with_info(tmp_path / 'bag')
    with BagWriter(tmp_path / 'typo') as writer, BagReader(bag) as reader:
        for image in reader.images():
            writer.write_image(image.stamp_ns, image.image)
        writer.write_imu(ImuSample(START_NS, np.zeros(3), np.zeros(3)))
        writer.write_rig(START_NS, 'gyro_lga: 0.05\n')
    with pytest.raises(SettingsError, match=r'/rig.gyro_lga is not a setting. Did you mean gyro_lag?'):
        read_rig(tmp_path / 'typo')


def test_a_camera_of_other_images_is_refused_and_no_bag_is_left(tmp_path):
    camera = CameraModel(640, 640, np.array([[500.0, 0, 320], [0, 500.0, 320], [0, 0, 1]]))
    with pytest.raises(CalibrationError, match='another aspect ratio'):
        write_bag(tiny_drive(rig=replace(RIG, camera=camera)), BagWriter(tmp_path / 'bag'))
    assert list(tmp_path.iterdir()) == []


def test_the_height_of_a_camera_that_is_given_stands_on_base_footprint_as_in_the_node(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:  # its transforms say where the base is over the ground, not the camera
        bag.write_static_transforms(START_NS, {('base_footprint', 'base_link'): translation(0.0, 0.0, 0.4)})
        bag.write_imu(ImuSample(START_NS, np.zeros(3), np.zeros(3)))
        bag.write_image(START_NS, np.zeros((12, 16), np.uint8))
    assert read_rig(tmp_path / 'bag').camera_height is None
    given = RigPart('options', T_base_camera=translation(1.5, 0.0, 0.8) @ RIG.T_base_camera)
    with BagReader(tmp_path / 'bag') as reader:
        rig, _, sources = bag_rig(reader, given)
    assert rig.camera_height == pytest.approx(0.4 + 0.8 + RIG.T_base_camera[2, 3])
    assert (sources['camera_height'], sources['T_base_camera']) == ('/tf_static', 'options')
    assert read_rig(tmp_path / 'bag', replace(given, camera_height=1.0)).camera_height == 1.0
