"""A bag through the real node over DDS gives what the same bag gives offline."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from node_process import REPOSITORY, fresh_environment, release
from rosbags.highlevel import AnyReader
from samples.road_bags import write_road

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.writer import BagWriter
from atvio_ros.timeline import read_timeline
from atvio_ros.trajectory_files import read_kitti_poses, read_tum

FRAMES = 12
CLIPS = REPOSITORY.parent / 'shared' / 'data' / 'kitti' / 'clips'


def atvio(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, '-m', 'atvio_ros.cli', *map(str, arguments)]
    environment = fresh_environment()
    try:
        return subprocess.run(
            command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=900, check=False
        )
    finally:
        release(environment)


def assert_same_odometry(offline: Path, online: Path) -> None:
    """Every pose and stamp that `atvio run` wrote is what the node published."""
    run, replay = read_tum(offline / 'estimate.tum'), read_tum(online / 'estimate.tum')
    np.testing.assert_array_equal(replay.stamps_ns, run.stamps_ns)
    np.testing.assert_allclose(replay.poses, run.poses, rtol=0, atol=1e-6)


@pytest.mark.parametrize(('estimator', 'rate'), [('road', 0), ('network', 0), ('road', 200)])
def test_node_and_offline_run_agree_frame_by_frame_at_every_rate(estimator, rate, tmp_path):
    bag = write_road(tmp_path / 'drive', FRAMES, colour=True)
    options = '--json', '--device', 'cpu', '--estimator', estimator
    offline = atvio('run', bag, '--out', tmp_path / 'run', *options)
    online = atvio('replay', bag, '--out', tmp_path / 'replay', *options, '--rate', rate)
    assert (offline.returncode, online.returncode) == (0, 0), offline.stderr + online.stderr
    assert_same_odometry(tmp_path / 'run', tmp_path / 'replay')

    result = json.loads(online.stdout)
    assert result['dropped'] == {'first_image': 1}
    assert result['images_received'] == FRAMES
    assert len(read_kitti_poses(tmp_path / 'replay' / 'estimate.kitti.txt')) == FRAMES
    for name in ('estimate.tum', 'truth.tum', 'truth.kitti.txt', 'trajectory.png', 'result.json', 'odometry.mcap'):
        assert (tmp_path / 'replay' / name).stat().st_size > 0

    offline_rows, rows = (read_timeline(tmp_path / name / 'timeline.csv') for name in ('run', 'replay'))
    np.testing.assert_array_equal(rows.stamps_ns, offline_rows.stamps_ns)
    for name in ('speed', 'speed_sigma', 'yaw_rate', 'cov_xx', 'yaw_sigma', 'attention_visual'):
        np.testing.assert_allclose(rows.values[name], offline_rows.values[name], rtol=1e-4, atol=1e-6, err_msg=name)
    if estimator == 'road':
        for name in ('travel_pitch', 'travel_yaw', 'travel_sigma'):
            np.testing.assert_allclose(rows.values[name], offline_rows.values[name], atol=2e-3, err_msg=name)
    assert set(rows.states) <= {'tracking', 'degraded', 'stationary'}
    assert (tmp_path / 'replay' / 'view.html').stat().st_size > 100_000

    with BagReader(tmp_path / 'replay' / 'odometry.mcap') as recorded:  # what RViz and Foxglove open
        counts = {topic: recorded.count(topic) for topic in ('/odometry', '/tf', '/ground_truth/odometry')}
        assert counts == {'/odometry': FRAMES - 1, '/tf': FRAMES - 1, '/ground_truth/odometry': FRAMES}
        assert recorded.count('/status') >= FRAMES - 1
        for topic in ('/path', '/ground_truth/path', '/camera/image_raw', '/atvio_node/debug_image'):
            assert recorded.count(topic) >= 1, topic
        np.testing.assert_allclose(
            recorded.trajectory('/odometry').poses, read_tum(tmp_path / 'run' / 'estimate.tum').poses[1:], atol=1e-6
        )
    with AnyReader([tmp_path / 'replay' / 'odometry.mcap']) as recorded:  # by the definitions that are in the file
        last = {
            connection.topic: (stamp_ns, recorded.deserialize(cdr, connection.msgtype))
            for connection, stamp_ns, cdr in recorded.messages()
        }
        stamp_ns, status = last['/status']
        assert recorded.start_time <= stamp_ns <= recorded.end_time  # of the bag, not of this machine
        assert (status.frames_processed, list(status.drop_reasons)) == (FRAMES - 1, ['first_image'])
        assert status.STATE_TRACKING == 1


def test_a_replay_that_cannot_start_says_why_in_one_line(tmp_path):
    bag = write_road(tmp_path / 'drive', FRAMES)
    (tmp_path / 'damaged.safetensors').write_bytes(b'no model')
    failed = atvio('replay', bag, '--model', tmp_path / 'damaged.safetensors', '--out', tmp_path / 'out')
    assert failed.returncode == 1
    assert len(failed.stderr.strip().splitlines()) == 1
    assert 'damaged.safetensors' in failed.stderr


@pytest.mark.skipif(not CLIPS.is_dir(), reason='the KITTI clips of ../shared are not here')
@pytest.mark.parametrize('clip', ['06_000000-000050', '00_000000-000099'])
def test_real_kitti_clips_give_one_odometry_message_per_frame_after_the_first(clip, tmp_path):
    folder, bag = CLIPS / clip, tmp_path / 'clip'
    sources = {'--images': 'image_0', '--times': 'times.txt', '--imu': 'imu_100hz.txt', '--poses': 'poses.txt'}
    options = [word for option, name in sources.items() for word in (option, folder / name)]
    intrinsics = '707.0912,707.0912,601.8873,183.1104' if clip.startswith('06') else '718.856,718.856,607.1928,185.2157'
    exported = atvio('export-kitti', *options, '--intrinsics', intrinsics, '--out', bag)
    assert exported.returncode == 0, exported.stderr
    online = atvio('replay', bag, '--out', tmp_path / 'replay', '--json', '--device', 'cpu', '--rate', '0')
    assert online.returncode == 0, online.stderr
    frames = len(list((folder / 'image_0').iterdir()))
    assert json.loads(online.stdout)['dropped'] == {'first_image': 1}
    with BagReader(tmp_path / 'replay' / 'odometry.mcap') as recorded, BagReader(bag) as source:
        stamps_ns = [image.stamp_ns for image in source.images()]
        np.testing.assert_array_equal(recorded.trajectory('/odometry').stamps_ns, stamps_ns[1:])
        assert len(stamps_ns) == frames


def with_late_readings(source: Path, path: Path, late_ns: int) -> Path:
    """The bag with its IMU readings recorded so much later, as a driver that batches them does."""
    with BagReader(source) as bag, BagWriter(path) as copy:
        for message in bag.raw_messages():
            late = late_ns if message.topic == bag.topics.imu else 0
            copy.write_raw(
                message.topic,
                message.type_name,
                message.log_stamp_ns + late,
                message.cdr,
                latched=message.transient_local,
            )
    return path


@pytest.mark.parametrize('rate', [0, 50])
def test_readings_that_were_recorded_a_second_late_are_waited_for(rate, tmp_path):
    bag = with_late_readings(write_road(tmp_path / 'drive', 30), tmp_path / 'late', 1_500_000_000)
    offline = atvio('run', bag, '--out', tmp_path / 'run', '--json')
    online = atvio('replay', bag, '--out', tmp_path / 'replay', '--json', '--rate', rate)
    assert (offline.returncode, online.returncode) == (0, 0), offline.stderr + online.stderr
    assert json.loads(online.stdout)['dropped'] == {'first_image': 1}
    assert_same_odometry(tmp_path / 'run', tmp_path / 'replay')
