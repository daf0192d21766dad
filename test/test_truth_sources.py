"""Ground truth from what people have, each beside one drive on a real bag: GPS, wheel odometry, another SLAM, TF."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags import rosbag2
from samples.bags import MAKE
from samples.command_line import complaint
from samples.road_bags import EPOCH_NS, write_road
from scipy.spatial.transform import Rotation

from atvio_ros import messages
from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.typestore import TYPESTORE
from atvio_ros.cli.main import main
from atvio_ros.drives.sequence_store import PreparedSequence
from atvio_ros.drives.truth import Fixes, oriented
from atvio_ros.errors import TrajectoryError
from atvio_ros.geodesy import earth_centred, east_north_up
from atvio_ros.geometry import inverse, relative_poses, transform, translation
from atvio_ros.moving_frames import StampedTransform, chained
from atvio_ros.trajectory_files import read_tum, write_tum
from atvio_ros.types import Trajectory

FRAMES, WAY_A_SECOND = 36, 6.0
HEADING = np.radians(40.0)  # of base x, from east
ANTENNA = np.array([-0.8, 0.3, 1.5])
PLACE = np.array([48.1, 11.5, 500.0])
OFFSET_NS = 37_000_000  # other systems have stamps of their own


def stamps(rate_hz: float) -> np.ndarray:
    count = int((FRAMES - 1) * 0.1 * rate_hz) + 2
    return EPOCH_NS - OFFSET_NS + (np.arange(count) * 1e9 / rate_hz).astype(np.int64)


def true_pose(stamp_ns: int, speed: float = WAY_A_SECOND) -> np.ndarray:
    """In a map whose x axis points east: the drive goes straight ahead, HEADING to the left of it."""
    way = (stamp_ns - EPOCH_NS) / 1e9 * speed
    T_map_odom = transform(Rotation.from_euler('z', HEADING).as_matrix(), np.array([30.0, -20.0, 2.0]))
    return T_map_odom @ translation(way, 0.0, 0.0)


def odometry(rate_hz: float = 50.0, speed: float = WAY_A_SECOND) -> list[tuple[str, int, Any]]:
    return [
        ('/wheels', int(s), messages.pose_odometry(MAKE, int(s), true_pose(int(s), speed), 'odom', 'base_link'))
        for s in stamps(rate_hz)
    ]


def fixes(sigma_m: float = 0.02) -> list[tuple[str, int, Any]]:
    """A receiver of 5 Hz whose antenna is not at base_link; one message has no fix."""
    found = []
    for k, stamp_ns in enumerate(stamps(5.0)):
        T = true_pose(int(stamp_ns))
        east, north, up = T[:3, 3] + T[:3, :3] @ ANTENNA
        latitude = PLACE[0] + np.degrees(north / 6_375_000.0)
        longitude = PLACE[1] + np.degrees(east / (6_389_900.0 * np.cos(np.radians(PLACE[0]))))
        message = MAKE(
            messages.NAV_SAT_FIX,
            header=messages.header(MAKE, int(stamp_ns), 'gps'),
            status=MAKE('sensor_msgs/msg/NavSatStatus', status=-1 if k == 3 else 2, service=1),
            latitude=float(np.nan if k == 3 else latitude),
            longitude=float(longitude),
            altitude=PLACE[2] + up,
            position_covariance=np.diag([sigma_m**2] * 3).ravel(),
            position_covariance_type=2,
        )
        found.append(('/gps/fix', int(stamp_ns), message))
    mast = messages.transform_stamped(MAKE, EPOCH_NS, 'base_link', 'gps', transform(np.eye(3), ANTENNA))
    return [*found, ('/tf_static', EPOCH_NS, messages.tf_message(MAKE, [mast]))]


def frames() -> list[tuple[str, int, Any]]:
    """map -> odom is corrected once a second, odom -> base_link comes at 20 Hz."""
    found = []
    for stamp_ns in stamps(20.0).tolist():
        links = [('odom', 'base_link', translation(0.6 + (stamp_ns - EPOCH_NS) / 1e9 * WAY_A_SECOND, 0.0, 0.0))]
        if (stamp_ns - EPOCH_NS + OFFSET_NS) % 1_000_000_000 == 0 or stamp_ns == stamps(20.0)[-1]:
            links.append(('map', 'odom', true_pose(EPOCH_NS) @ translation(-0.6, 0.0, 0.0)))
        each = [messages.transform_stamped(MAKE, stamp_ns, *link) for link in links]
        found.append(('/tf', stamp_ns, messages.tf_message(MAKE, each)))
    return found


@pytest.fixture(scope='module')
def bag(tmp_path_factory) -> Path:
    """The road with all of these beside its own ground truth."""
    folder = tmp_path_factory.mktemp('bags')
    with BagReader(write_road(folder / 'road', FRAMES)) as reader:
        recorded = [(raw.topic, raw.type_name, raw.log_stamp_ns, raw.cdr) for raw in reader.raw_messages()]
    for topic, stamp_ns, message in (*odometry(), *fixes(), *frames()):
        recorded.append(
            (topic, message.__msgtype__, stamp_ns, bytes(TYPESTORE.serialize_cdr(message, message.__msgtype__)))
        )
    with rosbag2.Writer(folder / 'all', version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}
        for topic, type_name, stamp_ns, cdr in sorted(recorded, key=lambda row: row[2]):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, type_name, typestore=TYPESTORE)
            writer.write(connections[topic], stamp_ns, cdr)
    return folder / 'all'


@pytest.fixture(scope='module')
def slam(bag) -> Path:
    """Poses of the camera by another system, in a frame of its own."""
    with BagReader(bag) as reader:
        from atvio_ros.drives.bag_drive import bag_rig

        T_base_camera = bag_rig(reader).rig.T_base_camera
    at = stamps(30.0)
    poses = np.stack([inverse(T_base_camera) @ true_pose(int(s)) @ T_base_camera for s in at])
    write_tum(bag.parent / 'slam.tum', Trajectory(at, poses))
    return bag.parent / 'slam.tum'


def figures(capsys, bag: Path, out: Path, *options: str) -> dict[str, Any]:
    assert main(['evaluate', str(bag), '--out', str(out), '--json', *options]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)['sequences']['all']
    return {**result, 'said': printed.err}


@pytest.fixture(scope='module')
def by_own(bag, tmp_path_factory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp('own')
    assert main(['evaluate', str(bag), '--out', str(out)]) == 0
    return json.loads((out / 'result.json').read_text())['sequences']['all']


@pytest.mark.parametrize('source', ['wheels', 'slam', 'tf', 'gps'])
def test_figures_are_those_of_the_true_poses(capsys, bag, slam, by_own, tmp_path, source):
    options = {
        'wheels': ('--ground-truth-topic', '/wheels'),
        'slam': ('--truth', str(slam), '--truth-frame', 'camera'),
        'tf': ('--truth-tf', 'map:base_link'),
        'gps': ('--ground-truth-topic', '/gps/fix'),
    }[source]
    found = figures(capsys, bag, tmp_path / 'out', *options)
    assert found['frames'] >= by_own['frames'] - 3
    assert found['length_m'] == pytest.approx(0.6 * (found['frames'] - 1), rel=0.01)
    assert found['end_error_percent'] == pytest.approx(by_own['end_error_percent'], abs=0.6)
    assert found['ate_m'] == pytest.approx(by_own['ate_m'], abs=0.1)
    if source == 'gps':
        assert 'errors of roll and pitch do not show' in found['said']
        assert 'antenna' not in found['said']  # /tf_static says where it is


def test_run_takes_them_too(bag, slam, tmp_path):
    command = ['run', str(bag), '--out', str(tmp_path / 'run'), '--truth', str(slam), '--truth-frame', 'camera']
    assert main(command) == 0
    poses = read_tum(tmp_path / 'run' / 'truth.tum').poses
    np.testing.assert_allclose(np.linalg.norm(poses[-1, :3, 3] - poses[0, :3, 3]), 0.6 * (len(poses) - 1), rtol=0.01)


@pytest.mark.parametrize('options', [('--ground-truth-topic', '/gps/fix'), ('--truth-tf', 'map:base_link')])
def test_training_data_can_be_prepared_from_them(bag, tmp_path, options):
    assert main(['prepare', str(bag), '--out', str(tmp_path), '--view', 'stored', *options]) == 0
    sequence = PreparedSequence(tmp_path / 'all')
    known = np.isfinite(sequence.camera_poses).all(axis=(1, 2))
    assert known.sum() >= FRAMES - 2
    motion = relative_poses(sequence.camera_poses[known])
    np.testing.assert_allclose(motion[2:-2, 2, 3], 0.6, atol=0.02)  # along the camera's z
    before = (tmp_path / 'all' / 'meta.json').stat().st_mtime_ns
    assert main(['prepare', str(bag), '--out', str(tmp_path), '--view', 'stored', *options]) == 0
    assert (tmp_path / 'all' / 'meta.json').stat().st_mtime_ns == before  # prepared already


def test_what_cannot_be_is_said_in_a_line(capsys, bag, slam, tmp_path):
    run = ('run', bag, '--out', tmp_path / 'out')
    assert 'two ground truths' in complaint(capsys, *run, '--truth', slam, '--truth-tf', 'map:base_link')
    assert 'two frames' in complaint(capsys, *run, '--truth-tf', 'map')
    assert 'no chain' in complaint(capsys, *run, '--truth-tf', 'world:base_link')
    assert 'odom -> base_link' in complaint(capsys, *run, '--truth-tf', 'world:base_link')
    moved = dataclasses.replace(read_tum(slam), stamps_ns=read_tum(slam).stamps_ns + 10**12)
    write_tum(tmp_path / 'late.tum', moved)
    assert 'share no time' in complaint(capsys, *run, '--truth', tmp_path / 'late.tum')
    assert 'without orientation' in complaint(
        capsys, 'calibrate-rig', bag, '--out', tmp_path / 'rig.yaml', '--ground-truth-topic', '/gps/fix'
    )


# ---- the parts


def test_wgs84_against_known_places():
    """The semi-axes of the ellipsoid, and a degree of latitude on the equator: 110574.4 m of arc (NIMA TR8350.2)."""
    points = np.array([[0.0, 0.0, 0.0], [90.0, 0.0, 0.0], [0.0, 90.0, 10.0]])
    expected = [[6378137.0, 0.0, 0.0], [0.0, 0.0, 6356752.3142], [0.0, 6378147.0, 0.0]]
    np.testing.assert_allclose(earth_centred(points), expected, atol=1e-3)
    steps = np.stack((np.linspace(0.0, 1.0, 1001), np.zeros(1001), np.zeros(1001)), axis=1)
    arc_m = np.linalg.norm(np.diff(earth_centred(steps), axis=0), axis=1).sum()
    assert arc_m == pytest.approx(110574.39, abs=0.1)
    local = east_north_up(np.array([[48.0, 11.0, 500.0], [48.0, 11.0001, 500.0], [48.0001, 11.0, 507.0]]))
    np.testing.assert_allclose(local[1], [7.4631, 0.0, 0.0], atol=2e-3)
    np.testing.assert_allclose(local[2], [0.0, 11.120, 7.0], atol=2e-3)


def test_a_heading_that_drifts_shows_against_positions_alone():
    """An odometry that turns away by 4 degrees over 200 m: its true orientation is found back from the fixes."""
    count = 400
    at_ns = np.arange(count) * 100_000_000
    straight = np.stack([translation(0.5 * i, 0.0, 0.0) for i in range(count)])
    turn = Rotation.from_euler('z', np.radians(4.0) / count).as_matrix()
    estimate = [np.eye(4)]
    for _ in range(count - 1):
        estimate.append(estimate[-1] @ transform(turn, np.array([0.5, 0.0, 0.0])))
    track = Fixes(at_ns, straight[:, :3, 3] + [1e6, 2e6, 0.0], np.zeros(3), 0.02)
    truth = oriented(track, Trajectory(at_ns, np.stack(estimate)))
    yaw = np.degrees(Rotation.from_matrix(truth.poses[:, :3, :3]).as_euler('ZYX')[:, 0])
    assert np.abs(yaw).max() < 0.6  # half of what it turns within the 50 m that a heading is fitted to
    with pytest.raises(TrajectoryError, match='too little to find a heading'):
        oriented(Fixes(at_ns, np.zeros((count, 3)), np.zeros(3), 0.02), Trajectory(at_ns, straight))


def test_frames_are_chained_through_fixed_ones_and_loops_end():
    link = [StampedTransform(k, 'map', 'body', translation(float(k), 0.0, 0.0)) for k in (0, 10)]
    found = chained({('body', 'lidar'): translation(0.0, 0.0, 1.0)}, link, '/map', 'lidar')
    np.testing.assert_allclose(found.poses[:, :3, 3], [[0.0, 0.0, 1.0], [10.0, 0.0, 1.0]])
    with pytest.raises(TrajectoryError, match='nothing between them moves'):
        chained({('map', 'body'): np.eye(4)}, [], 'map', 'body')
    with pytest.raises(TrajectoryError, match='no chain'):
        chained({('a', 'b'): np.eye(4), ('b', 'a'): np.eye(4)}, [], 'map', 'a')
