"""One remap from a camera's images to a virtual camera: lens, turn and size at once, without shimmer."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.errors import ImageError
from atvio_ros.rig.camera import CameraModel
from atvio_ros.types import FloatArray, ImageArray
from atvio_ros.view.virtual_camera import VirtualCamera

MEAN_GREY = 102  # 0.4 of white, the mean of what networks are trained with: what is not seen is neither dark nor bright
_EXACT_PX = 1e-3  # a mapping that is off a mere scaling by less is one
_TOO_DENSE = 1.6  # source pixels to one of the view, from which on blocks are averaged
_MARGIN = 2  # px around what is read, for interpolation


class LevelView:
    """Draws a virtual camera's image from a real camera's images; all that does not depend on pixels is prepared.

    Against aliasing, where 1.6 or more source pixels go to one of the view, blocks of 2x2 (from 2.6 on 3x3, and so on)
    are averaged first; at most 1.6 pixels go to one after that. Interpolation is cubic by default: linear, a view of
    KITTI's images has an eighth less contrast between neighbours than the same images scaled by area. Where the view is
    the source scaled and nothing else, it is scaled by area. `mask` (H, W): pixels that the camera sees; others are
    grey.
    """

    def __init__(
        self,
        camera: CameraModel,
        virtual: VirtualCamera,
        R_camera_view: FloatArray,
        grey: int = MEAN_GREY,
        cubic: bool = True,
    ) -> None:
        """`R_camera_view` (3, 3): the axes of the virtual camera seen from the camera's frame.

        Without `cubic` it is interpolated linearly, in a third of the time: for images finer than any view of them.
        """
        self.camera = camera
        self.virtual = virtual
        self.R_camera_view = R_camera_view
        pixels = camera.project(virtual.rays() @ R_camera_view.T)  # (H, W, 2)
        self.mask: NDArray[np.bool_] = camera.inside(pixels)
        self._unseen = np.flatnonzero(~self.mask)
        self._grey = grey
        self._crop = _scaled_crop(camera, pixels) if self.mask.all() else None
        self._remap = None if self._crop or not self.mask.any() else _Remap(camera, pixels, self.mask, cubic)

    @property
    def coverage(self) -> float:
        """Fraction of the view that the camera sees."""
        return float(self.mask.mean())

    def draw(self, image: ImageArray) -> ImageArray:
        """Source image (h, w), (h, w, 1) or (h, w, 3) -> view (H, W, C), C = 1 or 3.

        Raises ImageError on an image of another size than the camera's (CameraModel.scaled makes one that fits).
        """
        camera, virtual = self.camera, self.virtual
        if image.shape[:2] != (camera.height, camera.width):
            raise ImageError(
                f'The image is {image.shape[1]}x{image.shape[0]}, its calibration {camera.width}x{camera.height}. '
                'Scale the calibration to the images.'
            )
        channels = image.shape[2] if image.ndim == 3 else 1
        if self._crop:
            x, y, width, height = self._crop
            part = image[y : y + height, x : x + width]
            size = virtual.width, virtual.height
            view = part if size == (width, height) else _averaged(part, size)
        elif self._remap:
            view = self._remap(image)
        else:
            view = np.empty((virtual.height, virtual.width, channels), dtype=np.uint8)
        result = np.ascontiguousarray(view).reshape(virtual.height, virtual.width, channels)
        if len(self._unseen):  # then it was drawn, and is no part of the source
            result.reshape(-1, channels)[self._unseen] = self._grey
        return result


class _Remap:
    """Averages whole blocks of the part of the source that is seen, then interpolates."""

    def __init__(self, camera: CameraModel, pixels: FloatArray, mask: NDArray[np.bool_], cubic: bool) -> None:
        self._interpolation = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
        limits = camera.width, camera.height
        maps = []
        self._first, self._last = [0, 0], [0, 0]
        self._block = block = max(1, min(round(_density(pixels) - _TOO_DENSE + 1.5), *limits))
        for axis, limit in enumerate(limits):
            wanted = pixels[..., axis]
            first = max(0, int(np.floor(np.min(wanted[mask]))) - _MARGIN * block)
            last = min(limit, int(np.ceil(np.max(wanted[mask]))) + _MARGIN * block + 1)
            last -= (last - first) % block
            self._first[axis], self._last[axis] = first, max(last, first + block)
            small = (wanted - first + 0.5) / block - 0.5
            maps.append(np.where(mask, small, 0.0).astype(np.float32))
        self._coarse, self._fine = cv2.convertMaps(maps[0], maps[1], cv2.CV_16SC2)

    def __call__(self, image: ImageArray) -> ImageArray:
        part = image[self._first[1] : self._last[1], self._first[0] : self._last[0]]
        block = self._block
        while block > 1:  # OpenCV halves far faster than it averages other blocks
            step = 2 if block % 2 == 0 else block
            part = _averaged(part, (part.shape[1] // step, part.shape[0] // step))
            block //= step
        view = cv2.remap(part, self._coarse, self._fine, self._interpolation, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(view, dtype=np.uint8)


def _averaged(image: ImageArray, size: tuple[int, int]) -> ImageArray:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _density(pixels: FloatArray) -> float:
    """Source pixels to one pixel of the view, along a side, in the middle of what is seen."""
    (across_u, across_v), (down_u, down_v) = (
        (np.diff(pixels[..., 0], axis=along), np.diff(pixels[..., 1], axis=along)) for along in (1, 0)
    )
    area = np.abs(across_u[:-1] * down_v[:, :-1] - across_v[:-1] * down_u[:, :-1])
    return math.sqrt(float(np.nanmedian(area))) if np.isfinite(area).any() else 1.0


def _scaled_crop(camera: CameraModel, pixels: FloatArray) -> tuple[int, int, int, int] | None:
    """The part of the source (x, y, width, height) whose scaling the mapping `pixels` is; None where it is another."""
    height, width = pixels.shape[:2]
    if width < 2 or height < 2:
        return None
    first, last = pixels[0, 0].tolist(), pixels[-1, -1].tolist()
    step_x, step_y = (last[0] - first[0]) / (width - 1), (last[1] - first[1]) / (height - 1)
    x, y = round(first[0] + 0.5 - step_x / 2), round(first[1] + 0.5 - step_y / 2)  # left upper source pixel
    w, h = round(step_x * width), round(step_y * height)
    if step_x < 1 - _EXACT_PX or step_y < 1 - _EXACT_PX:  # enlarged: interpolation does it better than areas
        return None
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    scaled = np.stack(((u + 0.5) * (w / width) - 0.5 + x, (v + 0.5) * (h / height) - 0.5 + y), axis=-1)
    fits = x >= 0 and y >= 0 and x + w <= camera.width and y + h <= camera.height
    return (x, y, w, h) if fits and np.abs(scaled - pixels).max() < _EXACT_PX * step_x else None
