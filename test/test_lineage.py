"""Where weights descend from travels with them: parent, hash, licence and data, in the file and in the card."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from safetensors import safe_open
from samples.models import write_tiny_model
from samples.plane import PlaneDrive, robot
from samples.prepared import write_prepared
from samples.stored_drives import write_stored
from samples.training import settings, two_sequences, write_config

from atvio_ros.cli.main import main
from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.network.card import Parent
from atvio_ros.network.checkpoint import ModelCard, load_model, model_hash, save_model, save_with_card
from atvio_ros.network.lineage import UNKNOWN, ancestors, is_non_commercial, joined_licence, stated_licence
from atvio_ros.network.road_file import load_road, road_hash, save_road, untrained_road
from atvio_ros.training.road_settings import RoadTrainSettings
from atvio_ros.training.road_train import train_road
from atvio_ros.training.train import train

ROOT = Path(__file__).resolve().parent.parent
KITTI = 'motion (c) somebody, CC BY-NC-SA 3.0 (2013)'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return two_sequences(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def parent(data, tmp_path_factory):
    """A model file of before cards had a field for the licence: its data's description alone has it."""
    result = train(settings(data, max_steps=1), tmp_path_factory.mktemp('run') / 'run')
    card = dataclasses.replace(load_model(result.model)[1], training_data=KITTI, licence='')
    save_with_card(result.model, result.model, card)
    return result.model


def test_the_licence_of_the_shipped_networks_is_found_in_what_they_say_of_their_data():
    assert stated_licence(ModelCard(training_data=KITTI)) == 'CC-BY-NC-SA-3.0'
    assert stated_licence(ModelCard(training_data='our own drives')) == ''
    assert stated_licence(ModelCard(training_data=KITTI, licence='MIT')) == 'MIT'


@pytest.mark.parametrize('path', sorted((ROOT / 'models').glob('*.safetensors')), ids=lambda path: path.stem)
def test_every_shipped_model_states_the_licence_that_what_descends_from_it_inherits(path):
    """Where this fails after a training: give `data.licence` in its recipe."""
    own = ancestors(path)[0]
    if path.stem == 'road' and not own.licence:
        pytest.skip('these weights are from before cards had a licence; models/LICENSE says Apache-2.0')
    assert own.licence == ('Apache-2.0' if path.stem == 'road' else 'CC-BY-NC-SA-3.0')


def test_every_licence_counts_and_one_that_nobody_states_is_called_so():
    bound = Parent('a', 'x', 'CC-BY-NC-SA-3.0', KITTI)
    assert joined_licence('Apache-2.0', [bound]) == 'Apache-2.0 AND CC-BY-NC-SA-3.0'
    assert joined_licence('', [bound]) == 'CC-BY-NC-SA-3.0'
    assert joined_licence('CC-BY-NC-SA-3.0', [bound]) == 'CC-BY-NC-SA-3.0'
    assert joined_licence('Apache-2.0', [Parent('a')]) == f'Apache-2.0 AND {UNKNOWN}'
    assert joined_licence('Apache-2.0', []) == 'Apache-2.0'
    assert is_non_commercial('Apache-2.0 AND CC-BY-NC-SA-3.0')
    assert not is_non_commercial('Apache-2.0')


def test_a_fine_tuned_model_has_its_parents_licence_and_its_own_recipe(parent, data, tmp_path, capsys):
    """Its grandchild, too. The recipe in the file names the network that it has, not the default of the recipe."""
    config = write_config(tmp_path / 'own.yaml', data, max_steps=1, data={'licence': 'CC-BY-4.0'}, model={})
    command = ['train', '--config', str(config), '--data', str(data)]
    assert main([*command, '--init', str(parent), '--out', str(tmp_path / 'child')]) == 0
    said = capsys.readouterr().err
    assert 'licence: CC-BY-NC-SA-3.0' in said
    assert 'As it begins: validation end error' in said  # what the figures after it are to be compared with
    network, card = load_model(tmp_path / 'child' / 'ca_a.safetensors')
    assert card.parents == (Parent('ca_a', model_hash(load_model(parent)[0]), 'CC-BY-NC-SA-3.0', KITTI),)
    assert card.licence == 'CC-BY-4.0 AND CC-BY-NC-SA-3.0'
    assert f'image_width_px: {network.config.image_width_px}' in card.recipe
    text = (tmp_path / 'child' / 'ca_a.md').read_text()
    assert 'CC-BY-NC-SA-3.0' in text
    assert 'forbids commercial use' in text
    assert KITTI in text
    assert '| `imu_mean` |' not in text  # kept from the parent: not fitted to these data
    assert 'Not fitted, but as they were before: gyro_lag_s' in text
    again = [*command, '--init', str(tmp_path / 'child' / 'ca_a.safetensors'), '--out', str(tmp_path / 'grandchild')]
    assert main(again) == 0
    card = load_model(tmp_path / 'grandchild' / 'ca_a.safetensors')[1]
    assert [each.licence for each in card.parents] == ['CC-BY-4.0 AND CC-BY-NC-SA-3.0', 'CC-BY-NC-SA-3.0']
    assert is_non_commercial(card.licence)


def test_the_network_road_keeps_its_descent_too(tmp_path):
    network = untrained_road()
    save_road(tmp_path / 'road.safetensors', network, ModelCard(trained=True, training_data='x', licence='Apache-2.0'))
    for name, metres in (('own', 0.5), ('validation_own', 0.4)):
        write_stored(tmp_path / 'data' / name, PlaneDrive(robot(), metres, frames=8))
    chosen = RoadTrainSettings(initial_model=str(tmp_path / 'road.safetensors'))
    chosen = dataclasses.replace(
        chosen,
        data=dataclasses.replace(chosen.data, folder=str(tmp_path / 'data')),
        patches=dataclasses.replace(chosen.patches, steps=0),
        windows=dataclasses.replace(chosen.windows, steps=0),
    )
    said: list[str] = []
    model, _ = train_road(chosen, tmp_path / 'run', say=said.append)
    card = load_road(model)[1]
    assert [(each.hash, each.licence) for each in card.parents] == [(road_hash(network), 'Apache-2.0')]
    assert card.licence == 'Apache-2.0'
    assert any('Exported before any validation' in note for note in card.notes)
    assert any('only 3 m' in note for note in card.notes)  # the covariance and the validation stand on them
    assert 'Begins as' in '\n'.join(said)
    assert 'Take note' in model.with_suffix('.md').read_text()


def test_a_recipe_for_one_network_refuses_the_weights_of_the_other(data, tmp_path):
    save_road(tmp_path / 'road.safetensors', untrained_road(), ModelCard(trained=True))
    with pytest.raises(SettingsError, match=r'variant: road'):
        train(settings(data, initial_model=str(tmp_path / 'road.safetensors')), tmp_path / 'run')


def test_ancestors_are_read_from_either_kind_of_file(tmp_path):
    tiny = write_tiny_model(tmp_path / 'tiny.safetensors')
    assert ancestors(tiny)[0].hash == model_hash(load_model(tiny)[0])
    save_road(tmp_path / 'road.safetensors', untrained_road(), ModelCard(trained=True))
    assert ancestors(tmp_path / 'road.safetensors')[0].name == 'road'


def test_a_file_from_before_there_was_lineage_still_loads(parent):
    with safe_open(parent, framework='pt') as file:
        assert '"parents"' in file.metadata()['card']
    network, _ = load_model(parent)
    save_model(parent.with_name('old.safetensors'), network, ModelCard(trained=True))
    assert load_model(parent.with_name('old.safetensors'))[1].parents == ()


def test_a_robot_that_hardly_moves_teaches_nothing(tmp_path):
    folder = tmp_path / 'data'
    sequence = write_prepared(folder / 'still', frames=40)
    import numpy as np

    poses = np.array(sequence.camera_poses)
    poses[:, :3, 3] = poses[0, :3, 3] + np.linspace(0.0, 0.015, len(poses))[:, None] * [1.0, 0.0, 0.0]
    np.save(folder / 'still' / 'camera_poses.npy', poses)
    with pytest.raises(DatasetError, match=r'moves 0\.9 cm over 24 images.*--ground-truth-topic'):
        train(settings(folder, max_steps=1), tmp_path / 'run')
