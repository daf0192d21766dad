"""`atvio ablation`: the paper's Table 2, trained and evaluated with one recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

from atvio_ros.cli import common
from atvio_ros.cli.fleet_options import (
    Bars,
    add_cache_options,
    add_fleet_options,
    chosen_fleet,
    for_workers,
    place,
    use_cache,
)

EXAMPLES = r"""
atvio ablation --config config/train_table2.yaml --data data/rendered \
    --out output/table2
atvio ablation --config config/train_tiny.yaml --variant ca_a direct_cat \
    --seeds 0 --bags drive --out output/two
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    common.add_config_options(parser)
    parser.add_argument(
        '--data',
        type=place,
        metavar='DIR',
        help='prepared sequences, or a URL of them, instead of data.folder',
    )
    parser.add_argument(
        '--bags', type=Path, nargs='+', default=[], metavar='BAG', help='test bags; without: the validation part'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='a folder in it for each network')
    parser.add_argument('--variant', nargs='+', metavar='NAME', help="(default: the nine of the paper's Table 2)")
    common.add_old_name(parser, '--variants', 'variant', nargs='+')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], metavar='N', help='(default: 0 1 2)')
    parser.add_argument('--accelerator', choices=('auto', 'cpu', 'gpu'), default='auto', help='(default: auto)')
    add_fleet_options(parser)
    add_cache_options(parser)
    parser.add_argument('--json', action='store_true', help='print ablation.json instead of a table')


def run(arguments: argparse.Namespace) -> None:
    """Train and evaluate what is not done yet, then print the table."""
    from rich.console import Console

    from atvio_ros.evaluation.paper import PAPER
    from atvio_ros.evaluation.report import to_json
    from atvio_ros.files import write_text
    from atvio_ros.training.ablation import VALIDATION, ablation_table, rows_as_dict, run_ablation
    from atvio_ros.training.settings import load_settings, to_yaml
    from atvio_ros.training.train import Hardware

    use_cache(arguments)
    fleet = chosen_fleet(arguments)
    placed = for_workers(arguments, fleet)
    changes = {'data': {'folder': str(placed.data)}} if arguments.data else {}
    if arguments.dump_config:
        print(to_yaml(load_settings(arguments.config, changes)), end='')
        return
    variants = arguments.variant or list(PAPER)
    with Bars('training', len(variants) * len(arguments.seeds), 'networks') as bars:
        rows = run_ablation(
            placed.config,
            placed.out,
            variants,
            arguments.seeds,
            placed.bags,
            changes,
            Hardware(arguments.accelerator),
            fleet,
            bars,
        )
    data = ', '.join(bag.resolve().stem for bag in arguments.bags) or VALIDATION
    text = to_json(rows_as_dict(rows, data))
    write_text(arguments.out / 'ablation.json', text)
    if arguments.json:
        print(text, end='')
        return
    Console().print(ablation_table(rows, data))
    print(f'Table is in {arguments.out / "ablation.json"}')
