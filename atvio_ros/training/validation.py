"""How good a network is on held-out stretches: run as the node runs it, its memory carried on.

Figures are KITTI's t_rel and r_rel where a stretch is long enough for them, and else the error at its end over its
length, under a name of its own: the end error of 20 m is not t_rel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
LEAST_LENGTH_M = 1e-3


@dataclass(frozen=True)
class StretchFigures:
    """One held-out stretch. t_rel and r_rel are None where it has no KITTI segments: it is 100 m long or less."""

    name: str  # 'sequence[first:last]'
    t_rel: float | None  # %
    r_rel: float | None  # deg/100 m
    end_error: float  # of the last pose as seen from the first, % of the length
    end_rotation: float  # deg/100 m
    length_m: float


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
    length_m = max(result.length_m, LEAST_LENGTH_M)  # a car that stands has no relative error
    return StretchFigures(
        name,
        result.t_rel,
        result.r_rel,
        100.0 * result.end_error_m / length_m,
        100.0 * result.end_error_deg / length_m,
        result.length_m,
    )


def mean_figures(figures: Iterable[StretchFigures], prefix: str = 'val/') -> dict[str, float]:
    """The means over all stretches, weighted by length, and the length that they stand for [m].

    t_rel and r_rel over the stretches that have them; where none has, end_error [%] and end_rotation [deg/100 m].
    """
    stretches = list(figures)
    long = [stretch for stretch in stretches if stretch.t_rel is not None]
    names = ('t_rel', 'r_rel') if long else ('end_error', 'end_rotation')
    chosen = long or stretches
    lengths = np.array([max(stretch.length_m, LEAST_LENGTH_M) for stretch in chosen])
    means = {name: float(np.average([getattr(each, name) for each in chosen], weights=lengths)) for name in names}
    return {f'{prefix}{name}': value for name, value in (*means.items(), ('length_m', float(lengths.sum())))}


def selected(figures: Mapping[str, float], by: str) -> float:
    """The figure that a network is chosen by: `by`, or the end error where no stretch is long enough for t_rel."""
    return selected_with_name(figures, by)[0]


def selected_with_name(figures: Mapping[str, float], by: str) -> tuple[float, str]:
    """`selected`, and its name for people."""
    if by != 't_rel':
        return figures[f'val/{by}'], by
    if 'val/t_rel' in figures:
        return figures['val/t_rel'], 't_rel %'
    return figures['val/end_error'], 'end error %'


def figures_words(figures: Mapping[str, float]) -> str:
    """The figures of a validation in a few words, each under its own name."""
    length = f' over {figures["val/length_m"]:.0f} m'
    if 'val/t_rel' in figures:
        return f't_rel {figures["val/t_rel"]:.2f} %, r_rel {figures["val/r_rel"]:.2f} deg/100 m{length}'
    end = f'end error {figures["val/end_error"]:.2f} %, {figures["val/end_rotation"]:.2f} deg/100 m'
    return f'{end}{length} (too short for t_rel)'


@torch.inference_mode()
def validation_figures(network: Atvio, dataset: WindowDataset, split: Split, prefix: str = 'file/') -> dict[str, float]:
    """Figures of a network in evaluation mode on the validation data, by default named as those of a model file."""
    figures = []
    for stretch in split.stretches():
        estimate, truth = (each.cpu().double().numpy() for each in run_stretch(network, dataset, stretch))
        figures.append(stretch_figures(str(stretch), estimate, truth))
    return mean_figures(figures, prefix)
