"""A camera from the fields of sensor_msgs/CameraInfo, for raw or rectified images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atvio_ros.errors import CalibrationError
from atvio_ros.rig.camera import CameraModel, check_fits, check_size
from atvio_ros.rig.checks import finite
from atvio_ros.types import FloatArray

Roi = tuple[int, int, int, int]  # x_offset, y_offset, width, height [px of the full image]; zeros: all of it

Numbers = Sequence[float] | FloatArray


def from_camera_info(
    width: int,
    height: int,
    distortion_model: str,
    d: Numbers,
    k: Numbers,
    r: Numbers = (),
    p: Numbers = (),
    binning_x: int = 1,
    binning_y: int = 1,
    roi: Roi = (0, 0, 0, 0),
    rectified: bool = False,
    where: str = 'camera_info',
) -> CameraModel:
    """The camera of the images as they are published: full, a part of it (roi), binned after that.

    k (9,) and d are for raw images; r (9,) and p (12,) for `rectified` ones. Zeros mean `not given`, as in the message.
    Raises CalibrationError in one line where the message cannot be a calibration of such images.
    """
    check_size(width, height, where)
    K, D = _matrix(k, (3, 3), f'{where}: K'), np.asarray(d, dtype=np.float64).ravel()
    R, P = _matrix(r, (3, 3), f'{where}: R'), _matrix(p, (3, 4), f'{where}: P')
    if rectified and P.any():
        matrix, model, D = P[:, :3], 'none', np.zeros(0)
        turned = R if R.any() else np.eye(3)
    elif rectified and (D.any() or distortion_model == 'equidistant'):
        raise CalibrationError(
            f'{where}: P is all zeros, so rectified images have no intrinsics. Publish P, or take the raw image topic.'
        )
    else:
        matrix, model, turned = K, distortion_model, np.eye(3)
    if not matrix.any():
        raise CalibrationError(
            f'{where}: K is all zeros, so the camera is not calibrated. Calibrate it (camera_calibration), or give '
            'its intrinsics in a rig file.'
        )
    camera = CameraModel(width, height, matrix, model, D, turned, where)
    check_fits(matrix, width, height, where)
    return _binned(_cut(camera, roi, where), binning_x, binning_y, where)


def is_rectified_topic(topic: str) -> bool:
    """Whether an image topic is, by its name, one of image_proc's rectified ones (image_rect, image_rect_color)."""
    return any(word.startswith('image_rect') for word in topic.split('/'))


def _matrix(values: Numbers, shape: tuple[int, int], name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    return finite(array, shape, name) if array.size else np.zeros(shape)


def _cut(camera: CameraModel, roi: Roi, where: str) -> CameraModel:
    x, y, width, height = roi
    if not any(roi):
        return camera
    width, height = width or camera.width - x, height or camera.height - y
    if min(x, y) < 0 or min(width, height) < 1 or x + width > camera.width or y + height > camera.height:
        raise CalibrationError(
            f'{where}: the ROI of {width}x{height} at {x}, {y} does not lie within {camera.width}x{camera.height}. '
            'ROI and size are those of the full image, before binning.'
            ' Correct the roi.'
        )
    return camera.cropped(x, y, width, height)


def _binned(camera: CameraModel, binning_x: int, binning_y: int, where: str) -> CameraModel:
    """Binning averages whole blocks of pixels, so the half-pixel rule holds. 0 and 1 both mean none."""
    x, y = max(binning_x, 1), max(binning_y, 1)
    if x == y == 1:
        return camera
    if x > camera.width or y > camera.height:
        raise CalibrationError(
            f'{where}: binning by {x}x{y} leaves nothing of {camera.width}x{camera.height} images.'
            ' Correct binning_x and binning_y.'
        )
    width, height = camera.width // x, camera.height // y
    return camera.cropped(0, 0, width * x, height * y).resized(width, height)
