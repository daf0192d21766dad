"""`atvio evaluate`: each bag's report in a folder of its own, and all figures in one result.json."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from samples.bags import FRAMES, write_drive

from atvio_ros.cli.main import main
from atvio_ros.drives.sequence_store import PreparedSequence
from atvio_ros.geometry import encode_motion, relative_poses
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.checkpoint import ModelCard, load_model, save_model
from atvio_ros.network.config import variant
from atvio_ros.training.dataset import Window, WindowDataset
from atvio_ros.training.pairs import SequencePairs
from atvio_ros.training.validation import run_stretch
from atvio_ros.trajectory_files import read_kitti_poses


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    torch.manual_seed(0)
    config = dataclasses.replace(
        variant('ca_a'), image_height_px=32, image_width_px=64, visual_widths=(4, 4, 4, 8, 8), lstm_hidden=8
    )
    path = tmp_path_factory.mktemp('model') / 'small.safetensors'
    save_model(path, Atvio(config).eval(), ModelCard(trained=True))
    return path


@pytest.fixture
def bags(tmp_path):
    return [write_drive(tmp_path / name) for name in ('one', 'two')]


def evaluate(*bags, out, model, options=()):
    words = [*map(str, bags), '--model', str(model), '--out', str(out), '--device', 'cpu', *options]
    return main(['evaluate', *words])


def test_every_bag_has_a_report_and_all_are_in_one_result(bags, model, tmp_path, capsys):
    out = tmp_path / 'out'
    assert evaluate(*bags, out=out, model=model) == 0
    result = json.loads((out / 'result.json').read_text())
    assert set(result['sequences']) == {'one', 'two'}
    for name, figures in result['sequences'].items():
        assert figures['frames'] == FRAMES
        assert figures == json.loads((out / name / 'result.json').read_text())['sequences'][name]
        for file in ('estimate.tum', 'estimate.kitti.txt', 'truth.tum', 'truth.kitti.txt', 'trajectory.png'):
            assert (out / name / file).is_file()
    assert (out / 'trajectories.png').is_file()  # both in one picture
    assert result['average']['ate_m'] == pytest.approx(result['sequences']['one']['ate_m'])  # the bags are equal
    assert capsys.readouterr().out.splitlines()[-1].startswith(f'Figures are in {out / "result.json"}')


def test_each_bag_starts_with_an_empty_memory(bags, model, tmp_path):
    assert evaluate(*bags, out=tmp_path / 'both', model=model) == 0
    both = [(tmp_path / 'both' / name / 'estimate.tum').read_text() for name in ('one', 'two')]
    assert both[0] == both[1]


def test_json_prints_what_is_written(bags, model, tmp_path, capsys):
    assert evaluate(bags[0], out=tmp_path / 'out', model=model, options=['--json']) == 0
    printed = capsys.readouterr().out
    assert not (tmp_path / 'out' / 'trajectories.png').exists()  # one bag is in its own
    assert json.loads(printed) == json.loads((tmp_path / 'out' / 'result.json').read_text())
    assert set(json.loads(printed)) >= {'sequences', 'average', 'model', 'trained'}


def test_resume_keeps_what_the_same_bag_model_and_options_made(bags, model, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'out'
    assert evaluate(*bags, out=out, model=model) == 0
    first = (out / 'result.json').read_text()
    (out / 'two' / 'evaluated.json').unlink()  # as where it was killed
    capsys.readouterr()
    assert evaluate(*bags, out=out, model=model, options=['--resume']) == 0
    said = capsys.readouterr().err
    assert 'one: evaluated already' in said
    assert 'two: evaluated already' not in said
    assert (out / 'result.json').read_text() == first
    assert evaluate(*bags, out=out, model=model, options=['--resume', '--no-standstill']) == 0
    assert 'evaluated already' not in capsys.readouterr().err
    blind = write_drive(tmp_path / 'blind', truth=False)
    for again in (False, True):
        assert evaluate(blind, out=out, model=model, options=['--resume']) == 0
        assert ('evaluated already' in capsys.readouterr().err) == again


def test_a_bag_that_fails_leaves_the_others_evaluated(bags, model, tmp_path, capsys):
    out, broken = tmp_path / 'out', tmp_path / 'broken'
    broken.mkdir()
    assert evaluate(bags[0], broken, bags[1], out=out, model=model) == 1
    assert set(json.loads((out / 'result.json').read_text())['sequences']) == {'one', 'two'}
    assert capsys.readouterr().err.splitlines()[-1].startswith('atvio evaluate: 1 of 3 failed: broken;')


def test_a_bag_without_ground_truth_still_gets_its_trajectory(model, tmp_path, capsys):
    bag = write_drive(tmp_path / 'blind', truth=False)
    assert evaluate(bag, out=tmp_path / 'out', model=model) == 0
    assert (tmp_path / 'out' / 'blind' / 'estimate.tum').is_file()
    assert json.loads((tmp_path / 'out' / 'result.json').read_text())['sequences'] == {}
    assert 'no ground truth' in capsys.readouterr().err


def test_two_bags_of_one_name_are_refused(bags, model, tmp_path, capsys):
    assert evaluate(bags[0], bags[0], out=tmp_path / 'out', model=model) == 1
    assert 'Two bags are named one' in capsys.readouterr().err


def test_validation_while_training_sees_what_evaluate_sees(bags, model, tmp_path):
    """The same motions, from the prepared sequence and from the bag: a figure of training describes the node."""
    network, _ = load_model(model)
    assert evaluate(bags[0], out=tmp_path / 'out', model=model) == 0
    assert main(['prepare', str(bags[0]), '--out', str(tmp_path / 'data'), '--size', '64x32']) == 0
    pairs = SequencePairs(PreparedSequence(tmp_path / 'data' / 'one'), network.config)
    dataset = WindowDataset([pairs], network.config)
    with torch.no_grad():
        estimate, truth = run_stretch(network, dataset, Window(0, 0, FRAMES - 1))
    for motion, file in ((estimate, 'estimate.kitti.txt'), (truth, 'truth.kitti.txt')):
        poses = read_kitti_poses(tmp_path / 'out' / 'one' / file)
        np.testing.assert_allclose(motion.numpy(), encode_motion(relative_poses(poses)), atol=1e-5)
