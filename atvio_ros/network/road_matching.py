"""The road branch: how likely each shift of the road is between two views of it, in bands of depth.

Two views of the road from above, the older one turned as the newer one, are compared at every shift along the way:
their band-passed grey values in fine cells, which tell a shift to a part of a cell, and siamese features in coarse
cells and with a little shift sideways, which tell which of several peaks is the right one. Small layers over both, and
over contrast, depth and place, give each patch a weight that changes slowly along its curve. So the network says what
is believed and cannot move a peak: a filter finds tilts of a twentieth of a degree from where the peaks of near and
far bands lie, and a network that was free to shape curves made distances 2 to 4 % wrong with that. Trained by the
likelihood of the true shift and tilt. No normalisation looks across the pair.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, interpolate, pad, softplus

from atvio_ros.network.road_config import BANDS, RoadConfig

_NOISE = 0.5  # grey levels of a band-passed view that are not texture
_MOST_CORRELATION = 0.97
_SAMPLES = 25.0  # independent samples of a patch, as in road/shift_curves.py
_START_TRUST = 0.2
_PATCH_INPUTS = 10
_SLOW = 21  # shifts over which a weight is a mean: it chooses among peaks and cannot move one
_COMPANY = -4.0
_STILL_CELLS = 1.5  # a shift below may be of something that moves with the robot


class RoadViews(NamedTuple):
    """N pairs of views of the road, rows far to near. B bands, Z rows, X columns."""

    older: Tensor  # (N, Z, X) band-passed grey levels, 0 where nothing is seen
    newer: Tensor  # (N, Z, X)
    seen: Tensor  # (N, Z, X) 1 where the newer view shows something, else 0
    bands: Tensor  # (N, B, Z) 1 in the rows of a band
    depth: Tensor  # (N, B) camera heights, middle of each band
    cell: Tensor  # (N,) length of a cell [camera heights]


class RoadMatcher(nn.Module):
    """Views of the road to log-likelihoods of shifts."""

    def __init__(self, config: RoadConfig) -> None:
        super().__init__()
        self.config = config
        features, width = config.features, config.curve_width
        lateral = 2 * config.sideways + 1 if features else 0
        if features:
            self.encoder = nn.Sequential(
                nn.Conv2d(1, features, 5, stride=(config.stride, 2), padding=2),
                nn.ReLU(),
                nn.Conv2d(features, features, 3, padding=1),
            )
        self.patch = nn.Sequential(
            nn.Conv1d(_PATCH_INPUTS + lateral, width, 1),
            nn.ReLU(),
            nn.Conv1d(width, width, 7, padding=3),
            nn.ReLU(),
            nn.Conv1d(width, 2, 1),
        )
        last = self.patch[-1]  # at first the curves are those of correlation alone
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, views: RoadViews) -> tuple[Tensor, Tensor]:
        """Log-likelihoods (N, B, S) of shifts from -backward to forward cells, and what of them is in view (N, B, S).

        A curve is constant over shifts at which its band was out of view.
        """
        config = self.config
        N, _, X = views.newer.shape
        P, B, S = config.strips, len(BANDS), config.shifts
        fine, ratio, energy = _likeness(
            _strips(views.newer[:, None], P), _strips(views.older[:, None], P), views.bands, config, 1
        )  # (N, P, B, S), (N, P, B, S), (N, P, B)
        patch_area = views.bands.sum(dim=2)[:, None] * (X // P)  # (N, 1, B)
        contrast = torch.log(energy / patch_area.clamp(min=1.0) + 0.01)  # (N, P, B)
        share = torch.einsum('npz,nbz->npb', _strips(views.seen[:, None], P).mean(dim=-1), views.bands)
        share = share / views.bands.sum(dim=2)[:, None].clamp(min=1.0)  # (N, P, B)
        present = self._in_view(views.bands)  # (N, B, S)
        says = -torch.log1p(-fine.clamp(0.0, _MOST_CORRELATION).square())  # (N, P, B, S)

        def constant(values: Tensor) -> Tensor:
            return values[..., None].expand(N, P, B, S)

        place = torch.linspace(-1.0, 1.0, P, device=fine.device).abs()[None, :, None].expand(N, P, B)
        shift = torch.arange(-config.backward, config.forward + 1, device=fine.device)
        still = torch.exp(-0.5 * (shift / _STILL_CELLS).square())  # (S,)
        channels = [
            fine,
            says,
            ratio,
            present[:, None].expand(N, P, B, S),
            still.expand(N, P, B, S),
            constant(contrast * 0.5),
            constant(share),
            constant(place),
            constant((views.depth[:, None] * 0.2).expand(N, P, B)),
            constant((views.cell[:, None, None] * 30.0).expand(N, P, B)),
        ]
        if config.features:
            channels += self._coarse(views)
        said = self.patch(torch.stack(channels, dim=3).view(N * P * B, -1, S))  # (N P B, 2, S)
        slow = avg_pool1d(said[:, :1], _SLOW, stride=1, padding=_SLOW // 2, count_include_pad=False).view(N, P, B, S)
        company = torch.sigmoid(said[:, 1].mean(dim=1).view(N, P, B, 1) + _COMPANY)  # that it moves with the robot
        whole = (share > 0.99)[..., None]  # a patch that is seen in part shows an edge that moves with us
        gate = softplus(slow + _inverse_softplus(_START_TRUST)) * (1.0 - company * still)
        curves = (0.5 * _SAMPLES * says * gate * whole).sum(dim=1)  # (N, B, S)
        inside = present.sum(dim=2, keepdim=True).clamp(min=1.0)
        mean = (curves * present).sum(dim=2, keepdim=True) / inside
        return torch.where(present > 0.5, curves, mean), present

    def _coarse(self, views: RoadViews) -> list[Tensor]:
        """Likeness (N, P, B, S) of the learned features, for each shift sideways."""
        config, P = self.config, self.config.strips
        both = torch.cat((views.older, views.newer))[:, None]  # (2 N, 1, Z, X)
        spread = views.newer.square().mean(dim=(1, 2)).sqrt() + _NOISE  # (N,): of both views, or they would differ
        maps = self.encoder(both / spread.repeat(2)[:, None, None, None])  # (2 N, C, Z / stride, X / 2)
        older, newer = maps.chunk(2)
        bands = views.bands[:, :, config.stride // 2 :: config.stride]  # (N, B, Z / stride)
        found = []
        for side in range(-config.sideways, config.sideways + 1):
            moved = torch.roll(older, side, dims=3)
            likeness, _, _ = _likeness(_strips(newer, P), _strips(moved, P), bands, config, config.stride)
            found.append(_finer(likeness, config.shifts))
        return found

    def _in_view(self, bands: Tensor) -> Tensor:
        """(N, B, S) 1 where all rows of a band, moved back by the shift, are rows of the view."""
        config = self.config
        rows = torch.arange(config.rows, device=bands.device, dtype=bands.dtype)
        top = torch.where(bands > 0.5, rows, float(config.rows)).amin(dim=2)[..., None]  # (N, B, 1)
        bottom = torch.where(bands > 0.5, rows, -1.0).amax(dim=2)[..., None]
        shift = torch.arange(-config.backward, config.forward + 1, device=bands.device)
        inside = (top - shift >= 0) & (bottom - shift <= config.rows - 1) & (bottom >= 0)
        return inside.to(bands.dtype)


def _likeness(
    newer: Tensor, older: Tensor, bands: Tensor, config: RoadConfig, stride: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised correlation (N, P, B, S) of strips (N, P, Z, K) over bands (N, B, Z) at all shifts.

    Also the logarithm of the older patch's energy over the newer one's (N, P, B, S), and that of the newer (N, P, B).
    A row of the newer view was `shift` rows farther up, so one matrix product of all rows with all rows holds every
    shift on a diagonal; a skewed view of it makes the diagonals rows.
    """
    K = newer.shape[3]
    up, down = config.forward // stride, config.backward // stride
    S = up + down + 1
    padded = pad(older, (0, 0, up, down))  # (N, P, Z + S - 1, K): row z + j is older row z + j - up
    product = newer @ padded.transpose(2, 3)  # (N, P, Z, Z + S - 1)
    dot = torch.einsum('nbz,npzj->npbj', bands, _skewed(product, S))  # [z, j]: shift up - j
    of_newer = torch.einsum('nbz,npz->npb', bands, newer.square().sum(dim=3))  # (N, P, B)
    of_older = torch.einsum('nbz,npzj->npbj', bands, _windows(padded.square().sum(dim=3), S))
    floor = _NOISE**2 * K * bands.sum(dim=2)[:, None]  # (N, 1, B)
    energy, before = of_newer + floor + 1e-3, of_older + floor[..., None] + 1e-3
    r = dot / (energy[..., None] * before).sqrt()
    return r.flip(-1), torch.log(before / energy[..., None]).flip(-1), of_newer


def _skewed(product: Tensor, points: int) -> Tensor:
    """(N, P, Z, W) -> (N, P, Z, points): row z begins at its element z."""
    N, P, Z, W = product.shape
    if torch.onnx.is_in_onnx_export():  # ONNX knows no strides: one zero more a row moves each by one
        return pad(product.flatten(2), (0, Z)).view(N, P, Z, W + 1)[..., :points]
    return product.as_strided((N, P, Z, points), (P * Z * W, Z * W, W + 1, 1))


def _windows(values: Tensor, points: int) -> Tensor:
    """(N, P, W) -> (N, P, W - points + 1, points): every window of so many values."""
    if torch.onnx.is_in_onnx_export():  # where unfold becomes a slice for every window
        first = torch.arange(values.shape[2] - points + 1)
        return values[:, :, first[:, None] + torch.arange(points)]
    return values.unfold(2, points, 1)


def _strips(maps: Tensor, count: int) -> Tensor:
    """(N, C, Z, X) -> (N, count, Z, C X / count)."""
    N, C, Z, X = maps.shape
    return maps.reshape(N, C, Z, count, X // count).permute(0, 3, 2, 1, 4).reshape(N, count, Z, -1)


def _finer(curves: Tensor, points: int) -> Tensor:
    """Curves (N, P, B, s) over every `stride`-th shift -> (N, P, B, points)."""
    N, P, B, s = curves.shape
    return interpolate(curves.reshape(N, P * B, s), size=points, mode='linear', align_corners=True).view(N, P, B, -1)


def _inverse_softplus(value: float) -> float:
    return float(torch.log(torch.expm1(torch.tensor(value))))


def within_reach(curves: Tensor, present: Tensor, backward: int, needed: Tensor) -> Tensor:
    """Curves (N, B, S) without those of bands that were out of view before a shift `needed` (N,) [cells].

    Such a band cannot show the shift and would vote for whatever noise it finds nearer by. The nearest always stays.
    """
    index = torch.arange(curves.shape[2], device=curves.device)
    reach = (present * index).amax(dim=2) - backward  # (N, B)
    kept = reach >= needed[:, None]
    kept[:, 0] = True
    return curves * kept[:, :, None]


def joint_likelihood(curves: Tensor, depth: Tensor, backward: int, shifts: Tensor, tilts: Tensor) -> Tensor:
    """Log-likelihood (N, V, T) of shifts (N, V) or (V,) [cells] and tilts (T,) [rad], the sum over the bands.

    A view that is tilted too far by d shows a shift s as s (1 + 2 z d) at depth z [camera heights].
    """
    N, B, S = curves.shape
    wanted = shifts.expand(N, -1)[:, None, :, None]  # (N, 1, V, 1)
    place = wanted * (1.0 + 2.0 * depth[:, :, None, None] * tilts) + backward  # (N, B, V, T)
    below = place.floor().clamp(0, S - 2)
    share = (place - below).clamp(0.0, 1.0)
    index = below.long().view(N, B, -1)
    low = torch.gather(curves, 2, index).view_as(place)
    high = torch.gather(curves, 2, index + 1).view_as(place)
    return (low + share * (high - low)).sum(dim=1)
