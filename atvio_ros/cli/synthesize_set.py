"""`atvio synthesize-set`: render a whole training set."""

from __future__ import annotations

import argparse
import json
import os
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from pathlib import Path

from atvio_ros.cli import common

# Options that are settings of a set under the same name.
PASSED_ON = (
    *('passes', 'appearances', 'drives', 'smooth_vertical', 'grey', 'view', 'supersampling', 'varied', 'share'),
    *('robots', 'validation_robots', 'robot_images'),
)
EXAMPLES = r"""
atvio synthesize-set --robots 20 --validation-robots 4 --drives 0 \
    --view stored --out data/robots
atvio synthesize-set --kitti KITTI --drives 20 --passes 3 --out data/rendered
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--kitti', type=Path, metavar='DIR', help='holds poses/, times/ and imu100/ (default: nothing of KITTI)'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='one folder in it for each sequence')
    parser.add_argument('--held-out', type=Path, metavar='FILE', help='YAML: sequence -> [first, last] to validate on')
    parser.add_argument('--exclude', type=Path, metavar='FILE', help='YAML: sequence -> [first, last] to leave out')
    parser.add_argument(
        '--passes', type=int, default=3, metavar='N', help='worlds each image is seen in (default: %(default)s)'
    )
    parser.add_argument(
        '--share', type=float, default=1.0, metavar='SHARE', help="of KITTI's stretches, spread evenly (default: all)"
    )
    parser.add_argument(
        '--appearances', type=int, default=0, metavar='N', help='seeds the stretches share (default: each its own)'
    )
    parser.add_argument('--drives', type=int, default=20, metavar='N', help='procedural drives (default: %(default)s)')
    parser.add_argument(
        '--length', type=float, default=500.0, metavar='M', help='of each of them [m] (default: %(default)s)'
    )
    parser.add_argument('--robots', type=int, default=0, metavar='N', help='drives of a random robot each (default: 0)')
    parser.add_argument(
        '--validation-robots', type=int, default=0, metavar='N', help='others to validate on (default: 0)'
    )
    parser.add_argument(
        '--robot-images', type=int, default=170, metavar='N', help='of each of them (default: %(default)s)'
    )
    parser.add_argument(
        '--supersampling',
        type=float,
        default=1.5,
        metavar='X',
        help='each way; random robots have 2.5 (default: %(default)s)',
    )
    parser.add_argument(
        '--view',
        choices=('none', 'stored'),
        default='none',
        help='stored: level, without the lens, as odometry keeps them',
    )
    parser.add_argument('--size', default='416x128', metavar='WxH', help='stored size [px] (default: %(default)s)')
    parser.add_argument('--smooth-vertical', action='store_true', help="smooth the heights of KITTI's poses")
    parser.add_argument(
        '--varied', action='store_true', help="conditions of road, light, camera vary on KITTI's motion"
    )
    parser.add_argument('--grey', action='store_true', help='grey images')
    parser.add_argument(
        '--processes', type=int, default=2, metavar='N', help='that render at a time (default: %(default)s)'
    )
    parser.add_argument('--json', action='store_true', help='print what was written as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Render what is not there yet; an interrupted run goes on where it was."""
    from atvio_ros.drives.exclusions import load_exclusions
    from atvio_ros.errors import SettingsError
    from atvio_ros.rendering.training_set import SetSettings, plan_set, render
    from atvio_ros.settings import from_mapping

    if arguments.processes < 1:
        raise SettingsError(f'--processes must be at least 1, not {arguments.processes}.')
    width, height = common.size(arguments.size)
    values = {name: vars(arguments)[name] for name in PASSED_ON}
    values |= {'drive_length': arguments.length, 'width': width, 'height': height}
    if not arguments.drives:
        values['validation_drives'] = 0
    settings = from_mapping(SetSettings, values, 'synthesize-set')
    held_out, excluded = (load_exclusions(path) if path else {} for path in (arguments.held_out, arguments.exclude))
    jobs = plan_set(settings, arguments.kitti, held_out, excluded)
    images = 0
    with (
        ProcessPoolExecutor(
            arguments.processes, mp_context=get_context('spawn'), initializer=_end_with_parent
        ) as processes,
        common.progress_bar() as progress,
    ):
        task = progress.add_task('rendering', total=len(jobs), unit='sequences')
        running = [processes.submit(render, job, arguments.out, settings) for job in jobs]
        try:
            for done in as_completed(running):
                images += done.result()
                progress.advance(task)
        except BaseException:
            processes.shutdown(cancel_futures=True)
            raise
    if arguments.json:
        print(json.dumps({'out': str(arguments.out), 'sequences': len(jobs), 'frames': images}, indent=2))
        return
    print(f'{len(jobs)} sequences with {images} images are in {arguments.out}')


def _end_with_parent() -> None:
    """A process that renders ends when the one that asked for it was killed; it would go on with what is queued."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
