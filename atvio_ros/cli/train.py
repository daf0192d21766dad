"""`atvio train`: prepared data to a model file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atvio_ros.cli import common
from atvio_ros.cli.fleet_options import add_cache_options, place, use_cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress as Bar

    from atvio_ros.training.callbacks import Progress

EXAMPLES = """
atvio train --config config/train_tiny.yaml --data data/mine --out runs/tiny
atvio train --config config/train_tiny.yaml --out runs/tiny --resume
atvio train --config config/fine_tune.yaml --init models/road.safetensors \\
    --data data/mine
atvio train --config config/train_road.yaml --dump-config    # every setting
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    common.add_config_options(parser)
    parser.add_argument(
        '--data',
        type=place,
        metavar='DIR',
        help='prepared sequences, or a URL of them, instead of data.folder',
    )
    parser.add_argument(
        '--init', type=Path, metavar='FILE', help='model file whose weights to start from, instead of initial_model'
    )
    parser.add_argument(
        '--out', type=Path, metavar='DIR', help='folder of the run (default: runs/<name of the config>)'
    )
    parser.add_argument('--resume', action='store_true', help='go on with the run in --out')
    parser.add_argument('--seed', type=int, metavar='N', help='instead of the seed in the settings')
    parser.add_argument('--accelerator', choices=('auto', 'cpu', 'gpu'), default='auto', help='(default: auto)')
    parser.add_argument(
        '--devices', type=int, default=1, metavar='N', help='GPUs, or processes on the CPU, of each node (default: 1)'
    )
    parser.add_argument('--num-nodes', type=int, default=1, metavar='N', help='machines (default: 1)')
    add_cache_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Train, with a bar for the whole run and a line for each validation."""
    from atvio_ros.training.road_settings import is_road

    use_cache(arguments)
    if is_road(arguments.config):
        _run_road(arguments)
        return
    from atvio_ros.training.quiet import quiet_lightning

    quiet_lightning()
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    from atvio_ros.training.settings import load_settings, to_yaml
    from atvio_ros.training.train import Hardware, train

    settings = load_settings(arguments.config, _changes(arguments))
    if arguments.dump_config:
        print(to_yaml(settings), end='')
        return
    out = arguments.out or Path('runs') / arguments.config.stem
    hardware = Hardware(arguments.accelerator, arguments.devices, arguments.num_nodes)
    first = rank_zero_only.rank == 0
    with common.progress_bar() as bar:
        show = shower(bar) if first else (lambda progress: None)
        say = bar.console.print if first else (lambda line: None)
        result = train(settings, out, resume=arguments.resume, hardware=hardware, show=show, say=say)
    if not first:
        return
    console = common.note_console()
    if result.interrupted:
        console.print(f'Stopped at step {result.steps}; go on with --resume.')
    for note in result.notes:
        console.print(f'NOTE: {note}')
    _look_next(result.model, out)
    print(f'Model and card are {result.model} and {result.card.name}, logs and checkpoints in {out}')


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the options change of the settings."""
    changes: dict[str, Any] = {'data': {'folder': str(arguments.data)}} if arguments.data else {}
    if arguments.seed is not None:
        changes['seed'] = arguments.seed
    if arguments.init is not None:
        changes['initial_model'] = str(arguments.init)
    return changes


def _look_next(model: Path, out: Path) -> None:
    """Where a user goes from here."""
    from atvio_ros.training.curves import CURVES

    console = common.note_console()
    if (out / CURVES).is_file():
        console.print(f'Learning curves: {out / CURVES}')
    console.print(f'Next, on a drive that it has not seen: atvio evaluate BAG --model {model} --out output/after')


def _run_road(arguments: argparse.Namespace) -> None:
    """Train the network `road`: on one CPU, with a line for each validation."""
    from atvio_ros.errors import SettingsError
    from atvio_ros.training.road_settings import as_yaml, load_road_settings
    from atvio_ros.training.road_train import train_road

    if arguments.accelerator == 'gpu' or arguments.devices != 1 or arguments.num_nodes != 1:
        raise SettingsError('The network road is small and trains on one CPU. Leave out --accelerator and --devices.')
    out = arguments.out or Path('runs') / arguments.config.stem
    console = common.note_console()
    settings = load_road_settings(arguments.config, _changes(arguments))
    if arguments.dump_config:
        print(as_yaml(settings), end='')
        return
    model, stopped = train_road(settings, out, resume=arguments.resume, say=console.print)
    if stopped:
        console.print('Stopped; go on with --resume.')
        return
    _look_next(model, out)
    print(f'Model and card are {model} and {model.with_suffix(".md").name}; checkpoint and settings in {out}')


def shower(bar: Bar) -> Callable[[Progress], None]:
    """Shows a run's progress: a bar, how long it takes, and a line for each validation."""
    from atvio_ros.training.validation import figures_words

    task = bar.add_task('training', total=None, unit='')
    told = False

    def show(progress: Progress) -> None:
        nonlocal told
        text = 'loss -, - pairs/s, waits - %'
        if progress.pairs_per_s > 0:  # not before the first report: a loss that is NaN later must show
            waits = f'waits {progress.data_wait_percent:.1f} %'
            text = f'loss {progress.loss:.3f}, {progress.pairs_per_s:.0f} pairs/s, {waits}'
        bar.update(task, total=progress.steps, completed=progress.step, description=progress.stage, unit=text)
        if not told and progress.steps_per_s > 0:
            told = True
            bar.console.print(f'About {duration(progress.left_s)} left, without validations, at {text}.')
        if progress.figures:
            bar.console.print(f'step {progress.step}/{progress.steps} ({progress.stage}): {text}')
            left = f'; {duration(progress.left_s)} left' if progress.steps_per_s > 0 else ''
            loss = progress.figures['val/loss']
            bar.console.print(f'  validation {figures_words(progress.figures)}, loss {loss:.3f}{left}')

    return show


def duration(seconds: float) -> str:
    """For people: '40 s', '6.5 min', '3.2 h'."""
    if seconds < 90.0:
        return f'{seconds:.0f} s'
    return f'{seconds / 60.0:.1f} min' if seconds < 5400.0 else f'{seconds / 3600.0:.1f} h'
