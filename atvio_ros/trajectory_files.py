"""Trajectories as text: KITTI's pose files and TUM's stamped ones, read and written without losing a bit.

KITTI: a pose a line, the upper 3x4 of T_camera0_camera row by row; no stamps, so line i belongs to image i.
TUM:   `stamp tx ty tz qx qy qz qw` a line, stamp in seconds, position in metres; lines that begin with # are comments.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np

from atvio_ros.errors import TrajectoryError
from atvio_ros.files import read_text, write_text
from atvio_ros.geometry import from_quaternions, quaternion
from atvio_ros.types import NANOSECONDS, FloatArray, Trajectory

KITTI_COLUMNS = 12
TUM_COLUMNS = 8
ROTATION_TOLERANCE = 0.01  # how far a printed rotation may be from a true one; three decimals are 0.001 off

LARGEST_STAMP_NS = 2**63 - 1


def trajectory_format(path: Path) -> Literal['kitti', 'tum']:
    """What a trajectory file is, by the number of columns in its first line. Raises TrajectoryError if neither."""
    _, words = next(_rows(path))
    if len(words) not in (KITTI_COLUMNS, TUM_COLUMNS):
        raise TrajectoryError(
            f'{path} has {len(words)} columns. A KITTI pose file has {KITTI_COLUMNS} (3x4 poses), '
            f'a TUM file {TUM_COLUMNS} (stamp, position, quaternion), separated by spaces.'
            ' Give one of these.'
        )
    return 'kitti' if len(words) == KITTI_COLUMNS else 'tum'


def read_kitti_poses(path: Path) -> FloatArray:
    """Poses (N, 4, 4) [m], N >= 1, of a KITTI file, exactly as printed there.

    Raises TrajectoryError naming file and line: no file, no poses, not 12 finite numbers, not a rotation.
    """
    rows = [(number, _floats(path, number, words, KITTI_COLUMNS)) for number, words in _rows(path)]
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3] = np.array([values for _, values in rows]).reshape(-1, 3, 4)
    R = poses[:, :3, :3]
    residual = np.abs(R @ np.swapaxes(R, 1, 2) - np.eye(3)).max(axis=(1, 2))
    wrong = np.flatnonzero((residual > ROTATION_TOLERANCE) | (np.linalg.det(R) < 0.0))
    if len(wrong):
        raise TrajectoryError(
            f'{path}, line {rows[wrong[0]][0]}: the left 3x3 block of the 3x4 pose is not a rotation. '
            'KITTI pose files hold [R | t] row by row.'
            ' Correct the line.'
        )
    return poses


def write_kitti_poses(path: Path, poses: FloatArray) -> None:
    """Write poses (N, 4, 4) [m] as a KITTI file, with the digits that give the same float64 when read.

    KITTI's convention is poses of the left camera (optical axes) in its first place. Raises TrajectoryError for poses
    that are not finite, FileError.
    """
    _require_finite(path, poses)
    rows: list[list[float]] = poses[:, :3].reshape(-1, KITTI_COLUMNS).tolist()
    write_text(path, ''.join(' '.join(map(repr, row)) + '\n' for row in rows))


def read_tum(path: Path) -> Trajectory:
    """Trajectory of N >= 1 poses of a TUM file; stamps are exact to the nanosecond, in the file's order.

    Raises TrajectoryError naming file and line: no file, no poses, not 8 finite numbers, not a unit quaternion.
    """
    stamps_ns, rows = [], []
    for number, words in _rows(path):
        values = _floats(path, number, words, TUM_COLUMNS)
        norm = float(np.linalg.norm(values[4:]))
        if abs(norm - 1.0) > ROTATION_TOLERANCE:
            raise TrajectoryError(
                f'{path}, line {number}: the quaternion has length {norm:.3g}, not 1. '
                'TUM files hold `stamp tx ty tz qx qy qz qw`.'
                ' Correct the line.'
            )
        stamps_ns.append(_parse_stamp(path, number, words[0]))
        rows.append(values)
    table = np.array(rows)
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3, :3] = from_quaternions(table[:, 4:])
    poses[:, :3, 3] = table[:, 1:4]
    return Trajectory(np.array(stamps_ns, dtype=np.int64), poses)


def write_tum(path: Path, trajectory: Trajectory) -> None:
    """Write a trajectory as a TUM file: stamps with nine decimals, all digits of float64.

    Raises TrajectoryError for poses that are not finite, FileError.
    """
    _require_finite(path, trajectory.poses)
    quaternions = quaternion(trajectory.poses[:, :3, :3])
    quaternions[quaternions[:, 3] < 0.0] *= -1.0  # of the two that mean one rotation, always the same
    rows: list[list[float]] = np.hstack((trajectory.poses[:, :3, 3], quaternions)).tolist()
    stamps = [_format_stamp(int(stamp_ns)) for stamp_ns in trajectory.stamps_ns]
    lines = [f'{stamp} {" ".join(map(repr, row))}\n' for stamp, row in zip(stamps, rows, strict=True)]
    write_text(path, ''.join(lines))


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number (from 1) and words of each line that holds data; at least one."""
    try:
        text = read_text(path, encoding='utf-8-sig')  # -sig: some editors begin a file with a byte order mark
    except FileNotFoundError:
        raise TrajectoryError(f'There is no trajectory file {path}. Check the path.') from None
    except UnicodeDecodeError:
        raise TrajectoryError(f'{path} is not a text file. Give KITTI poses or a TUM trajectory.') from None
    except OSError as error:
        raise TrajectoryError(
            f'{path} cannot be read: {error.strerror}. Check the file and its permissions.'
        ) from error
    empty = True
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words and not words[0].startswith('#'):
            empty = False
            yield number, words
    if empty:
        raise TrajectoryError(f'{path} holds no poses. Check the file.')


def _floats(path: Path, number: int, words: list[str], columns: int) -> list[float]:
    if len(words) != columns:
        raise TrajectoryError(f'{path}, line {number}: {len(words)} numbers, expected {columns}. Correct the line.')
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise TrajectoryError(f'{path}, line {number}: {error}. Correct the line.') from None
    if not np.isfinite(values).all():
        raise TrajectoryError(f'{path}, line {number}: every number must be finite, not NaN or infinity.')
    return values


def _parse_stamp(path: Path, number: int, seconds: str) -> int:
    """Decimal seconds -> nanoseconds, exactly: a float would round epoch stamps to 0.2 us."""
    stamp_ns = int((Decimal(seconds) * NANOSECONDS).to_integral_value())
    if abs(stamp_ns) > LARGEST_STAMP_NS:
        raise TrajectoryError(
            f'{path}, line {number}: the stamp {seconds} s is out of range. TUM stamps are seconds: correct it.'
        )
    return stamp_ns


def _format_stamp(stamp_ns: int) -> str:
    seconds, nanoseconds = divmod(abs(stamp_ns), NANOSECONDS)
    return f'{"-" if stamp_ns < 0 else ""}{seconds}.{nanoseconds:09d}'


def _require_finite(path: Path, poses: FloatArray) -> None:
    bad = np.flatnonzero(~np.isfinite(poses).all(axis=(1, 2)))
    if len(bad):
        raise TrajectoryError(
            f'{path} is not written: pose {bad[0]} of {len(poses)} holds NaN or infinity. '
            'The odometry diverged there, or its input did.'
            ' Check the recording there.'
        )
