"""`atvio prepare`: bags to training data."""

from __future__ import annotations

import argparse
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import common
from atvio_ros.cli.fleet_options import Bars, add_fleet_options, chosen_fleet, for_workers, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from atvio_ros.bags.reader import BagReader
    from atvio_ros.bags.topics import Span, Topics
    from atvio_ros.drives.sequence_store import Ranges
    from atvio_ros.drives.truth import TruthSource
    from atvio_ros.fleet import Watch
    from atvio_ros.rig.rig import Rig, RigPart
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
    parser.add_argument(
        '--out',
        type=place,
        required=True,
        metavar='DIR',
        help='one folder in it for each bag; or a URL',
    )
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
    add_fleet_options(parser)
    parser.add_argument('--json', action='store_true', help='print what is prepared as JSON')


@dataclass(frozen=True)
class _Preparation:
    """A task."""

    arguments: argparse.Namespace
    name: str
    bag: Path
    excluded: Ranges
    form: PreparedForm
    named_source: TruthSource  # with the path as the user named it, which is in the fingerprint


@dataclass(frozen=True)
class _Prepared:
    """What a task leaves."""

    frames: int
    length_m: float


def run(arguments: argparse.Namespace) -> None:
    """Prepare each bag that is not prepared already."""
    from atvio_ros.drives.exclusions import load_exclusions
    from atvio_ros.fleet import run_tasks

    fleet, form, source = chosen_fleet(arguments), _form(arguments), common.truth_source(arguments)
    exclusions = load_exclusions(arguments.exclude) if arguments.exclude else {}
    names = _names(arguments)
    common.require_bags(arguments.bags)
    unused = [name for name in exclusions if name not in names]
    if unused:
        common.note_console().print(
            f'{arguments.exclude} names {", ".join(unused)}; no bag here is named so, and these stretches are not used.'
        )
    placed = for_workers(arguments, fleet)
    tasks = {
        name: _Preparation(placed, name, bag, exclusions.get(name, ()), form, source)
        for name, bag in zip(names, placed.bags, strict=True)
    }
    with Bars('preparing', len(tasks), 'bags') as bars:
        done = run_tasks(_prepare, tasks, fleet, bars)
    done.check()
    if arguments.json:
        sequences = {name: vars(prepared) for name, prepared in done.results.items()}
        print(json.dumps({'out': str(arguments.out), 'sequences': sequences}, indent=2))
        return
    print(f'{len(names)} sequence{" is" if len(names) == 1 else "s are"} in {arguments.out}')


def _names(arguments: argparse.Namespace) -> list[str]:
    """Of the sequences. Raises DatasetError."""
    from atvio_ros.errors import DatasetError

    span = common.chosen_span(arguments)
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
    return names


def _prepare(task: _Preparation, watch: Watch) -> _Prepared:
    """Prepare one bag, unless that is done."""
    from atvio_ros.bags.reader import BagReader
    from atvio_ros.drives.bag_drive import BagDrive
    from atvio_ros.drives.exclusions import check_excluded
    from atvio_ros.drives.fingerprint import fingerprint, keep_prepared
    from atvio_ros.drives.prepare import prepare
    from atvio_ros.drives.remote import folder_in, writing
    from atvio_ros.drives.sequence_store import SequenceMeta, read_meta
    from atvio_ros.drives.truth import TruthSource

    arguments, form, excluded = task.arguments, task.form, task.excluded
    folder, span, topics = folder_in(arguments.out, task.name), common.chosen_span(arguments), common.topics(arguments)
    source = common.truth_source(arguments)
    with BagReader(task.bag, topics, span) as reader:
        given = common.given_rig(arguments, reader.topics.image)
        options = _options(form, topics, span, given)
        if source != TruthSource():
            options += [task.named_source, _content(source)]
        wanted = fingerprint(task.bag, options)
        if keep_prepared(folder, wanted, excluded):
            watch.note('prepared already')
            meta = read_meta(folder)
            return _Prepared(meta.images, meta.length_m)
        if source == TruthSource():
            _require_truth(reader)
        truth = functools.partial(_truth, reader, source, watch.note)
        drive = BagDrive(reader, lambda error: watch.note(f'skipped: {error}'), given, truth)
        images = reader.count(reader.topics.image or '')
        check_excluded(task.name, excluded, images)  # before the images are decoded, which takes long
        meta = SequenceMeta(
            source=f'bag {task.bag.name}' + (f', {span.words}' if span else ''),
            fingerprint=wanted,
            image_topic=reader.topics.image or '',
            imu_topic=reader.topics.imu or '',
            ground_truth_topic=reader.topics.ground_truth or '',
            excluded=excluded,
        )
        watch.begin(images)
        with writing(folder) as path:
            meta = prepare(
                drive,
                path,
                meta,
                size_px=(form.height_px, form.width_px),
                grey=form.grey,
                view=form.view,
                view_pitch_deg=form.view_pitch_deg,
                on_progress=watch.advance,
            ).meta
    for note in (*drive.notes, *meta.notes):
        watch.note(note)
    watch.note(f'{meta.images} images, {meta.length_m:.0f} m')
    return _Prepared(meta.images, meta.length_m)


def _options(form: PreparedForm, topics: Topics, span: Span | None, given: RigPart | None) -> list[object]:
    """What the fingerprint holds beside bag and truth; without all that is optional it is what it always was."""
    from atvio_ros.rig.rig_yaml import rig_text

    options: list[object] = [form.width_px, form.height_px, form.grey, *vars(topics).values()]
    options += [form.view, form.view_pitch_deg] if form.view != 'none' else []
    options += [rig_text(given)] if given else []
    return options + ([span] if span else [])


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
