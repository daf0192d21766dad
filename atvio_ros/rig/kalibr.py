"""A rig from the files of Kalibr: camchain.yaml, and camchain-imucam.yaml with the IMU."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from atvio_ros.errors import CalibrationError
from atvio_ros.rig.camera import CameraModel, check_fits
from atvio_ros.rig.rig import RigPart
from atvio_ros.types import FloatArray

_MODELS = {'radtan': 'plumb_bob', 'equidistant': 'equidistant', 'none': 'none'}
_CAMERA = re.compile(r'cam\d+$')


def is_kalibr(values: Mapping[str, Any]) -> bool:
    """Whether the keys of a YAML file are those of Kalibr: a camchain, or one of its other files by mistake."""
    return any(_CAMERA.match(str(key)) or re.match(r'(imu\d+|rostopic)$', str(key)) for key in values)


def kalibr_part(values: Mapping[str, Any], source: str, camera: str = '', image_topic: str = '') -> RigPart:
    """One camera of a camchain, as read from YAML, and where the IMU sits and runs, where the file says it.

    `camera`: 'cam0', ...; else the one that Kalibr recorded on `image_topic`; else the only one. Kalibr calibrates raw
    images. Its time shift is t_imu = t_cam + shift. Raises CalibrationError that names the fix.
    """
    name = _chosen(values, source, camera, image_topic)
    where = f'{source}: {name}'
    entry = values[name]
    if not isinstance(entry, Mapping):
        raise CalibrationError(f'{where} must be a group of keys (intrinsics, resolution, ...), not {entry!r}.')
    shift = entry.get('timeshift_cam_imu')
    T_camera_imu = entry.get('T_cam_imu')
    return RigPart(
        source,
        camera=_camera(entry, where),
        T_camera_imu=None if T_camera_imu is None else _numbers(T_camera_imu, 16, f'{where}.T_cam_imu').reshape(4, 4),
        imu_time_offset=None if shift is None else -float(_numbers([shift], 1, f'{where}.timeshift_cam_imu')[0]),
    )


def _chosen(values: Mapping[str, Any], source: str, camera: str, image_topic: str) -> str:
    names = sorted(str(key) for key in values if _CAMERA.match(str(key)))
    if not names:
        raise CalibrationError(
            f"{source} holds no camera. Give Kalibr's camchain-imucam.yaml, which has cam0, not its imu.yaml."
        )
    if camera:
        if camera not in names:
            raise CalibrationError(f'{source} has no {camera}, only {", ".join(names)}. Name one of them.')
        return camera
    topics = {name: str(values[name].get('rostopic', '')) for name in names if isinstance(values[name], Mapping)}
    on_topic = [name for name, topic in topics.items() if image_topic and topic.strip('/') == image_topic.strip('/')]
    if len(names) == 1 or len(on_topic) == 1:
        return on_topic[0] if len(on_topic) == 1 else names[0]
    seen = ', '.join(f'{name} ({topics.get(name) or "no rostopic"})' for name in names)
    raise CalibrationError(
        f'{source} holds {len(names)} cameras: {seen}. Leave only the one whose images are used in the '
        'file, or let its rostopic be the topic of the images.'
    )


def _camera(entry: Mapping[str, Any], where: str) -> CameraModel:
    model = str(entry.get('camera_model', 'pinhole'))
    if model != 'pinhole':
        raise CalibrationError(
            f'{where}.camera_model is {model!r}; only pinhole is understood. Calibrate with pinhole-radtan, or '
            'pinhole-equi for a fisheye.'
        )
    distortion = str(entry.get('distortion_model', 'none'))
    if distortion not in _MODELS:
        raise CalibrationError(
            f'{where}.distortion_model is {distortion!r}; only {", ".join(_MODELS)} are understood. Calibrate with '
            'pinhole-radtan, or pinhole-equi for a fisheye.'
        )
    fx, fy, cx, cy = _numbers(entry.get('intrinsics'), 4, f'{where}.intrinsics')
    width, height = (int(size) for size in _numbers(entry.get('resolution'), 2, f'{where}.resolution'))
    d = entry.get('distortion_coeffs') or []
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    camera = CameraModel(
        width, height, K, _MODELS[distortion], _numbers(d, None, f'{where}.distortion_coeffs'), where=where
    )
    check_fits(K, width, height, where)
    return camera


def _numbers(values: Any, count: int | None, name: str) -> FloatArray:
    """Numbers of a (nested) list. Raises CalibrationError where they are others, or not `count`."""
    try:
        array = np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        array = np.array([np.nan])
    if (count is not None and array.size != count) or not np.isfinite(array).all():
        wanted = 'numbers' if count is None else f'{count} numbers'
        raise CalibrationError(f'{name} must be {wanted}, as Kalibr writes them, not {str(values)[:60]}.')
    return array
