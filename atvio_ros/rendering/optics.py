"""From rendered pinhole images to that of a lens: which faces to draw, and where each pixel of the lens is in them.

The lens is sampled several times a pixel; each sample is interpolated in a face that is at least as fine, and the
samples of a pixel are averaged, so that lines stay smooth wherever the lens bends them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from atvio_ros.errors import RenderError
from atvio_ros.rig.camera import CameraModel
from atvio_ros.types import FloatArray, ImageArray

FAR_M = 900.0
ONE_FACE_TAN = float(np.tan(np.radians(50.0)))  # views up to 100 degrees wide are drawn as one pinhole
MARGIN_PX = 3.0  # around what is read of a face, for interpolation
SPARSE_PX = 6
MOST_FACE_PX = 8192  # a side; any OpenGL 3.3 does that much in practice

# Faces of a cube seen from its middle: columns are a face's x, y and z (outwards) axes in the camera's optical axes.
FORWARD = np.eye(3)
CUBE = (
    FORWARD,
    np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]),  # right
    np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),  # left
    np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),  # down
    np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),  # up
)


@dataclass(frozen=True)
class Pinhole:
    """An ideal camera. Integer pixel coordinates are pixel centres, as in KITTI and OpenCV."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def clip_matrix(self, near_m: float = 0.3) -> FloatArray:
        """Optical axes -> clip space (4, 4). Clip y points down, so the first row read back is the image's first."""
        depth = (FAR_M + near_m) / (FAR_M - near_m)
        return np.array(
            [
                (2 * self.fx / self.width, 0.0, 2 * (self.cx + 0.5) / self.width - 1.0, 0.0),
                (0.0, 2 * self.fy / self.height, 2 * (self.cy + 0.5) / self.height - 1.0, 0.0),
                (0.0, 0.0, depth, -depth * near_m - near_m),
                (0.0, 0.0, 1.0, 0.0),
            ]
        )


@dataclass(frozen=True)
class Face:
    """One pinhole image to draw."""

    R_camera_face: FloatArray  # (3, 3)
    pinhole: Pinhole
    size: tuple[int, int]  # width, height [px] in which the pinhole's field of view is drawn


class Optics(Protocol):
    """What lies between the renderer and the image of a camera."""

    @property
    def faces(self) -> tuple[Face, ...]:
        """What to draw, one after the other."""

    @property
    def height(self) -> int:
        """Rows of the camera's image."""

    @property
    def supersampling(self) -> float:
        """Drawn pixels per image pixel, each way."""

    def rows(self, face: int, first: int, last: int) -> tuple[int, int]:
        """The rows of a face from which the image's rows from `first` up to `last` are made; the same: none."""

    def image(self, drawn: Sequence[ImageArray], first: int = 0, last: int | None = None) -> ImageArray:
        """The camera's image (H, W, 3), or its rows from `first` up to `last`, from the faces (h, w, 4)."""


class Straight:
    """A pinhole: one face, drawn larger and averaged."""

    def __init__(self, camera: Pinhole, supersampling: float) -> None:
        self._size = (camera.width, camera.height)
        size = (round(camera.width * supersampling), round(camera.height * supersampling))
        self.faces = (Face(FORWARD, camera, size),)
        self.height = camera.height
        self.supersampling = supersampling

    def rows(self, face: int, first: int, last: int) -> tuple[int, int]:
        """See Optics. Whole rows where `first` and `last` times the supersampling are."""
        finer = self.faces[face].size[1] / self._size[1]
        return round(first * finer), round(last * finer)

    def image(self, drawn: Sequence[ImageArray], first: int = 0, last: int | None = None) -> ImageArray:
        """See Optics."""
        width, height = self._size
        last = height if last is None else last
        begin, end = self.rows(0, first, last)
        scaled = cv2.resize(drawn[0][begin:end], (width, last - first), interpolation=cv2.INTER_AREA)
        return np.asarray(scaled[..., :3], np.uint8)


class Lens:
    """A distorting lens. What it cannot see, beyond its model or 89.5 degrees from its axis, is black."""

    def __init__(self, camera: CameraModel, supersampling: float) -> None:
        self._camera = camera
        self.height = camera.height
        self._samples = samples = max(2, int(np.ceil(supersampling)))  # a pixel, each way
        self.supersampling = supersampling
        _check_size(camera.width * samples, camera.height * samples)
        rays = _rays(camera, samples)
        seen = np.asarray(np.isfinite(rays).all(axis=-1))
        if not seen.any():
            raise RenderError('The lens sees nothing at all. Correct its distortion coefficients or intrinsics.')
        faces: list[Face] = []
        self._maps: list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]] = []
        for R_camera_face, own in _shared_out(rays, seen):
            face, x, y = _face(rays, own, R_camera_face)
            faces.append(face)
            self._maps.append((x, y, own))
        self.faces = tuple(faces)

    def rows(self, face: int, first: int, last: int) -> tuple[int, int]:
        """See Optics."""
        _, y, own = self._maps[face]
        part = slice(first * self._samples, last * self._samples)
        wanted = y[part][own[part]]
        if not len(wanted):
            return 0, 0
        return max(0, int(wanted.min())), min(self.faces[face].size[1], int(wanted.max()) + 2)

    def image(self, drawn: Sequence[ImageArray], first: int = 0, last: int | None = None) -> ImageArray:
        """See Optics."""
        camera = self._camera
        last = camera.height if last is None else last
        part = slice(first * self._samples, last * self._samples)
        fine = np.zeros(((last - first) * self._samples, camera.width * self._samples, 3), np.uint8)
        for pixels, (x, y, own) in zip(drawn, self._maps, strict=True):
            rgb = cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB)
            drawn_part = cv2.remap(rgb, x[part], y[part], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            np.copyto(fine, drawn_part, where=own[part, :, None])
        return np.asarray(cv2.resize(fine, (camera.width, last - first), interpolation=cv2.INTER_AREA), np.uint8)


def make_optics(camera: CameraModel, supersampling: float) -> Optics:
    """What draws the images of a camera. Raises RenderError where its lens cannot be drawn."""
    if camera.is_pinhole:
        return Straight(Pinhole(camera.width, camera.height, *camera.intrinsics), supersampling)
    return Lens(camera, supersampling)


def _rays(camera: CameraModel, samples: int) -> FloatArray:
    """Where each of samples x samples parts of a pixel looks: (H, W, 3), NaN where the lens model has no ray.

    A lens is smooth: the inverse is computed each few pixels, and a cubic spline goes through (off by 1e-4 px).
    """
    u, v = ((np.arange(count * samples) + 0.5) / samples - 0.5 for count in (camera.width, camera.height))
    few_u, few_v = (np.linspace(-0.5, count - 0.5, count // SPARSE_PX + 5) for count in (camera.width, camera.height))
    sparse = camera.unproject(np.stack(np.meshgrid(few_u, few_v), axis=-1))
    if not np.isfinite(sparse).all():  # the rim of the lens is in view: there is nothing to draw a spline through
        return camera.unproject(np.stack(np.meshgrid(u, v), axis=-1))
    return np.stack([RectBivariateSpline(few_v, few_u, sparse[..., i])(v, u) for i in range(3)], axis=-1)


def _shared_out(rays: FloatArray, seen: NDArray[np.bool_]) -> list[tuple[FloatArray, NDArray[np.bool_]]]:
    """Faces that see all rays (H, W, 3), and which of them (H, W) each is to draw: a wide view is a part of a cube."""
    ahead = rays[seen]
    if (np.abs(ahead[:, :2]) <= ONE_FACE_TAN * ahead[:, 2:]).all():
        return [(FORWARD, seen)]
    nearest = np.argmax(np.stack([rays @ R[:, 2] for R in CUBE], axis=-1), axis=-1)
    shares = [(R, seen & (nearest == i)) for i, R in enumerate(CUBE)]
    return [(R, own) for R, own in shares if own.any()]


def _face(
    rays: FloatArray, own: NDArray[np.bool_], R_camera_face: FloatArray
) -> tuple[Face, NDArray[np.float32], NDArray[np.float32]]:
    """A face that holds the rays `own` (H, W), and where in it, x and y [px], each of them is; any place for others."""
    with np.errstate(invalid='ignore', divide='ignore'):
        local = rays @ R_camera_face
        x, y = local[..., 0] / local[..., 2], local[..., 1] / local[..., 2]
    x, y = np.where(own, x, np.nan), np.where(own, y, np.nan)
    # Pixels as small as the closest samples: where the lens is finest the face is as fine.
    step = _finest(x, y)
    left, top = float(np.nanmin(x)) - MARGIN_PX * step, float(np.nanmin(y)) - MARGIN_PX * step
    width = int(np.ceil((np.nanmax(x) - left) / step + MARGIN_PX))
    height = int(np.ceil((np.nanmax(y) - top) / step + MARGIN_PX))
    _check_size(width, height)
    pinhole = Pinhole(width, height, 1 / step, 1 / step, -left / step - 0.5, -top / step - 0.5)
    columns, rows = (x - left) / step - 0.5, (y - top) / step - 0.5
    face = Face(R_camera_face, pinhole, (width, height))
    return face, np.nan_to_num(columns).astype(np.float32), np.nan_to_num(rows).astype(np.float32)


def _finest(x: FloatArray, y: FloatArray) -> float:
    """The least distance between neighbouring samples in a face, but for a hundredth of them."""
    xu, yu = (np.diff(part, axis=1)[:-1:4, ::4] for part in (x, y))
    xv, yv = (np.diff(part, axis=0)[::4, :-1:4] for part in (x, y))
    determinant = np.abs(xu * yv - xv * yu)
    square = xu**2 + xv**2 + yu**2 + yv**2
    longest = np.sqrt((square + np.sqrt(np.maximum(square**2 - 4 * determinant**2, 0.0))) / 2)
    shortest = determinant / longest  # singular values: a lens may stretch one direction only
    shortest = shortest[np.isfinite(shortest)]
    return float(np.quantile(shortest, 0.01)) if len(shortest) else 1e-3


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MOST_FACE_PX:
        raise RenderError(
            f'To draw this lens takes an image of {width}x{height} pixels, more than {MOST_FACE_PX} a side. '
            'Lower the supersampling or the image size, or check the distortion coefficients.'
        )
