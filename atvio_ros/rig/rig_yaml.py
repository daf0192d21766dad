"""Our file of a robot, rig.yaml. Its keys are the names of the node's parameters; any of them may be left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from atvio_ros.errors import CalibrationError, SettingsError
from atvio_ros.files import write_text
from atvio_ros.geometry import quaternion
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.camera_info import from_camera_info
from atvio_ros.rig.checks import pose_from_numbers
from atvio_ros.rig.kalibr import is_kalibr, kalibr_part
from atvio_ros.rig.rig import NOMINAL_PITCH_SIGMA, NOMINAL_YAW_SIGMA, DirectionOfTravel, Rig, RigPart
from atvio_ros.settings import from_mapping, load_yaml, parse_yaml, setting
from atvio_ros.types import FloatArray

LONGEST_TEXT = 50_000  # of a message: reading YAML is slow, and readings wait


@dataclass(frozen=True)
class RigSettings:
    """Everything a rig file can say. None, 0 and empty lists: not said."""

    camera_height: float | None = setting(None, "The camera's height over the ground [m].")
    base_to_camera: tuple[float, ...] = setting(
        (), 'Pose of the optical camera frame in base_link: x y z [m], qx qy qz qw.'
    )
    base_to_imu: tuple[float, ...] = setting((), 'Pose of the IMU frame in base_link: x y z [m], qx qy qz qw.')
    imu_time_offset: float | None = setting(None, 'Added to IMU stamps to bring them to the clock of the images [s].')
    gyro_lag: float | None = setting(None, 'How late the gyro shows what it measures, by its filter [s].')
    accelerometer_lag: float | None = setting(None, 'How late the accelerometer shows what it measures [s].')
    readout_time: float | None = setting(None, 'Of a rolling shutter, from the first row to the last [s].')
    gyro_bias: tuple[float, ...] = setting((), 'What the gyro shows at rest [rad/s]: x y z in the IMU frame.')
    direction_of_travel: tuple[float, ...] = setting(
        (), 'Direction of straight travel in the camera [rad]: pitch (below the optical axis), yaw (right of it).'
    )
    direction_of_travel_sigma: tuple[float, ...] = setting((), 'Standard errors of these two [rad].')
    width: int = setting(0, 'Width of the images for which the camera is calibrated [px].', minimum=0)
    height: int = setting(0, 'Height of those images [px].', minimum=0)
    distortion_model: str = setting('', 'plumb_bob, rational_polynomial, equidistant or none, as in CameraInfo.')
    d: tuple[float, ...] = setting((), 'Distortion coefficients, as in CameraInfo.')
    k: tuple[float, ...] = setting((), 'K of raw images, 9 numbers row by row, as in CameraInfo.')
    r: tuple[float, ...] = setting((), 'R of rectified images, 9 numbers, as in CameraInfo.')
    p: tuple[float, ...] = setting((), 'P of rectified images, 12 numbers, as in CameraInfo.')
    rectified: bool | None = setting(None, 'Whether the images are rectified: p and r apply instead of k and d.')

    def part(self, source: str, rectified: bool = False) -> RigPart:
        """The same as values. `rectified`: of the images, where the file does not say it itself.

        Raises CalibrationError where the numbers cannot be those of a robot.
        """
        return RigPart(
            source,
            camera=self._camera(source, rectified if self.rectified is None else self.rectified),
            T_base_camera=self._pose('base_to_camera', source),
            T_base_imu=self._pose('base_to_imu', source),
            camera_height=self.camera_height,
            imu_time_offset=self.imu_time_offset,
            gyro_lag=self.gyro_lag,
            accelerometer_lag=self.accelerometer_lag,
            readout_time=self.readout_time,
            gyro_bias=np.array(self.gyro_bias) if self.gyro_bias else None,
            direction_of_travel=self._direction(source),
        )

    def _pose(self, name: str, source: str) -> FloatArray | None:
        numbers = getattr(self, name)
        return pose_from_numbers(numbers, f'{source}: {name}') if numbers else None

    def _camera(self, source: str, rectified: bool) -> CameraModel | None:
        if not any((self.width, self.height, self.distortion_model, self.d, self.k, self.r, self.p)):
            return None
        if not (self.width and self.height and (self.k or self.p)):
            raise CalibrationError(
                f'{source} describes a part of a camera: width, height and k (9 numbers; p of rectified images) belong '
                'together. Give them all, or leave the camera to camera_info.'
            )
        return from_camera_info(
            self.width, self.height, self.distortion_model, self.d, self.k, self.r, self.p,
            rectified=rectified, where=source,
        )  # fmt: skip

    def _direction(self, source: str) -> DirectionOfTravel | None:
        sigmas = self.direction_of_travel_sigma or (NOMINAL_PITCH_SIGMA, NOMINAL_YAW_SIGMA)
        if not self.direction_of_travel:
            return None
        if len(self.direction_of_travel) != 2 or len(sigmas) != 2:
            raise CalibrationError(
                f'{source}: direction_of_travel and direction_of_travel_sigma must be two numbers each, pitch and yaw '
                '[rad].'
            )
        return DirectionOfTravel(*self.direction_of_travel, *sigmas)


def read_rig(path: Path, rectified: bool = False, camera: str = '', image_topic: str = '') -> RigPart:
    """A rig file, ours or Kalibr's; for the arguments see RigSettings.part and kalibr_part.

    Raises SettingsError on a file that is none or has an unknown key, CalibrationError on impossible numbers.
    """
    values = load_yaml(path)
    if is_kalibr(values):
        return kalibr_part(values, path.name, camera, image_topic)
    return from_mapping(RigSettings, values, path.stem).part(path.name, rectified)


def rig_part(text: str, source: str, rectified: bool = False) -> RigPart:
    """What the text of a rig file says; see read_rig. Raises SettingsError, CalibrationError."""
    if len(text) > LONGEST_TEXT:
        raise SettingsError(
            f'{source} has {len(text)} characters; a description of a robot has at most {LONGEST_TEXT}. Shorten it.'
        )
    return from_mapping(RigSettings, parse_yaml(text, source), source).part(source, rectified)


def rig_settings(rig: Rig | RigPart) -> RigSettings:
    """What is known, as the settings of a rig file."""
    return from_mapping(RigSettings, _known(rig), 'rig')


def write_rig(path: Path, rig: Rig | RigPart, comment: str = '') -> None:
    """Write what is known as a rig file; `comment` goes above it, line by line. Raises FileError."""
    write_text(path, ''.join(f'# {line}\n' for line in comment.splitlines()) + rig_text(rig))


def rig_text(rig: Rig | RigPart) -> str:
    """What is known, as the text of a rig file; '' where nothing is."""
    lines = []
    for name, value in _known(rig).items():
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000).splitlines()[0]
        lines.append(f'{name}: {text}\n')
    return ''.join(lines)


def _known(rig: Rig | RigPart) -> dict[str, Any]:
    T_base_camera, T_base_imu, direction = rig.T_base_camera, rig.T_base_imu, rig.direction_of_travel
    values: dict[str, Any] = {
        'camera_height': rig.camera_height,
        'base_to_camera': None if T_base_camera is None else _pose_numbers(T_base_camera),
        'base_to_imu': None if T_base_imu is None else _pose_numbers(T_base_imu),
        'imu_time_offset': rig.imu_time_offset,
        'gyro_lag': rig.gyro_lag,
        'accelerometer_lag': rig.accelerometer_lag,
        'readout_time': rig.readout_time,
        'gyro_bias': None if rig.gyro_bias is None else rig.gyro_bias.tolist(),
    }
    if direction is not None:
        values['direction_of_travel'] = [direction.pitch, direction.yaw]
        values['direction_of_travel_sigma'] = [direction.pitch_sigma, direction.yaw_sigma]
    if rig.camera is not None:
        values |= _camera_values(rig.camera)
    return {name: value for name, value in values.items() if value is not None}


def _camera_values(camera: CameraModel) -> dict[str, Any]:
    values: dict[str, Any] = {
        'width': camera.width,
        'height': camera.height,
        'distortion_model': camera.distortion_model,
        'd': camera.d.tolist(),
        'k': camera.K.ravel().tolist(),
    }
    if not np.allclose(camera.R_image_camera, np.eye(3), atol=1e-12):
        values['r'] = camera.R_image_camera.ravel().tolist()
        values['p'] = np.column_stack((camera.K, np.zeros(3))).ravel().tolist()
        values['rectified'] = True
    return values


def _pose_numbers(T: FloatArray) -> list[float]:
    return [float(number) for number in (*T[:3, 3], *quaternion(T[:3, :3]))]
