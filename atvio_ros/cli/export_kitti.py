"""`atvio export-kitti`: write a KITTI drive, or loose images and IMU files, as a rosbag2."""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atvio_ros.cli import common

if TYPE_CHECKING:
    from rich.progress import Progress

    from atvio_ros.drives.file_drive import FileDrive
    from atvio_ros.rig.kitti import Intrinsics

IMU_INTERVAL_NS = 10_000_000  # KITTI's IMU measures at 100 Hz
EXAMPLES = r"""
atvio export-kitti --raw KITTI --poses KITTI/poses --sequence 00 --out bags/00
atvio export-kitti --raw KITTI --drive 2011_09_26_drive_0005 --out bags/0005
atvio export-kitti --images image --times times.txt --imu imu.txt \
    --calibration calib/2011_09_26 --out bags/0095
"""


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
    raw.add_argument(
        '--drive', metavar='NAME', help='any raw drive, as 2011_09_26_drive_0005; its OXTS unit is the ground truth'
    )
    raw.add_argument('--camera', choices=('image_00', 'image_02'), help='left grey or left colour (default: image_02)')
    loose = parser.add_argument_group('with --images')
    loose.add_argument('--times', type=Path, metavar='FILE', help='seconds of each image, one a line')
    loose.add_argument('--imu', type=Path, metavar='FILE', help='ax ay az wx wy wz, 10 rows an image; .mat or text')
    loose.add_argument('--calibration', type=Path, metavar='DIR', help='calib_*.txt of the day (default: nominal)')
    parser.add_argument('--json', action='store_true', help='print the summary as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Read the drive, write the bag, and say what is in it and what its IMU lacks."""
    from atvio_ros.bags.writer import BagWriter
    from atvio_ros.drives.write_bag import write_bag

    writer = BagWriter(arguments.out)  # refuses an existing path before anything is read
    progress = common.progress_bar()
    try:
        drive = _read_drive(arguments, progress)
        progress.start()
        task = progress.add_task('writing', total=len(drive.stamps_ns), unit='images')
        size = write_bag(drive, writer, functools.partial(progress.advance, task))
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


def _read_drive(arguments: argparse.Namespace, progress: Progress) -> FileDrive:
    import dataclasses

    from atvio_ros.drives.file_drive import image_size
    from atvio_ros.drives.kitti_loose import loose_drive
    from atvio_ros.drives.kitti_raw import raw_drive, whole_drive
    from atvio_ros.errors import SettingsError
    from atvio_ros.rig.kitti import kitti_part

    def track(packets: Sequence[int]) -> Iterable[int]:
        progress.start()
        return progress.track(packets, task_id=progress.add_task('reading', total=len(packets), unit='IMU packets'))

    if arguments.images is None:
        named = (arguments.sequence is not None) + (arguments.drive is not None)
        if named != 1 or arguments.times or arguments.imu or arguments.calibration:
            raise SettingsError(
                '--raw needs --sequence NN or --drive NAME, and takes neither --times nor --imu nor --calibration.'
            )
        camera = arguments.camera or 'image_02'
        if arguments.drive is not None:
            if arguments.poses is not None:
                raise SettingsError('--drive takes its ground truth from the OXTS unit: leave out --poses.')
            drive = whole_drive(arguments.raw, arguments.drive, camera, track)
        else:
            drive = raw_drive(arguments.raw, arguments.sequence.zfill(2), arguments.poses, camera, track)
    else:
        if (
            arguments.times is None
            or arguments.imu is None
            or arguments.sequence is not None
            or arguments.drive is not None
            or arguments.camera is not None
        ):
            raise SettingsError(
                '--images needs --times FILE and --imu FILE, and takes neither --sequence nor --drive nor --camera.'
            )
        drive = loose_drive(
            arguments.images, arguments.times, arguments.imu, arguments.poses, calibration=arguments.calibration
        )
    if arguments.intrinsics is not None:
        K = _intrinsics(arguments.intrinsics)
        known = drive.rig.camera  # rectified here, images have another size than in their files
        size = image_size(drive.image_paths[0]) if drive.rectify is None or not known else (known.width, known.height)
        camera = kitti_part(drive.rig.T_base_camera, K, *size, '--intrinsics').camera
        drive = dataclasses.replace(drive, rig=dataclasses.replace(drive.rig, camera=camera))
    return drive


def _intrinsics(text: str) -> Intrinsics:
    from atvio_ros.errors import SettingsError

    try:
        fx, fy, cx, cy = (float(word) for word in text.split(','))
    except ValueError:
        raise SettingsError(f'--intrinsics must be four numbers FX,FY,CX,CY, not {text!r}.') from None
    if not (0.0 < fx < math.inf and 0.0 < fy < math.inf and math.isfinite(cx + cy)):
        raise SettingsError(f'--intrinsics must be finite, FX and FY above 0, not {text!r}.')
    return fx, fy, cx, cy


def _summary(out: Path, drive: FileDrive, size: tuple[int, int]) -> dict[str, Any]:
    import numpy as np

    from atvio_ros.drives.imu_readings import find_gaps
    from atvio_ros.types import NANOSECONDS

    start_ns = int(drive.stamps_ns[0])
    truth = drive.truth
    steps = [] if truth is None else np.linalg.norm(np.diff(truth.poses[:, :3, 3], axis=0), axis=1)
    return {
        'bag': str(out),
        'frames': len(drive.stamps_ns),
        'image_size_px': list(size),
        'start_ns': start_ns,
        'duration_s': (int(drive.stamps_ns[-1]) - start_ns) / NANOSECONDS,
        'length_m': None if truth is None else float(np.sum(steps)),
        'intrinsics_px': None if drive.rig.camera is None else list(drive.rig.camera.intrinsics),
        'imu_readings': len(drive.imu.stamps_ns),
        'imu_out_of_order': drive.imu.out_of_order,
        'imu_duplicates': drive.imu.duplicates,
        'imu_gaps': [
            {
                'start_s': (gap.start_ns - start_ns) / NANOSECONDS,
                'length_ms': gap.length_ms,
                'first_frame': gap.first_frame,
                'last_frame': gap.last_frame,
            }
            for gap in find_gaps(drive.imu.stamps_ns, drive.stamps_ns, IMU_INTERVAL_NS)
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
