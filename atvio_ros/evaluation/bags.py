"""Evaluates one bag after the other with one estimator, a report for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.topics import Span, Topics
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.drives.truth import TruthSource, find_truth
from atvio_ros.errors import BagError
from atvio_ros.evaluation.consistency import consistency, consistency_lines, covariance_notes, match_drive
from atvio_ros.evaluation.metrics import Result
from atvio_ros.evaluation.report import write_report
from atvio_ros.evaluation.run import run_bag, run_notes, summary_line
from atvio_ros.evaluation.view_pictures import Artist, ViewPictures
from atvio_ros.odometry.pipeline import Estimator
from atvio_ros.rig.rig import RigPart


def bag_names(bags: Sequence[Path]) -> list[str]:
    """A name for each bag, that of its file or folder. Raises BagError if two are the same."""
    names = [bag.resolve().stem for bag in bags]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise BagError(f'Two bags are named {twice}; their results would overwrite each other. Rename one.')
    return names


def evaluate_bag(
    bag: Path,
    out: Path,
    estimator: Estimator,
    topics: Topics | None = None,
    given: Callable[[str], RigPart | None] = lambda image_topic: None,
    standstill: bool = True,
    span: Span | None = None,
    truth_source: TruthSource | None = None,
    on_start: Callable[[int], None] = lambda images: None,
    on_progress: Callable[[], None] = lambda: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> Result | None:
    """Run the odometry over a bag and write its report into the folder `out`; None without ground truth.

    `given` says what is known, beyond the bag, of the robot that recorded an image topic. `span` is the part of the bag
    that is looked at; None: all of it. `truth_source` is where the truth is, by default the bag's topic. `on_start`
    gets the number of images, `on_note` remarks for the user. Raises BagError, CalibrationError, TrajectoryError.
    """
    with BagReader(bag, topics, span) as reader:
        robot = bag_rig(reader, given(reader.topics.image or ''))
        known = find_truth(reader, robot.rig, truth_source)
        seen = ViewPictures(reader.length_s)
        on_start(reader.count(reader.topics.image or ''))
        done = run_bag(
            reader,
            estimator,
            robot.rig,
            standstill=standstill,
            on_progress=on_progress,
            on_bad_message=lambda error: on_note(f'skipped: {error}'),
            on_estimate=Artist(estimator.name, seen).draw,
        )
    notes = run_notes(bag, estimator, robot, done.counts.images_received, done.counts.imu_received, done.dropped)
    lines = [*robot.reports, *known.notes, summary_line(notes), *done.remarks()]
    truth = known.beside(done.trajectory)
    if truth:
        rows = consistency([match_drive(done.trajectory, done.estimates, truth)], estimator.noise)
        notes['covariance'] = covariance_notes(rows, estimator.noise)
        lines += consistency_lines(rows, estimator.noise)
    for line in (*lines, *([] if truth else ['The bag has no ground truth.'])):
        on_note(line)
    return write_report(
        out,
        bag.resolve().stem,
        done.trajectory,
        truth,
        robot.rig.T_base_camera,
        model=estimator.name,
        notes=notes,
        estimates=done.estimates,
        pictures=seen.kept,
    )
