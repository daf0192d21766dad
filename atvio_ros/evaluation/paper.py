"""What the paper reports of its networks, to stand beside figures of ours."""

from __future__ import annotations

PAPER_DATA = 'KITTI 05, 07 and 10'

# Table 2 of the paper: t_rel [%] and r_rel [deg/100 m] on 05, 07, 10, and the averages it prints.
PAPER: dict[str, tuple[tuple[float, float], ...]] = {
    'sf_soft': ((4.65, 1.83), (4.36, 2.19), (8.35, 2.01), (5.78, 2.01)),
    'sf_hard': ((4.25, 1.67), (4.46, 2.17), (5.81, 1.55), (4.84, 1.80)),
    'vonas_a': ((5.92, 2.66), (5.00, 3.16), (6.16, 3.19), (5.70, 3.00)),
    'ca_a': ((4.93, 2.40), (3.78, 2.59), (5.71, 2.96), (4.80, 2.65)),
    'direct_cat': ((4.20, 1.74), (5.32, 3.17), (8.25, 4.19), (5.92, 3.03)),
    'lstm_vonas': ((5.44, 2.24), (4.30, 3.19), (6.08, 2.92), (5.27, 2.78)),
    'ca_b': ((4.32, 1.87), (4.36, 2.86), (7.03, 3.54), (5.24, 2.76)),
    'ca_c': ((4.48, 1.74), (6.15, 3.37), (6.79, 2.39), (5.81, 2.50)),
    'ca_d': ((5.13, 2.34), (4.08, 2.57), (6.62, 3.49), (5.28, 2.80)),
}
