"""`atvio replay`: a bag through the real node over DDS."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from atvio_ros.cli import common, estimator_options

WAITED_S = 1.0  # that nobody needs to hear about
EXAMPLES = """
atvio replay drive --out output/replay
atvio replay drive --out output/replay --rate 0    # as fast as it can
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument('bag', type=Path, metavar='BAG', help='ROS 1 bag, rosbag2 folder (sqlite3, mcap) or .mcap file')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder for the results')
    parser.add_argument(
        '--rate',
        type=float,
        default=1.0,
        metavar='X',
        help='speed; 1 is real time, 0 as fast as the node answers; it waits for the node at any (default: 1)',
    )
    estimator_options.add_estimator_options(parser)
    common.add_rig_options(parser)
    common.add_topic_options(parser)
    parser.add_argument('--json', action='store_true', help='print result.json instead of a table')


def run(arguments: argparse.Namespace) -> None:
    """Start the node, play, record, write the report and odometry.mcap."""
    from atvio_ros.bags.reader import BagReader
    from atvio_ros.bags.writer import BagWriter
    from atvio_ros.drives.bag_drive import bag_rig, bag_truth
    from atvio_ros.errors import NodeError
    from atvio_ros.evaluation.run import copy_reference, run_notes, summary_line
    from atvio_ros.evaluation.scene import DebugPictures, write_scene
    from atvio_ros.evaluation.view_pictures import Artist, ViewPictures
    from atvio_ros.odometry.pipeline import assemble

    if arguments.rate < 0.0:
        raise NodeError(f'--rate must not be negative, not {arguments.rate}.')
    _set_up_middleware()
    estimator = estimator_options.chosen_estimator(arguments)  # refuses a bad model before anything starts
    try:
        from atvio_ros.ros.recorded_timeline import recorded_timeline
        from atvio_ros.ros.replay import replay
    except ImportError as error:
        raise NodeError(
            f'ROS 2 is not available to Python ({error}). Source your ROS installation, or run `make setup`.'
        ) from error
    with BagReader(arguments.bag, common.topics(arguments)) as reader:
        robot = bag_rig(reader, common.given_rig(arguments, reader.topics.image))
        assemble(estimator, robot.rig)  # refuses a robot that does not tell enough before anything starts
        truth = bag_truth(reader)
        common.make_output_folder(arguments.out, arguments.bag)
        model = str(arguments.model.absolute()) if arguments.model else ''
        parameters = {
            'estimator': estimator.kind,
            'model': model,
            'device': arguments.device,
            'backend': arguments.backend,
        }
        shown, seen = DebugPictures(), ViewPictures(reader.length_s)
        with common.progress_bar() as progress:
            task = progress.add_task('node', total=reader.count(reader.topics.image or ''), unit='images')
            done = replay(
                reader,
                robot.rig,
                parameters,
                arguments.out / 'node.log',
                arguments.rate,
                lambda answered: progress.update(task, completed=answered),
                Artist('', seen, shown),
            )
        with BagWriter(arguments.out / 'odometry.mcap', single_file=True) as writer:
            copy_reference(reader, writer)
            done.recording.write(writer)
            write_scene(writer, reader, robot.rig, done.trajectory, shown)
    status = done.recording.status
    counts = status.images_received, status.imu_received
    notes = run_notes(arguments.bag, estimator, robot, *counts, done.recording.dropped)
    lines = [*robot.reports, summary_line(notes)]
    if arguments.rate and done.waited_s > WAITED_S:
        lines.append(
            f'The player waited {done.waited_s:.1f} s for the node, which does not keep up with --rate '
            f'{arguments.rate:g} on this machine.'
        )
    timeline = recorded_timeline(done.recording, robot.rig.expected_direction)
    common.show_result(
        arguments,
        done.trajectory,
        truth,
        robot.rig.T_base_camera,
        notes,
        lines,
        timeline=timeline,
        pictures=seen.kept,
    )


def _set_up_middleware() -> None:
    """Keep a replay apart from a robot's own nodes, and lose no large image; what the environment sets already stays.

    To watch a replay in RViz, set the same ROS_DOMAIN_ID for both.
    """
    from atvio_ros.resources import find_resource

    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    if profile := find_resource('config/fastdds.xml'):
        os.environ.setdefault('FASTDDS_DEFAULT_PROFILES_FILE', str(profile))
