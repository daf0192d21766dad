"""`atvio benchmark`: frames per second, latency and memory of the variants, side by side."""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

from atvio_ros.cli import common

if TYPE_CHECKING:
    from atvio_ros.network.speed import Speed

EXAMPLES = """
atvio benchmark
atvio benchmark --variant ca_a ca_a_gyro --seconds 10 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--variant', nargs='+', metavar='NAME', help='variants to run (default: all)')
    common.add_device_option(parser)
    parser.add_argument('--seconds', type=float, default=5.0, metavar='S', help='measuring time of each (default: 5)')
    parser.add_argument(
        '--threads', type=int, default=1, metavar='N', help='CPU threads of the network (default: 1, as in the node)'
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object instead of a table')


def run(arguments: argparse.Namespace) -> None:
    """Measure each variant in a process of its own, so that memory is each one's, and print a table."""
    from atvio_ros.errors import SettingsError
    from atvio_ros.network.config import VARIANTS, variant
    from atvio_ros.odometry.pair_torch import choose_device

    if arguments.seconds <= 0.0:
        raise SettingsError(f'--seconds must be above 0, not {arguments.seconds}.')
    if arguments.threads < 1:
        raise SettingsError(f'--threads must be at least 1, not {arguments.threads}.')
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
    if arguments.json:
        print(json.dumps({'device': device, 'rows': [vars(row) for row in rows]}, indent=1))


def measure_variant(name: str, device: str, seconds: float, threads: int) -> Speed:
    """Measure one variant with random weights; speed does not depend on their values."""
    import torch

    from atvio_ros.network.checkpoint import untrained_model
    from atvio_ros.network.speed import measure_speed

    torch.set_num_threads(threads)
    return measure_speed(untrained_model(name).to(device), seconds)
