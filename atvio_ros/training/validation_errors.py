"""The errors of a network on held-out data, which its covariances are fitted to (calibration/noise_fit.py)."""

from __future__ import annotations

import numpy as np
import torch

from atvio_ros.calibration.noise_fit import MotionErrors, motion_errors
from atvio_ros.geometry import decode_motion, inverse
from atvio_ros.network.atvio import Atvio
from atvio_ros.training.dataset import Split, WindowDataset
from atvio_ros.training.validation import run_stretch


@torch.inference_mode()
def validation_errors(network: Atvio, dataset: WindowDataset, split: Split) -> list[MotionErrors]:
    """The errors of a network in evaluation mode on the validation data, its memory carried on as in the node."""
    found = []
    for stretch in split.stretches():
        estimate, truth = (each.cpu().double().numpy() for each in run_stretch(network, dataset, stretch))
        if not np.isfinite(estimate).all():
            continue  # a network that has diverged has no errors to speak of
        pairs = dataset.sequences[stretch.sequence]
        T_base_camera = np.array(pairs.sequence.meta.T_base_camera)
        T_camera_base = inverse(T_base_camera)
        base, true_base = (T_base_camera @ decode_motion(camera) @ T_camera_base for camera in (estimate, truth))
        interval_s = pairs[1].interval_s[stretch.first : stretch.first + stretch.pairs].astype(np.float64)
        found.append(motion_errors(base, true_base, interval_s))
    return found
