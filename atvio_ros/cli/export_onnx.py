"""`atvio export-onnx`: a network as ONNX, compared with PyTorch over a whole drive before it gets its name."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import common

if TYPE_CHECKING:
    from atvio_ros.odometry.loading import Network

EXAMPLES = """
atvio export-onnx --out road.onnx
atvio export-onnx --model models/ca_a.safetensors --out ca_a.onnx --bag drive
atvio export-onnx --variant ca_b --out ca_b.onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--model', type=Path, metavar='FILE', help='model file (default: the shipped one)')
    source.add_argument('--variant', metavar='NAME', help='a variant with random weights, to measure its speed')
    parser.add_argument(
        '--out', type=Path, required=True, metavar='FILE.onnx', help='what to write; a network road adds a second file'
    )
    parser.add_argument(
        '--bag',
        type=Path,
        metavar='BAG',
        help='drive over which ONNX Runtime is compared with PyTorch (default: one that is made up)',
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object instead of words')
    common.add_rig_options(parser)
    common.add_topic_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Export, compare, and only then give the files their names."""
    import contextlib

    from atvio_ros.errors import SettingsError
    from atvio_ros.files import Draft
    from atvio_ros.odometry.exporting import exported
    from atvio_ros.odometry.loading import ONNX

    if arguments.out.suffix != ONNX:
        raise SettingsError(f'--out must end in {ONNX}, for that is what tells what it is: {arguments.out}.')
    export = exported(arguments.model, arguments.variant, arguments.out)
    with contextlib.ExitStack() as stack:
        drafts = [stack.enter_context(Draft(path)) for path in export.contents]
        for draft, content in zip(drafts, export.contents.values(), strict=True):
            draft.path.write_bytes(content)
        if arguments.bag:
            _compare(export.compared, arguments)
        else:
            export.compare_made_up()
        export.differences.check()
        for draft in drafts:
            draft.publish()
    differences = export.differences
    if arguments.json:
        files = [str(path) for path in export.contents]
        print(json.dumps({'files': files, 'pairs': differences.pairs, 'largest': differences.largest}, indent=1))
        return
    words = ', '.join(f'{name} {apart:.2g}' for name, apart in differences.largest.items())
    print(f'Largest difference between ONNX Runtime and PyTorch over {differences.pairs} frame pairs: {words}')
    print(f'Wrote {" and ".join(map(str, export.contents))}')


def _compare(compared: Network, arguments: argparse.Namespace) -> None:
    """Run the odometry over the bag by both at once."""
    from atvio_ros.bags.reader import BagReader
    from atvio_ros.drives.bag_drive import bag_rig
    from atvio_ros.evaluation.run import run_bag

    with BagReader(arguments.bag, common.topics(arguments)) as reader, common.progress_bar() as progress:
        robot = bag_rig(reader, common.given_rig(arguments, reader.topics.image))
        task = progress.add_task('comparing', total=reader.count(reader.topics.image or ''), unit='images')
        run_bag(reader, compared, robot.rig, on_progress=lambda: progress.advance(task))
