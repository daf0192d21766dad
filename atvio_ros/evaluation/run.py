"""Odometry of a bag, offline: the node's own pairing, network and engine, fed from the file in one thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atvio_ros import __version__
from atvio_ros.bags.reader import BagImage, BagReader
from atvio_ros.bags.topics import GROUND_TRUTH_TOPIC, STATIC_TRANSFORM_TOPIC
from atvio_ros.bags.writer import BagWriter
from atvio_ros.errors import BagError, ImageError
from atvio_ros.evaluation.predicted import PredictedTrajectory
from atvio_ros.evaluation.scene import DebugPictures, SmallImages, write_scene
from atvio_ros.evaluation.ways import ways
from atvio_ros.messages import NAV_SAT_FIX
from atvio_ros.odometry.arrivals import Arrivals, turns_words
from atvio_ros.odometry.frame_pairs import PairingLimits
from atvio_ros.odometry.input_checks import SizeCheck
from atvio_ros.odometry.ledger import Counts, Reason
from atvio_ros.odometry.pipeline import Estimator, assemble, run_offline
from atvio_ros.odometry.sight import Sight
from atvio_ros.rig.combine import Combination
from atvio_ros.rig.rig import Rig
from atvio_ros.types import CameraFrame, FramePair, ImuSample, OdometryEstimate, Trajectory


@dataclass(frozen=True)
class BagRun:
    """What came of one bag."""

    trajectory: Trajectory  # base_link in odom; identity at the first image that odometry starts from
    estimates: list[OdometryEstimate]
    counts: Counts
    warnings: dict[str, int] = field(default_factory=dict)  # what looked wrong with the input: how often

    @property
    def dropped(self) -> dict[str, int]:
        """Inputs that gave no odometry, by reason."""
        return {reason.value: count for reason, count in self.counts.dropped.items()}

    def remarks(self) -> list[str]:
        """Remarks on input, direction of travel and gate for a reader of the trajectory, a sentence each."""
        said = [f'{count}x {text}' for text, count in self.warnings.items()]
        if (way := ways(self.estimates)) is not None:
            said.append(way.remark())
        held = sum(estimate.stationary for estimate in self.estimates)
        return [*said, f'At rest in {held} of {len(self.estimates)} frame pairs: the pose was held.'] if held else said


def run_bag(
    reader: BagReader,
    estimator: Estimator,
    rig: Rig,
    limits: PairingLimits | None = None,
    standstill: bool = True,
    on_progress: Callable[[], None] = lambda: None,
    on_image: Callable[[BagImage], None] = lambda image: None,
    on_bad_message: Callable[[BagError], None] | None = None,
    on_estimate: Callable[[FramePair, OdometryEstimate, Sight | None], None] | None = None,
    predicted: PredictedTrajectory | None = None,
) -> BagRun:
    """Run the odometry over a bag; `on_progress` is called for each image, and `on_image` gets it.

    Raises BagError, ImuError, and CalibrationError where the estimator needs to know more of the robot than the rig
    tells.

    `standstill` holds the pose at rest, as the node does by default. `on_estimate` gets each pair with its estimate
    and, where the estimator looks at calibrated images, how these are kept. `predicted` is fed beside, as in the node.
    """
    warnings: Counter[str] = Counter()
    odometry = assemble(
        estimator, rig, standstill=standstill, limits=limits, on_warning=lambda text: warnings.update((text,))
    )
    check_size = SizeCheck()
    arrivals = {'images': Arrivals(), 'IMU readings': Arrivals()}
    names = {'images': reader.topics.image or '', 'IMU readings': reader.topics.imu or ''}

    ledger = odometry.pairer.ledger

    def drop_image(detail: str) -> None:
        ledger.image_received()
        ledger.drop(Reason.IMAGE_INVALID, detail)

    def events() -> Iterator[ImuSample | CameraFrame]:
        for event in reader.events(on_bad_message):
            if isinstance(event, BagImage):
                on_progress()
                on_image(event)
                arrivals['images'].take(event.frame_id, event.stamp_ns)
                turns = (turns_words(what, names[what], each.ask()) for what, each in arrivals.items())
                warnings.update(filter(None, (check_size.update(*event.image.shape[:2]), *turns)))
                try:
                    frame = odometry.intake.frame(event.stamp_ns, event.image)
                except ImageError as error:
                    drop_image(str(error))
                else:
                    yield frame
            else:
                arrivals['IMU readings'].take(event.frame_id, event.stamp_ns)
                if predicted is not None:
                    predicted.reading(event)
                yield event

    starts: list[int] = []
    estimates = []
    for pair, estimate in run_offline(events(), odometry.pairer, odometry.engine):
        starts.append(pair.previous.stamp_ns)
        estimates.append(estimate)
        if predicted is not None:
            predicted.estimate(estimate)
        warnings.update(estimate.warnings)
        if on_estimate is not None:
            on_estimate(pair, estimate, odometry.intake if isinstance(odometry.intake, Sight) else None)
    for _ in range(reader.count(reader.topics.image or '') - ledger.counts.images_received):
        drop_image('The image could not be decoded.')
    counts = ledger.counts
    if not estimates:
        reasons = ', '.join(f'{count} {reason.value}' for reason, count in counts.dropped.items())
        raise BagError(
            f'{reader.path} gave no odometry: {counts.images_received} images, {reasons}. '
            '`atvio check` says what to do.'
        )
    return BagRun(as_trajectory(starts[0], estimates), estimates, counts, dict(warnings))


def as_trajectory(start_ns: int, estimates: list[OdometryEstimate]) -> Trajectory:
    """The estimates as poses of base_link in odom, with the origin at the image they start from."""
    stamps_ns = [start_ns, *(estimate.stamp_ns for estimate in estimates)]
    return Trajectory(np.array(stamps_ns), np.stack([np.eye(4), *(estimate.T_odom_base for estimate in estimates)]))


def run_notes(
    bag: Path,
    estimator: Estimator,
    robot: Combination,
    images_received: int,
    imu_received: int,
    dropped: dict[str, int],
) -> dict[str, Any]:
    """The part of result.json about how the figures were made."""
    return {
        'bag': bag.resolve().name,
        'estimator': estimator.kind,
        'model': estimator.name,
        'trained': estimator.trained,
        'rig': rig_notes(robot),
        'atvio_ros': __version__,
        'images_received': images_received,
        'imu_received': imu_received,
        'dropped': dropped,
    }


def rig_notes(robot: Combination) -> dict[str, Any]:
    """The robot as it was taken, and who said what of it; what nobody said is missing in `sources`."""
    rig = robot.rig
    return {
        'camera_height': rig.camera_height,
        'imu_time_offset': rig.imu_time_offset,
        'gyro_lag': rig.gyro_lag,
        'accelerometer_lag': rig.accelerometer_lag,
        'readout_time': rig.readout_time,
        'sources': dict(robot.sources),
    }


def summary_line(notes: Mapping[str, Any]) -> str:
    """What became of the input, in one sentence."""
    reasons = ', '.join(f'{count} {reason}' for reason, count in notes['dropped'].items())
    return (
        f'{notes["images_received"]} images and {notes["imu_received"]} IMU readings received; '
        f'without odometry: {reasons or "none"}.'
    )


def record(
    path: Path,
    reader: BagReader,
    done: BagRun,
    rig: Rig,
    pictures: DebugPictures | None = None,
    images: SmallImages | None = None,
) -> None:
    """Write what the node would have published as one .mcap file, with what it takes to see the drive in it."""
    with BagWriter(path, single_file=True) as writer:
        copy_reference(reader, writer)
        for estimate in done.estimates:
            writer.write_odometry(estimate)
        write_scene(writer, reader, rig, done.trajectory, pictures, images)


def copy_reference(reader: BagReader, writer: BagWriter) -> None:
    """Copy ground truth, to our topic for it, and static transforms: a recording can be looked at on its own."""
    truth = reader.topics.ground_truth or STATIC_TRANSFORM_TOPIC
    for message in reader.raw_messages({STATIC_TRANSFORM_TOPIC, truth}):
        latched = message.transient_local or message.topic == STATIC_TRANSFORM_TOPIC
        as_it_is = message.topic == STATIC_TRANSFORM_TOPIC or message.type_name == NAV_SAT_FIX
        writer.write_raw(
            message.topic if as_it_is else GROUND_TRUTH_TOPIC,  # which may be /odometry
            message.type_name,
            message.log_stamp_ns,
            message.cdr,
            latched=latched,
        )
