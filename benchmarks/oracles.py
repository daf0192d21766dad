"""Which part of the odometry errs? `python -m benchmarks.oracles BAG... --model road --model FILE`.

Each step of an estimate has a rotation, a direction and a length. One of them after the other is taken from the ground
truth, and the path is composed anew: what is left is the error of the other two. The last column is the other way
about: all from the truth but the one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from atvio_ros.bags.reader import BagReader
from atvio_ros.drives.bag_drive import bag_rig, bag_truth
from atvio_ros.errors import BagError
from atvio_ros.evaluation.alignment import associate
from atvio_ros.evaluation.metrics import Result, compare
from atvio_ros.evaluation.run import run_bag
from atvio_ros.geometry import compose, relative_poses
from atvio_ros.odometry.pipeline import Estimator
from atvio_ros.types import FloatArray, Trajectory
from benchmarks.frame_errors import named_estimator

PARTS = ('rotation', 'direction', 'length')
_LEAST_M = 0.01  # a shorter step has no direction


def mixed(estimated: FloatArray, true: FloatArray, from_truth: tuple[str, ...]) -> FloatArray:
    """Steps (N, 4, 4) of an estimate with the parts named taken from the true ones (N, 4, 4)."""
    result = estimated.copy()
    if 'rotation' in from_truth:
        result[:, :3, :3] = true[:, :3, :3]
    own, right = estimated[:, :3, 3], true[:, :3, 3]
    length, right_length = (np.linalg.norm(each, axis=1, keepdims=True) for each in (own, right))
    towards = right if 'direction' in from_truth else own
    far = right_length if 'length' in from_truth else length
    size = np.linalg.norm(towards, axis=1, keepdims=True)
    clear = (size > _LEAST_M).ravel()
    result[clear, :3, 3] = (towards / np.maximum(size, _LEAST_M) * far)[clear]
    if {'direction', 'length'} <= set(from_truth):
        result[:, :3, 3] = right
    return result


def oracles(bag: Path, estimator: Estimator) -> Iterator[tuple[str, Result]]:
    """What the drive comes to as estimated, with each part true, and with each part alone estimated."""
    with BagReader(bag) as reader:
        truth = bag_truth(reader)
        if truth is None:
            raise BagError(f'{bag} has no ground truth. Name bags with one.')
        done = run_bag(reader, estimator, bag_rig(reader).rig)
    found, right = associate(done.trajectory, truth)
    own, true = relative_poses(found.poses), relative_poses(right.poses)
    ways: list[tuple[str, tuple[str, ...]]] = [('as estimated', ())]
    ways += [(f'true {part}', (part,)) for part in PARTS]
    ways += [(f'{part} alone', tuple(other for other in PARTS if other != part)) for part in PARTS]
    for name, from_truth in ways:
        path = Trajectory(found.stamps_ns, compose(mixed(own, true, from_truth)))
        yield name, compare(Trajectory(right.stamps_ns, right.poses), path)


def main() -> None:
    """Print a table for each estimator: t_rel where the drive is long enough, and the error at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('bags', type=Path, nargs='+', metavar='BAG')
    parser.add_argument('--model', action='append', metavar='FILE', help='a model file, road or geometry')
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    for name in arguments.model or ['road']:
        estimator = named_estimator(name)
        table = Table(title=f'{estimator.name}: t_rel % / end error %')
        rows = [(bag.name, dict(oracles(bag, estimator))) for bag in arguments.bags]
        for heading in ('drive', *rows[0][1]):
            table.add_column(heading)
        for drive, results in rows:
            table.add_row(drive, *(_text(result) for result in results.values()))
        Console(width=140).print(table)


def _text(result: Result) -> str:
    t_rel = '-' if result.t_rel is None else f'{result.t_rel:.2f}'
    return f'{t_rel} / {result.end_error_percent or 0.0:.2f}'


if __name__ == '__main__':
    main()
