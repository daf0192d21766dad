"""Measures peers in turn, so that whatever else runs on the machine falls on all of them."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch

from atvio_ros.odometry.peer_drive import EndlessDrive, draw_drive
from atvio_ros.odometry.peers import Step, make_peer

WARM_UP, MEMORY_STEPS = 5, 10
ROUNDS = 10  # in which the peers take turns
_SIDE = 1024  # of the matrices whose product is the limit


@dataclass(frozen=True)
class PeerSpeed:
    """One row of `atvio benchmark --peers`."""

    name: str
    covers: str
    frames_per_second: float
    latency_ms_p50: float
    latency_ms_p99: float
    cpu_s_per_frame: float  # of the whole process
    memory_growth_mb: float | None  # of the peak, by building it and its first frames; None: only Linux tells
    parameters: int
    macs: int
    peak_share: float | None  # of multiply-accumulates in a second of CPU; None: has no network


@dataclass(frozen=True)
class Comparison:
    """All rows, and the limit: what a product of float32 matrices reaches in the same run."""

    rows: list[PeerSpeed]
    peak_macs_per_cpu_s: float


@dataclass
class _Times:
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def measure(self, step: Step, seconds: float) -> None:
        """At least one step, and more until `seconds` have passed."""
        start = time.perf_counter()
        while True:
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            self.cpu_s.append(time.process_time() - cpu)
            self.wall_s.append(time.perf_counter() - wall)
            if time.perf_counter() - start >= seconds:
                return


def compare(names: list[str], seconds: float, threads: int = 1) -> Comparison:
    """Measure each of `names` for about `seconds`. Sets the threads of PyTorch and OpenCV in this whole process."""
    drive = draw_drive()
    memory = {name: _in_its_own_process(name, drive, threads) for name in names}
    _set_threads(threads)
    peers = [make_peer(name, drive) for name in names]
    product = torch.randn(_SIDE, _SIDE)
    limit: Step = lambda: product @ product  # noqa: E731
    steps: list[Step] = [limit, *(peer.step for peer in peers)]
    times = [_Times() for _ in steps]
    for step in steps:
        for _ in range(WARM_UP):
            step()
    for _ in range(ROUNDS):
        for step, taken in zip(steps, times, strict=True):
            taken.measure(step, seconds / ROUNDS)
    peak = _SIDE**3 / min(times[0].cpu_s)
    rows = []
    for peer, taken in zip(peers, times[1:], strict=True):
        p50, p99 = np.percentile(taken.wall_s, (50, 99)) * 1e3
        cpu_s, macs = float(np.mean(taken.cpu_s)), peer.count_macs()
        rows.append(
            PeerSpeed(
                name=peer.name,
                covers=peer.covers,
                frames_per_second=1.0 / float(np.mean(taken.wall_s)),
                latency_ms_p50=float(p50),
                latency_ms_p99=float(p99),
                cpu_s_per_frame=cpu_s,
                memory_growth_mb=memory[peer.name],
                parameters=peer.parameters,
                macs=macs,
                peak_share=macs / cpu_s / peak if macs else None,
            )
        )
    return Comparison(rows, peak)


def _in_its_own_process(name: str, drive: EndlessDrive, threads: int) -> float | None:
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as process:
        return process.submit(memory_growth_mb, name, drive, threads).result()


def memory_growth_mb(name: str, drive: EndlessDrive, threads: int) -> float | None:
    """How far the peak memory of this process grows by a peer, libraries not counted; None where nobody tells."""
    _set_threads(threads)
    with torch.inference_mode():
        torch.nn.Conv2d(8, 8, 3)(torch.zeros(1, 8, 16, 16))  # what PyTorch keeps from its first convolution on
    status = Path('/proc/self/status')
    try:
        Path('/proc/self/clear_refs').write_text('5', encoding='ascii')  # the peak begins anew at what is in use
    except OSError:
        return None
    before = _peak_mb(status)
    step = make_peer(name, drive).step
    for _ in range(MEMORY_STEPS):
        step()
    return _peak_mb(status) - before


def _peak_mb(status: Path) -> float:
    line = next(line for line in status.read_text().splitlines() if line.startswith('VmHWM'))
    return int(line.split()[1]) / 2**10


def _set_threads(threads: int) -> None:
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
