"""What CA-A of the network road does when a source fails: `python -m benchmarks.road_attention DIR --model FILE`.

Each prepared drive (view stored) is run through road branch and filter once. Then, from the 20th pair on, the road is
lost from view, the images are black, or the IMU readings are zero, and the network sees that.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from atvio_ros.drives.sequence_store import find_sequences
from atvio_ros.network.road_config import SOURCES
from atvio_ros.network.road_file import load_road
from atvio_ros.network.road_network import RoadInputs
from atvio_ros.training.road_drives import RoadDrive
from atvio_ros.training.road_windows import RecordedDrive, blinded, record, run_drive

FIRST = 20  # pair from which on a source fails
LASTS = 50  # pairs that it does


def no_road(inputs: RoadInputs, drive: RecordedDrive) -> None:
    """The road is out of view; everything else is there."""
    blinded(inputs, FIRST, drive.interval_s[: FIRST + LASTS], drive.height)


def black(inputs: RoadInputs, drive: RecordedDrive) -> None:
    """Nothing is seen at all."""
    no_road(inputs, drive)
    inputs.views[:, FIRST:] = 0


def no_imu(inputs: RoadInputs, drive: RecordedDrive) -> None:
    """Readings are zero; rotation and filter are left as they were."""
    inputs.imu[:, FIRST:] = 0.0


CASES: dict[str, Callable[[RoadInputs, RecordedDrive], None]] = {
    'undisturbed': lambda inputs, drive: None,
    'no road in view': no_road,
    'images black': black,
    'IMU zero': no_imu,
}


def main() -> None:
    """Print a row for each case: weights, gate, error of the way, sigma, as shares of the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='prepared drives, --view stored')
    parser.add_argument('--model', type=Path, required=True)
    arguments = parser.parse_args()
    network, _ = load_road(arguments.model)
    drives = [record(RoadDrive(path), network.matcher) for path in find_sequences(arguments.folder)]
    drives = [drive for drive in drives if len(drive.continues) >= FIRST + LASTS]
    print(f'{"case":<18}' + ''.join(f'{name:>13}' for name in SOURCES) + f'{"gate":>9}{"RMSE %":>9}{"sigma %":>9}')
    for name, change in CASES.items():
        rows = []
        for drive in drives:
            inputs = RoadInputs(*(tensor[:, : FIRST + LASTS].clone() for tensor in drive.inputs))
            change(inputs, drive)
            cut = RecordedDrive(
                drive.name, inputs, drive.motion[: FIRST + LASTS], drive.continues[: FIRST + LASTS],
                drive.interval_s[: FIRST + LASTS], drive.height,
            )  # fmt: skip
            output = run_drive(network, cut)
            truth = cut.motion[FIRST:, 2]
            size = truth.abs().clamp(min=0.05)
            error = (output.motion[0, FIRST:, 2] - truth) / size
            sigma = output.log_sigma[0, FIRST:, 2].exp() / size
            row = torch.cat((output.attention[0, FIRST:], output.gate[0, FIRST:, None]), dim=1).mean(dim=0)
            rows.append(torch.cat((row, torch.stack((error.square().mean(), sigma.square().mean())))))
        mean = torch.stack(rows).mean(dim=0)
        shares = 100.0 * mean[-2:].sqrt()
        print(f'{name:<18}' + ''.join(f'{value:13.3f}' for value in mean[:4].tolist())
              + f'{float(mean[4]):9.3f}{float(shares[0]):9.1f}{float(shares[1]):9.1f}')  # fmt: skip


if __name__ == '__main__':
    main()
