"""What a bag's gyro is compared with, and how far a lag is looked for: the options both calibrating commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import argparse

MADE_WITH = {
    'truth': 'the rotation between ground-truth poses',
    'images': 'the rotation between images (tracked corners, essential matrix)',
}
LARGEST_SEARCH_S = 10.0  # that of imu_time_offset


def add_reference_options(parser: argparse.ArgumentParser) -> None:
    """Declare --reference and --search."""
    parser.add_argument(
        '--reference',
        choices=('auto', *MADE_WITH),
        default='auto',
        help='what the gyro is compared with; auto: ground truth where the bag has it (default: %(default)s)',
    )
    parser.add_argument(
        '--search', type=float, default=0.5, metavar='S', help='largest lag looked for, either way [s] (default: 0.5)'
    )


def chosen_reference(arguments: argparse.Namespace) -> Literal['truth', 'images'] | None:
    """The reference asked for; None: ground truth where the bag has it, else images."""
    return None if arguments.reference == 'auto' else arguments.reference


def search_s(arguments: argparse.Namespace) -> float:
    """The largest lag looked for [s].

    Raises:
        SettingsError: it is too short to hold a lag, or longer than the node's parameter can undo.

    """
    from atvio_ros.errors import SettingsError

    if not 0.05 <= arguments.search <= LARGEST_SEARCH_S:
        raise SettingsError(f'--search must be 0.05 to {LARGEST_SEARCH_S:g} seconds, not {arguments.search:g}.')
    return float(arguments.search)
