"""A bag gives back what was recorded, whatever its form and whoever made it; what it lacks is said in one line."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode
from samples.bags import (
    FRAMES,
    INTRINSICS,
    MAKE,
    T_BASE_CAMERA,
    drive_messages,
    frame_stamps_ns,
    image,
    imu_samples,
    write_drive,
    write_rosbag1,
    write_rosbag2,
)

from atvio_ros import messages
from atvio_ros.bags.reader import BagImage, BagReader
from atvio_ros.bags.topics import Topics
from atvio_ros.bags.typestore import TYPESTORE
from atvio_ros.errors import BagError
from atvio_ros.geometry import inverse, translation
from atvio_ros.transform_tree import lookup
from atvio_ros.types import ImuSample

OTHERS = Topics(ground_truth='/truth')


def ours(folder):
    return write_drive(folder / 'drive'), None


def sqlite(folder):
    return write_rosbag2(folder / 'drive', drive_messages()), OTHERS


def mcap(folder):
    return write_rosbag2(folder / 'drive', drive_messages(), 'mcap'), OTHERS


def mcap_compressed(folder):
    zstd = {'mode': CompressionMode.STORAGE, 'fmt': CompressionFormat.ZSTD}
    return write_rosbag2(folder / 'drive', drive_messages(), 'mcap', **zstd), OTHERS


def sqlite_compressed(folder):
    zstd = {'mode': CompressionMode.MESSAGE, 'fmt': CompressionFormat.ZSTD}
    return write_rosbag2(folder / 'drive', drive_messages(), **zstd), OTHERS


def bare_mcap(folder):
    return next(mcap(folder)[0].glob('*.mcap')), OTHERS


def bare_sqlite(folder):
    return next(sqlite(folder)[0].glob('*.db3')), OTHERS


def folder_named_bag(folder):
    return write_rosbag2(folder / 'drive.bag', drive_messages()), OTHERS


def ros1(folder):
    return write_rosbag1(folder / 'drive.bag', drive_messages()), OTHERS


def ros1_lz4(folder):
    return write_rosbag1(folder / 'drive.bag', drive_messages(), 'LZ4'), OTHERS


FORMS = [
    ours,
    sqlite,
    mcap,
    mcap_compressed,
    sqlite_compressed,
    bare_mcap,
    bare_sqlite,
    folder_named_bag,
    ros1,
    ros1_lz4,
]


@pytest.mark.parametrize('form', FORMS)
def test_every_form_of_bag_gives_back_the_drive_exactly(form, tmp_path):
    path, topics = form(tmp_path)
    with BagReader(path, topics) as bag:
        events = list(bag.events())
        truth = bag.ground_truth()
        info = bag.camera_info()
        T_base_camera = lookup(bag.static_transforms(), 'base_link', info.frame_id)
        assert bag.count(bag.topics.image) == FRAMES
    readings = [event for event in events if isinstance(event, ImuSample)]
    images = [event for event in events if isinstance(event, BagImage)]

    assert [event.stamp_ns for event in events] == sorted(event.stamp_ns for event in events)
    for got, written in zip(readings, imu_samples(), strict=True):
        assert got.stamp_ns == written.stamp_ns
        np.testing.assert_array_equal(got.angular_velocity, written.angular_velocity)
        np.testing.assert_array_equal(got.linear_acceleration, written.linear_acceleration)
    assert [got.stamp_ns for got in images] == frame_stamps_ns()
    for i, got in enumerate(images):
        np.testing.assert_array_equal(got.image, image(i))
        assert got.frame_id == info.frame_id
    assert (info.width_px, info.height_px, info.intrinsics) == (16, 12, INTRINSICS)
    assert truth.stamps_ns.tolist() == frame_stamps_ns()
    np.testing.assert_allclose(truth.poses[:, 0, 3], range(FRAMES))
    np.testing.assert_allclose(T_base_camera, T_BASE_CAMERA, atol=1e-12)


@pytest.mark.parametrize('form', FORMS)
def test_raw_messages_are_ros_2_bytes_in_log_order(form, tmp_path):
    path, topics = form(tmp_path)
    with BagReader(path, topics) as bag:
        raw = list(bag.raw_messages())
        imu_topic = bag.topics.imu
    assert [message.log_stamp_ns for message in raw] == sorted(message.log_stamp_ns for message in raw)
    imu = [TYPESTORE.deserialize_cdr(m.cdr, m.type_name) for m in raw if m.topic == imu_topic]
    for message, sample in zip(imu, imu_samples(), strict=True):
        expected = messages.imu(MAKE, sample, message.header.frame_id)
        assert MAKE.serialize(message) == MAKE.serialize(expected)
    if form in (ours, ros1, ros1_lz4):
        assert {message.topic for message in raw if message.transient_local} == {'/tf_static'}


def test_raw_messages_can_be_limited_to_some_topics(tmp_path):
    with BagReader(write_drive(tmp_path / 'drive')) as bag:
        assert {message.topic for message in bag.raw_messages(['/imu/data_raw'])} == {'/imu/data_raw'}


def test_events_follow_the_log_time_while_their_stamps_are_those_of_the_headers(tmp_path):
    late = 50_000_000
    stream = drive_messages()
    stream = [(topic, stamp + late * (topic == '/left/image'), message) for topic, stamp, message in stream]
    with BagReader(write_rosbag2(tmp_path / 'drive', stream, 'mcap')) as bag:
        events = list(bag.events())
    assert [event.stamp_ns for event in events if isinstance(event, BagImage)] == frame_stamps_ns()
    assert isinstance(events[0], ImuSample)
    assert [event.stamp_ns for event in events] != sorted(event.stamp_ns for event in events)


def test_compressed_images_are_decoded(tmp_path):
    def compressed(stamp_ns, picture):
        return MAKE(
            messages.COMPRESSED_IMAGE,
            header=messages.header(MAKE, stamp_ns, 'camera'),
            format='png',
            data=cv2.imencode('.png', picture)[1].reshape(-1),
        )

    stream = [entry for entry in drive_messages() if entry[0] != '/left/image']
    stream += [('/left/image/compressed', s, compressed(s, image(i))) for i, s in enumerate(frame_stamps_ns())]
    with BagReader(write_rosbag2(tmp_path / 'drive', stream)) as bag:
        assert bag.topics.image == '/left/image/compressed'
        for i, got in enumerate(bag.images()):
            np.testing.assert_array_equal(got.image, image(i))


def test_the_only_image_and_imu_topics_are_chosen_and_said_but_never_a_ground_truth(tmp_path):
    with BagReader(write_rosbag2(tmp_path / 'drive', drive_messages())) as bag:
        assert bag.topics == Topics(image='/left/image', imu='/imu', ground_truth=None)
        with pytest.raises(BagError, match=r'no ground truth on /ground_truth/odometry.*--ground-truth-topic.*/truth'):
            bag.ground_truth()


def test_our_topics_win_over_others(tmp_path):
    stream = drive_messages()
    stream += [('/camera/image_raw', stamp, message) for topic, stamp, message in stream if topic == '/left/image']
    with BagReader(write_rosbag2(tmp_path / 'drive', stream)) as bag:
        assert bag.topics.image == '/camera/image_raw'


def test_among_several_image_topics_the_user_must_choose_and_is_told_how(tmp_path):
    stream = drive_messages()
    stream += [('/right/image', stamp, message) for topic, stamp, message in stream if topic == '/left/image']
    path = write_rosbag2(tmp_path / 'drive', stream)
    with BagReader(path) as bag, pytest.raises(BagError, match=r'/left/image, /right/image.*--image-topic'):
        bag.events()
    with BagReader(path, Topics(image='/right/image')) as bag:
        assert sum(isinstance(event, BagImage) for event in bag.events()) == FRAMES


@pytest.mark.parametrize(
    ('asked', 'message'),
    [
        (Topics(image='/nowhere'), r'no images .* on /nowhere\. Choose one with --image-topic\. It holds .*/imu'),
        (Topics(image='/imu'), r'no images \(sensor_msgs/msg/Image or .*\) on /imu'),
        (Topics(imu='/left/image'), r'no IMU readings .* on /left/image.*--imu-topic'),
        (Topics(ground_truth='/imu'), r'no ground truth .* on /imu.*--ground-truth-topic'),
    ],
)
def test_a_topic_asked_for_must_exist_with_the_right_type(asked, message, tmp_path):
    path = write_rosbag2(tmp_path / 'drive', drive_messages())
    with pytest.raises(BagError, match=message), BagReader(path, asked):
        pass


def test_a_bag_without_images_or_without_imu_says_what_it_holds_instead(tmp_path):
    with BagReader(write_drive(tmp_path / 'blind', images=False)) as bag:
        assert len(list(bag.imu())) == len(imu_samples())
        with pytest.raises(
            BagError, match=r'no images \(sensor_msgs/msg/Image .*It holds .*/imu/data_raw \(sensor_msg'
        ):
            bag.events()
    with BagReader(write_drive(tmp_path / 'numb', imu=False)) as bag:
        assert len(list(bag.images())) == FRAMES
        with pytest.raises(BagError, match=r'no IMU readings \(sensor_msgs/msg/Imu\).*/camera/image_raw'):
            bag.events()


def test_a_bag_without_messages_is_refused_in_words(tmp_path):
    with BagReader(write_rosbag2(tmp_path / 'empty', [])) as bag, pytest.raises(BagError, match='no topics at all'):
        bag.events()


@pytest.mark.parametrize('type_name', messages.POSE_TYPES)
def test_ground_truth_may_be_any_stamped_pose_in_any_order(type_name, tmp_path):
    def message(stamp_ns, T):
        if type_name == messages.TRANSFORM_STAMPED:
            return messages.transform_stamped(MAKE, stamp_ns, 'world', 'body', T)
        if type_name == messages.ODOMETRY:
            return messages.pose_odometry(MAKE, stamp_ns, T, 'odom', 'base_link')
        stamped = messages.pose_stamped(MAKE, stamp_ns, 'world', T)
        if type_name == messages.POSE_STAMPED:
            return stamped
        pose = MAKE('geometry_msgs/msg/PoseWithCovariance', pose=stamped.pose, covariance=np.zeros(36))
        return MAKE(type_name, header=stamped.header, pose=pose)

    stream = [('/truth', 100 + i, message(s, translation(s, 0, 0))) for i, s in enumerate((30, 10, 20, 10))]
    with BagReader(write_rosbag2(tmp_path / 'drive', stream), OTHERS) as bag:
        truth = bag.ground_truth()
    assert truth.stamps_ns.tolist() == [10, 20, 30]
    assert truth.poses[:, 0, 3].tolist() == [10.0, 20.0, 30.0]


def test_a_message_that_cannot_be_decoded_is_named_by_topic_and_number_and_can_be_left_out(tmp_path):
    stream = drive_messages()
    bad = [message for topic, _, message in stream if topic == '/left/image'][1]
    bad.encoding = '32FC1'
    path = write_rosbag2(tmp_path / 'drive', stream)
    with BagReader(path) as bag:
        with pytest.raises(BagError, match=r"message 2 of 3 on /left/image .*'32FC1' is not known\. Known: mono8"):
            list(bag.events())
        problems = []
        images = list(bag.images(problems.append))
    assert len(images) == FRAMES - 1
    assert len(problems) == 1


def test_ground_truth_that_is_not_a_pose_is_an_error(tmp_path):
    stream = drive_messages()
    next(message for topic, _, message in stream if topic == '/truth').pose.position.x = float('nan')
    with (
        BagReader(write_rosbag2(tmp_path / 'drive', stream), OTHERS) as bag,
        pytest.raises(BagError, match=r'message 1 of 3 on /truth .*NaN'),
    ):
        bag.ground_truth()


def test_a_chain_of_static_transforms_is_composed_in_both_directions():
    T_base_imu, T_imu_camera = translation(1.0, 0.0, 0.0), T_BASE_CAMERA
    transforms = {('base_link', 'imu_link'): T_base_imu, ('imu_link', 'camera'): T_imu_camera}
    np.testing.assert_allclose(lookup(transforms, 'base_link', 'camera'), T_base_imu @ T_imu_camera)
    np.testing.assert_allclose(lookup(transforms, 'camera', 'base_link'), inverse(T_base_imu @ T_imu_camera))
    assert lookup(transforms, 'base_link', 'lidar') is None
