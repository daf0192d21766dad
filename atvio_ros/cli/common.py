"""What several subcommands share: options, a progress bar, and how results are shown."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from atvio_ros.bags.topics import Topics
    from atvio_ros.types import FloatArray, Trajectory

UNTRAINED = (
    'NOTE: no trained model is shipped or was named, so the network has UNTRAINED random weights. This shows that the '
    'machinery works; the trajectory means nothing.'
)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """--model and --device."""
    parser.add_argument('--model', type=Path, help='model file (.safetensors); without it the shipped default')
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda (default: auto)')


def add_topic_options(parser: argparse.ArgumentParser) -> None:
    """Which topics of the bag to read."""
    parser.add_argument('--image-topic', metavar='TOPIC', help='images (default: found in the bag)')
    parser.add_argument('--imu-topic', metavar='TOPIC', help='IMU (default: found in the bag)')
    parser.add_argument('--ground-truth-topic', metavar='TOPIC', help='true poses (default: /ground_truth/odometry)')


def add_standstill_option(parser: argparse.ArgumentParser) -> None:
    """--no-standstill."""
    parser.add_argument(
        '--no-standstill',
        dest='standstill',
        action='store_false',
        help="do not hold the pose at rest: every motion is the network's, as in the paper",
    )


def topics(arguments: argparse.Namespace) -> Topics:
    """What add_topic_options parsed."""
    from atvio_ros.bags.topics import Topics

    return Topics(arguments.image_topic, arguments.imu_topic, arguments.ground_truth_topic)


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
        raise TrajectoryError(f'The output folder {out} cannot be made: {error.strerror}.') from error


def note_console() -> Console:
    """For notes on stderr, so that figures on stdout stay clean: text as it is, a line each, brackets no markup."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


def progress_bar() -> Progress:
    """A bar with time left, on stderr; none where stderr is no terminal, so that a log holds messages only."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = note_console()
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
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
) -> None:
    """Write the report of one bag into --out, print its figures, and say where everything is."""
    from rich.console import Console

    from atvio_ros.evaluation.report import results_table, write_report

    name = arguments.bag.resolve().stem
    result = write_report(arguments.out, name, trajectory, truth, T_base_camera, model=str(notes['model']), notes=notes)
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
    print(f'Trajectory, figures, pictures and odometry.mcap are in {arguments.out}')


def size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT of --size as (width, height) [px]. Raises SettingsError."""
    from atvio_ros.errors import SettingsError

    width, _, height = text.partition('x')
    if not (width.isdigit() and height.isdigit() and int(width) > 0 and int(height) > 0):
        raise SettingsError(f'--size must be WIDTHxHEIGHT in pixels, such as 416x128, not {text!r}.')
    return int(width), int(height)
