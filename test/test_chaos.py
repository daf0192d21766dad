"""The soak with everything at once of benchmarks/chaos.py: some seconds of it, and what it takes for a failure."""

from __future__ import annotations

import re
from unittest.mock import Mock

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from node_process import fresh_environment
from rclpy.serialization import serialize_message
from samples.road_bags import write_road
from sensor_msgs.msg import Image, Imu

from atvio_ros.ros.conversions import stamp_from_ns
from benchmarks.chaos import chaos
from benchmarks.chaos_faults import MS, SECOND, apply, faults
from benchmarks.chaos_result import Chaos, repeated

WELL = {
    'images_sent': 10, 'imu_sent': 100, 'images_lost': 1, 'imu_lost': 5, 'sent_unheard': 4, 'images_received': 9,
    'imu_received': 92, 'processed': 6, 'images_dropped': 3, 'recoveries_s': [0.1, 0.5], 'status': 0,
    'memory_mb': [100.0] * 25,
}  # fmt: skip


def test_after_some_seconds_of_faults_the_books_balance_and_all_is_possible(tmp_path, monkeypatch):
    for name, value in fresh_environment().items():
        monkeypatch.setenv(name, value)
    result = chaos(write_road(tmp_path / 'bag', 40), minutes=0.3, seed=1, log=tmp_path / 'node.log')
    assert result.faults
    assert result.balanced, result
    assert result.odometry > 0  # how much depends on the machine
    assert (result.impossible, result.repeated_lines, result.status) == (0, [], 0)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({}, ''),
        ({'processed': 5}, 'the books do not balance'),
        ({'sent_unheard': 2}, 'the books do not balance'),
        ({'imu_lost': 50}, 'the books do not balance'),
        ({'recoveries_s': [0.1, 2.5]}, r'later than 2 s after the last fault: \[2.5\]'),
        ({'impossible': 1}, '1 impossible odometry'),
        ({'memory_mb': [100.0] * 20 + [120.0] * 5}, 'memory grew by 20.0 MB'),
        ({'repeated_lines': ['again']}, 'again'),
        ({'status': -9}, 'status -9'),
    ],
)
def test_what_is_not_as_it_must_be_is_a_failure(changes, words):
    failures = Chaos(30.0, 1, **{**WELL, **changes}).failures
    assert len(failures) == bool(words)
    assert not words or re.search(words, failures[0])


def test_lines_that_come_twice_within_a_second_are_found_whatever_their_numbers():
    line = '[WARN] [{:.3f}] [atvio_node]: {}'
    log = [
        line.format(10.0, 'gap of 65 ms'),
        line.format(10.4, 'overload'),
        line.format(10.9, 'gap of 70 ms'),
        line.format(12.0, 'overload'),
        'Traceback (most recent call last):',
    ]
    assert repeated(log) == ['Traceback (most recent call last):', 'gap of # ms']
    assert repeated(log[:2]) == []


def test_every_fault_makes_messages_of_messages():
    image = Image(height=4, width=6, step=6, encoding='mono8', data=bytes(24))
    imu = Imu()
    image.header.stamp = imu.header.stamp = stamp_from_ns(2000 * SECOND)
    peer = Mock()
    for fault in faults(peer):
        for which, message in (('image', image), ('imu', imu)):
            changed = getattr(fault, which) is not None
            cdr = serialize_message(message)
            for _ in range(20):
                sent = apply([fault], which, cdr, 2000 * SECOND)
                assert all(isinstance(each, bytes | type(message)) for each in sent)
                if not changed:
                    assert sent == [cdr]
    assert {call.args[0] for call in peer.send.call_args_list} == {'image by another', 'imu by another'}


def test_faults_that_last_at_once_are_all_applied():
    peer = Mock()
    named = {fault.name: fault for fault in faults(peer)}
    cdr = serialize_message(Imu(header=Imu().header))
    both = [named['IMU readings twice'], named['IMU at 5 kHz']]
    assert len(apply(both, 'imu', cdr, 10 * SECOND)) == 100
    assert apply([named['no IMU'], *both], 'imu', cdr, 10 * MS) == []
