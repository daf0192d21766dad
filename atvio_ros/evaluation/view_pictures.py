"""The pictures of a view: debug images of a drive as JPEGs, small and few enough for one page, and their zip file."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from atvio_ros.errors import TrajectoryError
from atvio_ros.files import replacing
from atvio_ros.odometry.debug_image import draw_debug
from atvio_ros.odometry.sight import Sight
from atvio_ros.timeline import estimate_state
from atvio_ros.types import NANOSECONDS, FramePair, ImageArray, OdometryEstimate

WIDTH, PERIOD_S, MOST, QUALITY = 700, 0.2, 120, 60  # at about 24 kB each; at the end MOST to twice as many
LARGEST_BYTES = 4_000_000  # of a picture that is read
FILE = 'pictures.zip'
_NAME = re.compile(r'(\d{1,19})\.jpg')


class Keeper(Protocol):
    """Keeps some of the debug images of a drive."""

    def wants(self, stamp_ns: int) -> bool:
        """Whether a picture of this stamp would be kept."""

    def add(self, stamp_ns: int, bgr: ImageArray) -> None:
        """Keep a picture (H, W, 3), if it is wanted."""


class ViewPictures:
    """Keeps the pictures of a drive, evenly spread, at most 5 a second and 240 in all.

    A drive may be of any length; one of `expected_s` has no picture drawn that is left out later.
    """

    def __init__(self, expected_s: float = 0.0) -> None:
        self.kept: list[tuple[int, bytes]] = []  # stamp [ns], JPEG
        self._period_ns = round(PERIOD_S * NANOSECONDS)
        while expected_s * NANOSECONDS / self._period_ns >= 2 * MOST - 1:
            self._period_ns *= 2

    def wants(self, stamp_ns: int) -> bool:
        """Whether a picture of this stamp would be kept."""
        return not self.kept or stamp_ns - self.kept[-1][0] >= self._period_ns

    def add(self, stamp_ns: int, bgr: ImageArray) -> None:
        """Keep a picture (H, W, 3), if it is wanted."""
        if not self.wants(stamp_ns):
            return
        done, jpeg = cv2.imencode('.jpg', _small(bgr), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not done:
            return
        self.kept.append((stamp_ns, jpeg.tobytes()))
        if len(self.kept) >= 2 * MOST:
            self.kept = self.kept[::2]
            self._period_ns *= 2


class Artist:
    """Draws an estimate once, if the keeper that takes most wants it; the others choose from these pictures."""

    def __init__(self, estimator: str, most: Keeper, *others: Keeper) -> None:
        self._estimator = estimator
        self._most = most
        self._others = others

    def wants(self, stamp_ns: int) -> bool:
        """Whether it is to be drawn."""
        return self._most.wants(stamp_ns)

    def add(self, stamp_ns: int, bgr: ImageArray) -> None:
        """Give the picture, made small, to all; each takes what it wants."""
        small = _small(bgr)
        for keeper in (self._most, *self._others):
            keeper.add(stamp_ns, small)

    def draw(self, pair: FramePair, estimate: OdometryEstimate, sight: Sight | None) -> None:
        """Draw one estimate, if it is wanted."""
        if self.wants(estimate.stamp_ns):
            self.add(estimate.stamp_ns, draw_debug(pair, estimate, sight, estimate_state(estimate), self._estimator))


def _small(bgr: ImageArray) -> ImageArray:
    """A picture (H, W, 3) no wider than WIDTH, of the same shape."""
    height, width = bgr.shape[:2]
    if width <= WIDTH:
        return bgr
    size = WIDTH, max(1, round(height * WIDTH / width))
    # To two thirds: averages by area look the same, and take ten times as long.
    interpolation = cv2.INTER_LINEAR if width < 2 * WIDTH else cv2.INTER_AREA
    return np.asarray(cv2.resize(bgr, size, interpolation=interpolation), dtype=np.uint8)


def write_pictures(path: Path, pictures: Sequence[tuple[int, bytes]]) -> None:
    """Write a zip file of JPEGs named by their stamps [ns]. Raises FileError."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, 'w', zipfile.ZIP_STORED) as archive:
        for stamp_ns, jpeg in pictures:
            archive.writestr(f'{stamp_ns}.jpg', jpeg)


def read_pictures(path: Path) -> list[tuple[int, bytes]]:
    """What write_pictures wrote, in order of time; none where there is no such file. Raises TrajectoryError.

    Others' files are read within bounds: so many pictures, of so many bytes.
    """
    if not path.exists():
        return []
    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist()[: 2 * MOST]:
                match = _NAME.fullmatch(info.filename)
                if match is None or info.file_size > LARGEST_BYTES or info.compress_type != zipfile.ZIP_STORED:
                    raise TrajectoryError(
                        f'{path} holds {info.filename[:60]!r}, which is no small STAMP.jpg. Run the bag again.'
                    )
                found.append((int(match[1]), archive.read(info)))
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise TrajectoryError(
            f'{path} cannot be read as a zip file of pictures: {error}. Run the bag again.'
        ) from error
    if not all(jpeg.startswith(b'\xff\xd8') for _, jpeg in found):
        raise TrajectoryError(f'{path} holds files that are no JPEGs. Run the bag again.')
    return sorted(found)
