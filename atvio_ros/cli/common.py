"""What several subcommands share: options, a progress bar, and how results are shown."""

from __future__ import annotations

import argparse
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from atvio_ros.bags.topics import Span, Topics
    from atvio_ros.drives.truth import TruthSource
    from atvio_ros.rig.rig import RigPart
    from atvio_ros.timeline import Timeline
    from atvio_ros.types import FloatArray, OdometryEstimate, Trajectory


def add_old_name(parser: argparse.ArgumentParser, option: str, destination: str, **like: Any) -> None:
    """An option's name of earlier versions: understood, and not in the help."""
    parser.add_argument(option, dest=destination, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **like)


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """--config and --dump-config."""
    parser.add_argument(
        '--config', type=Path, required=True, metavar='FILE', help='settings (YAML); see docs/training.md'
    )
    parser.add_argument(
        '--dump-config', action='store_true', help='print all settings, defaults included, as YAML, and do nothing else'
    )


def add_rig_options(parser: argparse.ArgumentParser) -> None:
    """What is known of the robot beyond the bag."""
    group = parser.add_argument_group(
        'robot', 'What is given here wins over what the bag says; options win over --rig.'
    )
    group.add_argument('--rig', type=Path, metavar='FILE', help="rig file, ours (rig.yaml) or Kalibr's camchain")
    group.add_argument('--camera-height', type=float, metavar='M', help='height of the camera over the ground [m]')
    pose = 'x y z qx qy qz qw'
    group.add_argument(
        '--base-to-camera', metavar=f'"{pose}"', help='pose of the camera (optical axes) in base_link [m, quaternion]'
    )
    group.add_argument('--base-to-imu', metavar=f'"{pose}"', help='pose of the IMU in base_link [m, quaternion]')
    group.add_argument(
        '--imu-time-offset', type=float, metavar='S', help='added to IMU stamps: brings them to the clock of the images'
    )


def given_rig(arguments: argparse.Namespace, image_topic: str | None = None) -> RigPart | None:
    """What add_rig_options parsed; None where nothing is given.

    `image_topic`: of the images used; by its name they are raw or rectified, and it tells Kalibr's cameras apart.
    Raises SettingsError, CalibrationError.
    """
    import dataclasses

    from atvio_ros.rig.camera_info import is_rectified_topic
    from atvio_ros.rig.checks import pose_from_numbers
    from atvio_ros.rig.rig import RigPart
    from atvio_ros.rig.rig_yaml import read_rig

    topic = image_topic or ''
    part = read_rig(arguments.rig, is_rectified_topic(topic), image_topic=topic) if arguments.rig else None
    options: dict[str, Any] = {
        'camera_height': arguments.camera_height,
        'imu_time_offset': arguments.imu_time_offset,
        'T_base_camera': _numbers(arguments.base_to_camera, '--base-to-camera'),
        'T_base_imu': _numbers(arguments.base_to_imu, '--base-to-imu'),
    }
    given = {name: value for name, value in options.items() if value is not None}
    for name in ('T_base_camera', 'T_base_imu'):
        if name in given:
            given[name] = pose_from_numbers(given[name], f'--{name.replace("T_base", "base-to").replace("_", "-")}')
    if part is None:
        return RigPart('options', **given) if given else None
    if {'T_base_camera', 'T_base_imu'} <= given.keys():
        given['T_camera_imu'] = None  # two poses of three are enough
    return dataclasses.replace(part, source=f'options and {part.source}', **given) if given else part


def _numbers(text: str | None, option: str) -> list[float] | None:
    """Numbers with blanks or commas between them. Raises CalibrationError."""
    from atvio_ros.errors import CalibrationError

    if text is None:
        return None
    try:
        return [float(word) for word in text.replace(',', ' ').split()]
    except ValueError:
        raise CalibrationError(f'{option} must be seven numbers in quotes (x y z qx qy qz qw), not {text!r}.') from None


def add_topic_options(parser: argparse.ArgumentParser) -> None:
    """Which topics of the bag to read."""
    parser.add_argument('--image-topic', metavar='TOPIC', help='images (default: found in the bag)')
    parser.add_argument('--imu-topic', metavar='TOPIC', help='IMU (default: found in the bag)')
    parser.add_argument('--ground-truth-topic', metavar='TOPIC', help='true poses (default: /ground_truth/odometry)')


def add_truth_options(parser: argparse.ArgumentParser) -> None:
    """Ground truth that is not a topic of poses: add_topic_options has that."""
    group = parser.add_argument_group(
        'ground truth', 'Instead of --ground-truth-topic: poses, odometry or GPS fixes there.'
    )
    group.add_argument(
        '--truth', type=Path, metavar='FILE', help='TUM trajectory of another system, in the clock of the bag'
    )
    group.add_argument(
        '--truth-frame',
        choices=('base', 'camera', 'imu'),
        default='base',
        help='whose poses --truth has: base_link, the camera (optical axes) or the IMU (default: %(default)s)',
    )
    group.add_argument(
        '--truth-tf', metavar='FIXED:MOVING', help='a pair of frames on /tf, as map:base_link; MOVING is the base'
    )


def truth_source(arguments: argparse.Namespace) -> TruthSource:
    """What add_truth_options parsed. Raises SettingsError."""
    from atvio_ros.drives.truth import TruthSource
    from atvio_ros.errors import SettingsError

    given = [option for option in ('truth', 'truth_tf', 'ground_truth_topic') if getattr(arguments, option) is not None]
    if len(given) > 1:
        names = ' and '.join(f'--{option.replace("_", "-")}' for option in given)
        raise SettingsError(f'{names} name two ground truths. Give one of them.')
    pair: tuple[str, str] | None = None
    if arguments.truth_tf is not None:
        fixed, _, moving = arguments.truth_tf.partition(':')
        if not fixed or not moving:
            raise SettingsError(f'--truth-tf must be two frames, as map:base_link, not {arguments.truth_tf!r}.')
        pair = fixed, moving
    return TruthSource(arguments.truth, arguments.truth_frame, pair)


def add_span_options(parser: argparse.ArgumentParser) -> None:
    """--from and --to."""
    group = parser.add_argument_group('part of a bag', 'Seconds after its first message.')
    group.add_argument('--from', dest='from_s', type=float, metavar='S', help='where it begins (default: at the start)')
    group.add_argument('--to', dest='to_s', type=float, metavar='S', help='where it ends (default: at the end)')


def chosen_span(arguments: argparse.Namespace) -> Span | None:
    """What add_span_options parsed; None: the whole bag. Raises SettingsError."""
    import math

    from atvio_ros.bags.topics import Span

    if arguments.from_s is None and arguments.to_s is None:
        return None
    return Span(arguments.from_s or 0.0, math.inf if arguments.to_s is None else arguments.to_s)


def add_standstill_option(parser: argparse.ArgumentParser) -> None:
    """--no-standstill."""
    parser.add_argument(
        '--no-standstill',
        dest='standstill',
        action='store_false',
        help="do not hold the pose at rest: every motion is the estimator's, as in the paper",
    )


def topics(arguments: argparse.Namespace) -> Topics:
    """What add_topic_options parsed."""
    from atvio_ros.bags.topics import Topics

    return Topics(arguments.image_topic, arguments.imu_topic, arguments.ground_truth_topic)


def require_bags(bags: Sequence[Path]) -> None:
    """Raise BagError where one is missing: a slip of the pen is told before the work on others begins."""
    from atvio_ros.errors import BagError

    missing = next((bag for bag in bags if not bag.exists()), None)
    if missing is not None:
        raise BagError(f'There is no bag {missing}. Name files or folders that exist.')


def make_output_folder(out: Path, bag: Path) -> None:
    """Make --out before the work begins, not to fail on it afterwards. Raises TrajectoryError.

    The bag's own folder is refused: results would mix with the recording, or overwrite it.
    """
    from atvio_ros.errors import TrajectoryError

    source = bag.resolve()
    if out.resolve() == (source if source.is_dir() else source.parent):
        raise TrajectoryError(f'The output folder {out} is that of the bag itself. Choose another.')
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrajectoryError(f'The output folder {out} cannot be made: {error.strerror}. Choose another.') from error


@functools.cache  # one for all: a note must pass through the console that draws the bar, or it is written onto it
def note_console() -> Console:
    """For notes on stderr, so that figures on stdout stay clean: text as it is, a line each, brackets no markup."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


def progress_bar() -> Progress:
    """A bar with time left, on stderr; none where stderr is no terminal, so that a log holds messages only."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = note_console()
    if not console.is_terminal:
        console.is_interactive = True  # or rich 11 ends even a bar that is disabled with an empty line
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        TextColumn('{task.completed:.0f}/{task.total:.0f}'),
        TextColumn('{task.fields[unit]}'),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def show_result(
    arguments: argparse.Namespace,
    trajectory: Trajectory,
    truth: Trajectory | None,
    T_base_camera: FloatArray,
    notes: Mapping[str, Any],
    remarks: Sequence[str] = (),
    estimates: Sequence[OdometryEstimate] = (),
    timeline: Timeline | None = None,
    pictures: Sequence[tuple[int, bytes]] = (),
) -> None:
    """Write the report of one bag into --out, then print remarks, a line each, its figures, and where everything is.

    `estimates`: those of the trajectory, whose direction of travel is drawn, too; `timeline` is what is known where
    they are not. `pictures` (stamp [ns], JPEG) are for the page.
    """
    from rich.console import Console

    from atvio_ros.evaluation.report import results_table, write_report

    name = arguments.bag.resolve().stem
    result = write_report(
        arguments.out,
        name,
        trajectory,
        truth,
        T_base_camera,
        model=str(notes['model']),
        notes=notes,
        estimates=estimates,
        timeline=timeline,
        pictures=pictures,
    )
    for line in remarks:  # once all is written: what fails is told alone, in one line
        note_console().print(line)
    if arguments.json:
        print((arguments.out / 'result.json').read_text(), end='')
        return
    console = Console()
    if result is None:
        console.print('The bag has no ground truth to compare with.')
    else:
        console.print(results_table({name: result}))
        for remark in result.remarks():
            console.print(remark)
    print(f'To look at the drive, open {arguments.out / "view.html"} in a browser')
    print(f'Trajectory, figures, pictures and odometry.mcap are in {arguments.out}')


def size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT of --size as (width, height) [px]. Raises SettingsError."""
    from atvio_ros.errors import SettingsError
    from atvio_ros.image_size import check_image_size

    width, _, height = text.partition('x')
    if not all(re.fullmatch(r'[0-9]{1,9}', each) and int(each) > 0 for each in (width, height)):
        raise SettingsError(f'--size must be WIDTHxHEIGHT in pixels, such as 416x128, not {text[:50]!r}.')
    numbers = int(width), int(height)
    check_image_size(*numbers, SettingsError, '--size', drawn=True)
    return numbers
