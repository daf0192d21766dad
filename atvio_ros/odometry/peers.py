"""What `atvio benchmark --peers` compares: our estimators, and what others measure motion with, each as a step a frame.

Ours are whole odometries: from the decoded image and its IMU readings to the pose. Of other networks it is the visual
encoder alone, without scaling of images, IMU, LSTM and pose, which speaks for them. The classic takes decoded images,
too. All networks have random weights: speed does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import nn

from atvio_ros.errors import SettingsError
from atvio_ros.network.checkpoint import untrained_model
from atvio_ros.network.description import blank_pair, count_parameters
from atvio_ros.network.peers import count_macs, flownet_s, resnet18
from atvio_ros.network.road_config import FIGURES, MOST_PATCHES
from atvio_ros.network.road_file import untrained_road
from atvio_ros.network.road_network import blank_inputs
from atvio_ros.odometry.estimator import NetworkEstimator
from atvio_ros.odometry.estimators import choose_estimator
from atvio_ros.odometry.pair_torch import TorchPairs
from atvio_ros.odometry.peer_drive import EndlessDrive
from atvio_ros.odometry.pipeline import Estimator, assemble
from atvio_ros.odometry.road_network import RoadNetworkEstimator
from atvio_ros.odometry.road_torch import TorchRoad
from atvio_ros.types import FloatArray

Step = Callable[[], object]

ODOMETRY, ENCODER, CLASSIC = 'whole odometry', 'visual encoder alone', 'motion but for scale'
CLASSIC_CORNERS, CLASSIC_QUALITY, CLASSIC_SPACING_PX = 500, 0.01, 10.0


@dataclass(frozen=True)
class Peer:
    """One of the compared."""

    name: str
    covers: str  # what a step does
    step: Step  # takes the next frame
    parameters: int  # of networks
    count_macs: Callable[[], int]  # of one frame in networks; what is not a network is not counted


def make_peer(name: str, drive: EndlessDrive) -> Peer:
    """One of PEERS, ready to take its first frame. Raises SettingsError on another name."""
    check_names([name])
    return PEERS[name](name, drive)


def check_names(names: list[str]) -> None:
    """Raise SettingsError where one is not in PEERS."""
    for name in names:
        if name not in PEERS:
            raise SettingsError(f'{name!r} is not compared. Choose from {", ".join(PEERS)}.')


def _road(name: str, drive: EndlessDrive) -> Peer:
    return Peer(name, ODOMETRY, odometry_step(choose_estimator(), drive), 0, int)


def _road_network(name: str, drive: EndlessDrive) -> Peer:
    model = untrained_road()
    figures = torch.zeros(1, MOST_PATCHES, FIGURES), torch.ones(1, MOST_PATCHES)
    step = odometry_step(RoadNetworkEstimator(TorchRoad(model), trained=False), drive)
    return Peer(
        name,
        ODOMETRY,
        step,
        count_parameters(model),
        lambda: count_macs(lambda: model(blank_inputs())) + count_macs(lambda: model.patches(*figures)),
    )


def _variant(name: str, drive: EndlessDrive) -> Peer:
    model = untrained_model(name)
    step = odometry_step(NetworkEstimator(TorchPairs(model), trained=False), drive)
    return Peer(name, ODOMETRY, step, count_parameters(model), lambda: count_macs(lambda: model(*blank_pair(model))))


def odometry_step(estimator: Estimator, drive: EndlessDrive) -> Callable[[], FloatArray]:
    """Takes the drive's next frame and gives the pose (4, 4) then; identity as long as there is no pair."""
    odometry, frames = assemble(estimator, drive.rig), drive.steps()

    def step() -> FloatArray:
        readings, stamp_ns, image = next(frames)
        for reading in readings:
            odometry.pairer.add_imu(reading)
        odometry.pairer.add_frame(odometry.intake.frame(stamp_ns, image))
        T_odom_base: FloatArray = np.eye(4)
        while (pair := odometry.pairer.poll()) is not None:
            T_odom_base = odometry.engine.process(pair).T_odom_base
        return T_odom_base

    return step


def _encoder(make: Callable[[], nn.Module], width: int, height: int) -> Callable[[str, EndlessDrive], Peer]:
    def peer(name: str, drive: EndlessDrive) -> Peer:
        encoder = make().eval()
        encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as in ours, the fastest order
        images = torch.randn(1, 6, height, width).contiguous(memory_format=torch.channels_last)

        @torch.inference_mode()
        def step() -> object:
            return encoder(images)

        return Peer(name, ENCODER, step, count_parameters(encoder), lambda: count_macs(lambda: encoder(images)))

    return peer


def _classic(name: str, drive: EndlessDrive) -> Peer:
    return Peer(name, CLASSIC, classic_step(drive), 0, int)


def classic_step(drive: EndlessDrive) -> Callable[[], FloatArray]:
    """Corners, Lucas-Kanade, five-point RANSAC: gives the direction (3,) in which the camera moved, of no length."""
    frames, K = drive.steps(), drive.rig.needed_camera.K
    previous = cv2.cvtColor(next(frames)[2], cv2.COLOR_RGB2GRAY)

    def step() -> FloatArray:
        nonlocal previous
        current = cv2.cvtColor(next(frames)[2], cv2.COLOR_RGB2GRAY)
        corners = cv2.goodFeaturesToTrack(previous, CLASSIC_CORNERS, CLASSIC_QUALITY, CLASSIC_SPACING_PX)
        moved, found, _ = cv2.calcOpticalFlowPyrLK(previous, current, corners, None)  # type: ignore[call-overload]
        followed = found.ravel() == 1
        older, newer = corners[followed], moved[followed]
        E, inliers = cv2.findEssentialMat(older, newer, K, cv2.RANSAC, 0.999, 1.0)
        _, R, t, _ = cv2.recoverPose(E, older, newer, K, mask=inliers)
        previous = current
        return np.asarray(-R.T @ t).ravel()

    return step


PEERS: dict[str, Callable[[str, EndlessDrive], Peer]] = {
    'road_estimator': _road,
    'road_network': _road_network,
    'ca_a': _variant,
    'lstm_vonas': _variant,
    'flownet_s_512x256': _encoder(flownet_s, 512, 256),
    'flownet_s_416x128': _encoder(flownet_s, 416, 128),
    'resnet18_416x128': _encoder(resnet18, 416, 128),
    'opencv_classic': _classic,
}
