"""`atvio calibrate-covariance`: fit the error model in a model file to drives that the network was not trained on."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import common, estimator_options

if TYPE_CHECKING:
    from atvio_ros.calibration.noise_fit import MotionErrors
    from atvio_ros.drives.remote import Folder
    from atvio_ros.evaluation.consistency import MatchedDrive
    from atvio_ros.network.atvio import Atvio
    from atvio_ros.odometry.estimator import NetworkEstimator

EXAMPLES = r"""
atvio calibrate-covariance drive --model mine.safetensors
atvio calibrate-covariance bags/* --model mine.safetensors \
    --out fitted.safetensors
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        'sources',
        type=Path,
        nargs='+',
        metavar='BAG_OR_PREPARED',
        help='bags with ground truth, or folders that `atvio prepare` wrote; not those the model was trained on',
    )
    parser.add_argument('--model', type=Path, required=True, metavar='FILE', help='model file (.safetensors)')
    parser.add_argument('--out', type=Path, metavar='FILE', help='where to write it (default: over --model)')
    estimator_options.add_device_option(parser)
    common.add_topic_options(parser)
    common.add_rig_options(parser)
    parser.add_argument('--json', action='store_true', help='print the error model and its check as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Run the network over all sources, fit, and write the model file."""
    import dataclasses

    from atvio_ros.calibration.noise_fit import FEWEST_PAIRS, fit_noise
    from atvio_ros.calibration.noise_remarks import BEGINNING, fit_remarks
    from atvio_ros.drives.sequence_store import META_FILE, find_sequences
    from atvio_ros.errors import DatasetError
    from atvio_ros.evaluation.consistency import consistency, consistency_lines
    from atvio_ros.evaluation.report import to_json
    from atvio_ros.network.checkpoint import load_model, save_with_card
    from atvio_ros.odometry.estimator import NetworkEstimator
    from atvio_ros.odometry.loading import load_network

    console = common.note_console()
    network, card = load_model(arguments.model)
    estimator = load_network(arguments.model, arguments.device, backend='torch')
    assert isinstance(estimator, NetworkEstimator)  # load_model refuses others
    if not estimator.trained:
        console.print(estimator_options.UNTRAINED)
    drives: list[MatchedDrive] = []
    errors: list[MotionErrors] = []
    for source in arguments.sources:
        if (source / META_FILE).is_file():
            errors += _prepared_errors([source], network.to(str(estimator.device)))
        elif source.is_dir() and any(source.glob(f'*/{META_FILE}')):
            errors += _prepared_errors(find_sequences(source), network.to(str(estimator.device)))
        else:
            drives.append(_run_bag(source, estimator, arguments))
            errors += _bag_errors(drives[-1])
    pairs = sum(len(each.errors) for each in errors)
    if pairs < FEWEST_PAIRS:
        raise DatasetError(f'{pairs} frame pairs with ground truth are too few to fit to: give {FEWEST_PAIRS} or more.')
    names = ', '.join(source.resolve().name for source in arguments.sources)
    noise = fit_noise(errors, f'{pairs} frame pairs of {names}')
    out = arguments.out or arguments.model
    remarks = fit_remarks(errors, noise)
    kept = tuple(note for note in card.notes if not note.startswith(BEGINNING))
    save_with_card(out, arguments.model, dataclasses.replace(card, noise=noise, notes=(*kept, *remarks)))
    rows = consistency(drives, noise) if drives else []
    if arguments.json:
        fitted, check = dataclasses.asdict(noise), [dataclasses.asdict(row) for row in rows]
        result = {'model': str(out), 'frame_pairs': pairs, 'noise': fitted, 'consistency': check, 'notes': remarks}
        print(to_json(result), end='')
        return
    for name, value in dataclasses.asdict(noise).items():
        console.print(f'{name}: {value}')
    for remark in remarks:
        console.print(f'NOTE: {remark}')
    if drives:
        console.print('On the bags it was fitted to (others are a better test: `atvio evaluate`):')
        for line in consistency_lines(rows, noise):
            console.print(line)
    print(f'Wrote {out}, its error model fitted to {noise.fitted_to}')


def _run_bag(bag: Path, estimator: NetworkEstimator, arguments: argparse.Namespace) -> MatchedDrive:
    """The network alone over a bag: at rest, too, its errors are wanted as they are."""
    from atvio_ros.bags.reader import BagReader
    from atvio_ros.drives.bag_drive import bag_rig, bag_truth
    from atvio_ros.errors import BagError
    from atvio_ros.evaluation.consistency import match_drive
    from atvio_ros.evaluation.run import run_bag

    with BagReader(bag, common.topics(arguments)) as reader, common.progress_bar() as bar:
        truth = bag_truth(reader)
        if truth is None:
            raise BagError(f'{bag} has no ground truth to compare with. Name its topic with --ground-truth-topic.')
        robot = bag_rig(reader, common.given_rig(arguments, reader.topics.image))
        for report in robot.reports:
            common.note_console().print(f'{bag.resolve().name}: {report}')
        task = bar.add_task(bag.resolve().name, total=reader.count(reader.topics.image or ''), unit='images')
        done = run_bag(reader, estimator, robot.rig, standstill=False, on_progress=functools.partial(bar.advance, task))
    return match_drive(done.trajectory, done.estimates, truth)


def _bag_errors(drive: MatchedDrive) -> list[MotionErrors]:
    """Errors of the stretches of a drive without a gap."""
    import numpy as np

    from atvio_ros.calibration.noise_fit import motion_errors
    from atvio_ros.geometry import relative_poses

    estimate, truth, interval_s = relative_poses(drive.estimate), relative_poses(drive.truth), drive.interval_s
    edges = np.flatnonzero(np.diff(np.concatenate(([False], drive.whole, [False])).astype(int)))
    return [
        motion_errors(estimate[first:last], truth[first:last], interval_s[first:last])
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    ]


def _prepared_errors(folders: Sequence[Folder], network: Atvio) -> list[MotionErrors]:
    """Errors on all of some prepared sequences."""
    import numpy as np

    from atvio_ros.drives.sequence_store import PreparedSequence
    from atvio_ros.training.dataset import Split, WindowDataset
    from atvio_ros.training.pairs import SequencePairs
    from atvio_ros.training.validation_errors import validation_errors

    sequences = tuple(SequencePairs(PreparedSequence(folder), network.config) for folder in folders)
    none, everything = (tuple(np.full(len(sequence), chosen) for sequence in sequences) for chosen in (False, True))
    return validation_errors(network, WindowDataset(sequences, network.config), Split(sequences, none, everything))
