"""odometry.mcap shows the drive by itself: paths that grow from the first stamp on, small images, what was seen."""

from __future__ import annotations

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from samples.road_bags import write_road

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.evaluation.scene import PATH_POSES, PATHS, PICTURE_WIDTH, PICTURES, DebugPictures, write_scene
from atvio_ros.types import NANOSECONDS, Trajectory

FRAMES = 12


def straight(stamps_ns: np.ndarray, speed: float = 1.0) -> Trajectory:
    poses = np.tile(np.eye(4), (len(stamps_ns), 1, 1))
    poses[:, 0, 3] = speed * (stamps_ns - stamps_ns[0]) / NANOSECONDS
    return Trajectory(stamps_ns, poses)


@pytest.fixture(scope='module')
def recorded(tmp_path_factory):
    """{topic: messages} of a scene, with the stamps of the bag's images."""
    folder = tmp_path_factory.mktemp('scene')
    pictures = DebugPictures()
    with BagReader(write_road(folder / 'drive', FRAMES, colour=True)) as reader:
        stamps_ns = np.array([image.stamp_ns for image in reader.images()])
        pictures.add(int(stamps_ns[0]), np.zeros((100, 2 * PICTURE_WIDTH, 3), np.uint8))
        with BagWriter(folder / 'odometry.mcap', single_file=True) as writer:
            write_scene(writer, reader, bag_rig(reader).rig, straight(stamps_ns), pictures)
    found: dict[str, list] = {}
    with AnyReader([folder / 'odometry.mcap']) as bag:
        for connection, _, cdr in bag.messages():
            found.setdefault(connection.topic, []).append(bag.deserialize(cdr, connection.msgtype))
    return found, stamps_ns


def test_both_paths_grow_from_the_first_stamp_to_the_last(recorded):
    messages, stamps_ns = recorded
    for topic in ('/path', '/ground_truth/path'):
        lengths = [len(path.poses) for path in messages[topic]]
        assert lengths == sorted(lengths)
        assert lengths[0] == 1
        assert {path.header.frame_id for path in messages[topic]} == {'odom'}
    assert len(messages['/path'][-1].poses) == FRAMES
    first, last = messages['/path'][0].header.stamp, messages['/path'][-1].poses[-1].header.stamp
    assert [each.sec * NANOSECONDS + each.nanosec for each in (first, last)] == [stamps_ns[0], stamps_ns[-1]]
    origin = messages['/ground_truth/path'][0].poses[0].pose.position  # wherever the truth's own frame is
    np.testing.assert_allclose((origin.x, origin.y, origin.z), 0.0, atol=1e-9)


def test_every_pose_is_there_for_viewers_that_draw_no_odometry(recorded):
    assert len(recorded[0]['/odometry/pose']) == FRAMES


def test_images_are_small_and_come_with_their_camera(recorded):
    images, infos = recorded[0]['/camera/image_raw'], recorded[0]['/camera/camera_info']
    assert 1 < len(images) < FRAMES
    assert len(infos) == len(images)
    for image, info in zip(images, infos, strict=True):
        assert (image.width, image.height) == (info.width, info.height)
        assert image.width <= 416
        assert image.encoding == 'rgb8'
        assert 0.3 < info.k[2] / info.width < 0.7
    (picture,) = recorded[0]['/atvio_node/debug_image']
    assert (picture.width, picture.height) == (PICTURE_WIDTH, 50)


def test_a_drive_of_hours_has_no_more_paths_and_pictures_than_one_of_minutes(tmp_path):
    stamps_ns = 10**18 + np.arange(20_000) * 500_000_000  # 2.8 hours
    pictures = DebugPictures()
    for stamp_ns in stamps_ns:
        pictures.add(int(stamp_ns), np.zeros((2, 4, 3), np.uint8))
    assert PICTURES <= len(pictures.kept) < 2 * PICTURES
    spread = np.diff([stamp_ns for stamp_ns, _ in pictures.kept])
    assert spread.min() == spread.max()
    bag, file = write_road(tmp_path / 'drive', 2), tmp_path / 'odometry.mcap'
    with BagReader(bag) as reader, BagWriter(file, single_file=True) as writer:
        write_scene(writer, reader, bag_rig(reader).rig, straight(stamps_ns))
    with AnyReader([file]) as bag:
        connections = [each for each in bag.connections if each.topic == '/path']
        lengths = [len(bag.deserialize(cdr, c.msgtype).poses) for c, _, cdr in bag.messages(connections)]
    assert 50 < len(lengths) <= PATHS + 2
    assert max(lengths) <= PATH_POSES + 1
