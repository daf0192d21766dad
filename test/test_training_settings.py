"""The settings of a training run: the paper's by default, checked, written down, and refused in their old form."""

from pathlib import Path

import pytest
import yaml
from samples.training import PAIRS, WINDOWS, settings, two_sequences

from atvio_ros.errors import SettingsError
from atvio_ros.training.road_settings import is_road, load_road_settings
from atvio_ros.training.settings import (
    AugmentationSettings,
    StageSettings,
    TrainSettings,
    load_settings,
    settings_from,
    to_yaml,
)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return two_sequences(tmp_path_factory.mktemp('data'))


def test_defaults_are_the_papers():
    defaults = TrainSettings()
    (stage,) = defaults.stages
    assert (stage.epochs, stage.window, stage.batch_size, stage.learning_rate) == (100, 5, 16, 1e-3)
    assert (defaults.betas, defaults.weight_decay) == ((0.9, 0.999), 3.5e-4)
    assert (defaults.loss.rotation_weight, defaults.loss.alpha) == (100.0, None)
    assert defaults.augmentation == AugmentationSettings()


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'model': {'lstm_hiden': 8}}, r'train\.model\.lstm_hiden is not a setting.*lstm_hidden'),
        ({'stages': [{}, {'learning_rte': 1}]}, r'train\.stages\[1\]\.learning_rte is not a setting.*learning_rate'),
        ({'stages': {'epochs': 3}}, r'train\.stages must be a list of groups of settings'),
        ({'stages': [3]}, r'train\.stages\[0\] must be a group of settings'),
        ({'stages': []}, r'train\.stages is empty'),
        ({'stages': [{}, {}]}, "2 stages are named 'windows'. Give each a name of its own"),
        ({'stages': [{'name': '../a'}]}, r"named '\.\./a'. Use letters"),
        ({'stages': [{'start_from': 'best'}]}, r'has no stage before it.*initial_model'),
    ],
)
def test_what_is_wrong_is_named(values, message):
    with pytest.raises(SettingsError, match=message):
        settings_from(values)


def test_the_form_before_there_were_stages_is_refused_with_what_to_write():
    old = {'pairs': {'epochs': 3, 'warm_up_steps': 9}, 'sequences': {'stride': 4}, 'validate_every_epochs': 0.5}
    with pytest.raises(SettingsError, match='In place of pairs, sequences, validate_every_epochs write') as refused:
        settings_from(old)
    assert '\n' not in str(refused.value)
    new = yaml.safe_load(str(refused.value).partition(' write ')[2])
    assert settings_from(new).stages == (
        StageSettings('pairs', window=2, batch_size=32, epochs=3, warm_up_steps=9, validate_every_epochs=0.5),
        StageSettings('sequences', stride=4, validate_every_epochs=0.5),
    )


def test_a_group_keeps_the_defaults_of_what_it_leaves_out():
    assert settings_from({'stages': [{'epochs': 3}]}).stages == (StageSettings(epochs=3),)
    chosen = settings_from({'variant': 'lstm_vonas', 'model': {'lstm_hidden': 8}}).model
    assert (chosen.inertial_encoder, chosen.fusion, chosen.lstm_hidden) == ('lstm', 'direct_cat', 8)


def test_settings_survive_yaml(data):
    chosen = settings(data, variant='ca_a_gyro', loss={'alpha': 1.0}, stages=[PAIRS, WINDOWS])
    assert settings_from(yaml.safe_load(to_yaml(chosen))) == chosen


@pytest.mark.parametrize('path', sorted((ROOT / 'config').glob('train_*.yaml')), ids=lambda path: path.stem)
def test_shipped_recipes_load_and_leave_the_test_sequences_alone(path):
    data = load_road_settings(path).data if is_road(path) else load_settings(path).data
    assert not {'05', '07', '10'} & {*data.sequences, *data.validation_sequences}


@pytest.mark.parametrize('path', sorted((ROOT / 'models').glob('*.safetensors')), ids=lambda path: path.stem)
def test_every_shipped_model_has_its_recipe(path):
    recipe = ROOT / 'config' / f'train_{path.stem}.yaml'
    assert (load_road_settings(recipe) if is_road(recipe) else load_settings(recipe)).variant == path.stem
