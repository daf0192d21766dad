"""`atvio evaluate`: the odometry over several bags, and one table."""

from __future__ import annotations

import argparse
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import common, estimator_options
from atvio_ros.cli.fleet_options import Bars, add_fleet_options, chosen_fleet, for_workers

if TYPE_CHECKING:
    from atvio_ros.evaluation.metrics import Result
    from atvio_ros.fleet import Watch
    from atvio_ros.odometry.pipeline import Estimator

EXAMPLES = """
atvio evaluate drive --out output/evaluation
atvio evaluate bags/* --out output/network --model models/road.safetensors
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument('bags', type=Path, nargs='+', metavar='BAG', help='ROS 1 bags, rosbag2 folders or .mcap files')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='one folder in it for each bag')
    estimator_options.add_estimator_options(parser)
    common.add_rig_options(parser)
    common.add_topic_options(parser)
    common.add_truth_options(parser)
    common.add_span_options(parser)
    common.add_standstill_option(parser)
    add_fleet_options(parser)
    parser.add_argument(
        '--resume', action='store_true', help='keep reports in --out that the same bag, estimator and options made'
    )
    parser.add_argument('--json', action='store_true', help='print result.json instead of a table')


@dataclass(frozen=True)
class _Evaluation:
    """A task."""

    arguments: argparse.Namespace
    name: str
    bag: Path


def run(arguments: argparse.Namespace) -> None:
    """Evaluate each bag, then write and print all figures together."""
    from rich.console import Console

    from atvio_ros import __version__
    from atvio_ros.evaluation.bags import bag_names
    from atvio_ros.evaluation.index_page import write_index
    from atvio_ros.evaluation.report import results_as_dict, results_table, to_json
    from atvio_ros.evaluation.several import compare_drives
    from atvio_ros.files import write_text
    from atvio_ros.fleet import run_tasks

    fleet, names = chosen_fleet(arguments), bag_names(arguments.bags)
    common.require_bags(arguments.bags)
    notes = common.note_console()
    estimator = _estimator(arguments.estimator, arguments.model, arguments.device, arguments.backend)
    estimator_options.note_untrained(estimator)
    placed = for_workers(arguments, fleet)
    tasks = {name: _Evaluation(placed, name, bag) for name, bag in zip(names, placed.bags, strict=True)}
    with Bars('evaluating', len(tasks), 'bags') as bars:
        done = run_tasks(_evaluate, tasks, fleet, bars)
    if not done.results:
        done.check()
    results = {name: result for name, result in done.results.items() if result is not None}
    made_by = {'estimator': estimator.kind, 'model': estimator.name, 'trained': estimator.trained}
    text = to_json(results_as_dict(results, made_by))
    write_text(arguments.out / 'result.json', text)
    compare_drives(arguments.out, results, estimator.name)
    index = write_index(arguments.out, list(done.results), results, {**made_by, 'atvio_ros': __version__})
    done.check()
    if arguments.json:
        print(text, end='')
        return
    if results:
        Console().print(results_table(results))
    for name, result in results.items():
        for remark in result.remarks():
            notes.print(f'{name}: {remark}')
    print(f'To look at the drives, open {index} in a browser')
    print(
        f'Figures are in {arguments.out / "result.json"}, trajectories and pictures beside it in a folder for each bag'
    )


@functools.lru_cache(maxsize=1)  # a worker has many bags for it
def _estimator(kind: str, model: Path | None, device: str, backend: str) -> Estimator:
    from atvio_ros.odometry.estimators import choose_estimator

    return choose_estimator(kind, model, device, backend=backend)


def _evaluate(task: _Evaluation, watch: Watch) -> Result | None:
    """Evaluate one bag, unless that is done and to be kept."""
    from atvio_ros.evaluation.bags import evaluate_bag
    from atvio_ros.evaluation.kept import keep, kept, remove

    arguments, out = task.arguments, task.arguments.out / task.name
    estimator = _estimator(arguments.estimator, arguments.model, arguments.device, arguments.backend)
    made_of = _made_of(task, estimator)
    if arguments.resume and (found := kept(out, made_of)) is not None:
        watch.note('evaluated already')
        return found.result
    remove(out)
    result = evaluate_bag(
        task.bag,
        out,
        estimator,
        common.topics(arguments),
        functools.partial(common.given_rig, arguments),
        arguments.standstill,
        common.chosen_span(arguments),
        common.truth_source(arguments),
        on_start=watch.begin,
        on_progress=watch.advance,
        on_note=watch.note,
    )
    keep(out, made_of, result)
    return result


def _made_of(task: _Evaluation, estimator: Estimator) -> str:
    """What a report depends on: the bag, the estimator and the options, files that are named by their content."""
    import hashlib

    from atvio_ros import __version__
    from atvio_ros.drives.fingerprint import fingerprint

    arguments = task.arguments
    files = [path for path in (arguments.model, arguments.rig, arguments.truth) if path is not None]
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()]
    apart = {'bags', 'out', 'model', 'rig', 'truth', 'workers', 'scheduler', 'resume', 'json', 'command', 'device'}
    values = sorted((name, value) for name, value in vars(arguments).items() if name not in apart)
    given = [bool(getattr(arguments, name)) for name in ('model', 'rig', 'truth')]
    return fingerprint(task.bag, [__version__, estimator.kind, estimator.name, given, contents, values])
