"""KITTI drives as bags: what loose files and the raw layout have in common (Geiger et al., IJRR 2013).

Frames: base_link = imu_link = the OXTS unit (x forward, y left, z up); camera is optical. odom is base_link at the
first image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from atvio_ros.bags.topics import BASE_FRAME, CAMERA_FRAME, IMU_FRAME
from atvio_ros.bags.writer import BagWriter
from atvio_ros.errors import DatasetError, ImageError
from atvio_ros.geometry import R_BODY_OPTICAL, inverse, nearest_rotation, transform
from atvio_ros.image_decoding import decode_compressed
from atvio_ros.types import NANOSECONDS, FloatArray, ImageArray, ImuSample

Intrinsics: TypeAlias = tuple[float, float, float, float]  # fx, fy, cx, cy [px]
Track: TypeAlias = Callable[[Sequence[int]], Iterable[int]]  # passes on what it is given, showing progress

IMU_INTERVAL_NS = 10_000_000  # the OXTS unit measures at 100 Hz
GAP_NS = IMU_INTERVAL_NS * 3 // 2  # from here on at least one reading is missing

# The left grey camera of every KITTI drive, to a few centimetres and 1 degree; calibration files say it better.
T_BASE_CAMERA_NOMINAL = transform(R_BODY_OPTICAL, np.array([1.08, -0.32, 0.73]))


@dataclass(frozen=True)
class ImuGap:
    """A stretch without IMU readings between two stamps (ends included where a reading stands)."""

    start_ns: int
    end_ns: int
    first_frame: int  # the last image at or before the start, -1 if it lies before all images
    last_frame: int  # the first image at or after the end, or the number of images

    @property
    def length_ms(self) -> float:
        """Time without a reading [ms]."""
        return (self.end_ns - self.start_ns) / 1e6


@dataclass(frozen=True)
class ImuStream:
    """IMU readings in order, and what had to be done to have them so."""

    stamps_ns: NDArray[np.int64]  # (M,) strictly increasing
    values: FloatArray  # (M, 6): ax ay az [m/s^2], wx wy wz [rad/s], KITTI's order
    out_of_order: int = 0  # readings that stood behind a later one
    duplicates: int = 0  # readings left out because their stamp was there already


@dataclass(frozen=True)
class Drive:
    """A drive ready to be written as a bag."""

    image_paths: tuple[Path, ...]
    stamps_ns: NDArray[np.int64]  # (N,) of the images, strictly increasing
    imu: ImuStream
    T_base_camera: FloatArray
    T_odom_base: FloatArray | None = None  # (P, 4, 4), P <= N: ground truth of the first P images
    intrinsics: Intrinsics | None = None
    rectify: Callable[[ImageArray], ImageArray] | None = None
    notes: tuple[str, ...] = ()  # what a user should know about how it was put together


def order_imu(stamps_ns: NDArray[np.int64], values: FloatArray) -> ImuStream:
    """Sort readings (M,), (M, 6) by stamp and keep the first of each stamp."""
    out_of_order = int((stamps_ns < np.maximum.accumulate(stamps_ns)).sum())
    unique_ns, first = np.unique(stamps_ns, return_index=True)
    return ImuStream(unique_ns, values[first], out_of_order, len(stamps_ns) - len(unique_ns))


def find_gaps(imu_stamps_ns: NDArray[np.int64], image_stamps_ns: NDArray[np.int64]) -> list[ImuGap]:
    """Every stretch over GAP_NS without a reading from the first to the last image, in order."""
    first_ns, last_ns = image_stamps_ns[0], image_stamps_ns[-1]
    before, after = imu_stamps_ns[imu_stamps_ns <= first_ns][-1:], imu_stamps_ns[imu_stamps_ns >= last_ns][:1]
    inside = imu_stamps_ns[(imu_stamps_ns > first_ns) & (imu_stamps_ns < last_ns)]
    # Without a reading before the first image (or after the last) the image itself bounds the stretch.
    known_ns = np.concatenate((before if len(before) else [first_ns], inside, after if len(after) else [last_ns]))
    wide = np.flatnonzero(np.diff(known_ns) > GAP_NS)
    gaps = []
    for start_ns, end_ns in zip(known_ns[wide], known_ns[wide + 1], strict=True):
        first_frame = int(np.searchsorted(image_stamps_ns, start_ns, side='right')) - 1
        last_frame = int(np.searchsorted(image_stamps_ns, end_ns, side='left'))
        gaps.append(ImuGap(int(start_ns), int(end_ns), first_frame, last_frame))
    return gaps


def ground_truth(T_camera0_camera: FloatArray, T_base_camera: FloatArray) -> FloatArray:
    """T_odom_base (N, 4, 4) of KITTI poses (N, 4, 4), which are those of the left grey camera in its first place.

    Rotations printed with few digits are made exact ones; odom is base_link at the first pose.
    """
    poses = T_camera0_camera.copy()
    poses[:, :3, :3] = nearest_rotation(poses[:, :3, :3])
    result: FloatArray = T_base_camera @ inverse(poses[0]) @ poses @ inverse(T_base_camera)
    return result


def export_drive(drive: Drive, writer: BagWriter, track: Track = iter) -> tuple[int, int]:
    """Write a drive as a bag, in the order of time. Returns the image size (width, height) [px].

    Raises DatasetError on an image that cannot be read or has another size than the first, BagError as the writer does.
    """
    samples = [
        ImuSample(int(stamp_ns), angular_velocity=row[3:], linear_acceleration=row[:3])
        for stamp_ns, row in zip(drive.imu.stamps_ns, drive.imu.values, strict=True)
    ]
    next_sample = 0
    size = (0, 0)
    with writer as bag:
        start_ns = int(min(drive.stamps_ns[0], *drive.imu.stamps_ns[:1]))
        bag.write_static_transforms(
            start_ns, {(BASE_FRAME, IMU_FRAME): np.eye(4), (BASE_FRAME, CAMERA_FRAME): drive.T_base_camera}
        )
        for i in track(range(len(drive.stamps_ns))):
            stamp_ns = int(drive.stamps_ns[i])
            while next_sample < len(samples) and samples[next_sample].stamp_ns <= stamp_ns:
                bag.write_imu(samples[next_sample])
                next_sample += 1
            image = _load_image(drive, i)
            height, width = image.shape[:2]
            if i == 0:
                size = (width, height)
            elif (width, height) != size:
                raise DatasetError(
                    f'{drive.image_paths[i]} has {width}x{height} pixels, the images before it {size[0]}x{size[1]}.'
                )
            bag.write_image(stamp_ns, image)
            if drive.intrinsics is not None:
                bag.write_camera_info(stamp_ns, width, height, drive.intrinsics)
            if drive.T_odom_base is not None and i < len(drive.T_odom_base):
                bag.write_ground_truth(stamp_ns, drive.T_odom_base[i])
        for sample in samples[next_sample:]:
            bag.write_imu(sample)
    return size


def seconds_since(stamp_ns: int, start_ns: int) -> float:
    """Time [s] from one stamp to another, for messages."""
    return (stamp_ns - start_ns) / NANOSECONDS


def read_text(path: Path, what: str) -> str:
    """Text of a file of a data set. Raises DatasetError that says what the file should be."""
    try:
        return path.read_text(encoding='utf-8')
    except FileNotFoundError:
        raise DatasetError(f'There is no {path} ({what}).') from None
    except UnicodeDecodeError:
        raise DatasetError(f'{path} is not a text file; expected {what}.') from None
    except OSError as error:
        raise DatasetError(f'{path} ({what}) cannot be read: {error.strerror}.') from error


def find_images(folder: Path) -> tuple[Path, ...]:
    """PNG and JPEG files of a folder by name. Raises DatasetError if there are none."""
    if not folder.is_dir():
        raise DatasetError(f'There is no folder of images {folder}.')
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in ('.png', '.jpg', '.jpeg'))
    if not found:
        raise DatasetError(f'{folder} holds no .png or .jpg images.')
    return tuple(found)


def _load_image(drive: Drive, index: int) -> ImageArray:
    path = drive.image_paths[index]
    try:
        image = decode_compressed(path.suffix, path.read_bytes())
    except ImageError as error:
        raise DatasetError(f'{path}: {error}') from error
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error.strerror}.') from error
    return image if drive.rectify is None else drive.rectify(image)
