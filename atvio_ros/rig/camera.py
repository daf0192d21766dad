"""A calibrated camera: where a point of the world lands in its image, and which ray a pixel sees."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from atvio_ros.errors import CalibrationError
from atvio_ros.image_size import check_image_size
from atvio_ros.rig.checks import finite
from atvio_ros.rig.lens import checked_distortion, distort, steepest_angle, undistort
from atvio_ros.types import FloatArray

ASPECT_TOLERANCE = 0.01
# A principal point further out belongs to another image size: half the size is at 0.25, twice the size at 1.
_PRINCIPAL_X, _PRINCIPAL_Y = (0.3, 0.7), (0.1, 0.9)
_FOCAL = (0.1, 20.0)  # of the width


@dataclass(frozen=True, eq=False)
class CameraModel:
    """Pinhole and lens. Pixel centres have whole coordinates: the image covers -0.5 to width - 0.5.

    `R_image_camera` turns points of the camera's frame into the axes of the image: the identity for raw images,
    CameraInfo.R for rectified ones. Raises CalibrationError on what cannot be a camera.
    """

    width: int
    height: int
    K: FloatArray  # (3, 3) [px], without skew
    distortion_model: str = 'none'  # none, plumb_bob, rational_polynomial or equidistant
    d: FloatArray = field(default_factory=lambda: np.zeros(0))  # coefficients, as in CameraInfo
    R_image_camera: FloatArray = field(default_factory=lambda: np.eye(3))
    where: str = 'camera'  # who says so, for messages

    def __post_init__(self) -> None:
        where = self.where
        check_size(self.width, self.height, where)
        K = finite(self.K, (3, 3), f'{where}: K')
        if not K.any():
            raise CalibrationError(
                f'{where}: K is all zeros, so the camera is not calibrated. Calibrate it, or give K.'
            )
        if K[0, 0] <= 0 or K[1, 1] <= 0 or K[0, 1] or K[1, 0] or K[2, 0] or K[2, 1] or K[2, 2] != 1:
            raise CalibrationError(
                f'{where}: K must be fx 0 cx, 0 fy cy, 0 0 1 with fx and fy over 0 (no skew), not {K.ravel().tolist()}.'
            )
        model, d = checked_distortion(self.distortion_model, self.d, where)
        R = finite(self.R_image_camera, (3, 3), f'{where}: R')
        if np.abs(R @ R.T - np.eye(3)).max() > 0.01 or np.linalg.det(R) < 0:
            raise CalibrationError(f'{where}: R is not a rotation. Leave it out for a single camera.')
        for name, value in (('K', K), ('distortion_model', model), ('d', d), ('R_image_camera', R)):
            object.__setattr__(self, name, value)

    @cached_property
    def steepest(self) -> float:
        """Angle from the axis [rad] beyond which the lens model means nothing."""
        return steepest_angle(self.distortion_model, self.d)

    @property
    def intrinsics(self) -> tuple[float, float, float, float]:
        """fx, fy, cx, cy [px]."""
        (fx, _, cx), (_, fy, cy), _ = self.K.tolist()
        return fx, fy, cx, cy

    @property
    def is_pinhole(self) -> bool:
        """Whether straight lines stay straight."""
        return self.distortion_model == 'none'

    def project(self, points: FloatArray) -> FloatArray:
        """Points (..., 3) in the camera's optical axes, of any length -> pixels (..., 2).

        NaN for points behind the camera or beyond what the lens model covers; pixels may lie outside the image.
        """
        flat = points.reshape(-1, 3) @ self.R_image_camera.T
        seen = np.arctan2(np.hypot(flat[:, 0], flat[:, 1]), flat[:, 2]) < self.steepest
        pixels = np.full((len(flat), 2), np.nan)
        bent = distort(flat[seen, :2] / flat[seen, 2:], self.distortion_model, self.d)
        pixels[seen] = bent * self.K[[0, 1], [0, 1]] + self.K[:2, 2]
        return pixels.reshape(*points.shape[:-1], 2)

    def unproject(self, pixels: FloatArray) -> FloatArray:
        """Pixels (..., 2) -> unit rays (..., 3) in the camera's optical axes; NaN where the lens model has none."""
        bent = (pixels.reshape(-1, 2) - self.K[:2, 2]) / self.K[[0, 1], [0, 1]]
        xy = undistort(bent, self.distortion_model, self.d, self.steepest)
        rays = np.column_stack((xy, np.ones(len(xy))))
        rays = rays / np.linalg.norm(rays, axis=1, keepdims=True) @ self.R_image_camera
        return np.asarray(rays.reshape(*pixels.shape[:-1], 3))

    def inside(self, pixels: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Whether pixels (..., 2) lie in the image; False for NaN."""
        u, v = pixels[..., 0], pixels[..., 1]
        return (u >= -0.5) & (u <= self.width - 0.5) & (v >= -0.5) & (v <= self.height - 0.5)

    def resized(self, width: int, height: int) -> CameraModel:
        """The camera of its images scaled to another size, each axis by its own factor (half-pixel rule)."""
        check_size(width, height, self.where)
        K = scaled_matrix(self.K, width / self.width, height / self.height)
        return dataclasses.replace(self, width=width, height=height, K=K)

    def scaled(self, width: int, height: int) -> CameraModel:
        """The camera of images of another size than calibrated.

        Raises CalibrationError where the aspect ratio differs by more than 1 %: those are cropped, not scaled.
        """
        if (width, height) == (self.width, self.height):
            return self
        if abs(width / self.width / (height / self.height) - 1) > ASPECT_TOLERANCE:
            raise CalibrationError(
                f'{self.where}: calibrated for {self.width}x{self.height} images, but they are {width}x{height}, of '
                'another aspect ratio. Calibrate at this size, or give the crop as ROI in camera_info.'
            )
        return self.resized(width, height)

    def cropped(self, x: int, y: int, width: int, height: int) -> CameraModel:
        """The camera of a part of its images, whose left upper pixel is (x, y)."""
        K = self.K.copy()
        K[:2, 2] -= x, y
        return dataclasses.replace(self, width=width, height=height, K=K)


def scaled_matrix(K: FloatArray, scale_x: float, scale_y: float) -> FloatArray:
    """K (3, 3) of scaled images. The corner of the image at -0.5 stays, not the centre of its first pixel."""
    scaled = K.copy()
    scaled[0] *= scale_x
    scaled[1] *= scale_y
    scaled[0, 2] = (K[0, 2] + 0.5) * scale_x - 0.5
    scaled[1, 2] = (K[1, 2] + 0.5) * scale_y - 0.5
    return np.asarray(scaled)


def check_size(width: int, height: int, where: str) -> None:
    """Raises CalibrationError unless an image can have this size."""
    check_image_size(width, height, CalibrationError, where)


def check_fits(K: FloatArray, width: int, height: int, where: str) -> None:
    """Raises CalibrationError where K is that of images of another size than (width, height), as far as one can see."""
    (fx, _, cx), (_, fy, cy) = K[0], K[1]
    x, y = (cx + 0.5) / width, (cy + 0.5) / height
    inside = _PRINCIPAL_X[0] <= x <= _PRINCIPAL_X[1] and _PRINCIPAL_Y[0] <= y <= _PRINCIPAL_Y[1]
    if not inside or not _FOCAL[0] <= min(fx, fy) / width or max(fx, fy) / width > _FOCAL[1]:
        raise CalibrationError(
            f'{where}: K (fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g}) cannot be that of {width}x{height} images: '
            f'their middle is at {(width - 1) / 2:g}, {(height - 1) / 2:g}. Give the size at which the camera was '
            'calibrated; a crop goes into the ROI.'
        )
