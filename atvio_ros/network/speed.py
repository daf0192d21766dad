"""How fast a network runs as the node runs it: pair by pair, its state carried along."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from atvio_ros.network.atvio import Atvio
from atvio_ros.network.description import blank_pair, count_parameters
from atvio_ros.network.lstm import LstmState

_WARM_UP_PAIRS = 10
_FEWEST_PAIRS = 20


@dataclass(frozen=True)
class Speed:
    """One row of `atvio benchmark`."""

    name: str
    frames_per_second: float
    latency_ms_p50: float  # pixels and IMU block in, motion out
    latency_ms_p99: float
    parameters: int
    peak_memory_mb: float  # CPU: of the whole process; CUDA: of the device's allocations


def measure_speed(model: Atvio, seconds: float = 5.0) -> Speed:
    """Feed `model` one frame pair after another for about `seconds`, on the device it is on."""
    images, imu = blank_pair(model)
    state: LstmState | None = None
    latencies_s: list[float] = []
    with torch.inference_mode():
        for _ in range(_WARM_UP_PAIRS):
            state = model(images, imu, state=state).state
        start = time.perf_counter()
        while time.perf_counter() - start < seconds or len(latencies_s) < _FEWEST_PAIRS:
            before = time.perf_counter()
            output = model(images, imu, state=state)
            output.motion.cpu()  # waits for a GPU
            state = output.state
            latencies_s.append(time.perf_counter() - before)
        elapsed_s = time.perf_counter() - start
    p50, p99 = np.percentile(latencies_s, (50, 99)) * 1e3
    return Speed(
        name=model.config.name,
        frames_per_second=len(latencies_s) / elapsed_s,
        latency_ms_p50=float(p50),
        latency_ms_p99=float(p99),
        parameters=count_parameters(model),
        peak_memory_mb=_peak_memory_mb(images.device),
    )


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path('/proc/self/status')
    if status.exists():  # unlike getrusage, not inherited from the process that started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith('VmHWM'))
        return int(line.split()[1]) / 2**10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10)
