"""`atvio prepare`: bags to training data."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

from atvio_ros.cli import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument('bags', type=Path, nargs='+', metavar='BAG', help='bags with ground truth')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='one folder in it for each bag')
    parser.add_argument('--exclude', type=Path, metavar='FILE', help='YAML: sequence -> list of [first, last] images')
    parser.add_argument('--size', default='416x128', metavar='WxH', help='image size [px] (default: %(default)s)')
    parser.add_argument('--grey', action='store_true', help='store grey images: a third of the space')
    common.add_topic_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prepare each bag that is not prepared already."""
    from atvio_ros.bags.reader import BagReader
    from atvio_ros.drives.prepare import fingerprint, keep_prepared, load_exclusions, prepare_bag
    from atvio_ros.errors import DatasetError
    from atvio_ros.evaluation.run import bag_mounting

    console = common.note_console()
    width_px, height_px = common.size(arguments.size)
    exclusions = load_exclusions(arguments.exclude) if arguments.exclude else {}
    names = [bag.stem for bag in arguments.bags]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise DatasetError(f'Two bags are named {twice}; their sequences would overwrite each other. Rename one.')
    unused = [name for name in exclusions if name not in names]
    if unused:
        console.print(
            f'{arguments.exclude} names {", ".join(unused)}; no bag here is named so, and these stretches are not used.'
        )
    options = (width_px, height_px, arguments.grey, *vars(common.topics(arguments)).values())
    for name, bag in zip(names, arguments.bags, strict=True):
        folder, excluded = arguments.out / name, exclusions.get(name, ())
        with BagReader(bag, common.topics(arguments)) as reader:
            wanted = fingerprint(bag, options)
            if keep_prepared(folder, wanted, excluded):
                console.print(f'{name}: prepared already')
                continue
            mounting, remark = bag_mounting(reader)
            if remark:
                console.print(f'{name}: {remark}')
            with common.progress_bar() as bar:
                task = bar.add_task(name, total=reader.count(reader.topics.image or ''), unit='images')
                sequence = prepare_bag(
                    reader,
                    folder,
                    mounting.T_base_camera,
                    mounting.R_base_imu,
                    fingerprint=wanted,
                    excluded=excluded,
                    size_px=(height_px, width_px),
                    grey=arguments.grey,
                    on_progress=functools.partial(bar.advance, task),
                    on_bad_message=lambda error: console.print(f'skipped: {error}'),
                )
        for note in sequence.meta.notes:
            console.print(f'{name}: {note}')
        console.print(f'{name}: {len(sequence)} images, {sequence.meta.length_m:.0f} m')
    print(f'{len(names)} sequence{" is" if len(names) == 1 else "s are"} in {arguments.out}')
