"""Faults injected into the real node over real DDS: nothing silent, nothing lost, no jump. The list: docs/faults.md."""

import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from ros_graph import EPOCH_NS, FRAME_NS, IMU_NS, Graph, graph
from std_msgs.msg import Header

from atvio_ros.msg import OdometryStatus
from atvio_ros.ros.conversions import stamp_from_ns

SECOND_NS = 1_000_000_000
PICTURES = np.random.default_rng(1).integers(0, 255, (64, 128, 416), np.uint8)
MOTIONLESS = PICTURES[0].tobytes()

# A node whose network takes 50 ms for a frame pair: a machine that manages 20 Hz.
SLOW = """
import time
from atvio_ros.ros import node

def slow(parameters):
    estimator = node.load_network(parameters)
    predict = estimator.predict
    def later(pair):
        time.sleep(0.05)
        return predict(pair)
    estimator.predict = later
    return estimator

node.main(slow)
"""

# A node whose network fails on ten frame pairs after the third.
FAILING = """
from atvio_ros.errors import ModelError
from atvio_ros.ros import node

def failing(parameters):
    estimator = node.load_network(parameters)
    estimator.warm_up()
    estimator.warm_up = lambda: None
    predict, calls = estimator.predict, []
    def sometimes(pair):
        calls.append(pair)
        if 3 < len(calls) <= 13:
            raise RuntimeError('CUDA out of memory')
        return predict(pair)
    estimator.predict = sometimes
    return estimator

node.main(failing)
"""


@pytest.fixture(scope='module')
def shared():
    """One node for all tests of this file that leave it as it was; each begins with a reset, at a later time."""
    patient = ('-p', 'max_wait:=0.5', '-p', 'queue_limit:=50')  # a busy machine is not the fault that is tested here
    with graph('-p', 'device:=cpu', *patient) as peer:
        peer.epoch_ns = EPOCH_NS
        yield peer


@pytest.fixture
def node(shared):
    shared.epoch_ns += 100 * SECOND_NS
    shared.call_reset()
    return shared


def see(peer: Graph, i: int, **changes) -> None:
    """Image i of the drive, always the same picture."""
    peer.send_image(peer.epoch_ns + i * FRAME_NS, **{'data': PICTURES[i % len(PICTURES)].tobytes(), **changes})


def feel(peer: Graph, i: int, order=range(10), **changes) -> None:
    """The IMU readings from image i to just before the next."""
    for k in order:
        peer.send_imu(peer.epoch_ns + i * FRAME_NS + k * IMU_NS, **changes)


def drive(peer: Graph, first: int, frames: int, **changes) -> None:
    for i in range(first, first + frames):
        see(peer, i, **changes)
        feel(peer, i)
        time.sleep(0.02)


def poses(peer: Graph) -> np.ndarray:
    """(N, 7): position and quaternion."""
    return np.array(
        [
            [p.position.x, p.position.y, p.position.z, q.x, q.y, q.z, q.w]
            for p, q in ((message.pose.pose, message.pose.pose.orientation) for message in peer.odometry)
        ]
    )


def variances(peer: Graph) -> np.ndarray:
    """Of x in odom, after every odometry."""
    return np.array([message.pose.covariance[0] for message in peer.odometry])


def drive_well(peer: Graph, frames: int) -> np.ndarray:
    """Poses of a drive without a fault, and then the start of the next."""
    drive(peer, 0, frames)
    peer.wait_for(lambda: len(peer.odometry) == frames - 1, 'odometry is missing')
    undisturbed = poses(peer)
    peer.epoch_ns += 100 * SECOND_NS
    peer.call_reset()
    return undisturbed


@pytest.mark.parametrize(
    'order',
    [
        (0, 0, 1, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 9),  # repeated
        (1, 0, 3, 2, 5, 4, 7, 6, 9, 8),  # in the wrong order
    ],
    ids=['duplicates', 'reordered'],
)
def test_repeated_and_reordered_imu_readings_give_the_same_odometry(node, order):
    undisturbed = drive_well(node, 5)
    before = node.status.imu_received
    for i in range(5):
        see(node, i)
        feel(node, i, order)
        time.sleep(0.02)
    node.wait_for(lambda: len(node.odometry) == 4, 'odometry is missing')
    np.testing.assert_allclose(poses(node), undisturbed, atol=1e-9)
    node.wait_for(lambda: node.status.imu_received == before + 5 * len(order), 'readings are not counted')


def test_imu_readings_that_come_in_bursts_give_the_same_odometry(node):
    undisturbed = drive_well(node, 6)
    for i in range(6):
        see(node, i)
        if i % 2:  # two tenths of a second at once, after the images they belong to
            feel(node, i - 1)
            feel(node, i)
    node.wait_for(lambda: len(node.odometry) == 5, 'odometry is missing')
    np.testing.assert_allclose(poses(node), undisturbed, atol=1e-9)


def test_repeated_and_reordered_images_are_counted_and_give_the_same_odometry(node):
    undisturbed = drive_well(node, 6)
    before = node.counts().get('image_stamp_not_increasing', 0)
    for i in range(6):
        see(node, i)
        if i in (2, 4):
            see(node, i)  # again
            see(node, i - 1)  # late
        feel(node, i)
        time.sleep(0.02)
    node.wait_for(lambda: len(node.odometry) == 5, 'odometry is missing')
    np.testing.assert_allclose(poses(node), undisturbed, atol=1e-9)
    assert node.counts()['image_stamp_not_increasing'] == before + 4


@pytest.mark.parametrize(('image_hz', 'imu_hz'), [(5, 50), (5, 1000), (60, 100), (60, 1000)])
def test_every_usual_rate_gives_one_odometry_a_frame(node, image_hz, imu_hz):
    frames, received = 12, node.status.imu_received
    per_frame = -(-imu_hz // image_hz)
    sent = 0
    for i in range(frames):
        at_ns = node.epoch_ns + i * SECOND_NS // image_hz
        node.send_image(at_ns)
        until_ns = node.epoch_ns + (i + 1) * SECOND_NS // image_hz
        for k in range(sent, sent + per_frame + 1):
            stamp_ns = node.epoch_ns + k * SECOND_NS // imu_hz
            if stamp_ns < until_ns:
                node.send_imu(stamp_ns)
                sent += 1
        time.sleep(1 / image_hz)
    for _ in range(2 + imu_hz // 10):  # past the gyro's lag
        node.send_imu(node.epoch_ns + sent * SECOND_NS // imu_hz)
        sent += 1
    node.wait_for(lambda: len(node.odometry) == frames - 1, 'odometry is missing')
    node.wait_for(lambda: node.status.imu_received == received + sent, 'IMU readings were lost')


def test_a_gap_in_the_images_is_counted_and_the_pose_goes_on_from_the_last_less_certain(node):
    before = node.counts().get('image_gap', 0)
    drive(node, 0, 6)
    for i in range(6, 26):  # two seconds of IMU alone
        feel(node, i)
        time.sleep(0.005)
    drive(node, 26, 5)
    node.wait_for(lambda: len(node.odometry) == 5 + 4, 'odometry did not go on after the gap')
    assert node.counts()['image_gap'] == before + 1
    steps = np.linalg.norm(np.diff(poses(node)[:, :3], axis=0), axis=1)
    assert steps[4] < 3 * np.delete(steps, 4).max() + 0.01  # no jump
    growth = np.diff(variances(node))
    assert growth[4] > 10 * growth[:4].max()
    assert node.status.state == OdometryStatus.STATE_DEGRADED
    assert 'went on after' in node.status.message or 'image_gap' in node.status.message


@pytest.mark.parametrize(
    ('fault', 'words'),
    [({'data': bytes(128 * 416)}, 'blank'), ({'data': MOTIONLESS}, 'repeats the same image')],
    ids=['black', 'frozen'],
)
def test_a_camera_that_shows_nothing_is_said_and_makes_the_pose_uncertain(node, fault, words):
    drive(node, 0, 6)
    drive(node, 6, 6, **fault)
    node.wait_for(lambda: len(node.odometry) == 11, 'odometry stopped')
    assert node.status.state == OdometryStatus.STATE_DEGRADED
    assert words in node.status.message
    growth = np.diff(variances(node))
    assert growth[-1] > 5 * growth[:3].max()
    drive(node, 12, 3)
    node.wait_for(lambda: len(node.odometry) == 14, 'odometry did not go on')


def test_another_image_size_in_the_middle_is_used_and_said(node):
    drive(node, 0, 3)
    small = {'height': 64, 'width': 208, 'step': 208, 'data': PICTURES[0, :64, :208].tobytes()}
    see(node, 3, **small)
    feel(node, 3)
    drive(node, 4, 1)
    node.wait_for(lambda: len(node.odometry) == 4, 'odometry stopped')
    assert node.status.state == OdometryStatus.STATE_DEGRADED
    assert '416x128 now, 208x64 before' in node.status.message


@pytest.mark.parametrize(
    ('gyro', 'force', 'words'),
    [
        (0.01, 1.0, 'the driver publishes g; multiply by 9.81'),
        (4.363, 9.81, 'gyro is at the end of its range'),
    ],
    ids=['accelerometer in g', 'saturated gyro'],
)
def test_an_imu_that_looks_wrong_is_said_with_what_to_do(gyro, force, words):
    with graph('-p', 'device:=cpu') as peer:  # of its own: gravity is checked once
        peer.epoch_ns = EPOCH_NS
        for i in range(24):
            see(peer, i)
            feel(peer, i, rate=gyro, force=force)
            time.sleep(0.01)
        peer.wait_for(lambda: words in peer.status.message, 'the status does not say what is wrong')
        assert peer.status.state == OdometryStatus.STATE_DEGRADED


def test_impossible_imu_readings_are_counted_and_not_used(node):
    undisturbed = drive_well(node, 5)
    before = node.counts().get('imu_implausible', 0)
    for i in range(5):
        see(node, i)
        feel(node, i)
        node.send_imu(node.epoch_ns + i * FRAME_NS + IMU_NS // 2, rate=120.0)  # a glitch, in deg/s perhaps
        time.sleep(0.02)
    node.wait_for(lambda: len(node.odometry) == 4, 'odometry stopped')
    np.testing.assert_allclose(poses(node), undisturbed, atol=1e-9)
    node.wait_for(lambda: node.counts().get('imu_implausible') == before + 5, 'they are not counted')


def test_at_rest_it_says_so_and_the_pose_does_not_move(node):
    noise = np.random.default_rng(2)
    # blocks of 16 pixels: what a camera sees of a wall, with its noise
    wall = np.kron(noise.integers(40, 215, (8, 26)), np.ones((16, 16))).astype(np.float64)
    for i in range(30):
        image = np.clip(wall + noise.normal(0.0, 1.5, wall.shape), 0, 255).astype(np.uint8)
        see(node, i, data=image.tobytes())
        for k in range(10):
            stamp_ns = node.epoch_ns + i * FRAME_NS + k * IMU_NS
            node.send_imu(stamp_ns, rate=1e-3 * noise.normal(), force=9.81 + 0.01 * noise.normal())
        time.sleep(0.02)
    node.wait_for(lambda: node.status.state == OdometryStatus.STATE_STATIONARY, 'rest was not noticed')
    node.wait_for(lambda: len(node.odometry) == 29, 'odometry is missing')
    np.testing.assert_allclose(np.ptp(poses(node)[-10:], axis=0), 0.0, atol=1e-15)
    assert variances(node)[-1] > 0.0


def test_an_overloaded_node_drops_images_by_count_and_never_imu():
    with graph('-p', 'device:=cpu', code=SLOW) as peer:
        frames, seen_waiting = 180, []
        for i in range(frames):  # three seconds of a camera at 60 Hz, in real time
            at_ns = EPOCH_NS + i * SECOND_NS // 60
            peer.send_image(at_ns)
            for k in range(4):  # 240 Hz
                peer.send_imu(at_ns + k * SECOND_NS // 240)
            seen_waiting.append(int(peer.diagnostics.get('frame pairs waiting', 0)))
            time.sleep(1 / 60)
        for k in range(60):  # past the gyro's lag
            peer.send_imu(EPOCH_NS + frames * SECOND_NS // 60 + k * SECOND_NS // 240)
        peer.wait_for(
            lambda: (
                peer.status.images_received == frames
                and peer.status.images_received == peer.status.frames_processed + peer.status.frames_dropped
            ),
            'images received and images accounted for differ',
        )
        overload = peer.counts()['overload']
        assert overload > frames // 5
        assert peer.status.frames_processed == frames - 1 - overload == len(peer.odometry)
        assert peer.status.imu_dropped == 0
        peer.wait_for(lambda: peer.status.imu_received == 4 * frames + 60, 'IMU readings were lost')
        assert max(seen_waiting) <= 5  # queue_limit
        last = peer.odometry[-1].header.stamp
        assert Header(stamp=last).stamp == stamp_from_ns(EPOCH_NS + (frames - 1) * SECOND_NS // 60)


def test_a_network_that_fails_is_lost_with_its_words_and_tracks_again_when_it_works():
    with graph('-p', 'device:=cpu', code=FAILING) as peer:
        peer.epoch_ns = EPOCH_NS
        drive(peer, 0, 12)
        peer.wait_for(lambda: peer.counts().get('inference_failed', 0) >= 5, 'failures are not counted')
        peer.wait_for(lambda: peer.status.state == OdometryStatus.STATE_LOST, 'the state is not lost')
        assert 'CUDA out of memory' in peer.status.message
        drive(peer, 12, 8)
        peer.wait_for(lambda: len(peer.odometry) >= 3 + 4, 'odometry did not come back')
        assert peer.counts()['inference_failed'] == 10
        assert peer.status.state != OdometryStatus.STATE_LOST
