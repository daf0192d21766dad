"""`atvio synthesize`: render a drive and write it as a rosbag2."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import common

if TYPE_CHECKING:
    from atvio_ros.rendering import DriveSettings
    from atvio_ros.rendering.conditions import Conditions

# Options that are settings of a drive under the same name.
PASSED_ON = (
    *('seed', 'length', 'speed', 'poses', 'times', 'imu', 'smooth_vertical', 'width', 'height', 'imu_rate'),
    *('camera_height', 'camera_pitch_deg', 'camera_yaw_deg', 'camera_roll_deg'),
)
EXAMPLES = r"""
atvio synthesize --out drive --seed 7 --length 250
atvio synthesize --out courier --camera-height 0.6 --camera-pitch-deg 6 \
    --speed 1.4 --image-rate 15 --imu-quality mems
atvio synthesize --out night --conditions wet_asphalt,night
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--out', type=Path, required=True, metavar='BAG', help='folder of the rosbag2 (mcap) to write')
    parser.add_argument(
        '--seed', type=int, default=0, metavar='N', help='world, route, weather, camera and IMU errors (default 0)'
    )
    parser.add_argument(
        '--length', type=float, default=500.0, metavar='M', help='length of a procedural drive [m] (default 500)'
    )
    parser.add_argument(
        '--speed', type=float, metavar='M/S', help='its mean speed while it moves (default: as cars do)'
    )
    parser.add_argument(
        '--conditions',
        metavar='NAME[,NAME...]',
        help='of road, light, route and camera, as wet_asphalt,night; list: docs/synthetic.md (default: ordinary)',
    )
    parser.add_argument(
        '--condition', action='append', metavar='SETTING=VALUE', help='one more condition, as car_ahead=8; repeatable'
    )
    recorded = parser.add_argument_group('a recorded motion')
    recorded.add_argument(
        '--poses', type=Path, metavar='FILE', help='KITTI pose file to drive along, instead of a procedural route'
    )
    recorded.add_argument('--times', type=Path, metavar='FILE', help='image times of --poses [s], one a line')
    recorded.add_argument(
        '--imu', type=Path, metavar='FILE', help='recorded IMU of --poses (.mat or text), instead of a simulated one'
    )
    recorded.add_argument('--only-images', metavar='FIRST:LAST', help='only these images of --poses, both included')
    common.add_old_name(parser, '--images', 'only_images')
    recorded.add_argument(
        '--smooth-vertical', action='store_true', help="smooth the height of --poses over the way: KITTI's trembles"
    )
    camera = parser.add_argument_group('camera', 'The default is that of KITTI.')
    camera.add_argument('--grey', action='store_true', help='grey images (mono8) instead of colour (rgb8)')
    camera.add_argument('--size', metavar='WxH', help='image size [px] (default: 416x128)')
    common.add_old_name(parser, '--width', 'width', type=int)
    common.add_old_name(parser, '--height', 'height', type=int)
    camera.add_argument('--intrinsics', metavar='FX,FY,CX,CY', help="[px]; default: KITTI's, scaled to the size")
    camera.add_argument(
        '--distortion', metavar='MODEL:K1,K2,...', help='plumb_bob, rational_polynomial or equidistant (default: none)'
    )
    camera.add_argument('--camera-height', type=float, metavar='M', help='over the road, 0.2 to 3 (default 1.65)')
    camera.add_argument('--camera-pitch-deg', type=float, metavar='DEG', help='looks down from base x')
    camera.add_argument('--camera-yaw-deg', type=float, metavar='DEG', help='looks to the left of base x')
    camera.add_argument('--camera-roll-deg', type=float, metavar='DEG', help='leans to the right')
    camera.add_argument('--image-rate', type=float, metavar='HZ', help="5 to 60 (default: KITTI's 9.6)")
    common.add_old_name(parser, '--rate', 'image_rate', type=float)
    camera.add_argument('--no-jitter', action='store_true', help='images at exact intervals (default: of 0.1 s)')
    imu = parser.add_argument_group('simulated IMU')
    imu.add_argument(
        '--imu-rate', type=float, metavar='HZ', help='50 to 1000, by a clock of its own (default: ten an image)'
    )
    imu.add_argument('--imu-quality', choices=('kitti', 'ideal', 'mems'), help='its errors (default: kitti)')
    imu.add_argument('--no-imu-lag', action='store_true', help='readings are not late')
    parser.add_argument('--json', action='store_true', help='print what was written as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Render and write; the last line names the bag."""
    import json

    from atvio_ros.bags.writer import BagWriter
    from atvio_ros.drives.write_bag import write_bag
    from atvio_ros.rendering import synthesize

    drive = synthesize(_settings(arguments))
    writer = BagWriter(arguments.out)
    with common.progress_bar() as progress:
        task = progress.add_task('rendering', total=len(drive), unit='images')

        def advance() -> None:
            progress.update(task, advance=1, unit=f'images, {progress.tasks[0].speed or 0.0:.0f}/s')

        write_bag(drive, writer, advance)
    if arguments.json:
        print(json.dumps({'bag': str(arguments.out), 'frames': len(drive), 'length_m': drive.length_m}, indent=2))
        return
    print(f'Wrote {len(drive)} images of {drive.length_m:.0f} m with ground truth to {arguments.out}')


def _settings(arguments: argparse.Namespace) -> DriveSettings:
    import dataclasses

    from atvio_ros.errors import SettingsError
    from atvio_ros.rendering import DriveSettings
    from atvio_ros.rendering.imu import QUALITIES
    from atvio_ros.settings import from_mapping

    values = {name: vars(arguments)[name] for name in PASSED_ON if vars(arguments).get(name) is not None}
    if arguments.size is not None:
        values['width'], values['height'] = common.size(arguments.size)
    if arguments.image_rate is not None:
        values['rate'] = arguments.image_rate
    values |= {'color': not arguments.grey, 'jitter': not arguments.no_jitter}
    values |= {'intrinsics': _numbers('--intrinsics', arguments.intrinsics, ',', float)}
    values |= {'images': _numbers('--only-images', arguments.only_images, ':', int)}
    if arguments.distortion is not None:
        model, _, coefficients = arguments.distortion.partition(':')
        values |= {'distortion_model': model, 'distortion': _numbers('--distortion MODEL:', coefficients, ',', float)}
    settings = from_mapping(DriveSettings, values, 'synthesize')
    if settings.imu is not None and (arguments.imu_quality or arguments.no_imu_lag):
        raise SettingsError(
            '--imu is a recorded IMU: --imu-quality and --no-imu-lag are for simulated ones. Leave them out.'
        )
    errors = QUALITIES[arguments.imu_quality or 'kitti']
    if arguments.no_imu_lag:
        errors = dataclasses.replace(errors, gyro_delay=0.0, accelerometer_delay=0.0)
    conditions = _conditions(arguments.conditions, arguments.condition or [])
    return dataclasses.replace(settings, imu_errors=errors, conditions=conditions)


def _conditions(names: str | None, changes: list[str]) -> Conditions:
    """The named conditions with single settings changed: SETTING=VALUE, the value as YAML has it."""
    import dataclasses

    from atvio_ros.errors import SettingsError
    from atvio_ros.rendering.conditions import Conditions, named_conditions
    from atvio_ros.settings import from_mapping, parse_yaml

    values = dataclasses.asdict(named_conditions(names.split(',') if names else ()))
    for change in changes:
        name, separator, value = change.partition('=')
        if not separator:
            raise SettingsError(f'--condition must be SETTING=VALUE, not {change!r}.')
        values |= parse_yaml(f'{name}: {value}', '--condition')
    return from_mapping(Conditions, values, 'conditions')


def _numbers(option: str, text: str | None, separator: str, kind: type[int] | type[float]) -> tuple[float, ...]:
    from atvio_ros.errors import SettingsError

    if text is None:
        return ()
    try:
        return tuple(kind(word) for word in text.split(separator))
    except ValueError:
        raise SettingsError(f'{option} must be numbers with {separator!r} between them, not {text!r}.') from None
