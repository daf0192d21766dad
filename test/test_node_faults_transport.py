"""What happens between the sensors and the real node: messages lost on their way, and topics with two sources."""

import signal

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from node_answers import FRAME_NS
from ros_graph import IMU_NS, graph
from sensor_msgs.msg import Image, Imu
from std_msgs.msg import Header

from atvio_ros.ros.conversions import stamp_from_ns

FORWARD = 'samples.nodes.forward'


def figure(peer, name: str) -> int:
    return int(peer.diagnostics.get(name, '-1'))


def test_readings_that_are_lost_while_the_node_stalls_are_counted_and_said():
    depth, sent = 20, 300

    def accounted_for(peer) -> bool:
        received, lost = (figure(peer, f'IMU readings {what}') for what in ('received', 'lost on their way'))
        return received + lost == peer.imu_sent

    with graph(FORWARD, imu_depth=depth) as peer:
        peer.send_imu(peer.epoch_ns - IMU_NS)
        peer.wait_for(lambda: accounted_for(peer), 'the first did not come')  # those before it would not be missed
        peer.drive(0, 3)
        peer.wait_for(lambda: accounted_for(peer), 'the books do not balance')
        before = figure(peer, 'IMU readings lost on their way')
        peer.process.send(signal.SIGSTOP)
        for k in range(sent):
            peer.send_imu(peer.epoch_ns + 3 * FRAME_NS + k * IMU_NS)
        peer.process.send(signal.SIGCONT)
        peer.wait_for(lambda: accounted_for(peer), 'the books do not balance')
        assert (
            figure(peer, 'IMU readings lost on their way') >= before + sent // 2
        )  # a few more get in while the rest arrive
        peer.wait_for_words('IMU readings on /imu were lost on their way')
        peer.wait_for_words(f'raise imu_depth ({depth})')


def test_images_of_two_cameras_on_one_topic_are_said_with_their_names():
    with graph(FORWARD) as peer:
        other = peer.node.create_publisher(Image, 'image', 100)
        peer.wait_for(other.get_subscription_count, 'the second camera found no subscription')
        own = peer.images
        for i in range(24):
            peer.images = own if i % 2 else other
            peer.see(i, **({} if i % 2 else {'header': header_of(peer, i, 'right')}))
            peer.feel(i)
        words = 'images on /image come by turns from 2 sources (frame_id: camera, right; nodes: /peer)'
        peer.wait_for_words(words)


def test_readings_of_two_imus_with_one_frame_on_one_topic_are_said_with_who_publishes():
    with graph(FORWARD) as peer:
        other = peer.node.create_publisher(Imu, 'imu', 100)
        peer.wait_for(other.get_subscription_count, 'the second IMU found no subscription')
        own = peer.imu
        for i in range(4):
            peer.see(i)
            for k in range(10):
                peer.imu = own if k % 2 else other
                peer.feel(i, (k,))
        words = 'IMU readings on /imu come by turns from 2 sources (frame_id: imu_link; nodes: /peer)'
        peer.wait_for_words(words)


def header_of(peer, i: int, frame: str):
    return Header(stamp=stamp_from_ns(peer.epoch_ns + i * FRAME_NS), frame_id=frame)
