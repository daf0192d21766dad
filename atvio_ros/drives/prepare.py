"""Turns bags and rendered drives into prepared sequences (drives/sequence_store.py), which training reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from atvio_ros.bags.reader import BagReader
from atvio_ros.drives.sequence_store import (
    PreparedSequence,
    Ranges,
    SequenceMeta,
    SequenceWriter,
    read_meta,
    write_meta,
)
from atvio_ros.errors import BagError, DatasetError, SettingsError
from atvio_ros.preprocessing import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from atvio_ros.settings import load_yaml
from atvio_ros.types import FloatArray, ImageArray, ImuSample, Trajectory

if TYPE_CHECKING:
    from atvio_ros.rendering import RenderedDrive

_SAMPLED_BYTES = 1 << 20  # of each end of a file: hashing whole bags would take as long as preparing them
_MAX_TRUTH_GAP_NS = 250_000_000  # ground truth is interpolated between poses at most this far apart
_LUMA_FROM_RGB = cv2.COLOR_RGB2GRAY


def prepare_bag(
    reader: BagReader,
    folder: Path,
    T_base_camera: FloatArray,
    R_base_imu: FloatArray,
    *,
    fingerprint: str = '',
    excluded: Ranges = (),
    size_px: tuple[int, int] = (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX),
    grey: bool = False,
    on_progress: Callable[[], None] = lambda: None,
    on_bad_message: Callable[[BagError], None] | None = None,
) -> PreparedSequence:
    """Write the bag as the prepared sequence `folder`. `on_progress` is called for each image.

    Raises BagError when the bag lacks images, IMU readings or ground truth, DatasetError as SequenceWriter does and
    when a stretch of `excluded` goes beyond the last image.
    """
    truth = _truth(reader)
    if reader.topics.image:  # before the images are decoded, which takes long
        check_excluded(folder.name, excluded, reader.count(reader.topics.image))
    imu_stamps_ns: list[int] = []
    imu: list[FloatArray] = []
    left_out = 0
    with SequenceWriter(folder, *size_px) as writer:
        for event in reader.events(on_bad_message):
            if isinstance(event, ImuSample):
                imu_stamps_ns.append(event.stamp_ns)
                imu.append(np.concatenate((event.angular_velocity, event.linear_acceleration)))
            else:
                on_progress()
                left_out += not writer.add_image(event.stamp_ns, _grey(event.image) if grey else event.image)
        check_excluded(folder.name, excluded, len(writer.stamps_ns))
        T_fixed_base = poses_at(truth, writer.stamps_ns)
        info = reader.camera_info()
        meta = SequenceMeta(
            source=f'bag {reader.path.name}',
            fingerprint=fingerprint,
            image_topic=reader.topics.image or '',
            imu_topic=reader.topics.imu or '',
            ground_truth_topic=reader.topics.ground_truth or '',
            excluded=excluded,
            notes=_notes(left_out, T_fixed_base),
        )
        return writer.finish(
            np.array(imu_stamps_ns, dtype=np.int64),
            np.array(imu).reshape(-1, 6),
            T_fixed_base @ T_base_camera,
            T_base_camera,
            R_base_imu,
            meta,
            info.intrinsics if info else None,
        )


def prepare_drive(
    drive: RenderedDrive,
    folder: Path,
    *,
    source: str = 'rendered drive',
    size_px: tuple[int, int] = (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX),
    excluded: Ranges = (),
    on_progress: Callable[[], None] = lambda: None,
) -> PreparedSequence:
    """Render a synthetic drive straight into a prepared sequence. Raises RenderError where there is no EGL."""
    with SequenceWriter(folder, *size_px) as writer:
        for stamp_ns, image in drive.images():
            writer.add_image(stamp_ns, image)
            on_progress()
        return writer.finish(
            drive.imu_stamps_ns,
            drive.imu,
            drive.poses,
            drive.T_base_camera,
            drive.T_base_imu[:3, :3],
            SequenceMeta(source=source, excluded=excluded),
            drive.intrinsics,
        )


def fingerprint(bag: Path, options: Sequence[object]) -> str:
    """Sixteen hex digits that change with the bag's files (names, sizes, both ends of each) or with the options."""
    digest = hashlib.sha256(repr(tuple(options)).encode())
    files = sorted(path for path in bag.rglob('*') if path.is_file()) if bag.is_dir() else [bag]
    try:
        for path in files:
            size = path.stat().st_size
            digest.update(f'{path.name} {size}'.encode())
            with path.open('rb') as file:
                digest.update(file.read(_SAMPLED_BYTES))
                file.seek(max(0, size - _SAMPLED_BYTES))
                digest.update(file.read(_SAMPLED_BYTES))
    except OSError as error:
        raise BagError(f'{bag} cannot be read: {error.strerror}.') from error
    return digest.hexdigest()[:16]


def keep_prepared(folder: Path, wanted: str, excluded: Ranges) -> bool:
    """Whether `folder` already holds what `wanted` fingerprints; its list of excluded stretches is then brought up
    to date. False: prepare it (again). Raises DatasetError when a stretch goes beyond the last image."""
    try:
        meta = read_meta(folder)
        PreparedSequence(folder)
    except DatasetError:
        return False
    if meta.fingerprint != wanted:
        return False
    check_excluded(folder.name, excluded, meta.images)
    if meta.excluded != excluded:
        write_meta(folder, replace(meta, excluded=excluded))
    return True


def load_exclusions(path: Path) -> dict[str, Ranges]:
    """{sequence: stretches to leave out} of a YAML file `'00': [[346, 361], ...]`, images from first to last.

    Raises SettingsError.
    """
    result = {}
    for name, ranges in load_yaml(path).items():
        if not isinstance(name, str):
            raise SettingsError(f'{path}: sequence {name!r} must be in quotes, or YAML reads it as a number.')
        try:
            stretches = tuple((int(first), int(last)) for first, last in ranges)
        except (TypeError, ValueError) as error:
            raise SettingsError(f'{path}: {name} must be a list of [first, last] images, not {ranges!r}.') from error
        if any(not 0 <= first <= last for first, last in stretches):
            raise SettingsError(f'{path}: a stretch of {name} ends before it begins: {ranges!r}.')
        result[name] = stretches
    return result


def check_excluded(name: str, excluded: Ranges, images: int) -> None:
    """Raise DatasetError if a stretch goes beyond the last image of the sequence."""
    for first, last in excluded:
        if last >= images:
            raise DatasetError(
                f'The stretch [{first}, {last}] to exclude from {name} goes beyond its last image, {images - 1} '
                '(the first is 0). Correct the list of exclusions.'
            )


def poses_at(truth: Trajectory, stamps_ns: NDArray[np.int64]) -> FloatArray:
    """Poses (N, 4, 4) at stamps (N,): those of the trajectory where it has the stamp, interpolated between two close
    ones, NaN elsewhere."""
    poses = np.full((len(stamps_ns), 4, 4), np.nan)
    known_ns = truth.stamps_ns
    after = np.searchsorted(known_ns, stamps_ns)
    exact = known_ns[np.minimum(after, len(known_ns) - 1)] == stamps_ns
    poses[exact] = truth.poses[after[exact]]
    between = np.flatnonzero(~exact & (after > 0) & (after < len(known_ns)))
    between = between[known_ns[after[between]] - known_ns[after[between] - 1] <= _MAX_TRUTH_GAP_NS]
    if len(between):
        seconds = (known_ns - known_ns[0]) / 1e9
        wanted = (stamps_ns[between] - known_ns[0]) / 1e9
        poses[between] = np.eye(4)
        poses[between, :3, :3] = Slerp(seconds, Rotation.from_matrix(truth.poses[:, :3, :3]))(wanted).as_matrix()
        for axis in range(3):
            poses[between, axis, 3] = np.interp(wanted, seconds, truth.poses[:, axis, 3])
    return poses


def _truth(reader: BagReader) -> Trajectory:
    try:
        return reader.ground_truth()
    except BagError as error:
        raise BagError(f'{error} Name its topic with --ground-truth-topic, or leave this bag out.') from error


def _grey(image: ImageArray) -> ImageArray:
    return np.asarray(cv2.cvtColor(image, _LUMA_FROM_RGB)) if image.ndim == 3 and image.shape[2] == 3 else image


def _notes(left_out: int, poses: FloatArray) -> tuple[str, ...]:
    notes = []
    if left_out:
        notes.append(f'{left_out} images left out: their stamps were not newer than those before them.')
    unknown = int(np.isnan(poses[:, 0, 0]).sum())
    if unknown:
        notes.append(f'{unknown} images have no ground truth and are not used for training.')
    return tuple(notes)
