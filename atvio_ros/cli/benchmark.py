"""`atvio benchmark`: frames per second, latency and memory of the variants, or beside peers, side by side."""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import estimator_options

if TYPE_CHECKING:
    from atvio_ros.network.speed import Speed
    from atvio_ros.odometry.peer_speed import Comparison

PAPER = 'In the paper, on a GeForce RTX 2080 Ti: ca_a 235 frames/s, lstm_vonas 231'

EXAMPLES = """
atvio benchmark
atvio benchmark --variant ca_a ca_a_gyro --seconds 10 --json
atvio benchmark --peers --plot peers.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--variant', nargs='+', metavar='NAME', help='variants to run (default: all)')
    parser.add_argument(
        '--peers',
        nargs='*',
        metavar='NAME',
        help='measure the estimators in turn with what others use, on the CPU (no NAME: all; docs/performance.md)',
    )
    parser.add_argument('--plot', type=Path, metavar='FILE', help='draw what a frame costs the --peers, as a PNG')
    estimator_options.add_device_option(parser)
    parser.add_argument('--seconds', type=float, default=5.0, metavar='S', help='measuring time of each (default: 5)')
    parser.add_argument(
        '--threads', type=int, default=1, metavar='N', help='CPU threads of the network (default: 1, as in the node)'
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object instead of a table')


def run(arguments: argparse.Namespace) -> None:
    """Measure each variant in a process of its own, so that memory is each one's, and print a table; or peers."""
    from atvio_ros.errors import SettingsError
    from atvio_ros.network.config import VARIANTS, variant
    from atvio_ros.odometry.pair_torch import choose_device

    if arguments.seconds <= 0.0:
        raise SettingsError(f'--seconds must be above 0, not {arguments.seconds}.')
    if arguments.threads < 1:
        raise SettingsError(f'--threads must be at least 1, not {arguments.threads}.')
    if arguments.plot is not None and (arguments.peers is None or arguments.plot.suffix != '.png'):
        raise SettingsError(f'--plot writes a picture of --peers as .png, not {arguments.plot}. Give both.')
    if arguments.peers is not None:
        run_peers(arguments)
        return
    names = arguments.variant or list(VARIANTS)
    for name in names:
        variant(name)  # a wrong name is reported before anything is measured
    device = str(choose_device(arguments.device))
    rows = []
    if not arguments.json:
        print(f'device: {device}; one frame pair at a time, state carried along')
        print(f'{"variant":<14}{"frames/s":>10}{"p50 [ms]":>10}{"p99 [ms]":>10}{"parameters":>12}{"peak [MB]":>11}')
    for name in names:
        with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as process:
            row = process.submit(measure_variant, name, device, arguments.seconds, arguments.threads).result()
        rows.append(row)
        if not arguments.json:
            print(
                f'{row.name:<14}{row.frames_per_second:>10.1f}{row.latency_ms_p50:>10.2f}{row.latency_ms_p99:>10.2f}'
                f'{row.parameters:>12,}{row.peak_memory_mb:>11.0f}',
                flush=True,
            )
    if device.startswith('cuda') and not arguments.json:
        print(PAPER)
    if arguments.json:
        print(json.dumps({'device': device, 'rows': [vars(row) for row in rows]}, indent=1))


def run_peers(arguments: argparse.Namespace) -> None:
    """Measure the peers in turn in one process, and print two tables."""
    from atvio_ros.errors import SettingsError
    from atvio_ros.odometry.peer_speed import compare
    from atvio_ros.odometry.peers import PEERS, check_names

    if arguments.variant:
        raise SettingsError('--peers and --variant are two measurements. Give one of them.')
    if arguments.device not in ('auto', 'cpu'):
        raise SettingsError(f'--peers compares on the CPU, so --device must be cpu, not {arguments.device}.')
    names = arguments.peers or list(PEERS)
    check_names(names)
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as process:
        compared = process.submit(compare, names, arguments.seconds, arguments.threads).result()
    if arguments.plot is not None:
        from atvio_ros.evaluation.peer_plot import PeerCost, plot_peers

        costs = [PeerCost(row.name, row.covers, 1e3 * row.cpu_s_per_frame) for row in compared.rows]
        plot_peers(arguments.plot, costs, 'What a frame costs')
    if arguments.json:
        rows = [vars(row) for row in compared.rows]
        print(
            json.dumps({'device': 'cpu', 'peak_macs_per_cpu_s': compared.peak_macs_per_cpu_s, 'rows': rows}, indent=1)
        )
    else:
        print_peers(compared)


def print_peers(compared: Comparison) -> None:
    """Speed in one table, size in another, and what they mean."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    speed = Table('name', 'covers', box=SIMPLE_HEAD, pad_edge=False)
    size = Table('name', box=SIMPLE_HEAD, pad_edge=False)
    for heading in ('frames/s', 'p50 ms', 'p99 ms'):
        speed.add_column(heading, justify='right')
    for heading in ('CPU s a frame', 'memory MB', 'parameters', 'M MACs', 'of peak'):
        size.add_column(heading, justify='right')
    for row in compared.rows:
        figures = (row.frames_per_second, row.latency_ms_p50, row.latency_ms_p99)
        speed.add_row(row.name, row.covers, *(f'{figure:.1f}' for figure in figures))
        size.add_row(
            row.name,
            f'{row.cpu_s_per_frame:.4f}',
            '' if row.memory_growth_mb is None else f'{row.memory_growth_mb:.0f}',
            f'{row.parameters:,}' if row.parameters else '',
            f'{row.macs / 1e6:,.1f}' if row.macs else '',
            '' if row.peak_share is None else f'{row.peak_share:.1%}',
        )
    console = Console(highlight=False, markup=False)
    console.print(speed)
    console.print(size)
    console.print(
        f'Peak: {compared.peak_macs_per_cpu_s / 1e9:.0f} G MACs a CPU second in a product of float32 matrices. '
        'Memory: by how much a process of its own grows, libraries not counted. Weights are random: speed does not '
        'depend on them.'
    )


def measure_variant(name: str, device: str, seconds: float, threads: int) -> Speed:
    """Measure one variant with random weights; speed does not depend on their values."""
    import torch

    from atvio_ros.network.checkpoint import untrained_model
    from atvio_ros.network.speed import measure_speed

    torch.set_num_threads(threads)
    return measure_speed(untrained_model(name).to(device), seconds)
