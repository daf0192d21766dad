"""`atvio ablation`: one recipe for every network, nothing done twice, and the data named beside the figures."""

import json
import sys

import pytest
import torch
import yaml
from samples.prepared import write_prepared

from atvio_ros.cli.main import COMMANDS, main
from atvio_ros.errors import BagError, SettingsError
from atvio_ros.fleet import Fleet
from atvio_ros.network.config import VARIANTS

pytest.importorskip('lightning', reason='training needs Lightning: pip install atvio_ros[train]')

from atvio_ros.evaluation.paper import PAPER
from atvio_ros.training import ablation
from atvio_ros.training.ablation import Row, ablation_table, rows_as_dict, run_ablation
from atvio_ros.training.quiet import quiet_lightning

RECIPE = {
    'model': {
        'image_height_px': 32,
        'image_width_px': 64,
        'image_channels': 1,
        'visual_widths': [4, 4, 4, 8, 8],
        'lstm_hidden': 8,
        'attention_reduction': 4,
    },
    'data': {'validation_share': 0.4},
    'stages': [{'epochs': 1, 'batch_size': 4}],
    'max_steps': 1,
    'workers': 0,
}


@pytest.fixture
def config(tmp_path):
    torch.set_num_threads(1)
    quiet_lightning()
    write_prepared(tmp_path / 'data' / 'one', frames=30)
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump(RECIPE | {'data': {**RECIPE['data'], 'folder': str(tmp_path / 'data')}}))
    return path


def test_each_network_is_trained_with_each_seed_and_not_again(config, tmp_path, monkeypatch):
    rows = run_ablation(config, tmp_path / 'out', ['ca_a', 'vonas_a'], [0, 1])
    assert [(row.variant, len(row.t_rel)) for row in rows] == [('ca_a', 2), ('vonas_a', 2)]
    assert rows[0].t_rel[0] != rows[0].t_rel[1]
    monkeypatch.setattr(ablation, 'train', None)  # would fail if called
    assert run_ablation(config, tmp_path / 'out', ['ca_a', 'vonas_a'], [0, 1]) == rows


def test_a_worker_trains_the_network_that_this_process_trains(config, tmp_path):
    pytest.importorskip('distributed', reason='many machines need dask: pip install atvio_ros[fleet]')
    alone = run_ablation(config, tmp_path / 'alone', ['ca_a'], [0])
    assert run_ablation(config, tmp_path / 'many', ['ca_a'], [0], fleet=Fleet(workers=1)) == alone


def test_figures_are_those_of_the_data_asked_for(config, tmp_path, monkeypatch):
    """Another set of data is measured anew, with the network that is there."""
    out, bag = tmp_path / 'out', tmp_path / 'drive.bag'
    on_validation = run_ablation(config, out, ['ca_a'], [0])
    bag.touch()
    monkeypatch.setattr(ablation, 'train', None)
    monkeypatch.setattr(ablation, 'figures_on_bags', lambda model, *_: {'t_rel': 77.0, 'r_rel': float(model.exists())})
    assert run_ablation(config, out, ['ca_a'], [0], [bag]) == [Row('ca_a', (77.0,), (1.0,))]
    with pytest.raises(BagError, match=r'no bag .*missing'):
        run_ablation(config, out, ['ca_a'], [0], [bag, tmp_path / 'missing'])
    assert run_ablation(config, out, ['ca_a'], [0]) == on_validation


def test_networks_of_another_recipe_are_not_taken_for_those_asked_for(config, tmp_path):
    run_ablation(config, tmp_path / 'out', ['ca_a'], [0])
    with pytest.raises(SettingsError, match=r'other settings \(train\.weight_decay\).*another --out'):
        run_ablation(config, tmp_path / 'out', ['ca_a'], [0], changes={'weight_decay': 0.0})


def test_all_nine_rows_of_the_paper_are_variants_and_average_as_printed():
    assert len(PAPER) == 9
    assert set(PAPER) <= set(VARIANTS)
    for *sequences, printed in PAPER.values():
        for k in (0, 1):  # the paper rounds its averages now up, now down
            assert sum(figures[k] for figures in sequences) / 3 == pytest.approx(printed[k], abs=0.011)


def test_table_shows_mean_and_spread_and_names_the_data(capsys):
    from rich.console import Console

    console = Console(width=200, file=sys.stdout)
    console.print(ablation_table([Row('ca_a', (4.0, 6.0), (2.0, 2.0))], 'rendered drives'))
    text = capsys.readouterr().out
    assert '5.00 ± 1.41' in text
    assert '4.80' in text
    assert 'rendered drives' in text
    assert 'KITTI 05, 07 and 10' in text


def test_json_holds_every_seed_and_the_papers_figures():
    row = rows_as_dict([Row('ca_a', (4.0, 6.0), (2.0, 2.0))], 'rendered drives')['rows'][0]
    assert (row['t_rel'], row['t_rel_mean'], row['paper_t_rel']) == ((4.0, 6.0), 5.0, 4.80)


@pytest.mark.skipif('ablation' not in COMMANDS, reason='the command is not listed')
def test_command_prints_json(config, tmp_path, capsys):
    words = ['--config', str(config), '--out', str(tmp_path / 'out'), '--variants', 'ca_a', '--seeds', '0', '--json']
    assert main(['ablation', *words]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / 'out' / 'ablation.json').read_text())
    assert printed['data'].startswith('the validation part')
