"""The soak of benchmarks/soak.py, a few seconds of it: every input accounted for, over rounds of a bag that loops."""

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from node_process import fresh_environment
from samples.road_bags import write_road

from benchmarks.soak import Soak, soak


def test_the_books_balance_after_a_short_soak(tmp_path, monkeypatch):
    for name, value in fresh_environment().items():
        monkeypatch.setenv(name, value)
    result = soak(write_road(tmp_path / 'bag', 40), minutes=0.1, rate=4.0, log=tmp_path / 'node.log')
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
