"""`atvio synthesize`: render a drive and write it as a rosbag2."""

from __future__ import annotations

import argparse
from pathlib import Path

from atvio_ros.cli import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--out', type=Path, required=True, help='folder of the rosbag2 (mcap) to write')
    parser.add_argument('--seed', type=int, default=0, help='world, route, weather, camera and IMU errors (default 0)')
    parser.add_argument('--length', type=float, default=500.0, help='length of a procedural drive [m] (default 500)')
    parser.add_argument('--poses', type=Path, help='KITTI pose file to drive along, instead of a procedural route')
    parser.add_argument('--times', type=Path, help='image times of --poses [s], one a line')
    parser.add_argument('--imu', type=Path, help='recorded IMU of --poses (.mat or text), instead of a simulated one')
    parser.add_argument('--images', metavar='FIRST:LAST', help='only these images of --poses, both included')
    parser.add_argument('--grey', action='store_true', help='grey images (mono8) instead of colour (rgb8)')
    parser.add_argument('--width', type=int, default=416, help='image width [px] (default 416)')
    parser.add_argument('--height', type=int, default=128, help='image height [px] (default 128)')
    parser.add_argument('--intrinsics', metavar='FX,FY,CX,CY', help="camera [px]; default: KITTI's, scaled to the size")
    parser.add_argument('--no-jitter', action='store_true', help="images each 0.1 s, not at KITTI's varying intervals")


def run(arguments: argparse.Namespace) -> None:
    """Render and write; the last line names the bag."""
    from atvio_ros.bags.writer import BagWriter
    from atvio_ros.drives.write_bag import write_bag
    from atvio_ros.rendering import DriveSettings, synthesize
    from atvio_ros.settings import from_mapping

    values = {'seed': arguments.seed, 'length': arguments.length, 'width': arguments.width, 'height': arguments.height}
    values |= {
        'color': not arguments.grey,
        'jitter': not arguments.no_jitter,
        'poses': arguments.poses,
        'times': arguments.times,
    }
    values |= {'imu': arguments.imu, 'intrinsics': _numbers('--intrinsics', arguments.intrinsics, ',', float)}
    values |= {'images': _numbers('--images', arguments.images, ':', int)}
    drive = synthesize(from_mapping(DriveSettings, values, 'synthesize'))
    writer = BagWriter(arguments.out)
    with common.progress_bar() as progress:
        task = progress.add_task('rendering', total=len(drive), unit='images')

        def advance() -> None:
            progress.update(task, advance=1, unit=f'images, {progress.tasks[0].speed or 0.0:.0f}/s')

        write_bag(drive, writer, advance)
    print(f'Wrote {len(drive)} images of {drive.length_m:.0f} m with ground truth to {arguments.out}')


def _numbers(option: str, text: str | None, separator: str, kind: type[int] | type[float]) -> tuple[float, ...]:
    from atvio_ros.errors import SettingsError

    if text is None:
        return ()
    try:
        return tuple(kind(word) for word in text.split(separator))
    except ValueError:
        raise SettingsError(f'{option} must be numbers with {separator!r} between them, not {text!r}.') from None
