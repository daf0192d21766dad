"""Bags of the five robots of atvio_ros.rendering.robots: `python -m benchmarks.robots --out DIR --seeds 1 2`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.write_bag import write_bag
from atvio_ros.rendering import synthesize
from atvio_ros.rendering.robots import ROBOTS


def main() -> None:
    """Write DIR/NAME_sSEED for each robot and seed; bags that are there already are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='the folder of the bags')
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2], help='one bag each (default: 1 2)')
    parser.add_argument('--length', type=float, default=200.0, help='of each drive [m] (default: %(default)s)')
    parser.add_argument('--robots', nargs='+', default=list(ROBOTS), choices=list(ROBOTS), help='default: all')
    arguments = parser.parse_args()
    for name in arguments.robots:
        for seed in arguments.seeds:
            bag = arguments.out / f'{name}_s{seed}'
            if bag.exists():
                continue
            drive = synthesize(dataclasses.replace(ROBOTS[name], seed=seed, length=arguments.length))
            write_bag(drive, BagWriter(bag))
            print(f'{bag}: {len(drive)} images, {drive.length_m:.0f} m')


if __name__ == '__main__':
    main()
