"""The queue to the network: when it is full images give way, but neither the IMU nor the odometry loses its thread."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.streams import MS, START_NS, Scripted, frame, readings, stamps, stretch

from atvio_ros.errors import ModelError
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.frame_pairs import FramePairer, PairingLimits, skip_shared_frame
from atvio_ros.odometry.imu_buffer import ImuBuffer
from atvio_ros.odometry.ledger import Reason
from atvio_ros.odometry.pair_queue import PairQueue
from atvio_ros.types import FramePair

PATIENCE_S = 10.0


def drain(queue: PairQueue) -> list[FramePair]:
    return list(iter(queue.take, None))


def test_pairs_come_out_in_the_order_they_went_in():
    queue, pairs = PairQueue(limit=5), stretch(5)
    assert [queue.put(pair) for pair in pairs] == [0, 0, 0, 0]
    assert drain(queue) == pairs


@settings(max_examples=50, deadline=None)
@given(limit=st.integers(1, 5), takes=st.lists(st.booleans(), min_size=1, max_size=40))
def test_whatever_the_pace_of_the_network_the_motion_stays_connected(limit, takes):
    queue, pairs = PairQueue(limit), iter(stretch(60))
    put, out, skipped = [], [], 0
    for take in takes:
        if take and len(queue):
            out.append(queue.take())
        else:
            put.append(next(pairs))
            skipped += queue.put(put[-1])
        assert len(queue) <= limit
    out += drain(queue)
    assert len(out) + skipped == len(put)
    if not put:
        return
    ends = stamps(out)
    assert ends[0][0] == put[0].previous.stamp_ns
    assert ends[-1][1] == put[-1].current.stamp_ns
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ends))
    assert [pair.continues for pair in out] == [False] + [True] * (len(out) - 1)
    for pair in out:  # every reading between the two images is there
        expected = np.arange(pair.previous.stamp_ns, pair.current.stamp_ns + 1, 10 * MS)
        np.testing.assert_array_equal(pair.imu.stamps_ns, expected)


def test_the_oldest_waiting_image_is_the_one_skipped():
    queue, pairs = PairQueue(limit=2), stretch(4)
    assert [queue.put(pair) for pair in pairs] == [0, 0, 1]
    first, second = drain(queue)
    assert (first.previous, first.current) == (pairs[0].previous, pairs[1].current)
    assert second is pairs[2]


def test_stretches_are_never_joined_over_the_gap_between_them():
    queue, one = PairQueue(limit=1), stretch(2)
    later = FramePair(
        *[frame for pair in stretch(4)[2:3] for frame in (pair.previous, pair.current)], one[0].imu, False
    )
    assert [queue.put(pair) for pair in (*one, later)] == [0, 1]
    assert drain(queue) == [later]


@pytest.mark.parametrize('lag_ms', [0, 65, -35])
def test_two_pairs_joined_hold_the_window_that_the_direct_pair_would_have(lag_ms):
    buffer = ImuBuffer(gyro_lag_ns=lag_ms * MS)
    for sample in readings(START_NS - 97 * MS, START_NS + 400 * MS):
        buffer.add(sample)
    times_ns = [START_NS, START_NS + 101 * MS, START_NS + 204 * MS]
    first, second = (
        FramePair(a.previous, b.current, buffer.window(start, end), continues)
        for a, b, start, end, continues in zip(
            stretch(3), stretch(3), times_ns[:-1], times_ns[1:], (False, True), strict=True
        )
    )
    joined = skip_shared_frame(first, second)
    direct = buffer.window(times_ns[0], times_ns[2])
    np.testing.assert_array_equal(joined.imu.stamps_ns, direct.stamps_ns)
    np.testing.assert_array_equal(joined.imu.values, direct.values)
    assert (joined.previous, joined.current, joined.continues) == (first.previous, second.current, False)


def test_clearing_says_how_many_pairs_were_forgotten():
    queue = PairQueue(limit=5)
    for pair in stretch(4):
        queue.put(pair)
    assert queue.clear() == 3
    assert queue.clear() == len(queue) == 0


def test_nothing_to_take_is_none_and_does_not_wait():
    assert PairQueue(limit=1).take() is None


def test_a_waiting_consumer_gets_a_pair_as_soon_as_there_is_one():
    queue, (pair,), taken = PairQueue(limit=1), stretch(2), []
    consumer = threading.Thread(target=lambda: taken.append(queue.wait() and queue.take()), daemon=True)
    consumer.start()
    queue.put(pair)
    consumer.join(PATIENCE_S)
    assert taken == [pair]


def test_closing_wakes_every_consumer_for_good():
    queue, told = PairQueue(limit=1), []
    consumers = [threading.Thread(target=lambda: told.append(queue.wait()), daemon=True) for _ in range(3)]
    for consumer in consumers:
        consumer.start()
    queue.close()
    for consumer in consumers:
        consumer.join(PATIENCE_S)
    assert told == [False, False, False]
    queue.put(stretch(2)[0])
    assert not queue.wait()


def test_one_thread_may_put_while_another_takes():
    queue, pairs, taken = PairQueue(limit=3), stretch(300), []

    def consume() -> None:
        while queue.wait() and (pair := queue.take()) is not None:
            taken.append(pair)
            if pair.current is pairs[-1].current:
                return

    consumer = threading.Thread(target=consume, daemon=True)
    consumer.start()
    skipped = sum(queue.put(pair) for pair in pairs)
    consumer.join(PATIENCE_S)
    assert not consumer.is_alive()
    assert len(taken) + skipped == len(pairs)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(stamps(taken)))


# ---- a long stall


def test_a_joined_pair_never_spans_more_than_the_limit_and_what_follows_begins_anew():
    queue, pairs = PairQueue(limit=1, max_gap_ns=250 * MS), stretch(7)
    assert [queue.put(pair) for pair in pairs] == [0, 1, 1, 1, 1, 1]
    (left,) = drain(queue)
    assert left.current is pairs[-1].current
    spans = [(pair.previous.stamp_ns - START_NS) // MS for pair in (left,)]
    assert spans == [400]  # 0-200 was joined, 0-300 would be too long: 200-300 begins a stretch, and so on
    assert not left.continues


def test_a_stall_of_minutes_leaves_no_more_than_a_few_readings():
    queue = PairQueue(limit=2, max_gap_ns=500 * MS)
    for pair in stretch(600):
        queue.put(pair)
        assert len(queue) <= 2
    assert sum(len(pair.imu.stamps_ns) for pair in drain(queue)) <= 2 * 51


class Flaky(Scripted):
    """A network that fails on the pairs whose number is in `on`."""

    def __init__(self, on: set[int]) -> None:
        super().__init__(np.eye(4))
        self.on, self.calls = on, 0

    def predict(self, pair: FramePair):
        self.calls += 1
        if self.calls in self.on:
            raise ModelError('no')
        return super().predict(pair)


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 4),
    max_gap_ms=st.sampled_from([150, 250, 500]),
    gaps_ms=st.lists(st.sampled_from([-1500, -100, 0, 50, 100, 100, 100, 200, 700]), min_size=1, max_size=40),
    takes=st.lists(st.integers(0, 3), min_size=40, max_size=40),
    missing=st.sets(st.integers(0, 60), max_size=20),
    failing=st.sets(st.integers(1, 40), max_size=6),
)
def test_received_is_processed_plus_dropped_by_reason_plus_waiting(limit, max_gap_ms, gaps_ms, takes, missing, failing):
    """Whatever the stamps, the holes in the IMU, the pace of the network and its failures, no image is lost or counted
    twice, and the pose never jumps over what was not seen without saying so."""
    limits = PairingLimits(max_image_gap_ns=max_gap_ms * MS)
    pairer, queue = FramePairer(limits=limits), PairQueue(limit, limits.max_image_gap_ns)
    engine = OdometryEngine(Flaky(failing), np.eye(4))
    ledger, at_ns, last_ns = pairer.ledger, START_NS + 2000 * MS, None

    def enqueue(pair: FramePair) -> None:
        ledger.drop(Reason.OVERLOAD, 'too slow', queue.put(pair))

    def process(pair: FramePair) -> None:
        nonlocal last_ns
        try:
            estimate = engine.process(pair)
        except ModelError as error:
            ledger.drop(Reason.FAILED, str(error))
            return
        ledger.image_processed()
        assert estimate.gap_s == (0.0 if last_ns is None else abs(pair.previous.stamp_ns - last_ns) / 1e9)
        last_ns = estimate.stamp_ns

    for gap_ms, take in zip(gaps_ms, takes, strict=False):
        before_ns, at_ns = at_ns, at_ns + gap_ms * MS
        for k, sample in enumerate(readings(min(before_ns, at_ns), max(before_ns, at_ns) + 20 * MS)):
            if k not in missing:
                pairer.add_imu(sample)
        pairer.add_frame(frame(at_ns))
        while (pair := pairer.poll()) is not None:
            enqueue(pair)
        for pair in itertools.islice(iter(queue.take, None), take):
            process(pair)
        counts = ledger.counts
        assert counts.images_received == (counts.images_processed + counts.images_dropped + pairer.waiting + len(queue))
    for pair in pairer.finish():
        enqueue(pair)
    for pair in drain(queue):
        process(pair)
    counts = ledger.counts
    assert pairer.waiting == len(queue) == 0
    assert counts.images_received == len(gaps_ms) == counts.images_processed + counts.images_dropped
