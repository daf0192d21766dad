"""Runs the engine on frame pairs in a thread of its own, so that no ROS callback waits for the network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from atvio_ros.errors import AtvioError
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.frame_pairs import Reason
from atvio_ros.odometry.pair_queue import PairQueue
from atvio_ros.types import FloatArray, FramePair, OdometryEstimate


class InferenceWorker:
    """The thread that empties a queue of frame pairs, which nobody else may use.

    Each pair put ends in one call of `on_estimate(pair, estimate, inference_s)` or of `drop(reason, detail)`, both with
    a lock held: after `forget`, `reset` or `close` has returned, nothing older comes out. `engine` may be set until the
    first pair is put.
    """

    def __init__(
        self,
        engine: OdometryEngine,
        queue: PairQueue,
        on_estimate: Callable[[FramePair, OdometryEstimate, float], None],
        drop: Callable[[Reason, str], None],
    ) -> None:
        self.engine = engine
        self._on_estimate = on_estimate
        self._drop = drop
        self._queue = queue
        self._engine_lock = threading.Lock()  # held for a whole inference
        self._turnstile = threading.Lock()  # on the way to that: a reset that waits goes first
        self._lock = threading.Lock()  # held for moments
        self._forgotten = (0, Reason.RESET, '')  # pairs whose image was received before this [ns] are to be dropped
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
            self._forgotten = (time.monotonic_ns(), reason, detail)
            for _ in range(self._queue.clear()):
                self._drop(reason, detail)

    def reset(self, T_odom_base: FloatArray | None = None, pose_covariance: FloatArray | None = None) -> None:
        """OdometryEngine.reset, what waits forgotten; waits for the inference that runs. Raises SettingsError as it."""
        with self._turnstile, self._engine_lock:
            self.engine.reset(T_odom_base, pose_covariance)
            self.forget(Reason.RESET, 'The odometry was reset.')

    def close(self) -> None:
        """End the thread; waits for the inference that runs."""
        self._queue.close()
        self._thread.join()

    def _run(self) -> None:
        while (pair := self._queue.get()) is not None:
            with self._turnstile:
                self._engine_lock.acquire()
            try:
                self._process(pair)
            finally:
                self._engine_lock.release()

    def _process(self, pair: FramePair) -> None:
        with self._lock:
            if self._dropped(pair):  # taken from the queue just before it was to be forgotten
                return
        started_s = time.monotonic()
        try:
            estimate = self.engine.process(pair)
        except (AtvioError, RuntimeError) as error:  # RuntimeError is what PyTorch raises, out of memory included
            with self._lock:
                self._drop(Reason.FAILED, f'The network failed on a frame pair: {error}')
            return
        inference_s = time.monotonic() - started_s
        with self._lock:
            if not self._dropped(pair):
                self._on_estimate(pair, estimate, inference_s)

    def _dropped(self, pair: FramePair) -> bool:
        before_ns, reason, detail = self._forgotten
        if pair.current.received_ns >= before_ns:
            return False
        self._drop(reason, detail)
        return True
