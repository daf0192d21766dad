"""`atvio run`: offline odometry of a bag, with the engine of the node."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from atvio_ros.cli import common, estimator_options

if TYPE_CHECKING:
    from atvio_ros.odometry.sight import Sight
    from atvio_ros.types import FramePair, OdometryEstimate

EXAMPLES = """
atvio run drive --out output/run
atvio run drive --out output/run --rig rig.yaml --debug-images output/pictures
atvio run drive --out output/network --estimator network
atvio run drive --out output/run --predicted output/predicted.tum
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument('bag', type=Path, metavar='BAG', help='ROS 1 bag, rosbag2 folder (sqlite3, mcap) or .mcap file')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder for the results')
    estimator_options.add_estimator_options(parser)
    common.add_rig_options(parser)
    common.add_topic_options(parser)
    common.add_truth_options(parser)
    common.add_span_options(parser)
    common.add_standstill_option(parser)
    parser.add_argument(
        '--debug-images', type=Path, metavar='DIR', help='draw what the odometry sees of each image, into this folder'
    )
    parser.add_argument(
        '--predicted',
        type=Path,
        metavar='FILE',
        help='write the odometry at every IMU reading, as odometry/predicted, into this TUM file',
    )
    parser.add_argument('--json', action='store_true', help='print result.json instead of a table')


def run(arguments: argparse.Namespace) -> None:
    """Run the odometry, write the report and odometry.mcap."""
    from atvio_ros.bags.reader import BagReader
    from atvio_ros.drives.bag_drive import bag_rig
    from atvio_ros.drives.truth import find_truth
    from atvio_ros.evaluation.debug_images import DebugImages
    from atvio_ros.evaluation.predicted import PredictedTrajectory
    from atvio_ros.evaluation.run import record, run_bag, run_notes, summary_line
    from atvio_ros.evaluation.scene import DebugPictures, SmallImages
    from atvio_ros.evaluation.view_pictures import Artist, ViewPictures
    from atvio_ros.trajectory_files import write_tum

    console = common.note_console()
    with BagReader(arguments.bag, common.topics(arguments), common.chosen_span(arguments)) as reader:
        robot = bag_rig(reader, common.given_rig(arguments, reader.topics.image))
        truth = find_truth(reader, robot.rig, common.truth_source(arguments))
        estimator = estimator_options.chosen_estimator(arguments)
        common.make_output_folder(arguments.out, arguments.bag)
        shown, seen = DebugPictures(), ViewPictures(reader.length_s)
        artist = Artist(estimator.name, seen, shown)
        pictures = DebugImages(arguments.debug_images, estimator.name) if arguments.debug_images else None

        def draw(pair: FramePair, estimate: OdometryEstimate, sight: Sight | None) -> None:
            artist.draw(pair, estimate, sight)
            if pictures:
                pictures.write(pair, estimate, sight)

        images = SmallImages(reader.length_s)
        predicted = PredictedTrajectory(robot.rig) if arguments.predicted else None
        with common.progress_bar() as progress:
            task = progress.add_task('odometry', total=reader.count(reader.topics.image or ''), unit='images')
            done = run_bag(
                reader,
                estimator,
                robot.rig,
                standstill=arguments.standstill,
                on_progress=lambda: progress.advance(task),
                on_image=images.add,
                on_bad_message=lambda error: console.print(f'skipped: {error}'),
                on_estimate=draw,
                predicted=predicted,
            )
        if predicted:
            write_tum(arguments.predicted, predicted.trajectory())
        record(arguments.out / 'odometry.mcap', reader, done, robot.rig, shown, images)
    counts = done.counts
    notes = run_notes(arguments.bag, estimator, robot, counts.images_received, counts.imu_received, done.dropped)
    lines = [*robot.reports, *truth.notes, summary_line(notes), *done.remarks()]
    if pictures:
        lines.append(f'What the odometry saw is drawn in {arguments.debug_images}')
    if predicted:
        lines.append(f'The odometry at every IMU reading is in {arguments.predicted}')
    common.show_result(
        arguments,
        done.trajectory,
        truth.beside(done.trajectory),
        robot.rig.T_base_camera,
        notes,
        lines,
        done.estimates,
        pictures=seen.kept,
    )
