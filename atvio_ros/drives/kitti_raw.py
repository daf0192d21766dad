"""A drive from KITTI's raw layout: DIR/DATE/DATE_drive_NNNN_{sync,extract}/{image_0x,oxts}/{data,timestamps.txt}.

Images are taken from the synced drive (rectified), or else from the unsynced one and rectified here; the 100 Hz OXTS
readings are only in the unsynced drive (`extract`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.file_drive import FileDrive, find_images, image_size
from atvio_ros.drives.imu_readings import order_readings
from atvio_ros.drives.kitti_calibration import check_size, read_calibration
from atvio_ros.drives.kitti_frames import ground_truth, oxts_truth
from atvio_ros.drives.text_files import read_text
from atvio_ros.errors import DatasetError
from atvio_ros.rig.kitti import kitti_rig
from atvio_ros.trajectory_files import read_kitti_poses
from atvio_ros.types import FloatArray

Track: TypeAlias = Callable[[Sequence[int]], Iterable[int]]  # passes on what it is given, showing progress

CAMERAS = ('image_00', 'image_02')  # left grey, left colour
IMU_MARGIN_NS = 500_000_000  # readings kept before the first and after the last image, for filters and time offsets
# Of the 30 OXTS values: wx wy wz and ax ay az, in vehicle axes (x forward, y left, z up).
OXTS_COLUMNS = [17, 18, 19, 11, 12, 13]


@dataclass(frozen=True)
class Extent:
    """Which frames of which raw drive an odometry sequence is, both ends included (KITTI's odometry devkit)."""

    drive: str
    first_frame: int
    last_frame: int

    def has(self, frame: int) -> bool:
        """Whether the frame belongs to it."""
        return frame >= self.first_frame and (self.last_frame == ALL_FRAMES or frame <= self.last_frame)

    @property
    def date(self) -> str:
        """The recording day, which is also the folder of the calibration files."""
        return self.drive[:10]


ALL_FRAMES = -1  # as the last frame: all that are there

SEQUENCES = {
    '00': Extent('2011_10_03_drive_0027', 0, 4540),
    '01': Extent('2011_10_03_drive_0042', 0, 1100),
    '02': Extent('2011_10_03_drive_0034', 0, 4660),
    '04': Extent('2011_09_30_drive_0016', 0, 270),
    '05': Extent('2011_09_30_drive_0018', 0, 2760),
    '06': Extent('2011_09_30_drive_0020', 0, 1100),
    '07': Extent('2011_09_30_drive_0027', 0, 1100),
    '08': Extent('2011_09_30_drive_0028', 1100, 5170),
    '09': Extent('2011_09_30_drive_0033', 0, 1590),
    '10': Extent('2011_09_30_drive_0034', 0, 1200),
}  # 03 is missing: KITTI does not publish its raw drive


def raw_drive(
    raw: Path, sequence: str, poses: Path | None = None, camera: str = 'image_02', track: Track = iter
) -> FileDrive:
    """The drive of an odometry sequence ('00' .. '10') from KITTI's raw folders, with ground truth from poses/NN.txt.

    `track` shows the progress of reading the OXTS files. Raises DatasetError when something is missing or malformed.
    """
    if sequence not in SEQUENCES:
        raise DatasetError(
            f'{sequence!r} is not a sequence with a published raw drive. Choose from {", ".join(SEQUENCES)}.'
        )
    return _drive(raw, SEQUENCES[sequence], sequence, camera, track, poses)


def whole_drive(raw: Path, drive: str, camera: str = 'image_02', track: Track = iter) -> FileDrive:
    """Any raw drive, as '2011_09_26_drive_0005', whole; ground truth is that of its OXTS unit (GPS and IMU).

    Raises DatasetError as raw_drive does.
    """
    name = drive.removesuffix('_sync').removesuffix('_extract')
    if not re.fullmatch(r'\d{4}_\d\d_\d\d_drive_\d{4}', name):
        raise DatasetError(f'{drive!r} is no drive of KITTI raw. Name one as 2011_09_26_drive_0005.')
    return _drive(raw, Extent(name, 0, ALL_FRAMES), name, camera, track)


def _drive(raw: Path, which: Extent, name: str, camera: str, track: Track, poses: Path | None = None) -> FileDrive:
    images, synced = _find_images(raw / which.date, which, camera)
    frames, image_paths, stamps_ns = _select_frames(images, which)
    notes = _missing_frames(frames, which, name)
    calibration = read_calibration(raw / which.date, camera.removeprefix('image_'))
    rectify = None if synced else calibration.rectify
    intrinsics = calibration.intrinsics if synced or rectify else None
    if synced and intrinsics is not None:
        check_size(calibration.size, image_size(image_paths[0]), str(raw / which.date))
    if not synced:
        notes.append(
            f'The images are those of the unsynced drive, {"rectified here" if rectify else "not rectified"}; '
            'poses belong to them only where both versions begin with the same frame.'
        )
    oxts_ns, packets = _read_oxts(raw / which.date / f'{which.drive}_extract' / 'oxts', stamps_ns, track)
    truth = None
    if which.last_frame == ALL_FRAMES:
        truth = oxts_truth(oxts_ns, packets, stamps_ns)
        notes.append('Ground truth is that of the OXTS unit: GPS and IMU, some centimetres to metres off.')
    elif poses is not None:
        file = poses if poses.is_file() else poses / f'{name}.txt'
        truth = ground_truth(stamps_ns, _read_poses(file, frames - which.first_frame), calibration.T_base_camera0)
    return FileDrive(
        image_paths,
        stamps_ns,
        order_readings(oxts_ns, packets[:, OXTS_COLUMNS]),
        kitti_rig(calibration.T_base_camera, intrinsics, calibration.size, f'calibration of {which.date}'),
        truth,
        rectify,
        (*notes, *calibration.notes),
    )


def read_timestamps(path: Path) -> NDArray[np.int64]:
    """Stamps [ns] (N,) of lines like `2011-10-03 12:55:34.997992704`, taken as UTC, exact to the nanosecond.

    Raises DatasetError naming the line.
    """
    stamps_ns = []
    for number, line in enumerate(read_text(path, 'a KITTI timestamp a line').splitlines(), start=1):
        try:
            stamp_ns = int(np.datetime64(line.strip(), 'ns').astype(np.int64))
        except ValueError:
            stamp_ns = -1
        if stamp_ns < 0:  # also what numpy makes of an empty line
            raise DatasetError(
                f'{path}, line {number}: {line[:50]!r} is not a time like 2011-10-03 12:55:34.997992704. '
                'Unpack the drive again.'
            )
        stamps_ns.append(stamp_ns)
    if not stamps_ns:
        raise DatasetError(f'{path} holds no timestamps. Unpack the drive again.')
    return np.array(stamps_ns, dtype=np.int64)


def _find_images(day: Path, which: Extent, camera: str) -> tuple[Path, bool]:
    """The folder image_0x of the drive, and whether it is the synced one."""
    for kind in ('sync', 'extract'):
        folder = day / f'{which.drive}_{kind}' / camera
        if (folder / 'data').is_dir():
            return folder, kind == 'sync'
    raise DatasetError(
        f'There is neither {day / f"{which.drive}_sync" / camera / "data"} nor the same in {which.drive}_extract. '
        'Give the folder of KITTI raw that holds the days (2011_10_03, ...), or another --camera.'
    )


def _select_frames(folder: Path, which: Extent) -> tuple[NDArray[np.int64], tuple[Path, ...], NDArray[np.int64]]:
    """Frame numbers (N,), images and stamps [ns] (N,) of those frames of the sequence that are there."""
    stamps_ns = read_timestamps(folder / 'timestamps.txt')
    numbered = {}
    for path in find_images(folder / 'data'):
        if not path.stem.isdecimal():
            raise DatasetError(
                f'{path} is not named by its frame number, as in KITTI raw (0000000000.png). Move it away.'
            )
        numbered[int(path.stem)] = path
    frames = [frame for frame in sorted(numbered) if which.has(frame)]
    if not frames:
        raise DatasetError(
            f'{folder / "data"} holds frames {min(numbered)} to {max(numbered)}; the sequence is frames '
            f'{which.first_frame} to {which.last_frame}. Unpack all parts of the drive.'
        )
    if frames[-1] >= len(stamps_ns):
        raise DatasetError(
            f'{folder / "timestamps.txt"} has {len(stamps_ns)} lines, too few for frame {frames[-1]} (one a frame). '
            'Unpack the drive again.'
        )
    chosen_ns = stamps_ns[frames]
    backward = np.flatnonzero(np.diff(chosen_ns) <= 0)
    if len(backward):
        raise DatasetError(
            f'{folder / "timestamps.txt"}: frame {frames[backward[0] + 1]} is not later than the one before. '
            'Unpack the drive again.'
        )
    return np.array(frames), tuple(numbered[frame] for frame in frames), chosen_ns


def _read_poses(path: Path, indices: NDArray[np.int64]) -> FloatArray:
    """Poses (N, 4, 4) of those images of the sequence, in the file's frames."""
    poses = read_kitti_poses(path)
    if indices[-1] >= len(poses):
        raise DatasetError(
            f"{path} has {len(poses)} poses, too few for image {indices[-1]} (one an image). Give that sequence's."
        )
    return poses[indices]


def _read_oxts(folder: Path, image_stamps_ns: NDArray[np.int64], track: Track) -> tuple[NDArray[np.int64], FloatArray]:
    """Stamps (M,) and packets (M, 20 or more) around the images, in the order of the files."""
    if not folder.is_dir():
        raise DatasetError(
            f'There is no {folder}. The 100 Hz OXTS readings are in the unsynced drive: get its `extract` archive.'
        )
    stamps_ns = read_timestamps(folder / 'timestamps.txt')
    wanted = np.flatnonzero(
        (stamps_ns >= image_stamps_ns[0] - IMU_MARGIN_NS) & (stamps_ns <= image_stamps_ns[-1] + IMU_MARGIN_NS)
    )
    if len(wanted) == 0:
        raise DatasetError(
            f'{folder} has no reading at the time of the images. Do both belong to one drive? Unpack the drive again.'
        )
    values = np.array([_read_oxts_file(folder / 'data' / f'{i:010d}.txt') for i in track(wanted.tolist())])
    return stamps_ns[wanted], values


def _read_oxts_file(path: Path) -> FloatArray:
    """(20,) the first numbers of one packet: lat lon [deg] alt [m] roll pitch yaw [rad] ... ax ay az ... wx wy wz."""
    try:
        packet = np.array([float(word) for word in read_text(path, 'an OXTS packet').split()])
    except ValueError:
        packet = np.empty(0)
    if len(packet) <= max(OXTS_COLUMNS) or not np.isfinite(packet[OXTS_COLUMNS]).all():
        raise DatasetError(f'{path} is not an OXTS packet of 30 numbers. Unpack the drive again.')
    return packet[: max(OXTS_COLUMNS) + 1]


def _missing_frames(frames: NDArray[np.int64], which: Extent, name: str) -> list[str]:
    """What is missing of a drive, the first missing frame by its number."""
    last = int(frames[-1]) if which.last_frame == ALL_FRAMES else which.last_frame
    first = int(frames[0]) if which.last_frame == ALL_FRAMES else which.first_frame
    missing = np.setdiff1d(np.arange(first, last + 1), frames)
    if len(missing) == 0:
        return []
    return [
        f'{len(frames)} of the {last - first + 1} images of {name} are there; the first that is missing is frame '
        f'{missing[0]} ({missing[0]:010d}.png), the last {missing[-1]}.'
    ]
