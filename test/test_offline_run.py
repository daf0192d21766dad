"""Odometry of tiny bags, offline: what the bag says of its sensors is used, and what is wrong in it is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from samples.bags import (
    FRAME_NS,
    IMU_PER_FRAME,
    MAKE,
    START_NS,
    T_BASE_CAMERA,
    frame_stamps_ns,
    imu_samples,
    write_drive,
)
from samples.bags import image as picture
from scipy.spatial.transform import Rotation

from atvio_ros import messages
from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.topics import IMAGE_TOPIC, IMU_TOPIC, Topics
from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.bag_drive import bag_mounting, bag_truth
from atvio_ros.errors import BagError, ImuError
from atvio_ros.evaluation.run import BagRun, record, run_bag, run_notes, summary_line
from atvio_ros.geometry import R_BODY_OPTICAL, transform, translation
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.mounting import Mounting
from atvio_ros.network.config import AtvioConfig
from atvio_ros.types import FramePair, ImuSample, RelativeMotion

STEP_NS = FRAME_NS // IMU_PER_FRAME


class OneMetreForward:
    """Stands in for the network: the camera moves 1 m along its optical axis per pair. Keeps the pairs it was given."""

    name, trained, noise = 'one metre', False, MotionNoise()

    def __init__(self, **config: float) -> None:
        self.config = AtvioConfig(image_height_px=32, image_width_px=64, **config)
        self.pairs: list[FramePair] = []

    def predict(self, pair: FramePair) -> RelativeMotion:
        self.pairs.append(pair)
        return RelativeMotion(translation(0.0, 0.0, 1.0))

    def reset(self) -> None:
        pass


def run(path: Path, estimator: OneMetreForward | None = None, **options) -> BagRun:
    with BagReader(path) as reader:
        return run_bag(reader, estimator or OneMetreForward(), bag_mounting(reader)[0], **options)


def still(stamp_ns: int) -> ImuSample:
    return ImuSample(stamp_ns, np.zeros(3), np.array([0.0, 0.0, 9.81]))


def write_bag(path: Path, events: list[tuple[int, int | ImuSample | messages.Any]]) -> Path:
    """A bag from (log stamp, event); an event is an image stamp, an IMU sample or an Image message."""
    with BagWriter(path) as bag:
        for log_ns, event in events:
            if isinstance(event, ImuSample):
                message, topic = messages.imu(MAKE, event, 'imu_link'), IMU_TOPIC
            else:
                message, topic = event, IMAGE_TOPIC
                if isinstance(event, int):
                    message = messages.image(MAKE, event, 'camera', picture(0))
            bag.write_raw(topic, message.__msgtype__, log_ns, MAKE.serialize(message))
    return path


def drive(frames: int, imu_from: int = 0, imu_to: int | None = None) -> list[tuple[int, int | ImuSample]]:
    """(log stamp, event) of `frames` images 0.1 s apart and IMU readings every 10 ms, as they happen."""
    last = 10 * (frames - 1) if imu_to is None else imu_to
    imu = [still(START_NS + i * 10_000_000) for i in range(imu_from, last + 1)]
    images = [START_NS + i * 100_000_000 for i in range(frames)]
    events: list[tuple[int, int | ImuSample]] = [(sample.stamp_ns, sample) for sample in imu]
    return sorted([*events, *((stamp, stamp) for stamp in images)], key=lambda event: event[0])


def grainy(stamp_ns: int, size: tuple[int, int] = (32, 64)) -> messages.Any:
    """An image of one scene with the noise of a camera at that stamp."""
    scene = (
        np.random.default_rng(0).integers(20, 230, (8, 16)).repeat(size[0] // 8, axis=0).repeat(size[1] // 16, axis=1)
    )
    noise = np.random.default_rng(stamp_ns).integers(-2, 3, size)
    return messages.image(MAKE, stamp_ns, 'camera', (scene + noise).astype(np.uint8))


def test_at_rest_the_pose_is_held_unless_the_network_is_to_have_its_way(tmp_path):
    events = [(log_ns, grainy(event) if isinstance(event, int) else event) for log_ns, event in drive(30)]
    path = write_bag(tmp_path / 'rest', events)
    held, free = (run(path, standstill=standstill) for standstill in (True, False))
    assert sum(estimate.stationary for estimate in held.estimates) >= 18
    assert held.trajectory.poses[-1, 0, 3] <= 11.0
    assert 'the pose was held' in held.remarks()[-1]
    assert free.trajectory.poses[-1, 0, 3] == pytest.approx(29.0)
    assert not any(estimate.stationary for estimate in free.estimates)


def test_input_that_looks_wrong_is_counted_in_words(tmp_path):
    events = [(log_ns, grainy(event) if isinstance(event, int) else event) for log_ns, event in drive(8)]
    stamps_ns = [START_NS + k * 100_000_000 for k in range(8)]
    events = [event for event in events if event[0] not in stamps_ns[4:] or isinstance(event[1], ImuSample)]
    events += [(stamp_ns, grainy(stamp_ns, (64, 128))) for stamp_ns in stamps_ns[4:6]]
    events += [
        (stamp_ns, messages.image(MAKE, stamp_ns, 'camera', np.zeros((64, 128), np.uint8)))
        for stamp_ns in stamps_ns[6:]
    ]
    done = run(write_bag(tmp_path / 'odd', sorted(events, key=lambda event: event[0])))
    assert len(done.estimates) == 7
    assert sorted((text.split(':')[0], count) for text, count in done.warnings.items()) == [
        ('the camera image is blank', 2),
        ('the images are 128x64 now, 64x32 before', 1),
    ]
    assert any(line.startswith('2x the camera image is blank') for line in done.remarks())


def test_a_drive_straight_ahead_runs_along_base_link_x(tmp_path):
    done = run(write_drive(tmp_path / 'drive'))
    assert done.trajectory.stamps_ns.tolist() == frame_stamps_ns()
    expected = [translation(x, 0.0, 0.0) for x in (0.0, 1.0, 2.0)]
    np.testing.assert_allclose(done.trajectory.poses, expected, atol=1e-12)
    assert [estimate.stamp_ns for estimate in done.estimates] == frame_stamps_ns()[1:]
    assert done.dropped == {'first_image': 1}


def test_the_network_is_given_scaled_images_and_all_readings_between_them(tmp_path):
    estimator = OneMetreForward()
    run(write_drive(tmp_path / 'drive'), estimator)
    assert [pair.current.image.shape for pair in estimator.pairs] == [(32, 64, 1)] * 2
    expected = [sample.stamp_ns for sample in imu_samples()]
    assert estimator.pairs[0].imu.stamps_ns.tolist() == expected[: IMU_PER_FRAME + 1]
    assert [pair.continues for pair in estimator.pairs] == [False, True]


def test_mounting_offset_and_gyro_lag_reach_the_readings_of_the_network(tmp_path):
    path = tmp_path / 'bag'
    samples = [
        ImuSample(START_NS + i * 10_000_000, np.array([0, 0, i / 100]), np.array([1.0, 2, 3])) for i in range(60)
    ]
    write_bag(
        path,
        [(START_NS + i * 10_000_000 + 1, sample) for i, sample in enumerate(samples)]
        + [(START_NS + ms * 1_000_000, START_NS + ms * 1_000_000) for ms in (200, 300)],
    )
    estimator = OneMetreForward(gyro_lag_s=0.05)
    upside_down = Rotation.from_euler('x', 180, degrees=True).as_matrix()
    with BagReader(path) as reader:
        run_bag(reader, estimator, Mounting(T_base_imu=transform(upside_down, np.zeros(3)), imu_time_offset_s=0.02))
    window = estimator.pairs[0].imu
    assert window.stamps_ns[0] == START_NS + 200_000_000  # stamped 180 ms by its own clock
    np.testing.assert_allclose(window.values[0], [0, 0, -(0.18 + 0.05), 1, -2, -3], atol=1e-12)


def test_the_bags_transforms_say_where_the_sensors_are(tmp_path):
    with BagReader(write_drive(tmp_path / 'drive')) as reader:
        mounting, remark = bag_mounting(reader)
        truth = bag_truth(reader)
    np.testing.assert_allclose(mounting.T_base_camera, T_BASE_CAMERA, atol=1e-12)
    np.testing.assert_array_equal(mounting.R_base_imu, np.eye(3))
    assert remark == ''
    assert truth is not None
    np.testing.assert_array_equal(truth.poses[:, 0, 3], [0.0, 1.0, 2.0])


def test_a_turned_imu_is_turned_back_whatever_its_frame_is_called(tmp_path):
    sideways = transform(Rotation.from_euler('z', 90, degrees=True).as_matrix(), np.array([0.5, 0.0, 0.0]))
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_static_transforms(START_NS, {('base_link', 'vectornav'): sideways})
        bag.write_image(START_NS, picture(0))
        bag.write_imu(ImuSample(START_NS, np.zeros(3), np.array([0.0, 0.0, 9.81])), frame_id='vectornav')
    with BagReader(tmp_path / 'bag') as reader:
        np.testing.assert_allclose(bag_mounting(reader)[0].T_base_imu, sideways, atol=1e-12)


def test_what_the_bag_does_not_say_is_assumed_and_said(tmp_path):
    with BagReader(write_bag(tmp_path / 'bag', drive(3))) as reader:
        mounting, remark = bag_mounting(reader)
        assert bag_truth(reader) is None
    np.testing.assert_array_equal(mounting.T_base_camera, transform(R_BODY_OPTICAL, np.zeros(3)))
    assert 'no transform from base_link to camera' in remark
    assert 'no transform from base_link to imu_link' in remark


def test_a_bag_without_imu_is_refused_with_what_it_holds(tmp_path):
    with pytest.raises(BagError, match=r'no IMU readings .* It holds .*/camera/image_raw'):
        run(write_drive(tmp_path / 'drive', imu=False))


def test_a_bag_without_images_is_refused_with_what_it_holds(tmp_path):
    with pytest.raises(BagError, match=r'no images .* It holds .*/imu/data_raw'):
        run(write_drive(tmp_path / 'drive', images=False))


def test_images_before_the_first_reading_are_counted_and_the_odometry_starts_behind_them(tmp_path):
    done = run(write_bag(tmp_path / 'bag', drive(6, imu_from=18)))
    # Images 0 and 1 have no readings at all, the pair 1-2 has those of its last 20 ms only.
    assert done.dropped == {'first_image': 1, 'imu_gap': 2}
    assert (done.trajectory.stamps_ns - START_NS).tolist() == [i * 100_000_000 for i in (2, 3, 4, 5)]
    assert done.counts.images_received == 6


def test_images_after_the_last_reading_are_counted(tmp_path):
    done = run(write_bag(tmp_path / 'bag', drive(6, imu_to=30)))
    assert done.dropped == {'first_image': 1, 'no_imu': 2}
    assert len(done.estimates) == 3


def test_the_order_in_which_a_bag_was_recorded_does_not_matter(tmp_path):
    events = drive(5)
    late_imu = [(log_ns + (80_000_000 if isinstance(event, ImuSample) else 0), event) for log_ns, event in events]
    late_images = [(log_ns + (0 if isinstance(event, ImuSample) else 250_000_000), event) for log_ns, event in events]
    results = []
    for name, bag in (('as it happened', events), ('late imu', late_imu), ('late images', late_images)):
        estimator = OneMetreForward()
        done = run(write_bag(tmp_path / name, bag), estimator)
        windows = [pair.imu.stamps_ns.tolist() for pair in estimator.pairs]
        results.append((done.trajectory.stamps_ns.tolist(), windows, done.dropped))
    assert results[0] == results[1] == results[2]
    assert len(results[0][0]) == 5


def test_an_image_whose_stamp_does_not_increase_is_left_out(tmp_path):
    events = drive(4)
    events.append((START_NS + 210_000_000, START_NS + 150_000_000))
    done = run(write_bag(tmp_path / 'bag', events))
    assert done.dropped == {'first_image': 1, 'image_stamp_not_increasing': 1}
    assert len(done.estimates) == 3


def test_a_recording_whose_time_starts_again_is_followed_without_a_jump_of_the_pose(tmp_path):
    once = drive(16)
    again = [(log_ns + 5_000_000_000, event) for log_ns, event in once]
    done = run(write_bag(tmp_path / 'bag', [*once, *again]))
    assert len(done.estimates) == 30
    assert done.dropped == {'first_image': 2}
    xs = [estimate.T_odom_base[0, 3] for estimate in done.estimates]
    np.testing.assert_allclose(xs, np.arange(1.0, 31.0))


def test_a_reading_that_is_no_number_is_counted_and_its_neighbours_stand_in(tmp_path):
    bad = ImuSample(START_NS + 145_000_000, np.array([np.nan, 0, 0]), np.zeros(3))
    estimator = OneMetreForward()
    done = run(write_bag(tmp_path / 'bag', [*drive(3), (bad.stamp_ns, bad)]), estimator)
    assert done.dropped == {'first_image': 1, 'imu_not_finite': 1}
    assert all(np.isfinite(pair.imu.values).all() for pair in estimator.pairs)


@pytest.mark.parametrize('number', [0, 2])
def test_an_image_that_cannot_be_decoded_is_reported_and_counted(number, tmp_path):
    events = drive(5)
    where = [i for i, (_, event) in enumerate(events) if isinstance(event, int)][number]
    log_ns = events[where][0]
    broken = messages.image(MAKE, log_ns, 'camera', picture(0))
    broken.encoding = 'no such encoding'
    events[where] = (log_ns, broken)
    reported: list[BagError] = []
    done = run(write_bag(tmp_path / 'bag', events), on_bad_message=reported.append)
    assert len(reported) == 1
    assert f'message {number + 1} of 5' in str(reported[0])
    assert done.dropped == {'first_image': 1, 'image_invalid': 1}
    assert done.counts.images_received == 5
    assert len(done.estimates) == 3


def test_a_pair_on_which_the_network_fails_is_counted_and_the_run_goes_on(tmp_path):
    class FailsOnce(OneMetreForward):
        def predict(self, pair: FramePair) -> RelativeMotion:
            motion = super().predict(pair)
            if len(self.pairs) == 2:
                raise ImuError('unusable')
            return motion

    done = run(write_bag(tmp_path / 'bag', drive(5)), FailsOnce())
    assert done.dropped == {'first_image': 1, 'inference_failed': 1}
    assert [estimate.T_odom_base[0, 3] for estimate in done.estimates] == [1.0, 2.0, 3.0]


def test_a_bag_that_gives_no_odometry_is_an_error_that_says_why(tmp_path):
    with pytest.raises(BagError, match=r'gave no odometry: 1 images, 1 first_image'):
        run(write_bag(tmp_path / 'one image', drive(1)))
    with pytest.raises(BagError, match=r'3 images, 1 first_image, 2 no_imu'):
        run(write_bag(tmp_path / 'early imu', [(START_NS - 10**9, still(START_NS - 10**9)), *[
            event for event in drive(3) if isinstance(event[1], int)
        ]]))  # fmt: skip


def test_progress_is_told_for_every_image(tmp_path):
    ticks = []
    run(write_drive(tmp_path / 'drive'), on_progress=lambda: ticks.append(1))
    assert len(ticks) == 3


def test_the_notes_tell_what_became_of_the_input(tmp_path):
    done = run(write_bag(tmp_path / 'bag', drive(4, imu_to=20)))
    notes = run_notes(
        tmp_path / 'bag', OneMetreForward(), done.counts.images_received, done.counts.imu_received, done.dropped
    )
    assert notes['bag'] == 'bag'
    assert notes['images_received'] == len(done.estimates) + sum(notes['dropped'].values()) == 4
    assert summary_line(notes) == '4 images and 21 IMU readings received; without odometry: 1 first_image, 1 no_imu.'


def test_the_record_is_a_bag_with_what_the_node_would_have_published(tmp_path):
    with BagReader(write_drive(tmp_path / 'drive')) as reader:
        done = run_bag(reader, OneMetreForward(), bag_mounting(reader)[0])
        record(tmp_path / 'out' / 'odometry.mcap', reader, done)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['odometry.mcap']
    with BagReader(tmp_path / 'out' / 'odometry.mcap') as recorded:
        counts = {topic: recorded.count(topic) for topic in ('/odometry', '/tf', '/path', '/tf_static')}
        assert counts == {'/odometry': 2, '/tf': 2, '/path': 1, '/tf_static': 1}
        odometry, truth = recorded.trajectory('/odometry'), recorded.ground_truth()
    np.testing.assert_array_equal(odometry.stamps_ns, done.trajectory.stamps_ns[1:])
    np.testing.assert_allclose(odometry.poses, done.trajectory.poses[1:], atol=1e-12)
    np.testing.assert_array_equal(truth.poses[:, 0, 3], [0.0, 1.0, 2.0])


def test_ground_truth_that_was_recorded_on_odometry_is_not_mixed_with_ours(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        for sample in imu_samples():
            bag.write_imu(sample)
        for i, stamp_ns in enumerate(frame_stamps_ns()):
            bag.write_image(stamp_ns, picture(i))
            message = messages.pose_odometry(MAKE, stamp_ns, translation(100.0 + i, 0.0, 0.0), 'map', 'base_link')
            bag.write_raw('/odometry', message.__msgtype__, stamp_ns, MAKE.serialize(message))
    with BagReader(tmp_path / 'bag', Topics(ground_truth='/odometry')) as reader:
        done = run_bag(reader, OneMetreForward(), Mounting())
        record(tmp_path / 'odometry.mcap', reader, done)
    with BagReader(tmp_path / 'odometry.mcap') as recorded:
        assert recorded.count('/odometry') == 2
        np.testing.assert_array_equal(recorded.ground_truth().poses[:, 0, 3], [100.0, 101.0, 102.0])
