"""`atvio view`: the page of a drive, from the folder that a run left, or from a bag."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from atvio_ros.cli import common, estimator_options

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
    estimator_options.add_estimator_options(parser)
    common.add_rig_options(parser)
    common.add_topic_options(parser)
    common.add_span_options(parser)
    common.add_standstill_option(parser)


def run(arguments: argparse.Namespace) -> None:
    """Make the page, or those of all drives of an evaluation, and name it in the last lines."""
    from atvio_ros.evaluation.view_data import run_folders
    from atvio_ros.evaluation.view_page import PAGE, write_page
    from atvio_ros.evaluation.view_video import require_video

    if arguments.video:
        require_video(arguments.video)  # before any work
    folders = run_folders(arguments.path)
    if folders:
        _refuse_options_of_bags(arguments, len(folders))
        for folder in folders:
            print(f'The page is {write_page(folder)}')
    else:
        folders = [_run_bag(arguments)]
    if arguments.video:
        _film(folders[0], arguments.video)
    if arguments.open:
        shown = folders[0] / PAGE if len(folders) == 1 else arguments.path / 'index.html'
        webbrowser.open(shown.resolve().as_uri())


def _refuse_options_of_bags(arguments: argparse.Namespace, drives: int) -> None:
    """Nothing that was asked for is left undone without a word. Raises SettingsError."""
    from atvio_ros.errors import SettingsError

    parser: argparse.ArgumentParser = arguments.parser
    for action in parser._actions:
        own = action.dest in ('help', 'path', 'video', 'open')
        if not own and getattr(arguments, action.dest) != parser.get_default(action.dest):
            raise SettingsError(
                f'{arguments.path} holds results, and {action.option_strings[0]} is for a bag that is run first: leave '
                'it away, or name the bag.'
            )
    if arguments.video and drives > 1:
        raise SettingsError(f'{arguments.path} holds {drives} drives: name the folder of the one to film.')


def _film(folder: Path, to: Path) -> None:
    from atvio_ros.evaluation.view_data import read_view
    from atvio_ros.evaluation.view_video import write_video

    view = read_view(folder)
    with common.progress_bar() as progress:
        task = progress.add_task('film', total=len(view.pictures), unit='frames')
        write_video(to, view, lambda: progress.advance(task))
    print(f'The film is {to}')


def _run_bag(arguments: argparse.Namespace) -> Path:
    """What `atvio run` does, with its defaults where the option is not one of ours; returns the folder."""
    from atvio_ros.cli import run as run_command
    from atvio_ros.errors import TrajectoryError

    bag: Path = arguments.path
    if (bag / 'estimate.tum').is_file():
        raise TrajectoryError(f'{bag} holds results without timeline.csv, of an older version. Run the bag again.')
    out = arguments.out or Path('output') / bag.resolve().stem
    parser = argparse.ArgumentParser()
    run_command.add_arguments(parser)
    own = {name: value for name, value in vars(arguments).items() if name != 'out'}
    run_command.run(parser.parse_args([str(bag), '--out', str(out)], argparse.Namespace(**own)))
    return Path(out)
