"""Runs the engine on frame pairs in a thread of its own, so that no ROS callback waits for the network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from atvio_ros.errors import AtvioError
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.ledger import Reason
from atvio_ros.odometry.pair_queue import PairQueue
from atvio_ros.odometry.start import Start
from atvio_ros.ros.thread_names import name_this_thread
from atvio_ros.types import FramePair, OdometryEstimate


class InferenceWorker:
    """The thread that empties a queue of frame pairs, which nobody else may use.

    Each pair put ends in one call of `on_estimate(pair, estimate, inference_s)` or is counted by
    `drop(reason, detail, count)`. After `forget`, `reset` or `close` has returned, nothing older comes out; none but
    `close` waits for the inference that runs. `engine` must be there when the first pair is put.
    """

    def __init__(
        self,
        engine: OdometryEngine | None,
        queue: PairQueue,
        on_estimate: Callable[[FramePair, OdometryEstimate, float], None],
        drop: Callable[[Reason, str, int], None],
    ) -> None:
        self.engine = engine
        self._on_estimate = on_estimate
        self._drop = drop
        self._queue = queue
        self._lock = threading.Lock()  # held while a pair is taken, comes out or is forgotten
        self._generation = 0  # of the pairs in the queue; what is in the network may be of an older one
        self._forgotten = (Reason.RESET, '')  # why the generation before has ended
        self._start: Start | None = None  # where the engine is to start with the next pair; None: it goes on
        self._thread = threading.Thread(target=self._run, name='inference', daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of pairs that wait."""
        return len(self._queue)

    @property
    def oldest_age_s(self) -> float:
        """How long the oldest waiting pair has been here [s]; 0 when none waits."""
        oldest = self._queue.oldest()
        return (time.monotonic_ns() - oldest.current.received_ns) / 1e9 if oldest else 0.0

    @property
    def alive(self) -> bool:
        """False once the thread has ended, which only close should cause."""
        return self._thread.is_alive()

    def put(self, pair: FramePair) -> int:
        """Queue a pair; returns the number of images that had to be skipped (0 or 1)."""
        return self._queue.put(pair)

    def forget(self, reason: Reason, detail: str) -> None:
        """Drop the pairs that wait, and the one in the network as soon as it comes out."""
        with self._lock:
            self._forget(reason, detail)

    def reset(self, start: Start) -> None:
        """Forget the pairs put so far; the next one begins at `start`."""
        with self._lock:
            self._forget(Reason.RESET, 'The odometry was reset.')
            self._start = start

    def close(self) -> None:
        """End the thread; waits for the inference that runs."""
        self._queue.close()
        self._thread.join()

    def _forget(self, reason: Reason, detail: str) -> None:
        self._generation += 1
        self._forgotten = reason, detail
        self._drop(reason, detail, self._queue.clear())

    def _run(self) -> None:
        name_this_thread('inference')
        while self._queue.wait():
            with self._lock:
                if (pair := self._queue.take()) is None:  # forgotten since
                    continue
                generation = self._generation
                start, self._start = self._start, None
            engine = self.engine
            assert engine is not None
            if start is not None:
                engine.reset(start)
            self._process(engine, pair, generation)

    def _process(self, engine: OdometryEngine, pair: FramePair, generation: int) -> None:
        started_s = time.monotonic()
        try:
            outcome: OdometryEstimate | Exception = engine.process(pair)
        except (AtvioError, RuntimeError) as error:  # RuntimeError is what PyTorch raises, out of memory included
            outcome = error
        inference_s = time.monotonic() - started_s
        with self._lock:
            if generation != self._generation:
                self._drop(*self._forgotten, 1)
            elif isinstance(outcome, Exception):
                self._drop(Reason.FAILED, f'The network failed on a frame pair: {outcome}', 1)
            else:
                self._on_estimate(pair, outcome, inference_s)
