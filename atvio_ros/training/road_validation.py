"""How good the network road is on drives that it is not trained on: what chooses the checkpoint."""

from __future__ import annotations

import numpy as np
import torch

from atvio_ros.network.road_network import RoadNetwork
from atvio_ros.training.road_settings import WindowStage
from atvio_ros.training.road_windows import RecordedDrive, run_drive, window_loss


@torch.inference_mode()
def validate_windows(
    network: RoadNetwork, drives: list[RecordedDrive], stage: WindowStage
) -> tuple[float, dict[str, float]]:
    """Mean negative log-likelihood of the motions of recorded drives, memory carried on, and figures for people."""
    losses, rmse, way_errors, filter_errors, off, silent = [], [], [], [], [], []
    for drive in drives:
        output = run_drive(network, drive)
        known = torch.isfinite(drive.motion).all(dim=1)
        kept = output._replace(**{name: getattr(output, name)[:, known] for name in output._fields[:5]})
        truth = drive.motion[known]
        losses.append(float(window_loss(kept, truth[None], stage)[1]))
        along, filtered, sigma = kept.motion[0, :, 2], drive.inputs.way[0, known], kept.log_sigma[0, :, 2].exp()
        error = along - truth[:, 2]
        size = torch.maximum(truth[:, 2].abs(), 0.5 / drive.height * drive.interval_s[known])
        rmse.append(float((error * drive.height / drive.interval_s[known]).square().mean().sqrt()))
        way = truth[:, 2].sum().abs().clamp(min=1.0)
        way_errors.append(abs(float(error.sum() / way)))
        filter_errors.append(abs(float((filtered - truth[:, 2]).sum() / way)))
        off.append((error.abs() > 0.1 * size).float())
        silent.append(((error.abs() > 0.1 * size) & (sigma < 0.05 * size)).float())
    score = float(np.mean(losses))
    return score, {
        'nll': score,
        'speed RMSE m/s': float(np.mean(rmse)),
        'way off by %': 100.0 * float(np.mean(way_errors)),
        'filter alone %': 100.0 * float(np.mean(filter_errors)),
        'frames off by more than 10 %': 100.0 * float(torch.cat(off).mean()),
        'of these silent %': 100.0 * float(torch.cat(silent).mean()),
    }
