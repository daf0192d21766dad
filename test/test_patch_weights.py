"""Weights of the patches of a road: their figures, and what they may change."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atvio_ros.errors import SettingsError
from atvio_ros.network.patch_weights import FIGURES, PatchWeights
from atvio_ros.network.road_config import RoadConfig
from atvio_ros.road import patch_figures as figures_of
from atvio_ros.road.patch_figures import patch_figures
from atvio_ros.road.patch_texture import TEXTURES
from atvio_ros.road.shift_curves import SaidPatch, ShiftCurves

BACKWARD, CELL = 15, 0.02


def patch(shift_h: float, height: float = 12.0, place: float = 0.0) -> SaidPatch:
    """A patch that looks best at a shift."""
    shifts = CELL * (np.arange(166) - BACKWARD)
    says = height * np.exp(-0.5 * ((shifts - shift_h) / 0.03) ** 2)
    return SaidPatch(says.astype(np.float32), 1, 3.0, place, np.zeros(TEXTURES))


def test_the_room_of_the_road_and_of_the_network_agree():
    assert figures_of.FIGURES == FIGURES
    found = patch_figures([patch(0.5), patch(0.2)], 0.5, BACKWARD, CELL)
    assert found.shape == (2, FIGURES)
    assert np.isfinite(found).all()
    assert patch_figures([], 0.5, BACKWARD, CELL).shape == (0, FIGURES)


def test_a_patch_that_lags_behind_the_expected_shift_is_told_from_one_that_does_not():
    right, slow = patch_figures([patch(0.5), patch(0.2)], 0.5, BACKWARD, CELL)
    assert abs(right[6]) < 0.2 < -slow[6]  # away from what was expected
    assert slow[5] < right[5] - 0.5  # what it says of the expected shift


def test_how_patches_of_one_road_scatter_is_not_told():
    """Weights that follow it pull speed and tilt along: a drive of 250 m came out 0.3 % shorter."""
    found = patch_figures([patch(0.5), patch(0.46), patch(0.54)], 0.5, BACKWARD, CELL)
    np.testing.assert_array_equal(found[:, 6:8], 0.0)


def test_nothing_expected_is_nothing_missed():
    unknown = patch_figures([patch(0.5), patch(0.2)], None, BACKWARD, CELL)
    np.testing.assert_array_equal(unknown[:, 5:7], 0.0)


def test_untrained_every_patch_counts_one_and_one_that_is_missing_nothing():
    weights = PatchWeights(RoadConfig())
    there = torch.tensor([[1.0, 1.0, 0.0]])
    torch.testing.assert_close(weights(torch.randn(1, 3, FIGURES), there), there)


def test_a_weight_is_bounded_and_does_not_depend_on_patches_that_are_missing():
    torch.manual_seed(0)
    weights = PatchWeights(RoadConfig(largest_log_weight=1.0))
    torch.nn.init.normal_(weights.beside[-1].weight, std=5.0)
    figures, there = torch.randn(2, 6, FIGURES), torch.ones(2, 6)
    said = weights(figures, there).detach()
    assert float(said.max()) <= np.e
    assert float(said.min()) >= 1.0 / np.e
    padded = torch.cat((figures, torch.randn(2, 3, FIGURES)), dim=1)
    more = weights(padded, torch.cat((there, torch.zeros(2, 3)), dim=1)).detach()
    torch.testing.assert_close(more[:, :6], said)


def test_weights_change_how_high_a_curve_is_and_not_where():
    matcher = ShiftCurves(3.0)
    road = np.random.default_rng(0).integers(0, 255, (matcher.road.rows + 40, matcher.road.columns)).astype(np.uint8)
    older, newer = road[30 : 30 + matcher.road.rows], road[: matcher.road.rows]
    seen = np.ones(newer.shape, bool)
    plain = matcher.compare(older, newer, seen)
    weighed = matcher.compare(older, newer, seen, weigh=lambda said, expected: np.full(len(said), 0.5))
    np.testing.assert_allclose(weighed.curves, 0.5 * plain.curves, atol=1e-4)
    np.testing.assert_array_equal(weighed.best, plain.best)


def test_without_the_road_branch_weights_are_one():
    weights = PatchWeights(RoadConfig(without=('road',)))
    torch.nn.init.normal_(weights.beside[-1].weight)
    assert float(weights(torch.randn(1, 4, FIGURES), torch.ones(1, 4)).min()) == 1.0
    with pytest.raises(SettingsError, match="'sonar' is no source"):
        RoadConfig(without=('sonar',))
