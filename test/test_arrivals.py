"""What is lost on the way is counted, by numbers or by stamps, and sources that take turns on a topic are seen."""

from __future__ import annotations

import numpy as np
import pytest

from atvio_ros.odometry.arrivals import Arrivals, Arrived, lost_words, turns_words

MS = 1_000_000


def feed(arrivals: Arrivals, numbers, publisher: object = 'a', frame: str = 'imu', step_ns: int = 10 * MS) -> None:
    for number in numbers:
        arrivals.take(frame, number * step_ns, publisher, number)


def test_numbers_that_are_missing_are_lost_from_the_first_that_came():
    arrivals = Arrivals()
    feed(arrivals, [100, 101, 102, 110, 111])  # what was sent before we listened is not lost
    assert (arrivals.ask().lost, arrivals.lost) == (7, 7)
    feed(arrivals, [112, 115])
    arrived = arrivals.ask()
    assert (arrived.lost, arrived.received, arrivals.lost) == (2, 2, 9)
    assert arrivals.ask().lost == 0


def test_each_publisher_has_numbers_of_its_own_and_a_new_one_begins_anew():
    arrivals = Arrivals()
    for i in range(50):
        feed(arrivals, [1000 + i], 'a')
        feed(arrivals, [7 + 2 * i], 'b')
    assert arrivals.ask().lost == 49
    feed(arrivals, range(1, 5), 'b restarted')
    assert arrivals.ask().lost == 0


def test_what_is_sent_while_nobody_listens_is_not_lost():
    arrivals = Arrivals()
    feed(arrivals, [1, 2, 3])
    arrivals.restart()
    feed(arrivals, [100, 101])
    assert arrivals.ask().lost == 0


def test_numbers_out_of_order_and_repeated_are_no_losses():
    arrivals = Arrivals()
    feed(arrivals, [1, 2, 2, 3, 1, 4])
    assert arrivals.ask().lost == 0


def test_what_the_middleware_reports_counts_only_where_it_does_not_number():
    numbered, silent = Arrivals(), Arrivals()
    feed(numbered, [1, 2, 5])
    silent.take('imu', 0)
    for each in (numbered, silent):
        each.report_lost(20)
    assert (numbered.ask().lost, silent.ask().lost) == (2, 20)


@pytest.mark.parametrize('jitter_ms', [0.0, 1.5])
def test_without_numbers_the_stamps_show_what_is_missing(jitter_ms):
    rng = np.random.default_rng(0)
    arrivals = Arrivals()
    for i in range(600):
        if not 200 <= i < 250 and i != 400:
            arrivals.take('imu', int((10 * i + rng.uniform(-jitter_ms, jitter_ms)) * MS))
    assert arrivals.ask().lost == 51


def test_a_bag_that_loops_or_a_clock_that_jumps_is_no_loss():
    arrivals = Arrivals()
    for start_ms in (0, 0, 3_600_000, 1000):
        for i in range(100):
            arrivals.take('imu', (start_ms + 10 * i) * MS)
    assert arrivals.ask().lost == 0


@pytest.mark.parametrize(
    ('sources', 'frames', 'publishers'),
    [
        ([('left', 1), ('right', 1)], ('left', 'right'), 1),
        ([('imu', 1), ('imu', 2)], ('imu',), 2),
        ([('a', 1), ('a', 1), ('b', 2)], ('a', 'b'), 2),
        ([('a', 1)] * 3, (), 0),
    ],
)
def test_sources_that_take_turns_are_seen(sources, frames, publishers):
    arrivals = Arrivals()
    for i in range(60):
        frame, publisher = sources[i % len(sources)]
        arrivals.take(frame, i, publisher, i)
    arrived = arrivals.ask()
    assert (arrived.frames, arrived.publishers) == (frames, publishers)


@pytest.mark.parametrize(('ahead', 'lost'), [(0, 0), (3, 2), (5000, 0)])  # 4 after 1 may be a loss, once
def test_publishers_that_nobody_names_are_told_apart_by_their_numbers(ahead, lost):
    arrivals = Arrivals()
    for i in range(40):
        arrivals.take('imu', i, None, 1 + i)
        arrivals.take('imu', i, None, 1 + i + ahead)
    arrived = arrivals.ask()
    assert (arrived.publishers, arrived.lost) == (2, lost)


def test_losses_and_restarts_of_one_publisher_that_nobody_names_are_no_second_one():
    arrivals = Arrivals()
    for number in (*range(1, 60, 3), *range(1, 100)):  # two of three are lost, then it restarts
        arrivals.take('imu', number, None, number)
    arrived = arrivals.ask()
    assert arrived.publishers == 0
    assert arrived.lost == 38


def test_a_driver_that_restarts_under_other_names_is_one_source_and_turns_that_end_are_forgotten():
    arrivals = Arrivals()
    feed(arrivals, range(100), 'a', 'left')
    feed(arrivals, range(5), 'b', 'camera')
    feed(arrivals, range(100), 'c', 'camera')
    assert arrivals.ask().publishers == 0
    for i in range(40):
        feed(arrivals, [i], 'a' if i % 2 else 'b')
    assert arrivals.ask().publishers == 2
    feed(arrivals, range(40), 'a')
    assert arrivals.ask().publishers == 0


def test_words_say_what_to_do():
    arrivals = Arrivals()
    feed(arrivals, [1, 2, 10])
    text = lost_words('IMU readings', '/imu', arrivals.ask(), 1.2, 'imu', 500)
    assert text.startswith('7 of 10 IMU readings on /imu were lost on their way in the last 1 s: raise imu_depth (500)')
    assert 'set imu_reliability to reliable' in text
    assert 'set imu_' not in lost_words('IMU readings', '/imu', Arrived(3, 7), 1.2, 'imu', 500, reliable=True)
    arrivals = Arrivals()
    for i in range(20):
        arrivals.take('left' if i % 2 else '', i)
    text = turns_words('images', '/image', arrivals.ask(), ('/cam_a', '/cam_b'))
    assert (
        'images on /image come by turns from 2 sources (frame_id: without frame_id, left; nodes: /cam_a, /cam_b)'
        in text
    )
