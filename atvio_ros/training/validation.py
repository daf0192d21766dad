"""How good a network is on held-out stretches: run as the node runs it, its memory carried on, and KITTI's figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from atvio_ros.evaluation.metrics import evaluate
from atvio_ros.geometry import compose, decode_motion
from atvio_ros.network.atvio import Atvio, LstmState
from atvio_ros.training.dataset import Split, Window, WindowDataset
from atvio_ros.types import FloatArray

_PAIRS_AT_ONCE = 16


@dataclass(frozen=True)
class StretchFigures:
    """One held-out stretch. A stretch of 100 m or less has no KITTI segments; then its end error stands in."""

    name: str  # 'sequence[first:last]'
    t_rel: float  # %
    r_rel: float  # deg/100 m
    length_m: float
    segments: int  # of KITTI's; 0: t_rel and r_rel are the end error over the length


def run_stretch(network: Atvio, dataset: WindowDataset, stretch: Window, carry: bool = True) -> tuple[Tensor, Tensor]:
    """Estimated and true motion, each (T, 6) on the network's device, of a stretch of T pairs run from its start.

    Without `carry` every pair begins with an empty memory: for a network that has seen single pairs only.
    """
    state: LstmState | None = None
    device = network.imu_mean.device
    estimates, truths = [], []
    for done in range(0, stretch.pairs, _PAIRS_AT_ONCE):
        pairs = min(_PAIRS_AT_ONCE, stretch.pairs - done)
        batch = dataset.__getitems__([Window(stretch.sequence, stretch.first + done, pairs)])
        images, imu, truth, interval_s = (tensor.to(device) for tensor in batch)
        if carry:
            motion, state, _ = network(images, imu, interval_s, state)  # (1, T, 6)
        else:
            alone = torch.stack((images[0, :-1], images[0, 1:]), dim=1)  # (T, 2, C, H, W)
            motion = network(alone, imu[0, :, None], interval_s[0, :, None]).motion.transpose(0, 1)  # (1, T, 6)
        estimates.append(motion[0].float())
        truths.append(truth[0])
    return torch.cat(estimates), torch.cat(truths)


def stretch_figures(name: str, estimate: FloatArray, truth: FloatArray) -> StretchFigures:
    """Figures of estimated and true motions (T, 6), composed to trajectories."""
    result = evaluate(compose(decode_motion(truth)), compose(decode_motion(estimate)))
    t_rel, r_rel = result.t_rel, result.r_rel
    if t_rel is None or r_rel is None:
        length_m = max(result.length_m, 1e-3)  # a car that stands has no relative error
        t_rel, r_rel = 100.0 * result.end_error_m / length_m, 100.0 * result.end_error_deg / length_m
    return StretchFigures(name, t_rel, r_rel, result.length_m, result.segments)


def mean_figures(figures: Iterable[StretchFigures]) -> dict[str, float]:
    """t_rel and r_rel over all stretches, weighted by length; those with KITTI segments only, where there are any."""
    stretches = list(figures)
    chosen = [stretch for stretch in stretches if stretch.segments] or stretches
    lengths = np.array([max(stretch.length_m, 1e-3) for stretch in chosen])
    return {
        'val/t_rel': float(np.average([stretch.t_rel for stretch in chosen], weights=lengths)),
        'val/r_rel': float(np.average([stretch.r_rel for stretch in chosen], weights=lengths)),
    }


@torch.inference_mode()
def validation_figures(network: Atvio, dataset: WindowDataset, split: Split) -> dict[str, float]:
    """t_rel and r_rel of a network in evaluation mode on the validation data, named as those of a model file."""
    figures = []
    for stretch in split.stretches():
        estimate, truth = (each.cpu().double().numpy() for each in run_stretch(network, dataset, stretch))
        figures.append(stretch_figures(str(stretch), estimate, truth))
    return {name.replace('val/', 'file/'): value for name, value in mean_figures(figures).items()}
