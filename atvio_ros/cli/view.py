"""`atvio view`: the page of a drive, from the folder that a run left, or from a bag."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from atvio_ros.cli import common

EXAMPLES = """
atvio view output/run
atvio view output/run --open
atvio view output/run --video output/run.webp
atvio view drive --out output/drive --rig rig.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.epilog = (
        'The page is one file, view.html, that any browser shows without a network. Of a folder that run, replay or '
        'evaluate left it is made again from the files there. A bag is run first, and the results go into --out.'
    )
    parser.add_argument(
        'path', type=Path, metavar='DIR|BAG', help='folder of a run, a replay or an evaluation; or a bag'
    )
    parser.add_argument(
        '--out', type=Path, metavar='DIR', help='folder for the results of a bag (default: output/NAME)'
    )
    parser.add_argument(
        '--video', type=Path, metavar='FILE', help='also write a film: .mp4, or .webp (animated, for a web page)'
    )
    parser.add_argument('--open', action='store_true', help='show the page in the browser')
    common.add_estimator_options(parser)
    common.add_rig_options(parser)
    common.add_topic_options(parser)
    common.add_span_options(parser)
    common.add_standstill_option(parser)


def run(arguments: argparse.Namespace) -> None:
    """Make the page, and name it in the last line."""
    from atvio_ros.errors import TrajectoryError
    from atvio_ros.evaluation.view_data import is_run_folder
    from atvio_ros.evaluation.view_page import PAGE, write_page

    if arguments.video:
        from atvio_ros.evaluation.view_video import require_video

        require_video(arguments.video)  # before any work
    if is_run_folder(arguments.path):
        if arguments.out:
            raise TrajectoryError(f'{arguments.path} holds results, and the page goes beside them: leave --out away.')
        page = write_page(arguments.path)
        print(f'The page is {page}')
    else:
        page = _run_bag(arguments) / PAGE
    if arguments.video:
        _film(page.parent, arguments.video)
    if arguments.open:
        webbrowser.open(page.resolve().as_uri())


def _film(folder: Path, to: Path) -> None:
    from atvio_ros.evaluation.view_data import read_view
    from atvio_ros.evaluation.view_video import write_video

    view = read_view(folder)
    with common.progress_bar() as progress:
        task = progress.add_task('film', total=len(view.pictures), unit='frames')
        write_video(to, view, lambda: progress.advance(task))
    print(f'The film is {to}')


def _run_bag(arguments: argparse.Namespace) -> Path:
    """What `atvio run` does; returns the folder."""
    from atvio_ros.cli import run as run_command
    from atvio_ros.errors import TrajectoryError

    if (arguments.path / 'estimate.tum').is_file():
        raise TrajectoryError(
            f'{arguments.path} holds results without timeline.csv, of an older version. Run the bag again.'
        )
    arguments.bag, arguments.debug_images, arguments.json = arguments.path, None, False
    if arguments.out is None:
        arguments.out = Path('output') / arguments.bag.resolve().stem
    run_command.run(arguments)
    return Path(arguments.out)
