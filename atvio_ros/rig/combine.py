"""One robot from what several sources say of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from atvio_ros.errors import CalibrationError
from atvio_ros.geometry import inverse, rotation_angle
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.rig import DirectionOfTravel, Rig, RigPart
from atvio_ros.types import FloatArray

_TOLERANCE = {
    'camera_height': 0.01, 'imu_time_offset': 0.002, 'gyro_lag': 0.005, 'accelerometer_lag': 0.005,
    'readout_time': 0.001,
}  # fmt: skip
_SCALARS = tuple(_TOLERANCE)
_UNIT = dict.fromkeys(_SCALARS, 's') | {'camera_height': 'm'}
_POSES = {'T_base_camera': 'base_to_camera', 'T_base_imu': 'base_to_imu', 'T_camera_imu': 'IMU in the camera'}
_METRES, _DEGREES = 0.02, 0.5  # between two poses
_BIAS = 0.005  # rad/s
_DIRECTION_DEG = 1.0
_PIXELS = 0.005  # of the width: how far apart two calibrations may see one point


class Combination(NamedTuple):
    """A rig and how it came about."""

    rig: Rig
    reports: tuple[str, ...]  # what two sources say differently, a sentence each, and what was left to defaults
    sources: dict[str, str]  # field of Rig -> who said it; fields left to their default are missing


def combine(parts: Sequence[RigPart]) -> Combination:
    """The rig of which `parts` tell, the first to speak winning. What nobody says gets its default."""
    reports: list[str] = []
    sources: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name in ('camera', *_SCALARS, 'gyro_bias', 'direction_of_travel'):
        said = [(part.source, getattr(part, name)) for part in parts if getattr(part, name) is not None]
        if said:
            sources[name], values[name] = said[0]
            reports += [text for other in said[1:] if (text := _difference(name, said[0], other))]
    poses, pose_sources, pose_reports = _poses(parts)
    values.update(poses)
    rig = Rig(**values)
    return Combination(rig, (*reports, *pose_reports, *_left_out(sources | pose_sources)), sources | pose_sources)


def _poses(parts: Sequence[RigPart]) -> tuple[dict[str, FloatArray], dict[str, str], list[str]]:
    """T_base_camera and T_base_imu. Of three poses between base, camera and IMU two are enough: the last said yields.

    Where one source is as early as another, the camera's place in the base stays.
    """
    names = ('T_base_camera', 'T_camera_imu', 'T_base_imu')
    said = {
        name: [(order, part.source, getattr(part, name)) for order, part in enumerate(parts)
               if getattr(part, name) is not None]
        for name in names
    }  # fmt: skip
    first = {name: heard[0] for name, heard in said.items() if heard}
    kept = sorted(first, key=lambda name: (first[name][0], names.index(name)))[:2]
    poses = {name: first[name][2] for name in kept}
    sources = {name: first[name][1] for name in kept}
    if kept == ['T_camera_imu']:  # nothing ties the pair to the base: the camera is taken to look forward
        poses['T_base_camera'] = Rig().T_base_camera
    if 'T_camera_imu' in poses:
        relative, source = poses.pop('T_camera_imu'), sources.pop('T_camera_imu')
        if 'T_base_camera' in poses:
            poses['T_base_imu'], sources['T_base_imu'] = poses['T_base_camera'] @ relative, source
        else:
            poses['T_base_camera'] = poses['T_base_imu'] @ inverse(relative)
            sources['T_base_camera'] = source
    rig = dataclasses.replace(Rig(), **poses)
    reports = []
    for name, heard in said.items():
        used = getattr(rig, name)
        user = sources.get(name, ' and '.join(sorted(set(sources.values()))))
        reports += [text for _, source, T in heard if (text := _difference(name, (user, used), (source, T)))]
    return poses, sources, reports


def _difference(name: str, used: tuple[str, Any], other: tuple[str, Any]) -> str:
    """One sentence where two sources do not agree, else ''."""
    (source, a), (other_source, b) = used, other
    if name in _SCALARS:
        differ = abs(a - b) > _TOLERANCE[name] + 1e-9
        what = f'{a:g} {_UNIT[name]}', f'{b:g} {_UNIT[name]}'
    elif name == 'camera':
        differ = not same_camera(a, b)
        what = a_camera(a), a_camera(b)
    elif name == 'direction_of_travel':
        differ = bool(np.degrees(np.arccos(np.clip(a.vector @ b.vector, -1, 1))) > _DIRECTION_DEG)
        what = a_direction(a), a_direction(b)
    elif name == 'gyro_bias':
        differ = bool(np.abs(a - b).max() > _BIAS)
        what = f'{np.round(a, 4).tolist()} rad/s', f'{np.round(b, 4).tolist()} rad/s'
    else:
        angle = float(np.degrees(rotation_angle(a[:3, :3].T @ b[:3, :3])))
        distance = float(np.linalg.norm(a[:3, 3] - b[:3, 3]))
        if angle <= _DEGREES and distance <= _METRES:
            return ''
        gap = f'{angle:.1f} deg and {distance:.2f} m'
        return f'{_POSES[name]}: {other_source} differs from {source} by {gap}; {source} is used.'
    return f'{name}: {what[0]} from {source} is used, though {other_source} says {what[1]}.' if differ else ''


def a_direction(direction: DirectionOfTravel) -> str:
    """A direction of travel in words."""
    return f'pitch {np.degrees(direction.pitch):.2f} deg, yaw {np.degrees(direction.yaw):.2f} deg'


def a_camera(camera: CameraModel) -> str:
    """A camera in a few words."""
    return f'{camera.width}x{camera.height}, fx {camera.K[0, 0]:.1f}, {camera.distortion_model}'


def same_camera(a: CameraModel, b: CameraModel) -> bool:
    """Whether two calibrations see every point in the same place but for what calibrating again may change."""
    return camera_distance(a, b) <= _PIXELS * a.width


def camera_distance(a: CameraModel, b: CameraModel) -> float:
    """How far apart [px of a] two calibrations see one point at most; infinity where the aspect ratios differ."""
    try:
        b = b.scaled(a.width, a.height)
    except CalibrationError:
        return float('inf')
    u, v = np.meshgrid(np.linspace(0, a.width - 1, 7), np.linspace(0, a.height - 1, 5))
    pixels = np.stack((u, v), axis=-1)
    apart = np.linalg.norm(b.project(a.unproject(pixels)) - pixels, axis=-1)
    return float(np.nanmax(apart)) if np.isfinite(apart).any() else float('inf')


def _left_out(sources: dict[str, str]) -> list[str]:
    defaults = {
        'camera': 'no camera calibration',
        'T_base_camera': 'base_to_camera: looking along base x',
        'T_base_imu': 'base_to_imu: axes of the base',
        'camera_height': 'no camera_height',
        'imu_time_offset': 'imu_time_offset 0 s',
        'gyro_lag': 'gyro_lag 0 s',
        'accelerometer_lag': 'accelerometer_lag 0 s',
        'gyro_bias': 'gyro_bias 0',
    }
    missing = [text for name, text in defaults.items() if name not in sources]
    return [f'Nobody says, so the default holds: {"; ".join(missing)}.'] if missing else []
