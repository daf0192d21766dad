"""Figures of held-out stretches, long and short."""

import pytest
import torch

pytest.importorskip('lightning', reason='training needs Lightning: pip install atvio_ros[train]')

from atvio_ros.training.model_card import FIGURE_NAMES
from atvio_ros.training.validation import figures_words, mean_figures, selected_with_name, stretch_figures


def test_the_end_error_of_a_short_stretch_is_not_called_t_rel():
    straight = torch.zeros(20, 6).double().numpy()
    straight[:, 2] = 1.0
    figures = stretch_figures('short', 1.1 * straight, straight)
    assert (figures.t_rel, figures.r_rel) == (None, None)
    assert figures.end_error == pytest.approx(10.0)
    assert figures.end_rotation == pytest.approx(0.0)
    means = mean_figures([figures])
    assert means == {'val/end_error': pytest.approx(10.0), 'val/end_rotation': 0.0, 'val/length_m': pytest.approx(20.0)}
    assert selected_with_name(means, 't_rel') == (pytest.approx(10.0), 'end error %')
    assert 't_rel 10' not in figures_words(means)
    assert 'end error 10.00 %' in figures_words(means)
    assert FIGURE_NAMES['val/end_error'] == 'validation end error % (too short for t_rel)'


def test_long_stretches_outweigh_short_ones():
    straight = torch.zeros(400, 6).double().numpy()
    straight[:, 2] = 1.0
    long, short = (stretch_figures('s', k * straight[:n], straight[:n]) for k, n in ((1.02, 400), (1.5, 20)))
    assert long.t_rel is not None
    assert mean_figures([long, short])['val/t_rel'] == pytest.approx(long.t_rel)
    assert 'val/end_error' not in mean_figures([long, short])
