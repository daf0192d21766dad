"""The thread of the network: what is asked to be forgotten does not come out, and every pair is accounted for."""

import dataclasses
import threading
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from samples.streams import stretch

from atvio_ros.geometry import translation
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.frame_pairs import Reason
from atvio_ros.odometry.pair_queue import PairQueue
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
    """A worker and what came out of it."""

    def __init__(self, gate: Gate) -> None:
        self.estimates, self.dropped = [], []
        self.worker = InferenceWorker(
            OdometryEngine(gate, np.eye(4)),
            PairQueue(10),
            lambda pair, estimate, inference_s: self.estimates.append(estimate),
            lambda reason, detail: self.dropped.append(reason),
        )

    def put(self, pairs) -> None:
        for pair in pairs:
            current = dataclasses.replace(pair.current, received_ns=time.monotonic_ns())
            self.worker.put(dataclasses.replace(pair, current=current))

    def finish(self, expected: int) -> None:
        deadline_s = time.monotonic() + LIMIT_S
        while len(self.estimates) + len(self.dropped) < expected:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)
        self.worker.close()


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


def test_after_a_reset_has_returned_nothing_older_comes_out():
    gate = Gate()
    bench, pairs = Bench(gate), stretch(5)
    bench.put(pairs[:3])
    assert gate.entered.acquire(timeout=LIMIT_S)
    reset = threading.Thread(target=bench.worker.reset, args=(translation(5.0, 0.0, 0.0),))
    reset.start()
    gate.opened.release()
    for _ in pairs:
        gate.opened.release()
    reset.join(LIMIT_S)
    before = len(bench.estimates)
    bench.put(pairs[3:])
    bench.finish(expected=4)
    assert len(bench.estimates) - before == 1
    np.testing.assert_allclose(bench.estimates[-1].T_odom_base[:3, 3], [5.0, 0.0, 1.0])


def test_a_pair_that_the_network_fails_on_is_counted_and_the_next_one_goes_on():
    gate = Gate(failing=(1,))
    bench, pairs = Bench(gate), stretch(4)
    for _ in pairs:
        gate.opened.release()
    bench.put(pairs)
    bench.finish(expected=3)
    assert bench.dropped == [Reason.FAILED]
    assert len(bench.estimates) == 2


def test_a_thread_that_dies_of_a_bug_is_noticed(monkeypatch):
    monkeypatch.setattr(threading, 'excepthook', lambda arguments: None)  # its traceback is not news here
    gate = Gate()
    bench = Bench(gate)
    monkeypatch.setattr(gate, 'predict', lambda pair: None)  # no RelativeMotion: AttributeError
    bench.put(stretch(2))
    bench.worker._thread.join(LIMIT_S)
    assert not bench.worker.alive
