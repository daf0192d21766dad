"""The network `road`: what the road, the perspective, the IMU and the direction of travel say, weighed and remembered.

It goes on from the road estimator. Weights for the patches of the road (patch_weights.py) change what its filter over
speed and tilt believes. Then the network sees the curves around the filter's speed, a correlation of the level views
(the perspective, where the filter doubts), the IMU readings (the paper's Conv1d) and how well the direction of travel
is known; CA-A weighs their features, an LSTM remembers. Out come the way in camera heights, which is the filter's with
a correction of a part of its sigma, joined with the perspective's by their variances, and a log sigma for each
component. Untrained, it is the road estimator.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from atvio_ros.network.fusion import AttentionGeneration
from atvio_ros.network.inertial_encoder import Conv1dInertialEncoder
from atvio_ros.network.lstm import Lstm, LstmState
from atvio_ros.network.patch_weights import PatchWeights
from atvio_ros.network.road_config import AROUND, BANDS, LEVEL_SIZE, SCALARS, SOURCES, RoadConfig

_MAP = (4, 13)  # height and width of the features of a source, the paper's
_REACH = 4  # of the perspective's correlation, in features of 4 px
_INERTIAL_STD = (0.05, 0.05, 0.3, 1.5, 1.5, 1.5)
DOUBTFUL_SHARE, DOUBTFUL_WAY = 0.04, 0.004  # sigma of the way from which on the perspective is looked at
_DOUBT = 6.0  # log odds against the perspective at the start, beside what the variances say; the memory may lift them


class RoadInputs(NamedTuple):
    """T pairs of B drives, after the filter."""

    curves: Tensor  # (B, T, 4, AROUND) log-likelihood around the filter's shift, the most likely 0
    scalars: Tensor  # (B, T, SCALARS) of order one; see odometry/road_front.py
    imu: Tensor  # (B, T, 11, 6) rad/s, m/s^2, base axes, gravity taken off
    views: Tensor  # (B, T, 2, 64, 208) uint8, level, the older one turned as the newer
    way: Tensor  # (B, T) of the filter [camera heights]
    sigma: Tensor  # (B, T, 3) of way across, down, along, before the network [camera heights]


class RoadOutput(NamedTuple):
    """What the network says of each pair."""

    motion: Tensor  # (B, T, 3) right, down, along the travel [camera heights], level axes of the newer image
    log_sigma: Tensor  # (B, T, 3) of these
    perspective: Tensor  # (B, T, 2) logarithm of the way that the perspective alone shows, and its log sigma
    gate: Tensor  # (B, T) share of the perspective in the way; 0 where it was not looked at
    attention: Tensor  # (B, T, 4) mean channel weight on each of SOURCES; nan where it is left out
    state: LstmState


class PerspectiveBranch(nn.Module):
    """Correlation of siamese features of two level views: how everything in view moves, whatever it is."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 12, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(12, 16, 3, stride=2, padding=1)
        )
        shifts = (2 * _REACH + 1) ** 2
        self.after = nn.Sequential(
            nn.Conv2d(shifts, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, channels, 3, stride=2, padding=1),
            nn.ReLU(),
        )

    def forward(self, views: Tensor) -> Tensor:
        """(N, 2, 64, 208) uint8 -> (N, channels, 4, 13)."""
        values = views.float()
        values = (values - values.mean(dim=(2, 3), keepdim=True)) / (values.std(dim=(2, 3), keepdim=True) + 4.0)
        maps = self.encoder(values.flatten(0, 1)[:, None]).unflatten(0, (-1, 2))  # (N, 2, 16, 16, 52)
        maps = maps / (maps.norm(dim=2, keepdim=True) + 0.1)
        result: Tensor = self.after(_likeness(maps[:, 1], maps[:, 0]))
        return result


def _likeness(newer: Tensor, older: Tensor) -> Tensor:
    """Products (N, shifts, Y, X) of features (N, C, Y, X) with those of the older view at all shifts up to _REACH.

    Of two rows all columns are multiplied with all, and every shift along the row lies on a diagonal.
    """
    N, _, Y, X = newer.shape
    side = 2 * _REACH + 1
    rows = pad(older, (_REACH,) * 4).permute(0, 2, 1, 3)  # (N, Y + 2 reach, C, wide)
    columns = newer.permute(0, 2, 3, 1)  # (N, Y, X, C)
    found = []
    for y in range(side):
        product = columns @ rows[:, y : y + Y]  # (N, Y, X, wide)
        found.append(_skewed(product, side))
    return torch.stack(found, dim=1).permute(0, 1, 4, 2, 3).reshape(N, side * side, Y, X)


def _skewed(product: Tensor, points: int) -> Tensor:
    """(N, Y, X, W) -> (N, Y, X, points): row x begins at its element x."""
    N, Y, X, W = product.shape
    if torch.onnx.is_in_onnx_export():  # ONNX knows no strides: one zero more a row moves each by one
        return pad(product.flatten(2), (0, X)).view(N, Y, X, W + 1)[..., :points]
    return product.contiguous().as_strided((N, Y, X, points), (Y * X * W, X * W, W + 1, 1))


class RoadNetwork(nn.Module):
    """Weights of the patches, and all that comes after the filter."""

    inertial_std: Tensor

    def __init__(self, config: RoadConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.source_channels
        self.patches = PatchWeights(config)
        self.road = nn.Sequential(
            nn.Conv2d(BANDS, channels, (1, 3), stride=(1, 2), padding=(0, 1)),
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, 3), padding=(0, 1)),
            nn.ReLU(),
        )
        self.perspective = PerspectiveBranch(channels)
        self.inertial = Conv1dInertialEncoder(_MAP, 'bilinear')
        self.direction = nn.Sequential(nn.Linear(SCALARS, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.widths = (channels, channels, 128, channels)
        total = sum(self.widths)
        self.attention = AttentionGeneration(total, config.attention_reduction) if config.attention else None
        self.squeeze = nn.Sequential(nn.Linear(total * _MAP[0], config.hidden), nn.ReLU())
        self.lstm = Lstm(config.hidden + SCALARS, config.hidden, 1)
        self.head = nn.Linear(config.hidden, 7)
        self.way_seen = nn.Sequential(nn.Linear(channels * _MAP[0] * _MAP[1], 32), nn.ReLU(), nn.Linear(32, 2))
        self.register_buffer('inertial_std', torch.tensor(_INERTIAL_STD), persistent=False)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: RoadInputs, state: LstmState | None = None) -> RoadOutput:
        """Motion of T pairs; a drive fed pair by pair with the state handed on gives what one long window gives."""
        B, T = inputs.way.shape
        # Bands are the height of the map, shifts its width: (N, 4, 1, 25) -> channels from all bands, then 4 rows.
        road = self.road(inputs.curves.flatten(0, 1)[:, :, None] * 0.2)  # (N, C, 1, 13)
        doubtful = inputs.sigma[..., 2] > DOUBTFUL_SHARE * inputs.way.abs() + DOUBTFUL_WAY  # (B, T)
        perspective = self._looked_at(inputs.views.flatten(0, 1), doubtful.flatten())  # (N, C, 4, 13)
        inertial = self.inertial((inputs.imu / self.inertial_std).flatten(0, 1))  # (N, 128, 4, 13)
        direction = self.direction(inputs.scalars.flatten(0, 1))[..., None, None]  # (N, C, 1, 1)
        sources = [road.expand(-1, -1, *_MAP), perspective, inertial, direction.expand(-1, -1, *_MAP)]
        kept = [
            torch.zeros_like(maps) if name in self.config.without else maps
            for name, maps in zip(SOURCES, sources, strict=True)
        ]
        maps = torch.cat(kept, dim=1)  # (N, C, 4, 13)
        weights = maps.new_ones(maps.shape[:2]) if self.attention is None else self.attention(maps)
        fused = (maps * weights[:, :, None, None]).mean(dim=3)  # (N, C, 4)
        scalars = inputs.scalars * float('direction' not in self.config.without)
        squeezed = torch.cat((self.squeeze(fused.flatten(1)).unflatten(0, (B, T)), scalars), dim=-1)
        memory, state = self.lstm(squeezed, state)  # (B, T, H)
        said = self.head(memory)  # (B, T, 7)
        seen = self.way_seen(perspective.flatten(1)).unflatten(0, (B, T))  # (B, T, 2)
        motion, log_sigma, way_alone, gate = self._motion(inputs, said, seen, doubtful)
        return RoadOutput(motion, log_sigma, way_alone, gate, self._means(weights, B, T), state)

    def _looked_at(self, views: Tensor, doubtful: Tensor) -> Tensor:
        """Features (N, C, 4, 13) of the perspective, 0 where the filter does not doubt (N,): it is the dearest part."""
        if torch.onnx.is_in_onnx_export():
            seen: Tensor = self.perspective(views) * doubtful[:, None, None, None]
            return seen
        features = views.new_zeros(len(views), self.config.source_channels, *_MAP, dtype=torch.float32)
        if bool(doubtful.any()):
            features = features.index_put((doubtful.nonzero()[:, 0],), self.perspective(views[doubtful]))
        return features

    def _motion(
        self, inputs: RoadInputs, said: Tensor, seen: Tensor, doubtful: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        config = self.config
        log_way = seen[..., 0].clamp(-4.0, 1.0) - 1.0  # of order of a third of the camera height a pair
        log_doubt = seen[..., 1].clamp(-4.0, 1.0) - 1.0
        sigma = inputs.sigma[..., 2]
        corrected = inputs.way + config.largest_correction * sigma * torch.tanh(said[..., 0])
        # By inverse variances, and what the memory says for or against it.
        odds = 2.0 * (torch.log(sigma) - log_doubt - log_way) + _DOUBT * (torch.tanh(said[..., 3]) - 1.0)
        gate = torch.sigmoid(odds) * doubtful
        if 'perspective' in config.without:
            gate = torch.zeros_like(gate)
        along = corrected + gate * (torch.exp(log_way) - corrected)
        turn = torch.deg2rad(torch.tensor(config.largest_turn_deg)) * torch.tanh(said[..., 1:3])  # to the right, down
        motion = torch.stack((along * turn[..., 0], along * turn[..., 1], along), dim=-1)
        log_sigma = torch.log(inputs.sigma) + 3.0 * torch.tanh(said[..., 4:7])
        perspective = torch.stack((log_way, log_doubt), dim=-1)
        return motion, log_sigma, perspective, gate

    def _means(self, weights: Tensor, B: int, T: int) -> Tensor:
        means = [part.mean(dim=1) for part in torch.split(weights.detach(), list(self.widths), dim=1)]
        nothing = torch.full_like(means[0], float('nan'))
        kept = [nothing if name in self.config.without else m for name, m in zip(SOURCES, means, strict=True)]
        return torch.stack(kept, dim=-1).view(B, T, len(SOURCES))


def blank_inputs() -> RoadInputs:
    """One pair that shows nothing, for warming up."""
    return RoadInputs(
        torch.zeros(1, 1, BANDS, AROUND),
        torch.zeros(1, 1, SCALARS),
        torch.zeros(1, 1, 11, 6),
        torch.zeros(1, 1, 2, *LEVEL_SIZE, dtype=torch.uint8),
        torch.zeros(1, 1),
        torch.ones(1, 1, 3),
    )
