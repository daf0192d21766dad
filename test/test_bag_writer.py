"""A bag appears under its name only when it is whole, and `ros2 bag play` finds in it what it needs."""

from __future__ import annotations

import resource

import numpy as np
import pytest
import yaml
from rosbags.highlevel import AnyReader
from samples.bags import FRAMES, START_NS, image, write_drive

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.writer import BagWriter
from atvio_ros.errors import BagError, FileError, ImageError
from atvio_ros.geometry import decode_motion
from atvio_ros.types import OdometryEstimate, RelativeMotion, Trajectory

T = decode_motion(np.array([1.0, -2.0, 3.0, 0.1, -0.2, 2.5]))


def test_an_exception_while_writing_leaves_nothing_behind(tmp_path):
    def interrupted_writing():
        with BagWriter(tmp_path / 'drive') as bag:
            bag.write_image(0, image(0))
            assert not (tmp_path / 'drive').exists()
            raise InterruptedError

    with pytest.raises(InterruptedError):
        interrupted_writing()
    assert list(tmp_path.iterdir()) == []


def test_a_finished_bag_is_all_that_is_left(tmp_path):
    write_drive(tmp_path / 'drive')
    assert [path.name for path in tmp_path.iterdir()] == ['drive']
    assert sorted(path.name for path in (tmp_path / 'drive').iterdir()) == ['drive.mcap', 'metadata.yaml']


def test_an_existing_path_is_never_overwritten(tmp_path):
    (tmp_path / 'drive').write_text('precious')
    with pytest.raises(BagError, match='exists already'):
        BagWriter(tmp_path / 'drive')
    assert (tmp_path / 'drive').read_text() == 'precious'


def test_a_bag_that_appears_meanwhile_is_not_overwritten(tmp_path):
    def two_at_once():
        with BagWriter(tmp_path / 'drive') as bag:
            bag.write_image(0, image(0))
            write_drive(tmp_path / 'drive')

    with pytest.raises(FileError, match='drive exists already'):
        two_at_once()
    with BagReader(tmp_path / 'drive') as bag:
        assert bag.count('/camera/image_raw') == FRAMES


def test_a_place_that_cannot_be_written_to_is_a_bag_error(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(FileError, match='cannot be written'), BagWriter(tmp_path / 'file' / 'drive'):
        pass


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path):
    def write():
        with BagWriter(tmp_path / 'drive') as bag:
            for number in range(1000):
                bag.write_image(number, image(0))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as `ulimit -f`; Python ignores the signal
    try:
        with pytest.raises(FileError, match='drive cannot be written: File too large'):
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_cleared_by_the_next_one(tmp_path):
    litter = tmp_path / '.drive.abcd1234.partial' / 'drive'
    litter.mkdir(parents=True)
    write_drive(tmp_path / 'drive')
    assert [path.name for path in tmp_path.iterdir()] == ['drive']


def test_a_bag_of_one_file_replaces_an_older_one_only_when_it_is_whole(tmp_path):
    path = tmp_path / 'out' / 'a.odometry.mcap'

    def write(failure: type[BaseException] | None) -> None:
        with BagWriter(path, single_file=True) as bag:
            bag.write_image(0, image(0))
            if failure:
                raise failure

    write(None)
    before = path.read_bytes()
    with pytest.raises(InterruptedError):
        write(InterruptedError)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ['a.odometry.mcap']
    write(None)
    with BagReader(path) as bag:
        assert bag.count('/camera/image_raw') == 1


def test_missing_parent_folders_are_made(tmp_path):
    assert write_drive(tmp_path / 'a' / 'b' / 'drive').is_dir()


def test_qos_lets_players_offer_reliable_streams_and_latched_static_transforms(tmp_path):
    metadata = yaml.safe_load((write_drive(tmp_path / 'drive') / 'metadata.yaml').read_text())
    information = metadata['rosbag2_bagfile_information']
    assert information['version'] == 8  # the last that Humble reads
    for entry in information['topics_with_message_count']:
        topic = entry['topic_metadata']
        (profile,) = yaml.safe_load(topic['offered_qos_profiles'])
        assert profile['reliability'] == 1
        assert profile['durability'] == (1 if topic['name'] == '/tf_static' else 2)


def test_grey_is_mono8_and_colour_is_rgb8(tmp_path):
    colour = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    with BagWriter(tmp_path / 'drive') as bag:
        bag.write_image(1, image(0))
        bag.write_image(2, colour[:, ::2])  # a view with gaps
    with AnyReader([tmp_path / 'drive']) as reader:
        grey_message, colour_message = (reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages())
    assert (grey_message.encoding, grey_message.step) == ('mono8', 16)
    assert (colour_message.encoding, colour_message.step) == ('rgb8', 24)
    np.testing.assert_array_equal(colour_message.data.reshape(12, 8, 3), colour[:, ::2])


def test_an_image_of_the_wrong_kind_is_refused(tmp_path):
    with pytest.raises(ImageError), BagWriter(tmp_path / 'drive') as bag:
        bag.write_image(0, np.zeros((4, 4), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_odometry_comes_with_its_transform_and_path(tmp_path):
    estimate = OdometryEstimate(START_NS, T, np.ones(3), np.ones(3), np.eye(6), np.eye(6), RelativeMotion(np.eye(4)))
    with BagWriter(tmp_path / 'odometry') as bag:
        bag.write_odometry(estimate)
        bag.write_path(Trajectory(np.array([START_NS - 1, START_NS]), np.stack([np.eye(4), T])))
    with BagReader(tmp_path / 'odometry') as bag:
        odometry = bag.trajectory('/odometry')
        types = {message.topic: message.type_name for message in bag.raw_messages()}
    assert odometry.stamps_ns.tolist() == [START_NS]
    np.testing.assert_allclose(odometry.poses[0], T, atol=1e-12)
    assert types == {
        '/odometry': 'nav_msgs/msg/Odometry',
        '/tf': 'tf2_msgs/msg/TFMessage',
        '/path': 'nav_msgs/msg/Path',
    }


def test_raw_bytes_are_recorded_as_they_came_also_of_own_types(tmp_path):
    definition = 'std_msgs/Header header\nfloat32 attention\nuint64 frames\n'
    with BagReader(write_drive(tmp_path / 'drive')) as bag:
        raw = list(bag.raw_messages())
    with BagWriter(tmp_path / 'copy') as copy:
        for message in raw:
            copy.write_raw(message.topic, message.type_name, message.log_stamp_ns, message.cdr)
        copy.write_raw('/status', 'atvio_ros/msg/Status', START_NS, bytes(40), message_definition=definition)
    with BagReader(tmp_path / 'copy') as bag:
        copied = list(bag.raw_messages())
    assert [m for m in copied if m.topic != '/status'] == raw
    assert [m.cdr for m in copied if m.topic == '/status'] == [bytes(40)]
    with pytest.raises(BagError, match='give its definition'), BagWriter(tmp_path / 'other') as bag:
        bag.write_raw('/status', 'atvio_ros/msg/Status', START_NS, bytes(40))
