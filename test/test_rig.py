"""One robot from what files, parameters, TF and CameraInfo say of it: who wins, what is reported, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from atvio_ros.errors import AtvioError, CalibrationError, SettingsError
from atvio_ros.geometry import R_BODY_OPTICAL, inverse, transform, translation
from atvio_ros.resources import find_resource
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.combine import combine
from atvio_ros.rig.kitti import kitti_part
from atvio_ros.rig.rig import DirectionOfTravel, Rig, RigPart
from atvio_ros.rig.rig_yaml import RigSettings, read_rig, write_rig
from atvio_ros.rig.transforms import transforms_part

K = np.array([[420.0, 0.0, 322.0], [0.0, 415.0, 243.0], [0.0, 0.0, 1.0]])
T_BASE_CAMERA = transform(R_BODY_OPTICAL, np.array([0.3, 0.0, 0.4]))
T_CAMERA_IMU = transform(Rotation.from_euler('zyx', (10, -80, 35), degrees=True).as_matrix(), np.array([0.02, 0.05, 0]))
KALIBR = {
    'cam0': {
        'T_cam_imu': T_CAMERA_IMU.tolist(),
        'camera_model': 'pinhole',
        'distortion_coeffs': [-0.28, 0.07, 0.0002, 0.00002],
        'distortion_model': 'radtan',
        'intrinsics': [458.6, 457.3, 367.2, 248.4],
        'resolution': [752, 480],
        'rostopic': '/cam0/image_raw',
        'timeshift_cam_imu': 0.012,
    }
}


@pytest.fixture
def written(tmp_path):
    def write(values, name='rig.yaml') -> Path:
        path = tmp_path / name
        path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
        return path

    return write


def test_kalibr_says_camera_lens_and_the_clock_with_our_sign(written):
    part = read_rig(written(KALIBR, 'camchain-imucam.yaml'))
    assert part.camera.distortion_model == 'plumb_bob'
    assert part.camera.K[0].tolist() == [458.6, 0, 367.2]
    assert np.allclose(part.T_camera_imu, T_CAMERA_IMU)
    assert part.imu_time_offset == -0.012  # Kalibr: t_imu = t_cam + shift; ours is added to the IMU's stamps


def test_kalibrs_pose_ties_the_imu_to_the_camera_that_tf_places():
    kalibr = RigPart('camchain.yaml', T_camera_imu=T_CAMERA_IMU)
    tf = transforms_part(T_BASE_CAMERA, np.eye(4), translation(0, 0, 0.2))
    rig, reports, sources = combine([kalibr, tf])
    assert np.allclose(rig.T_base_camera, T_BASE_CAMERA)
    assert np.allclose(rig.T_base_imu, T_BASE_CAMERA @ T_CAMERA_IMU)
    assert np.allclose(rig.R_camera_imu, T_CAMERA_IMU[:3, :3])
    assert sources['T_base_imu'] == 'camchain.yaml'
    assert any(r.startswith('base_to_imu: /tf_static differs from camchain.yaml by ') for r in reports)
    only_imu, _, _ = combine([kalibr, transforms_part(None, np.eye(4))])
    assert np.allclose(only_imu.T_base_camera, inverse(T_CAMERA_IMU))
    alone, reports, _ = combine([kalibr])
    assert np.allclose(alone.T_base_camera, Rig().T_base_camera)
    assert 'base_to_camera' in reports[-1]


def test_tf_that_is_heard_first_keeps_both_its_poses_over_kalibrs():
    rig, reports, _ = combine(
        [transforms_part(T_BASE_CAMERA, np.eye(4)), RigPart('camchain.yaml', T_camera_imu=T_CAMERA_IMU)]
    )
    assert np.array_equal(rig.T_base_imu, np.eye(4))
    assert any('IMU in the camera: camchain.yaml differs from /tf_static' in report for report in reports)


def test_the_height_is_that_of_the_camera_over_base_footprint():
    part = transforms_part(T_BASE_CAMERA, None, translation(0, 0, 0.25))
    assert part.camera_height == pytest.approx(0.65)
    assert transforms_part(T_BASE_CAMERA, None).camera_height is None
    with pytest.raises(CalibrationError, match=r'camera_height is -0.1 m.*base_footprint'):
        transforms_part(T_BASE_CAMERA, None, translation(0, 0, -0.5))


def test_the_first_source_wins_a_difference_is_reported_and_the_rest_is_default():
    file = RigPart('rig.yaml', camera_height=1.65, gyro_lag=0.066)
    tf = RigPart('/tf_static', T_base_camera=T_BASE_CAMERA, camera_height=1.52, gyro_lag=0.067)
    rig, reports, sources = combine([file, tf])
    assert (rig.camera_height, rig.gyro_lag, rig.accelerometer_lag) == (1.65, 0.066, 0.0)
    assert reports[0] == 'camera_height: 1.65 m from rig.yaml is used, though /tf_static says 1.52 m.'
    assert len(reports) == 2  # a millisecond of lag is no difference
    assert reports[1].startswith(
        'Nobody says, so the default holds: no camera calibration; base_to_imu: axes of the base'
    )
    assert sources == {'camera_height': 'rig.yaml', 'gyro_lag': 'rig.yaml', 'T_base_camera': '/tf_static'}


def test_two_calibrations_differ_by_what_they_see_not_by_their_numbers():
    camera = CameraModel(640, 480, K, 'plumb_bob', np.array([-0.2, 0.05, 0, 0, 0]))
    same = camera.scaled(1280, 960)
    other = CameraModel(640, 480, K * [[1.05, 1, 1], [1, 1.05, 1], [1, 1, 1]], 'plumb_bob', camera.d)
    assert len(combine([RigPart('a', camera=camera), RigPart('b', camera=same)]).reports) == 1  # the defaults
    assert combine([RigPart('a', camera=camera), RigPart('b', camera=other)]).reports[0].startswith('camera: 640x480')


def test_a_rig_is_written_and_read_without_a_loss(tmp_path):
    camera = CameraModel(640, 480, K, 'equidistant', np.array([0.1, 0.01, -0.001, 0.0002]))
    rig = Rig(
        camera, T_BASE_CAMERA, T_BASE_CAMERA @ T_CAMERA_IMU, 0.62, -0.004, 0.01, 0.002, np.array([0.01, -0.02, 0.003]),
        DirectionOfTravel(0.05, -0.01, 0.001, 0.002), 0.025,
    )  # fmt: skip
    write_rig(tmp_path / 'rig.yaml', rig, 'found by calibrate-rig\nin a test')
    read, reports, _ = combine([read_rig(tmp_path / 'rig.yaml')])
    assert reports == ()
    for name in ('T_base_camera', 'T_base_imu', 'gyro_bias'):
        assert np.allclose(getattr(read, name), getattr(rig, name), atol=1e-12)
    scalars = 'camera_height', 'imu_time_offset', 'gyro_lag', 'accelerometer_lag', 'readout_time'
    for name in (*scalars, 'direction_of_travel'):
        assert getattr(read, name) == getattr(rig, name)
    assert np.array_equal(read.camera.K, K)
    assert np.array_equal(read.camera.d, camera.d)


def test_a_rectified_cameras_turn_survives_its_file(tmp_path):
    turn = Rotation.from_euler('y', 2, degrees=True).as_matrix()
    write_rig(tmp_path / 'rig.yaml', RigPart('test', camera=CameraModel(640, 480, K, R_image_camera=turn)))
    assert np.allclose(read_rig(tmp_path / 'rig.yaml').camera.R_image_camera, turn)


def test_the_shipped_rig_of_kitti_is_kittis():
    path = find_resource('config/rigs/kitti.yaml')
    rig, reports, _ = combine([read_rig(path)])
    assert reports == ()
    assert (rig.camera_height, rig.gyro_lag, rig.accelerometer_lag) == (1.65, 0.066, 0.015)
    turn = Rotation.from_matrix(R_BODY_OPTICAL.T @ rig.R_base_camera).as_rotvec(degrees=True)
    assert turn == pytest.approx([-0.55, -0.04, -0.39], abs=1e-4)
    assert rig.expected_direction.pitch == pytest.approx(np.radians(-0.55), abs=1e-4)  # looks down, goes above
    same = combine([kitti_part(rig.T_base_camera, (718.856, 718.856, 607.1928, 185.2157), 1241, 376)]).rig
    assert np.array_equal(same.camera.K, rig.camera.K)
    assert same.camera_height == rig.camera_height


def test_the_direction_of_travel_is_down_and_right_where_it_is_positive():
    x, y, z = DirectionOfTravel(np.radians(10), np.radians(20)).vector
    assert (x, y, z) == pytest.approx((np.sin(0.349066) * np.cos(0.174533), np.sin(0.174533), 0.925417), abs=1e-5)
    again = DirectionOfTravel.of(np.array([x, y, z]) * 3)
    assert (again.pitch, again.yaw) == pytest.approx((np.radians(10), np.radians(20)))


def test_what_is_missing_is_asked_for_when_it_is_needed():
    with pytest.raises(CalibrationError, match=r'Set camera_height, or publish base_footprint'):
        _ = Rig().needed_height
    with pytest.raises(CalibrationError, match=r'Publish camera_info, or give intrinsics'):
        _ = Rig().needed_camera
    assert Rig(CameraModel(640, 480, K)).for_images(320, 240).needed_camera.width == 320


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'camera_heigth': 1}, r'rig\.camera_heigth is not a setting\. Did you mean camera_height\?'),
        ({'imu_time_ofset': 1}, r'Did you mean imu_time_offset\?'),
        ({'camera_height': 0}, r'camera_height is 0 m.*0\.05 to 10 m.*set camera_height'),
        ({'camera_height': 50}, r'camera_height is 50 m'),
        ({'camera_height': float('nan')}, r'camera_height must be a number, not NaN'),
        ({'camera_height': '1.65 m'}, r'camera_height must be float or NoneType'),
        ({'base_to_camera': [0, 0, 1, 0, 0, 0, 2]}, r'base_to_camera: the quaternion .* length 2\.000, it must be 1'),
        ({'base_to_camera': [0, 0, 1, 0, 0, 0, 0]}, r'length 0\.000'),
        ({'base_to_imu': [0, 0, 1]}, r'base_to_imu must have 7 numbers'),
        ({'base_to_imu': [1080, 0, 0, 0, 0, 0, 1]}, r'is 1080 m away.*Give metres'),
        ({'base_to_camera': [1e160, 0, 0, 0, 0, 0, 1]}, r'is 1e\+160 m away.*Give metres'),
        ({'base_to_imu': [0, -1.7e308, 0, 0, 0, 0, 1]}, r'is 1\.7e\+308 m away.*Give metres'),
        ({'gyro_lag': 66}, r'gyro_lag is 66 s; it must be -0\.5 to 1 s'),
        ({'imu_time_offset': -99}, r'imu_time_offset is -99 s'),
        ({'gyro_bias': [0, 0]}, r'gyro_bias must have 3 numbers'),
        ({'gyro_bias': [0, 0, 57]}, r'gyro_bias is 57 rad/s'),
        ({'width': 640, 'height': 480}, r'describes a part of a camera'),
        ({'k': K.ravel().tolist()}, r'describes a part of a camera'),
        ({'direction_of_travel': [0.1]}, r'two numbers each'),
        ({'width': 640, 'height': 480, 'k': [0.0] * 9}, r'K is all zeros'),
        ([1, 2], r'must hold `key: value` settings'),
        ('a: [', r'cannot be read as YAML'),
        ({'imu0': {}}, r'holds no camera\. Give Kalibr'),
        ({'rostopic': '/imu0'}, r'holds no camera'),
        ({'cam0': 3}, r'cam0 must be a group'),
        ({'cam0': KALIBR['cam0'], 'cam1': KALIBR['cam0'] | {'rostopic': '/cam1/image_raw'}},
         r'holds 2 cameras: cam0 \(/cam0/image_raw\), cam1 \(/cam1/image_raw\)\. Leave only'),
        ({'cam0': KALIBR['cam0'] | {'camera_model': 'omni'}}, r"camera_model is 'omni'; only pinhole"),
        ({'cam0': KALIBR['cam0'] | {'distortion_model': 'fov'}}, r"distortion_model is 'fov'"),
        ({'cam0': KALIBR['cam0'] | {'intrinsics': [1, 2]}}, r'intrinsics must be 4 numbers'),
        ({'cam0': KALIBR['cam0'] | {'T_cam_imu': np.ones((4, 4)).tolist()}}, r'T_camera_imu is not a pose'),
        ({'cam0': KALIBR['cam0'] | {'resolution': [376, 240]}}, r'cannot be that of 376x240'),
        ({'cam0': {}}, r'intrinsics must be 4 numbers'),
    ],
)  # fmt: skip
def test_what_cannot_be_a_rig_is_refused_in_one_line_that_names_the_fix(written, values, said):
    with pytest.raises(AtvioError, match=said) as refused:
        read_rig(written(values))
    assert '\n' not in str(refused.value)


def test_one_of_two_cameras_is_named_or_found_by_its_topic(written):
    second = KALIBR['cam0'] | {'rostopic': '/cam1/image_raw', 'intrinsics': [470, 470, 367.2, 248.4]}
    path = written({'cam0': KALIBR['cam0'], 'cam1': second})
    assert read_rig(path, camera='cam1').camera.K[0, 0] == 470
    assert read_rig(path, image_topic='cam1/image_raw').camera.K[0, 0] == 470
    with pytest.raises(CalibrationError, match=r'has no cam2, only cam0, cam1'):
        read_rig(path, camera='cam2')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r'no settings file'):
        read_rig(tmp_path / 'rig.yaml')


def test_parameters_are_a_source_as_a_file_is():
    part = RigSettings(camera_height=0.6, base_to_camera=(0.3, 0, 0.4, -0.5, 0.5, -0.5, 0.5)).part('parameters')
    assert np.allclose(part.T_base_camera, T_BASE_CAMERA)
    assert (part.source, part.camera, part.T_base_imu) == ('parameters', None, None)
