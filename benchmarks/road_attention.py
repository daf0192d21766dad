"""What CA-A of the network road does when a source fails: `python -m benchmarks.road_attention DIR --model FILE`.

Each prepared drive (view stored) is run through the road estimator with the network's weights of patches. From the 20th
pair on the road is lost from view, nothing at all is seen, the accelerometer tells nothing besides, or the IMU
readings are zero, and the network sees that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from atvio_ros.drives.sequence_store import find_sequences
from atvio_ros.network.patch_weights import PatchWeights
from atvio_ros.network.road_config import SOURCES
from atvio_ros.network.road_file import load_road
from atvio_ros.network.road_network import RoadInputs
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_windows import Losses, RecordedDrive, record, run_drive

FIRST = 20  # pair from which on a source fails
LASTS = 50  # pairs that it does
CASES = ('undisturbed', 'no road in view', 'nothing seen', 'no road, none felt', 'nothing at all', 'IMU zero')


def disturbed(case: str, drive: RoadDrive, patches: PatchWeights) -> RecordedDrive:
    """A drive after the filter, where a source fails."""
    lost = np.arange(len(drive)) >= FIRST
    nothing = np.zeros_like(lost)
    losses = {
        'no road in view': Losses(lost, nothing, nothing),
        'nothing seen': Losses(lost, lost, nothing),
        'no road, none felt': Losses(lost, nothing, lost),
        'nothing at all': Losses(lost, lost, lost),
    }.get(case)
    recorded = record(drive, patches, losses)
    if case == 'IMU zero':  # rotation and filter are left as they were
        recorded.inputs.imu[:, FIRST:] = 0.0
    return recorded


def main() -> None:
    """Print a row for each case, medians over drives: weights, gate, errors of the way and of the filter, sigma."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='prepared drives, --view stored')
    parser.add_argument('--model', type=Path, required=True)
    parser.add_argument('--cache', type=Path, help='where the directions of travel are kept')
    parser.add_argument('--prefix', default='', help='of the names of the drives to take')
    arguments = parser.parse_args()
    network, _ = load_road(arguments.model)
    drives = [RoadDrive(path, arguments.cache) for path in find_sequences(arguments.folder)]
    drives = [drive for drive in drives if drive.name.startswith(arguments.prefix) and len(drive) >= FIRST + LASTS]
    print(f'{"case":<20}' + ''.join(f'{name:>13}' for name in SOURCES)
          + f'{"gate":>9}{"RMSE %":>9}{"filter %":>9}{"sigma %":>9}')  # fmt: skip
    for name in CASES:
        rows = []
        for drive in drives:
            whole = disturbed(name, drive, network.patches)
            cut = RecordedDrive(
                drive.name, RoadInputs(*(tensor[:, : FIRST + LASTS] for tensor in whole.inputs)),
                whole.motion[: FIRST + LASTS], whole.continues[: FIRST + LASTS],
                whole.interval_s[: FIRST + LASTS], whole.height,
            )  # fmt: skip
            output = run_drive(network, cut)
            truth = cut.motion[FIRST:, 2]
            size = truth.abs().clamp(min=0.05)
            error = (output.motion[0, FIRST:, 2] - truth) / size
            sigma = output.log_sigma[0, FIRST:, 2].exp() / size
            row = torch.cat((output.attention[0, FIRST:], output.gate[0, FIRST:, None]), dim=1).mean(dim=0)
            alone = (cut.inputs.way[0, FIRST:] - truth) / size
            squares = [each.square().mean() for each in (error, alone, sigma)]
            rows.append(torch.cat((row, torch.stack(squares))))
        mean = torch.stack(rows).median(dim=0).values
        shares = (100.0 * mean[-3:].sqrt()).tolist()
        print(f'{name:<20}' + ''.join(f'{value:13.3f}' for value in mean[:4].tolist())
              + f'{float(mean[4]):9.3f}' + ''.join(f'{share:9.1f}' for share in shares))  # fmt: skip


if __name__ == '__main__':
    main()
