"""`atvio synthesize-set`: render a whole training set."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import common
from atvio_ros.cli.fleet_options import Bars, add_fleet_options, chosen_fleet, for_workers, place

if TYPE_CHECKING:
    from atvio_ros.fleet import Watch
    from atvio_ros.rendering.training_set import Job, SetSettings

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
    parser.add_argument(
        '--out',
        type=place,
        required=True,
        metavar='DIR',
        help='one folder in it for each sequence; or a URL',
    )
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
    add_fleet_options(parser)
    common.add_old_name(parser, '--processes', 'workers', type=int)
    parser.add_argument('--json', action='store_true', help='print what was written as JSON')


@dataclass(frozen=True)
class _Rendering:
    """A task."""

    job: Job
    out: Path | str
    settings: SetSettings


def run(arguments: argparse.Namespace) -> None:
    """Render what is not there yet; an interrupted run goes on where it was."""
    from atvio_ros.drives.exclusions import load_exclusions
    from atvio_ros.fleet import run_tasks
    from atvio_ros.rendering.training_set import SetSettings, plan_set
    from atvio_ros.settings import from_mapping

    fleet = chosen_fleet(arguments)
    width, height = common.size(arguments.size)
    values = {name: vars(arguments)[name] for name in PASSED_ON}
    values |= {'drive_length': arguments.length, 'width': width, 'height': height}
    if not arguments.drives:
        values['validation_drives'] = 0
    settings = from_mapping(SetSettings, values, 'synthesize-set')
    held_out, excluded = (load_exclusions(path) if path else {} for path in (arguments.held_out, arguments.exclude))
    placed = for_workers(arguments, fleet)
    jobs = plan_set(settings, placed.kitti, held_out, excluded)
    tasks = {job.name: _Rendering(job, placed.out, settings) for job in jobs}
    with Bars('rendering', len(tasks), 'sequences') as bars:
        done = run_tasks(_render, tasks, fleet, bars)
    done.check()
    images = sum(done.results.values())
    if arguments.json:
        print(json.dumps({'out': str(arguments.out), 'sequences': len(jobs), 'frames': images}, indent=2))
        return
    print(f'{len(jobs)} sequences with {images} images are in {arguments.out}')


def _render(task: _Rendering, watch: Watch) -> int:
    from atvio_ros.rendering.training_set import render

    return render(task.job, task.out, task.settings)
