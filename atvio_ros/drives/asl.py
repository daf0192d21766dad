"""A drive from a folder in the ASL format, as EuRoC MAV and TUM-VI have it.

    mav0/cam0/data/STAMP.png, data.csv (stamp [ns], file), sensor.yaml (T_BS, resolution, intrinsics, distortion)
    mav0/imu0/data.csv  stamp [ns], wx wy wz [rad/s], ax ay az [m/s^2];  sensor.yaml (T_BS)
    mav0/state_groundtruth_estimate0, mav0/mocap0 or mav0/leica0: stamp [ns], position [m], quaternion w x y z

T_BS is the pose of a sensor in the body frame. TUM-VI has no sensor.yaml but Kalibr's camchain beside mav0
(dso/camchain.yaml); there the body is the IMU. Burri et al., "The EuRoC micro aerial vehicle datasets", IJRR 2016;
Schubert et al., "The TUM VI benchmark for evaluating visual-inertial odometry", IROS 2018.
"""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from atvio_ros.drives.file_drive import FileDrive
from atvio_ros.drives.imu_readings import order_readings
from atvio_ros.drives.text_files import read_text
from atvio_ros.errors import CalibrationError, DatasetError
from atvio_ros.geometry import inverse, nearest_rotation
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.combine import combine
from atvio_ros.rig.kalibr import kalibr_part
from atvio_ros.rig.rig import RigPart
from atvio_ros.settings import parse_yaml
from atvio_ros.types import FloatArray, Trajectory

TRUTHS = ('state_groundtruth_estimate0', 'mocap0', 'leica0', 'gt0')
CAMCHAINS = ('dso/camchain.yaml', 'camchain.yaml', 'camchain-imucam.yaml')
_MODELS = {'radial-tangential': 'plumb_bob', 'radtan': 'plumb_bob', 'equidistant': 'equidistant', 'none': 'none'}
_POSE_COLUMNS = 8  # stamp, position, quaternion


def asl_drive(folder: Path, camera: str = 'cam0', given: RigPart | None = None) -> FileDrive:
    """The drive in a folder that holds mav0, or in mav0 itself; `given` says what is known of the robot beyond it.

    The body frame is taken for base_link: `given` has its poses where it is turned (EuRoC's has x up). Raises
    DatasetError naming the file, CalibrationError on an impossible camera.
    """
    mav = folder / 'mav0' if (folder / 'mav0').is_dir() else folder
    if not (mav / camera / 'data.csv').is_file():
        raise DatasetError(
            f'There is no {mav / camera / "data.csv"}. Give the folder that holds mav0 (EuRoC, TUM-VI, ASL format), or '
            'another --camera.'
        )
    stamps_ns, paths = _images(mav / camera)
    imu_ns, values = _table(mav / 'imu0' / 'data.csv', 7)
    part, notes = _rig(mav, camera)
    rig, reports, _ = combine([*([given] if given else []), part])
    truth, truth_notes = _truth(mav, rig.T_base_imu)
    if rig.camera_height is None:
        notes = (*notes, "The camera's height over the ground is not known: give --camera-height to run the odometry.")
    return FileDrive(
        paths,
        stamps_ns,
        order_readings(imu_ns, values),
        rig,
        truth,
        notes=(*notes, *truth_notes, *reports),
    )


def _images(folder: Path) -> tuple[NDArray[np.int64], tuple[Path, ...]]:
    """Stamps, increasing, and paths of the images that data.csv lists."""
    listed: dict[int, Path] = {}
    for number, row in _rows(folder / 'data.csv'):
        if len(row) < 2:
            raise DatasetError(
                f'{folder / "data.csv"}, line {number}: expected `stamp [ns],file`.'
                ' Correct it, or unpack the data set again.'
            )
        listed[_stamp(folder / 'data.csv', number, row[0])] = folder / 'data' / Path(row[1].strip()).name
    missing = next((path for path in listed.values() if not path.is_file()), None)
    if missing is not None:
        raise DatasetError(f'There is no {missing}, which {folder / "data.csv"} lists. Unpack the data set again.')
    if not listed:
        raise DatasetError(f'{folder / "data.csv"} lists no images. Unpack the data set again.')
    stamps_ns = np.array(sorted(listed), dtype=np.int64)
    return stamps_ns, tuple(listed[stamp_ns] for stamp_ns in stamps_ns.tolist())


def _rig(mav: Path, camera: str) -> tuple[RigPart, tuple[str, ...]]:
    """Camera and poses, by sensor.yaml, or else by Kalibr's camchain beside mav0."""
    described = mav / camera / 'sensor.yaml'
    if described.is_file():
        entry, imu = _yaml(described), mav / 'imu0' / 'sensor.yaml'
        part = RigPart(
            str(described),
            camera=_camera(entry, described),
            T_base_camera=_pose(entry, described),
            T_base_imu=_pose(_yaml(imu), imu) if imu.is_file() else np.eye(4),
        )
        return part, ('base_link is the body frame of the data set, which may not have x forward and z up.',)
    for name in CAMCHAINS:
        path = mav.parent / name
        if path.is_file():
            part = kalibr_part(_yaml(path), str(path), camera)
            if part.T_camera_imu is None:
                raise CalibrationError(f'{path} has no T_cam_imu for {camera}: calibrate camera and IMU together.')
            T_base_camera = inverse(part.T_camera_imu)  # the body is the IMU
            placed = dataclasses.replace(part, T_camera_imu=None, T_base_camera=T_base_camera, T_base_imu=np.eye(4))
            return placed, ('base_link is the IMU, which may not have x forward and z up.',)
    raise DatasetError(
        f'There is neither {described} nor one of {", ".join(CAMCHAINS)} beside mav0: the camera is not calibrated.'
        ' Put one there, as Kalibr writes it.'
    )


def _yaml(path: Path) -> dict[str, Any]:
    """A YAML file, with or without OpenCV's first line `%YAML:1.0`, which is no YAML."""
    first, _, rest = read_text(path, 'a description of a sensor').partition('\n')
    return parse_yaml(rest if first.startswith('%YAML:') else f'{first}\n{rest}', str(path))


def _camera(entry: dict[str, Any], path: Path) -> CameraModel:
    model, lens = str(entry.get('camera_model', 'pinhole')), str(entry.get('distortion_model', 'none'))
    if model != 'pinhole' or lens not in _MODELS:
        raise CalibrationError(
            f'{path}: camera_model {model!r} with distortion_model {lens!r} is not understood; only pinhole with '
            f'{", ".join(_MODELS)}.'
            ' Calibrate it as one of these.'
        )
    fx, fy, cx, cy = _numbers(entry, 'intrinsics', 4, path)
    width, height = (int(size) for size in _numbers(entry, 'resolution', 2, path))
    K = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    d = _numbers(entry, 'distortion_coefficients', None, path) if lens != 'none' else np.empty(0)
    return CameraModel(width, height, K, _MODELS[lens], d, where=str(path))


def _pose(entry: dict[str, Any], path: Path) -> FloatArray:
    """T_BS (4, 4)."""
    T = _numbers(entry.get('T_BS') if isinstance(entry.get('T_BS'), dict) else {}, 'data', 16, path).reshape(4, 4)
    T[:3, :3] = nearest_rotation(T[:3, :3])
    return T


def _numbers(entry: Any, name: str, count: int | None, path: Path) -> FloatArray:
    try:
        values = np.asarray(entry[name], dtype=np.float64).ravel()
    except (KeyError, TypeError, ValueError):
        values = np.array([np.nan])
    if (count is not None and len(values) != count) or not np.isfinite(values).all():
        wanted = 'numbers' if count is None else f'{count} numbers'
        raise CalibrationError(f'{path}: {name} must be {wanted}, as the ASL format has it.')
    return values


def _truth(mav: Path, T_base_imu: FloatArray) -> tuple[Trajectory | None, tuple[str, ...]]:
    """Poses of base_link. Those of the data set are the body's, which is the IMU in all published ones."""
    for name in TRUTHS:
        path = mav / name / 'data.csv'
        if not path.is_file():
            continue
        rows = list(_rows(path))
        if rows and len(rows[0][1]) < _POSE_COLUMNS:
            return None, (f'{name} has positions without orientation, which are not used.',)
        stamps_ns, table = _table(path, _POSE_COLUMNS, more=True)
        lengths = np.linalg.norm(table[:, 3:7], axis=1)
        if (np.abs(lengths - 1.0) > 0.01).any():
            raise DatasetError(
                f'{path}: a quaternion (w x y z) has the length {lengths.max():.3g}, not 1.'
                ' Correct it, or unpack the data set again.'
            )
        poses = np.tile(np.eye(4), (len(table), 1, 1))
        poses[:, :3, :3] = Rotation.from_quat(table[:, [4, 5, 6, 3]]).as_matrix()
        poses[:, :3, 3] = table[:, :3]
        unique_ns, first = np.unique(stamps_ns, return_index=True)
        return Trajectory(unique_ns, poses[first] @ inverse(T_base_imu)), (f'Ground truth is that of {name}.',)
    return None, ('There is no ground truth in mav0.',)


def _table(path: Path, columns: int, more: bool = False) -> tuple[NDArray[np.int64], FloatArray]:
    """Stamps (N,) and the numbers (N, columns - 1) after them; `more`: rows may be longer."""
    stamps_ns, values = [], []
    for number, row in _rows(path):
        try:
            numbers = [float(word) for word in row[1:columns]]
        except ValueError:
            numbers = []
        if len(numbers) != columns - 1 or (len(row) > columns and not more) or not np.isfinite(numbers).all():
            raise DatasetError(
                f'{path}, line {number}: expected a stamp [ns] and {columns - 1} numbers.'
                ' Correct it, or unpack the data set again.'
            )
        stamps_ns.append(_stamp(path, number, row[0]))
        values.append(numbers)
    if not values:
        raise DatasetError(f'{path} holds no rows. Unpack the data set again.')
    return np.array(stamps_ns, dtype=np.int64), np.array(values)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line number (from 1) and cells of each line of a data.csv; comments begin with #."""
    lines = read_text(path, 'a data.csv of the ASL format').splitlines()
    rows = enumerate(csv.reader(lines), start=1)
    return [(number, row) for number, row in rows if row and row[0].strip() and not row[0].lstrip().startswith('#')]


def _stamp(path: Path, number: int, text: str) -> int:
    try:
        stamp_ns = int(text)
    except ValueError:
        stamp_ns = -1
    if not 0 <= stamp_ns < 2**63:
        raise DatasetError(
            f'{path}, line {number}: {text[:30]!r} is no stamp in nanoseconds.'
            ' Correct it, or unpack the data set again.'
        )
    return stamp_ns
