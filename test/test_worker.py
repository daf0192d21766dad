"""The thread of the network: what is asked to be forgotten does not come out, and every pair is accounted for."""

import dataclasses
import queue
import threading
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from samples.streams import stretch

from atvio_ros.geometry import translation
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.ledger import Reason
from atvio_ros.odometry.pair_queue import PairQueue
from atvio_ros.odometry.start import Start
from atvio_ros.ros.worker import InferenceWorker
from atvio_ros.types import RelativeMotion

LIMIT_S = 10.0


class Gate:
    """A network that sees one metre ahead, when it is let through; pairs in `failing` by number fail."""

    def __init__(self, failing: tuple[int, ...] = ()) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Semaphore(0)
        self._failing = failing
        self._calls = 0

    def predict(self, pair) -> RelativeMotion:
        self._calls += 1
        self.entered.release()
        assert self.opened.acquire(timeout=LIMIT_S)
        if self._calls - 1 in self._failing:
            raise RuntimeError('out of memory')
        return RelativeMotion(translation(0.0, 0.0, 1.0))

    def reset(self) -> None:
        pass


class Bench:
    """A worker and what came out of it: stamps and estimates, or reasons."""

    def __init__(self, gate: Gate) -> None:
        self.estimates, self.dropped = [], []
        self._came_out = threading.Semaphore(0)
        self.worker = InferenceWorker(OdometryEngine(gate, np.eye(4)), PairQueue(10), self._on_estimate, self._drop)

    def put(self, pairs) -> None:
        for pair in pairs:
            current = dataclasses.replace(pair.current, received_ns=time.monotonic_ns())
            self.worker.put(dataclasses.replace(pair, current=current))

    def finish(self, expected: int) -> None:
        """Wait until so many pairs have come out, and end the thread."""
        for _ in range(expected):
            assert self._came_out.acquire(timeout=LIMIT_S)
        self.worker.close()

    def _on_estimate(self, pair, estimate, inference_s) -> None:
        self.estimates.append(estimate)
        self._came_out.release()

    def _drop(self, reason, detail, count) -> None:
        self.dropped += [reason] * count
        for _ in range(count):
            self._came_out.release()


def test_what_was_in_the_network_when_it_was_to_be_forgotten_is_counted_and_not_published():
    gate = Gate()
    bench, pairs = Bench(gate), stretch(6)
    bench.put(pairs[:3])
    assert gate.entered.acquire(timeout=LIMIT_S)
    assert bench.worker.waiting == 2
    assert bench.worker.oldest_age_s > 0.0
    bench.worker.forget(Reason.PAUSED, 'paused')
    assert bench.dropped == [Reason.PAUSED] * 2
    bench.put(pairs[3:])
    for _ in pairs:
        gate.opened.release()
    bench.finish(expected=5)
    assert bench.dropped == [Reason.PAUSED] * 3
    assert [estimate.stamp_ns for estimate in bench.estimates] == [pair.current.stamp_ns for pair in pairs[3:]]


def test_a_reset_does_not_wait_for_the_network_and_nothing_older_comes_out_after_it():
    gate = Gate()
    bench, pairs = Bench(gate), stretch(5)
    bench.put(pairs[:2])
    assert gate.entered.acquire(timeout=LIMIT_S)
    bench.worker.reset(Start(translation(5.0, 0.0, 0.0)))  # while the first pair is in the network
    assert bench.dropped == [Reason.RESET]
    bench.put(pairs[2:])
    for _ in pairs:
        gate.opened.release()
    bench.finish(expected=4)
    assert bench.dropped == [Reason.RESET] * 2
    np.testing.assert_allclose(bench.estimates[0].T_odom_base[:3, 3], [5.0, 0.0, 1.0])
    np.testing.assert_allclose(bench.estimates[1].T_odom_base[:3, 3], [5.0, 0.0, 2.0])
    assert [estimate.gap_s for estimate in bench.estimates] == [0.0, 0.0]


def test_of_two_resets_the_newer_holds_though_a_pair_was_begun_between_them():
    gate = Gate()
    bench, pairs = Bench(gate), stretch(3)
    bench.worker.reset(Start(translation(5.0, 0.0, 0.0)))
    bench.put(pairs[:1])
    assert gate.entered.acquire(timeout=LIMIT_S)
    bench.worker.reset(Start(translation(7.0, 0.0, 0.0)))
    bench.worker.forget(Reason.PAUSED, 'paused')  # does not undo the reset
    bench.put(pairs[1:])
    for _ in pairs:
        gate.opened.release()
    bench.finish(expected=2)
    assert bench.dropped == [Reason.PAUSED]
    np.testing.assert_allclose(bench.estimates[0].T_odom_base[:3, 3], [7.0, 0.0, 1.0])


def test_an_engine_set_before_the_first_pair_starts_where_the_reset_said():
    gate = Gate()
    bench, (pair,) = Bench(gate), stretch(2)
    bench.worker.reset(Start(translation(5.0, 0.0, 0.0)))
    bench.worker.engine = OdometryEngine(gate, translation(0.0, 0.0, 3.0))
    gate.opened.release()
    bench.put([pair])
    bench.finish(expected=1)
    np.testing.assert_allclose(bench.estimates[0].T_odom_base[:3, 3], [5.0, 0.0, 1.0])


def test_a_pair_that_the_network_fails_on_is_counted_and_the_next_one_goes_on():
    gate = Gate(failing=(1,))
    bench, pairs = Bench(gate), stretch(4)
    for _ in pairs:
        gate.opened.release()
    bench.put(pairs)
    bench.finish(expected=3)
    assert bench.dropped == [Reason.FAILED]
    assert len(bench.estimates) == 2


def test_a_failure_on_a_pair_that_was_to_be_forgotten_is_counted_once():
    gate = Gate(failing=(0,))
    bench = Bench(gate)
    bench.put(stretch(2))
    assert gate.entered.acquire(timeout=LIMIT_S)
    bench.worker.forget(Reason.INACTIVE, 'deactivated')
    gate.opened.release()
    bench.finish(expected=1)
    assert bench.dropped == [Reason.INACTIVE]


def test_resets_at_any_moment_lose_no_pair_and_let_nothing_older_out():
    gate = Gate()
    bench, pairs = Bench(gate), stretch(200)
    for _ in pairs:
        gate.opened.release()
    skipped, starts_m, first = 0, [0.0], [0]  # where each stretch starts, and the number of its first estimate
    for k, pair in enumerate(pairs):
        skipped += bench.worker.put(pair)
        if k % 7 == 3:
            bench.worker.reset(Start(translation(100.0 * k, 0.0, 0.0)))
            starts_m.append(100.0 * k)
            first.append(len(bench.estimates))
    bench.finish(expected=len(pairs) - skipped)
    assert len(bench.estimates) + len(bench.dropped) + skipped == len(pairs)
    assert set(bench.dropped) <= {Reason.RESET}
    for start_m, i, j in zip(starts_m, first, [*first[1:], len(bench.estimates)], strict=True):
        assert all(estimate.T_odom_base[0, 3] == start_m for estimate in bench.estimates[i:j])


def test_a_thread_that_dies_of_a_bug_is_noticed(monkeypatch):
    died = queue.Queue()
    monkeypatch.setattr(threading, 'excepthook', died.put)  # its traceback is not news here
    gate = Gate()
    bench = Bench(gate)
    monkeypatch.setattr(gate, 'predict', lambda pair: None)  # no RelativeMotion: AttributeError
    assert bench.worker.alive
    bench.put(stretch(2))
    died.get(timeout=LIMIT_S).thread.join(LIMIT_S)
    assert not bench.worker.alive
