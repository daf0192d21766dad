"""Writes a prepared sequence (drives/sequence_store.py), which has its name only when it is complete."""

from __future__ import annotations

import dataclasses
import hashlib
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.sequence_store import META_FILE, Matrix, PreparedSequence, SequenceMeta, as_json
from atvio_ros.errors import DatasetError
from atvio_ros.files import Draft, reporting
from atvio_ros.preprocessing import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, scale_image
from atvio_ros.types import FloatArray, ImageArray


class SequenceWriter:
    """Context manager that writes a prepared sequence; the folder gets its name only when all of it is there.

    Images are added one by one, in the order of their stamps; `finish` takes the rest. Leaving the context without
    `finish`, by an exception or not, removes everything written; an older sequence of that name then stays as it was.
    Raises FileError where it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        height_px: int = IMAGE_HEIGHT_PX,
        width_px: int = IMAGE_WIDTH_PX,
    ) -> None:
        self._folder = folder
        self._draft = Draft(folder)
        self._size = (height_px, width_px)
        self._stamps_ns: list[int] = []
        self._channels = 0
        self._source_size = (0, 0)
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None

    def __enter__(self) -> SequenceWriter:
        with reporting(self._folder):
            self._folder.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            draft = stack.enter_context(self._draft)
            with reporting(self._folder):
                draft.path.mkdir()
                self._file = (draft.path / 'images.npy').open('wb')
                self._write_header()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._stack, suppress(OSError):  # on a full disk closing fails, too; what counts is closed in `finish`
            self._open_file().close()

    def add_image(self, stamp_ns: int, image: ImageArray) -> bool:
        """Scale and store an image (h, w), (h, w, 1) or (h, w, 3); False, and not stored, if not newer than the last.

        Raises DatasetError when it has other channels or another size than the first.
        """
        if self._stamps_ns and stamp_ns <= self._stamps_ns[-1]:
            return False
        scaled = scale_image(image, *self._size)
        if not self._stamps_ns:
            self._channels, self._source_size = scaled.shape[2], image.shape[:2]
        elif (scaled.shape[2], image.shape[:2]) != (self._channels, self._source_size):
            raise DatasetError(
                f'{self._folder.name}: image {len(self._stamps_ns)} has shape {image.shape}; those before it have '
                f'{self._source_size} pixels and {self._channels} channels.'
                ' Give images of one size and kind.'
            )
        self._stamps_ns.append(stamp_ns)
        pixels = scaled.tobytes()
        self._digest.update(pixels)
        with reporting(self._folder):
            self._open_file().write(pixels)
        return True

    @property
    def stamps_ns(self) -> NDArray[np.int64]:
        """Stamps of the images stored so far, (N,)."""
        return np.array(self._stamps_ns, dtype=np.int64)

    def finish(
        self,
        imu_stamps_ns: NDArray[np.int64],
        imu: FloatArray,
        camera_poses: FloatArray,
        T_base_camera: FloatArray,
        R_base_imu: FloatArray,
        meta: SequenceMeta,
        intrinsics: tuple[float, float, float, float] | None = None,
    ) -> PreparedSequence:
        """Store the rest and put the folder in its place.

        IMU readings (M,), (M, 6) in imu_link, in any order; camera poses (N, 4, 4), NaN where not known; `intrinsics`
        fx fy cx cy of the images as they were given. `meta` says the rest. Raises DatasetError without images or IMU
        readings, or if the numbers of images and poses differ.
        """
        if not self._stamps_ns or len(imu) == 0:
            raise DatasetError(
                f'{self._folder.name} has {len(self._stamps_ns)} images and {len(imu)} IMU readings.'
                ' Prepare a drive that has both.'
            )
        if camera_poses.shape != (len(self._stamps_ns), 4, 4):
            raise DatasetError(
                f'{self._folder.name}: {len(self._stamps_ns)} images, poses {camera_poses.shape}.'
                ' Give every image a 4x4 pose.'
            )
        imu_stamps_ns, first = np.unique(imu_stamps_ns, return_index=True)
        steps = np.linalg.norm(np.diff(camera_poses[:, :3, 3], axis=0), axis=1)
        meta = dataclasses.replace(
            meta,
            name=self._folder.name,
            content_sha256=self._digest.hexdigest(),
            images=len(self._stamps_ns),
            imu_readings=len(imu_stamps_ns),
            length_m=float(np.nansum(steps)),
            intrinsics_px=() if intrinsics is None else self._scaled(intrinsics),
            T_base_camera=_rows(T_base_camera),
            R_base_imu=_rows(R_base_imu),
        )
        with reporting(self._folder):
            self._write_header()
            self._open_file().close()
            np.save(self._draft.path / 'image_stamps_ns.npy', self.stamps_ns)
            np.save(self._draft.path / 'imu_stamps_ns.npy', imu_stamps_ns)
            np.save(self._draft.path / 'imu.npy', np.asarray(imu, dtype=np.float64)[first])
            np.save(self._draft.path / 'camera_poses.npy', np.asarray(camera_poses, dtype=np.float64))
            (self._draft.path / META_FILE).write_text(as_json(meta))
        self._draft.publish()
        return PreparedSequence(self._folder)

    def _scaled(self, intrinsics: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        fx, fy, cx, cy = intrinsics
        y, x = (target / source for target, source in zip(self._size, self._source_size, strict=True))
        return fx * x, fy * y, (cx + 0.5) * x - 0.5, (cy + 0.5) * y - 0.5  # pixel centres are integers

    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise DatasetError('A SequenceWriter writes inside its `with` block only. Use it there.')
        return self._file

    def _write_header(self) -> None:
        """At the start for the place it takes, at the end for the number of images; numpy pads it to one length."""
        file = self._open_file()
        file.seek(0)
        shape = (len(self._stamps_ns), *self._size, self._channels or 1)
        np.lib.format.write_array_header_1_0(file, {'descr': '|u1', 'fortran_order': False, 'shape': shape})


def _rows(matrix: FloatArray) -> Matrix:
    return tuple(tuple(row) for row in np.asarray(matrix, dtype=np.float64).tolist())
