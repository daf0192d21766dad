"""A drive whose images are files, decoded one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.imu_readings import ImuReadings
from atvio_ros.errors import DatasetError, ImageError
from atvio_ros.files import read_bytes
from atvio_ros.image_decoding import decode_compressed
from atvio_ros.rig.rig import Rig
from atvio_ros.types import ImageArray, Trajectory


@dataclass(frozen=True)
class FileDrive:
    """A Drive of image files; all else of it is in memory."""

    image_paths: tuple[Path, ...]  # N
    stamps_ns: NDArray[np.int64]  # (N,) of the images, strictly increasing
    imu: ImuReadings
    rig: Rig
    truth: Trajectory | None = None
    rectify: Callable[[ImageArray], ImageArray] | None = None  # from the image in the file to that of the drive
    notes: tuple[str, ...] = ()

    def images(self) -> Iterator[tuple[int, ImageArray]]:
        """Stamps and images; see Drive. Raises DatasetError naming the file that cannot be read."""
        for stamp_ns, path in zip(self.stamps_ns.tolist(), self.image_paths, strict=True):
            image = _read_image(path)
            yield stamp_ns, image if self.rectify is None else self.rectify(image)


def find_images(folder: Path) -> tuple[Path, ...]:
    """PNG and JPEG files of a folder by name. Raises DatasetError if there are none."""
    if not folder.is_dir():
        raise DatasetError(f'There is no folder of images {folder}. Check the path.')
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in ('.png', '.jpg', '.jpeg'))
    if not found:
        raise DatasetError(f'{folder} holds no .png or .jpg images. Name the folder that holds them.')
    return tuple(found)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height [px] of an image file. Raises DatasetError naming the file that cannot be read."""
    height, width = _read_image(path).shape[:2]
    return width, height


def _read_image(path: Path) -> ImageArray:
    try:
        return decode_compressed(path.suffix, read_bytes(path))
    except ImageError as error:
        raise DatasetError(f'{path}: {error}') from error
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error.strerror}. Check the file and its permissions.') from error
