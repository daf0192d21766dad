"""`atvio train`: what it prints, and what it says when something is wrong."""

from unittest.mock import Mock

from samples.training import two_sequences, write_config

from atvio_ros.cli import train as train_command
from atvio_ros.cli.main import main
from atvio_ros.network.checkpoint import load_model
from atvio_ros.training.callbacks import Progress


def test_command_trains_and_names_what_it_wrote(tmp_path, capsys):
    data = two_sequences(tmp_path / 'data')
    config = write_config(tmp_path / 'tiny.yaml', 'nowhere', max_steps=2, workers=1)
    out = tmp_path / 'run'
    assert main(['train', '--config', str(config), '--data', str(data), '--out', str(out), '--seed', '3']) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].startswith(f'Model and card are {out / "ca_a.safetensors"}')
    assert 'validation end error' in printed.err  # of stretches that are too short for t_rel
    for said in ('Trains ca_a (', 'Training: 48 images', 'Stage windows: 2 steps', 'Next, on a drive', 'curves.png'):
        assert said in printed.err
    assert 'NOTE: Covariances are NOT calibrated' in printed.err
    assert load_model(out / 'ca_a.safetensors')[1].seed == 3


def test_rates_show_once_they_are_measured():
    bar = Mock()
    show = train_command.shower(bar)
    show(Progress(3, 9, 'sequences', float('nan'), 0.0, 0.0, 0.0, {}))
    assert bar.update.call_args.kwargs['unit'] == 'loss -, - pairs/s, waits - %'
    show(Progress(6, 9, 'sequences', 0.5, 1.0, 20.0, 3.0, {}))
    assert bar.update.call_args.kwargs['unit'] == 'loss 0.500, 20 pairs/s, waits 3.0 %'


def test_command_says_what_is_wrong_in_one_line(tmp_path, capsys):
    config = write_config(tmp_path / 'tiny.yaml', tmp_path)
    assert main(['train', '--config', str(config), '--out', str(tmp_path / 'run')]) == 1
    assert 'holds no prepared sequences' in capsys.readouterr().err
