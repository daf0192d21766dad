"""Folders in the ASL format (EuRoC, TUM-VI) become bags: stamps, images, readings, lens, poses, ground truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from samples.command_line import complaint
from samples.kitti import picture, write_picture
from scipy.spatial.transform import Rotation

from atvio_ros.bags.reader import BagReader
from atvio_ros.cli.main import main
from atvio_ros.drives.asl import asl_drive
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.errors import CalibrationError, DatasetError
from atvio_ros.geometry import inverse, transform

START_NS = 1_403_636_579_763_555_584  # beyond what a float64 tells to the nanosecond
FRAMES, FRAME_NS, IMU_NS = 5, 50_000_000, 5_000_000
T_BODY_CAMERA = transform(
    Rotation.from_euler('xyz', [80, 5, -91], degrees=True).as_matrix(), np.array([0.1, -0.02, 0.01])
)
LENS = [-0.28, 0.07, 0.0002, 1.8e-05]


def rows(matrix: np.ndarray) -> str:
    return ', '.join(repr(float(value)) for value in matrix.ravel())


def sensor(T: np.ndarray, more: str = '') -> str:
    return f'%YAML:1.0\nsensor_type: x\nT_BS:\n  cols: 4\n  rows: 4\n  data: [{rows(T)}]\n{more}'


CAMERA = f"""rate_hz: 20
resolution: [40, 24]
camera_model: pinhole
intrinsics: [30.0, 31.0, 20.5, 11.5] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: {LENS}
"""


def write_asl(folder: Path, truth: str = 'state_groundtruth_estimate0') -> Path:
    """As EuRoC has it: commented headers, files named by stamps, the truth at 200 Hz with velocities and biases."""
    mav = folder / 'mav0'
    stamps = [START_NS + i * FRAME_NS for i in range(FRAMES)]
    for i, stamp in enumerate(stamps):
        write_picture(mav / 'cam0' / 'data' / f'{stamp}.png', picture(i))
    lines = ''.join(f'{stamp},{stamp}.png\r\n' for stamp in stamps)
    (mav / 'cam0' / 'data.csv').write_text('#timestamp [ns],filename\r\n' + lines)
    (mav / 'cam0' / 'sensor.yaml').write_text(sensor(T_BODY_CAMERA, CAMERA))
    readings = [START_NS + k * IMU_NS for k in range(-4, FRAMES * 10)]
    (mav / 'imu0').mkdir()
    text = ''.join(f'{stamp},{k / 7},0.2,0.3,9.81,0.1,{k}\n' for k, stamp in enumerate(readings))
    (mav / 'imu0' / 'data.csv').write_text('#timestamp [ns],w_RS_S_x [rad s^-1],...\n' + text)
    (mav / 'imu0' / 'sensor.yaml').write_text(sensor(np.eye(4), 'rate_hz: 200\n'))
    if truth:
        (mav / truth).mkdir()
        half = np.sqrt(0.5)
        more = ',0.0' * (9 if truth.startswith('state') else 0)
        poses = ''.join(f'{stamp},{0.01 * k},2.0,3.0,{half},0.0,0.0,{half}{more}\n' for k, stamp in enumerate(readings))
        (mav / truth / 'data.csv').write_text('#timestamp, p_RS_R_x [m], ...\n' + poses)
    return folder


def test_a_folder_becomes_a_bag_that_says_its_robot(tmp_path, capsys):
    folder = write_asl(tmp_path / 'MH_01')
    command = ['import-euroc', str(folder), '--out', str(tmp_path / 'bag'), '--camera-height', '1.2']
    assert main(command) == 0
    said = capsys.readouterr().out
    assert f'{FRAMES} images of 40x24 pixels' in said
    assert 'may not have x forward' in said
    with BagReader(tmp_path / 'bag') as bag:
        images = list(bag.images())
        assert [image.stamp_ns for image in images] == [START_NS + i * FRAME_NS for i in range(FRAMES)]
        np.testing.assert_array_equal(images[2].image, picture(2))
        sample = next(iter(bag.imu()))
        assert sample.stamp_ns == START_NS - 4 * IMU_NS
        np.testing.assert_allclose(sample.linear_acceleration, [9.81, 0.1, 0.0])
        np.testing.assert_allclose(sample.angular_velocity, [0.0, 0.2, 0.3])
        rig = bag_rig(bag).rig
        assert rig.camera_height == pytest.approx(1.2)
        np.testing.assert_allclose(rig.T_base_camera, T_BODY_CAMERA, atol=1e-9)
        assert (rig.needed_camera.distortion_model, rig.needed_camera.d[:4].tolist()) == ('plumb_bob', LENS)
        assert rig.needed_camera.intrinsics == (30.0, 31.0, 20.5, 11.5)
        truth = bag.ground_truth()
    np.testing.assert_allclose(truth.poses[3, :3, 3], [0.03, 2.0, 3.0])
    np.testing.assert_allclose(truth.poses[3, :3, :3] @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-9)  # w x y z


def test_a_body_that_is_turned_is_put_right_by_what_is_given(tmp_path):
    """The truth of the data set is the body's; base_link is where the options put it."""
    folder = write_asl(tmp_path)
    from atvio_ros.rig.rig import RigPart

    T_base_imu = transform(Rotation.from_euler('y', 90, degrees=True).as_matrix(), np.array([0.2, 0.0, 0.4]))
    drive = asl_drive(folder, given=RigPart('given', T_base_imu=T_base_imu, T_base_camera=T_base_imu @ T_BODY_CAMERA))
    plain = asl_drive(folder)
    np.testing.assert_allclose(drive.rig.T_camera_imu, plain.rig.T_camera_imu, atol=1e-9)
    np.testing.assert_allclose(drive.truth.poses @ T_base_imu, plain.truth.poses, atol=1e-9)


def test_tum_vi_has_kalibrs_file_beside_it_and_motion_capture(tmp_path):
    folder = write_asl(tmp_path, truth='mocap0')
    (folder / 'mav0' / 'cam0' / 'sensor.yaml').unlink()
    T_camera_imu = inverse(T_BODY_CAMERA)
    nested = '\n'.join(f'    - [{rows(row)}]' for row in T_camera_imu)
    (folder / 'dso').mkdir()
    (folder / 'dso' / 'camchain.yaml').write_text(
        f'cam0:\n  T_cam_imu:\n{nested}\n  camera_model: pinhole\n  distortion_model: equidistant\n'
        '  distortion_coeffs: [0.003, 0.0007, -0.002, 0.0002]\n  intrinsics: [19.0, 19.0, 20.0, 12.0]\n'
        '  resolution: [40, 24]\n'
    )
    drive = asl_drive(folder / 'mav0')
    assert drive.rig.needed_camera.distortion_model == 'equidistant'
    np.testing.assert_allclose(drive.rig.T_base_camera, T_BODY_CAMERA, atol=1e-9)
    assert drive.truth is not None
    assert 'Ground truth is that of mocap0.' in drive.notes


def test_positions_alone_are_no_truth_and_it_says_so(tmp_path):
    folder = write_asl(tmp_path, truth='leica0')
    path = folder / 'mav0' / 'leica0' / 'data.csv'
    path.write_text('#t\n' + ''.join(f'{START_NS + k},1.0,2.0,3.0\n' for k in range(3)))
    drive = asl_drive(folder)
    assert drive.truth is None
    assert 'leica0 has positions without orientation, which are not used.' in drive.notes


def damaged(name: str, text: str | None):
    def change(folder: Path) -> None:
        path = folder / 'mav0' / name
        path.unlink() if text is None else path.write_text(text)

    return change


@pytest.mark.parametrize(
    ('change', 'problem'),
    [
        (damaged('cam0/data.csv', None), r'There is no .*cam0.data\.csv\. Give the folder that holds mav0'),
        (damaged('cam0/data.csv', '#\n'), 'lists no images'),
        (damaged('cam0/data.csv', '1e3,a.png\n'), r"line 1: '1e3' is no stamp in nanoseconds"),
        (damaged('cam0/data.csv', '5,../../x.png\n'), r'There is no .*data.x\.png, which'),
        (damaged('imu0/data.csv', '5,1,2\n'), 'line 1: expected a stamp .* and 6 numbers'),
        (damaged('imu0/data.csv', '5,1,2,3,4,5,nan\n'), 'line 1: expected a stamp'),
        (damaged('cam0/sensor.yaml', None), 'the camera is not calibrated'),
        (damaged('state_groundtruth_estimate0/data.csv', '5,1,2,3,2,0,0,0\n'), 'length 2, not 1'),
    ],
)
def test_a_damaged_folder_is_named(change, problem, tmp_path):
    folder = write_asl(tmp_path)
    change(folder)
    with pytest.raises(DatasetError, match=problem):
        asl_drive(folder)


@pytest.mark.parametrize(
    ('old', 'new'),
    [('radial-tangential', 'fov'), ('resolution: [40, 24]', 'resolution: [40]'), ('data: [', 'data: [1, ')],
)
def test_an_impossible_camera_is_refused(old, new, tmp_path):
    folder = write_asl(tmp_path)
    path = folder / 'mav0' / 'cam0' / 'sensor.yaml'
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(CalibrationError, match=r'sensor\.yaml'):
        asl_drive(folder)


def test_no_bag_is_left_of_a_folder_that_cannot_be_read(tmp_path, capsys):
    folder = write_asl(tmp_path / 'in')
    next((folder / 'mav0' / 'cam0' / 'data').iterdir()).write_bytes(b'no image')
    assert '.png' in complaint(capsys, 'import-euroc', folder, '--out', tmp_path / 'bag')
    assert not (tmp_path / 'bag').exists()
