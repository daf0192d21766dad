"""`atvio import-euroc`: write a folder of EuRoC, TUM-VI or another data set in the ASL format as a rosbag2."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

from atvio_ros.cli import common

EXAMPLES = """
atvio import-euroc MH_01_easy --out bags/MH_01 --camera-height 1.2
atvio import-euroc dataset-corridor1_512_16 --out bags/corridor1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('folder', type=Path, metavar='DIR', help='the folder that holds mav0, or mav0 itself')
    parser.add_argument('--out', type=Path, required=True, metavar='BAG', help='folder of the rosbag2 to write')
    parser.add_argument('--camera-folder', default='cam0', metavar='NAME', help='of the images (default: cam0)')
    common.add_rig_options(parser)
    parser.add_argument('--json', action='store_true', help='print the summary as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Read the folder, write the bag, and say what is in it."""
    import json

    from atvio_ros.bags.writer import BagWriter
    from atvio_ros.drives.asl import asl_drive
    from atvio_ros.drives.write_bag import write_bag
    from atvio_ros.types import NANOSECONDS

    writer = BagWriter(arguments.out)  # refuses an existing path before anything is read
    drive = asl_drive(arguments.folder, arguments.camera_folder, common.given_rig(arguments))
    with common.progress_bar() as bar:
        task = bar.add_task('writing', total=len(drive.stamps_ns), unit='images')
        width, height = write_bag(drive, writer, functools.partial(bar.advance, task))
    seconds = (int(drive.stamps_ns[-1]) - int(drive.stamps_ns[0])) / NANOSECONDS
    poses = 0 if drive.truth is None else len(drive.truth)
    if arguments.json:
        summary = {
            'bag': str(arguments.out),
            'frames': len(drive.stamps_ns),
            'image_size_px': [width, height],
            'duration_s': seconds,
            'imu_readings': len(drive.imu),
            'true_poses': poses,
            'notes': list(drive.notes),
        }
        print(json.dumps(summary, indent=2))
        return
    print(f'{len(drive.stamps_ns)} images of {width}x{height} pixels, {seconds:.1f} s')
    print(f'{len(drive.imu)} IMU readings, {poses} true poses')
    for note in drive.notes:
        print(note)
    print(f'Wrote {arguments.out}')
