"""The soak of benchmarks/soak.py, a few seconds of it: every input accounted for, over rounds of a bag that loops."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from node_process import fresh_environment

from atvio_ros.bags.writer import BagWriter
from atvio_ros.types import ImuSample
from benchmarks.soak import Soak, soak

START_NS = 1_317_000_000_000_000_000
FRAME_NS = 100_000_000


def write_bag(path, frames: int):
    random = np.random.default_rng(0)
    with BagWriter(path) as bag:
        for i in range(frames):
            for k in range(10):
                bag.write_imu(ImuSample(START_NS + i * FRAME_NS + k * 10_000_000, np.zeros(3), np.array([0, 0, 9.81])))
            bag.write_image(START_NS + i * FRAME_NS, random.integers(0, 255, (64, 208), dtype=np.uint8))
    return path


def test_the_books_balance_after_a_short_soak(tmp_path, monkeypatch):
    for name, value in fresh_environment().items():
        monkeypatch.setenv(name, value)
    result = soak(write_bag(tmp_path / 'bag', 40), minutes=0.1, rate=4.0, log=tmp_path / 'node.log')
    assert result.rounds == 2
    assert result.images_sent == 2 * 40
    assert result.imu_sent == 2 * 400
    assert result.balanced, result
    assert result.processed > 0  # how many depends on the machine
    assert len(result.memory_mb) == 2 * 4  # one for every second of bag time


def test_books_that_do_not_balance_are_noticed():
    books = {'bag_minutes': 1.0, 'rounds': 1, 'images_sent': 10, 'imu_sent': 100, 'images_received': 10}
    books |= {'imu_received': 100, 'processed': 7, 'dropped': {}, 'images_dropped': 3, 'imu_dropped': 0}
    memory_mb = [100.0] * 5 + [120.0] * 15 + [125.0] * 5
    assert Soak(**books, memory_mb=memory_mb).balanced
    assert Soak(**books, memory_mb=memory_mb).growth_mb == 5.0
    assert not Soak(**{**books, 'processed': 6}, memory_mb=memory_mb).balanced
    assert not Soak(**{**books, 'imu_received': 99}, memory_mb=memory_mb).balanced
