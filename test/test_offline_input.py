"""Odometry of tiny bags, offline: what is wrong, missing or out of order in them is counted and goes no further."""

from __future__ import annotations

import numpy as np
import pytest
from samples.bags import (
    MAKE,
    START_NS,
    write_drive,
)
from samples.bags import image as picture
from samples.offline import OneMetreForward, drive, grainy, run, still, write_bag

from atvio_ros import messages
from atvio_ros.bags.writer import BagWriter
from atvio_ros.errors import BagError, ImuError
from atvio_ros.types import FramePair, ImuSample, RelativeMotion


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


def test_two_sources_in_one_topic_of_a_bag_are_said_with_their_frames(tmp_path):
    events = [(log_ns, grainy(event) if isinstance(event, int) else event) for log_ns, event in drive(20)]
    for k in range(19):
        at_ns = START_NS + k * 100_000_000 + 50_000_000
        events.append((at_ns, messages.image(MAKE, at_ns, 'right', np.full((32, 64), k, np.uint8))))
    path = write_bag(tmp_path / 'two', sorted(events, key=lambda event: event[0]))
    said = 'images on /camera/image_raw come by turns from 2 sources (frame_id: camera, right)'
    assert any(said in text for text in run(path).warnings)

    with BagWriter(tmp_path / 'imus') as bag:
        for log_ns, event in drive(20):
            if isinstance(event, int):
                bag.write_image(event, np.full((32, 64), event % 251, np.uint8))
                continue
            for frame, later_ns in (('imu_link', 0), ('imu_rear', 5_000_000)):
                bag.write_imu(still(log_ns + later_ns), frame)
    said = 'IMU readings on /imu/data_raw come by turns from 2 sources (frame_id: imu_link, imu_rear)'
    assert any(said in text for text in run(tmp_path / 'imus').warnings)
    assert not any('by turns' in text for text in run(write_bag(tmp_path / 'one', drive(20))).warnings)
