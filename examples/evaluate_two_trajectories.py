"""t_rel, r_rel and ATE of two TUM files of the same moving frame: stamp tx ty tz qx qy qz qw a line."""

from __future__ import annotations

import argparse
from pathlib import Path

from atvio_ros.evaluation.metrics import compare
from atvio_ros.trajectory_files import read_tum


def main() -> None:
    """Print the figures, and what a reader of them should know."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('truth', type=Path, help='TUM file')
    parser.add_argument('estimate', type=Path, help='TUM file, in the same clock')
    arguments = parser.parse_args()
    result = compare(read_tum(arguments.truth), read_tum(arguments.estimate), alignment='se3')
    print(f'{result.frames} poses over {result.length_m:.1f} m: ATE {result.ate_m:.3f} m after rigid alignment')
    if result.t_rel is not None:
        print(f't_rel {result.t_rel:.2f} %, r_rel {result.r_rel:.2f} deg/100 m')
    for remark in result.remarks():
        print(remark)


if __name__ == '__main__':
    main()
