"""`atvio export-kitti`: write a KITTI drive, or loose images and IMU files, as a rosbag2."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atvio_ros.cli import common

if TYPE_CHECKING:
    from rich.progress import Progress

    from atvio_ros.drives.kitti import Drive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--raw', type=Path, metavar='DIR', help='KITTI raw: the folder that holds 2011_10_03, ...')
    source.add_argument('--images', type=Path, metavar='DIR', help='loose files: images, taken in the order of names')
    parser.add_argument('--out', type=Path, required=True, metavar='BAG', help='folder of the rosbag2 to write')
    parser.add_argument('--poses', type=Path, metavar='PATH', help='ground truth; --raw: folder of NN.txt, else a file')
    parser.add_argument('--intrinsics', metavar='FX,FY,CX,CY', help='of the camera [px] (default: calibration files)')
    raw = parser.add_argument_group('with --raw')
    raw.add_argument('--sequence', metavar='NN', help='odometry sequence, 00 to 10 without 03')
    raw.add_argument('--camera', choices=('image_00', 'image_02'), help='left grey or left colour (default: image_02)')
    loose = parser.add_argument_group('with --images')
    loose.add_argument('--times', type=Path, metavar='FILE', help='seconds of each image, one a line')
    loose.add_argument('--imu', type=Path, metavar='FILE', help='ax ay az wx wy wz, 10 rows an image; .mat or text')
    parser.add_argument('--json', action='store_true', help='print the summary as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Read the drive, write the bag, and say what is in it and what its IMU lacks."""
    from atvio_ros.bags.writer import BagWriter
    from atvio_ros.drives.kitti import export_drive

    writer = BagWriter(arguments.out)  # refuses an existing path before anything is read
    progress = common.progress_bar()
    try:
        drive = _read_drive(arguments, progress)
        size = export_drive(drive, writer, _Track(progress, 'writing', 'images'))
    finally:
        if progress.live.is_started:  # else an early error is the only line on stderr
            progress.stop()
    summary = _summary(arguments.out, drive, size)
    if arguments.json:
        import json

        print(json.dumps(summary, indent=2))
        return
    for line in _lines(summary):
        print(line)
    print(f'Wrote {arguments.out}')


class _Track:
    """Hands numbers through and shows how far it is, on a bar that appears with the first."""

    def __init__(self, progress: Progress, description: str, unit: str) -> None:
        self._progress, self._description, self._unit = progress, description, unit

    def __call__(self, numbers: Sequence[int]) -> Iterable[int]:
        self._progress.start()
        task = self._progress.add_task(self._description, total=len(numbers), unit=self._unit)
        for number in numbers:
            yield number
            self._progress.advance(task)


def _read_drive(arguments: argparse.Namespace, progress: Progress) -> Drive:
    import dataclasses

    from atvio_ros.drives.kitti_loose import loose_drive
    from atvio_ros.drives.kitti_raw import raw_drive
    from atvio_ros.errors import SettingsError

    if arguments.images is None:
        if arguments.sequence is None or arguments.times is not None or arguments.imu is not None:
            raise SettingsError('--raw needs --sequence NN, and takes neither --times nor --imu.')
        track = _Track(progress, 'reading', 'IMU packets')
        drive = raw_drive(
            arguments.raw, arguments.sequence.zfill(2), arguments.poses, arguments.camera or 'image_02', track
        )
    else:
        if (
            arguments.times is None
            or arguments.imu is None
            or arguments.sequence is not None
            or arguments.camera is not None
        ):
            raise SettingsError(
                '--images needs --times FILE and --imu FILE, and takes neither --sequence nor --camera.'
            )
        drive = loose_drive(arguments.images, arguments.times, arguments.imu, arguments.poses)
    if arguments.intrinsics is not None:
        drive = dataclasses.replace(drive, intrinsics=_intrinsics(arguments.intrinsics))
    return drive


def _intrinsics(text: str) -> tuple[float, float, float, float]:
    from atvio_ros.errors import SettingsError

    try:
        fx, fy, cx, cy = (float(word) for word in text.split(','))
    except ValueError:
        raise SettingsError(f'--intrinsics must be four numbers FX,FY,CX,CY, not {text!r}.') from None
    if not (0.0 < fx < math.inf and 0.0 < fy < math.inf and math.isfinite(cx + cy)):
        raise SettingsError(f'--intrinsics must be finite, FX and FY above 0, not {text!r}.')
    return fx, fy, cx, cy


def _summary(out: Path, drive: Drive, size: tuple[int, int]) -> dict[str, Any]:
    import numpy as np

    from atvio_ros.drives.kitti import find_gaps, seconds_since

    start_ns = int(drive.stamps_ns[0])
    truth = drive.T_odom_base
    steps = [] if truth is None else np.linalg.norm(np.diff(truth[:, :3, 3], axis=0), axis=1)
    return {
        'bag': str(out),
        'frames': len(drive.stamps_ns),
        'image_size_px': list(size),
        'start_ns': start_ns,
        'duration_s': seconds_since(int(drive.stamps_ns[-1]), start_ns),
        'length_m': None if truth is None else float(np.sum(steps)),
        'intrinsics_px': None if drive.intrinsics is None else list(drive.intrinsics),
        'imu_readings': len(drive.imu.stamps_ns),
        'imu_out_of_order': drive.imu.out_of_order,
        'imu_duplicates': drive.imu.duplicates,
        'imu_gaps': [
            {
                'start_s': seconds_since(gap.start_ns, start_ns),
                'length_ms': gap.length_ms,
                'first_frame': gap.first_frame,
                'last_frame': gap.last_frame,
            }
            for gap in find_gaps(drive.imu.stamps_ns, drive.stamps_ns)
        ],
        'notes': list(drive.notes),
    }


def _lines(summary: dict[str, Any]) -> list[str]:
    width, height = summary['image_size_px']
    length = '' if summary['length_m'] is None else f', {summary["length_m"]:.1f} m'
    gaps = summary['imu_gaps']
    return [
        f'{summary["frames"]} images of {width}x{height} pixels, {summary["duration_s"]:.1f} s{length}',
        f'{summary["imu_readings"]} IMU readings; {summary["imu_out_of_order"]} were out of order and sorted, '
        f'{summary["imu_duplicates"]} repeated a stamp and were left out',
        f'IMU missing in {len(gaps)} places' + (':' if gaps else ''),
        *(
            f'  {gap["length_ms"]:.0f} ms from {gap["start_s"]:.2f} s on, between images {gap["first_frame"]} and '
            f'{gap["last_frame"]}'
            for gap in gaps
        ),
        *summary['notes'],
    ]
