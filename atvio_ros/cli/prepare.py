"""`atvio prepare`: bags to training data."""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atvio_ros.cli import common

if TYPE_CHECKING:
    from collections.abc import Callable

    from atvio_ros.bags.reader import BagReader
    from atvio_ros.drives.truth import TruthSource
    from atvio_ros.rig.rig import Rig
    from atvio_ros.training.prepared_form import PreparedForm
    from atvio_ros.types import Trajectory

EXAMPLES = """
atvio prepare drive1 drive2 --out data/mine
atvio prepare drive1 --out data/mine --for models/road.safetensors
atvio prepare drive1 --out data/mine --from 60 --to 90 --validation
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument('bags', type=Path, nargs='+', metavar='BAG', help='bags with ground truth')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='one folder in it for each bag')
    parser.add_argument(
        '--validation', action='store_true', help='name the sequences validation_...: training holds them out'
    )
    parser.add_argument('--exclude', type=Path, metavar='FILE', help='YAML: sequence -> list of [first, last] images')
    parser.add_argument(
        '--for',
        dest='recipient',
        type=Path,
        metavar='FILE',
        help='model file or recipe of training: chooses size, view and colour as that network takes them',
    )
    parser.add_argument('--size', metavar='WxH', help='image size [px] (default: 416x128, or that of --for)')
    parser.add_argument(
        '--view',
        choices=('none', 'level', 'stored'),
        help="none: the whole image, scaled. level: what KITTI's camera would see, for networks with view level. "
        'stored: what the odometry keeps of a calibrated camera, for the network road; --size does not count '
        '(default: none, or that of --for)',
    )
    parser.add_argument(
        '--view-pitch-deg',
        type=float,
        metavar='DEG',
        help="with --view level: the way appears this much below the view's axis, as in the model "
        '(default: 0, or that of --for)',
    )
    parser.add_argument('--grey', action='store_true', help='store grey images: a third of the space')
    common.add_truth_options(parser)
    common.add_span_options(parser)
    common.add_topic_options(parser)
    common.add_rig_options(parser)
    parser.add_argument('--json', action='store_true', help='print what is prepared as JSON')


def run(arguments: argparse.Namespace) -> None:
    """Prepare each bag that is not prepared already."""
    from atvio_ros.bags.reader import BagReader
    from atvio_ros.drives.bag_drive import BagDrive
    from atvio_ros.drives.exclusions import check_excluded, load_exclusions
    from atvio_ros.drives.fingerprint import fingerprint, keep_prepared
    from atvio_ros.drives.prepare import prepare
    from atvio_ros.drives.sequence_store import SequenceMeta
    from atvio_ros.drives.truth import TruthSource
    from atvio_ros.errors import DatasetError
    from atvio_ros.rig.rig_yaml import rig_text

    console = common.note_console()
    form, span, source = _form(arguments), common.chosen_span(arguments), common.truth_source(arguments)
    exclusions = load_exclusions(arguments.exclude) if arguments.exclude else {}
    names = [bag.stem if bag.name not in ('', '..') else bag.resolve().stem for bag in arguments.bags]
    names = names if span is None else [f'{name}_{span.name}' if name else name for name in names]
    if arguments.validation:
        names = [f'validation_{name}' if name else name for name in names]
    hidden = next((name for name in names if name.startswith('.') or not name), None)
    if hidden is not None:
        raise DatasetError(f'A sequence named {hidden!r} would be hidden, and never trained on. Rename the bag.')
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise DatasetError(f'Two bags are named {twice}; their sequences would overwrite each other. Rename one.')
    unused = [name for name in exclusions if name not in names]
    if unused:
        console.print(
            f'{arguments.exclude} names {", ".join(unused)}; no bag here is named so, and these stretches are not used.'
        )
    options = [form.width_px, form.height_px, form.grey, *vars(common.topics(arguments)).values()]
    for name, bag in zip(names, arguments.bags, strict=True):
        folder, excluded = arguments.out / name, exclusions.get(name, ())
        with BagReader(bag, common.topics(arguments), span) as reader:
            given = common.given_rig(arguments, reader.topics.image)
            more: list[object] = [form.view, form.view_pitch_deg] if form.view != 'none' else []
            more += [rig_text(given)] if given else []
            more += [span] if span else []
            # Without all of these the fingerprint is what it always was.
            more += [source, _content(source)] if source != TruthSource() else []
            wanted = fingerprint(bag, [*options, *more])
            if keep_prepared(folder, wanted, excluded):
                console.print(f'{name}: prepared already')
                continue
            if source == TruthSource():
                _require_truth(reader)
            truth = functools.partial(_truth, reader, source, console.print)
            drive = BagDrive(reader, lambda error: console.print(f'skipped: {error}'), given, truth)
            images = reader.count(reader.topics.image or '')
            check_excluded(name, excluded, images)  # before the images are decoded, which takes long
            meta = SequenceMeta(
                source=f'bag {bag.name}' + (f', {span.words}' if span else ''),
                fingerprint=wanted,
                image_topic=reader.topics.image or '',
                imu_topic=reader.topics.imu or '',
                ground_truth_topic=reader.topics.ground_truth or '',
                excluded=excluded,
            )
            with common.progress_bar() as bar:
                sequence = prepare(
                    drive,
                    folder,
                    meta,
                    size_px=(form.height_px, form.width_px),
                    grey=form.grey,
                    view=form.view,
                    view_pitch_deg=form.view_pitch_deg,
                    on_progress=functools.partial(bar.advance, bar.add_task(name, total=images, unit='images')),
                )
        for note in (*drive.notes, *sequence.meta.notes):
            console.print(f'{name}: {note}')
        console.print(f'{name}: {len(sequence)} images, {sequence.meta.length_m:.0f} m')
    if arguments.json:
        print(json.dumps({'out': str(arguments.out), 'sequences': _figures(arguments.out, names)}, indent=2))
        return
    print(f'{len(names)} sequence{" is" if len(names) == 1 else "s are"} in {arguments.out}')


def _figures(out: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    from atvio_ros.drives.sequence_store import read_meta

    metas = {name: read_meta(out / name) for name in names}
    return {name: {'frames': meta.images, 'length_m': meta.length_m} for name, meta in metas.items()}


def _form(arguments: argparse.Namespace) -> PreparedForm:
    """That of --for, with what the other options say of it."""
    import dataclasses

    from atvio_ros.training.prepared_form import PreparedForm, form_for

    form = form_for(arguments.recipient) if arguments.recipient else PreparedForm()
    if arguments.size is not None:
        width_px, height_px = common.size(arguments.size)
        form = dataclasses.replace(form, width_px=width_px, height_px=height_px)
    if arguments.view is not None:
        form = dataclasses.replace(form, view=arguments.view)
    if arguments.view_pitch_deg is not None:
        form = dataclasses.replace(form, view_pitch_deg=arguments.view_pitch_deg)
    return dataclasses.replace(form, grey=form.grey or arguments.grey)


def _truth(reader: BagReader, source: TruthSource, say: Callable[[str], None], rig: Rig) -> Trajectory | None:
    """The true poses. Of GPS fixes alone: with the orientation of the road estimator, which is run over the bag."""
    from atvio_ros.drives.truth import find_truth, oriented
    from atvio_ros.evaluation.run import run_bag
    from atvio_ros.odometry.road_estimator import RoadEstimator

    known = find_truth(reader, rig, source)
    for note in known.notes:
        say(note)
    if known.fixes is None:
        return known.poses
    return oriented(known.fixes, run_bag(reader, RoadEstimator(), rig).trajectory)


def _content(source: TruthSource) -> str:
    """What changes with the file of the truth."""
    import hashlib

    from atvio_ros.drives.text_files import read_text

    text = '' if source.file is None else read_text(source.file, 'a TUM trajectory')
    return hashlib.sha256(text.encode()).hexdigest()


def _require_truth(reader: BagReader) -> None:
    from atvio_ros.errors import BagError

    if reader.topics.ground_truth is None:
        try:
            reader.ground_truth()
        except BagError as error:
            raise BagError(
                f'{error} Give --truth or --truth-tf, name its topic with --ground-truth-topic, or leave this bag out.'
            ) from error
