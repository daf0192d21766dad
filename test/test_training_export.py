"""What a training run leaves explains itself: model file, card, settings, logs; and what the export does on the way."""

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from samples.prepared import write_prepared
from samples.training import settings, two_sequences

from atvio_ros.errors import SettingsError
from atvio_ros.network.checkpoint import load_model
from atvio_ros.training.settings import load_settings, settings_from
from atvio_ros.training.train import train


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return two_sequences(tmp_path_factory.mktemp('data'))


def test_the_model_file_explains_itself(data, tmp_path):
    chosen = settings(data, max_steps=2, seed=5)
    result = train(chosen, tmp_path / 'run')
    model, card = load_model(result.model)
    assert card.trained
    assert card.seed == 5
    assert card.training_data.startswith('noise; sequences one')
    assert settings_from(yaml.safe_load(card.recipe)) == chosen
    assert dict(card.figures)['training steps'] == 2
    assert model.config.imu_mean[5] == pytest.approx(9.81, abs=0.01)  # computed from the data
    text = result.card.read_text()
    assert '| two |' in text
    assert 'variant: ca_a' in text
    assert '| `gyro_bias` |' not in text  # nobody asked for it to be fitted
    assert 'as they were before: gyro_lag_s, gyro_bias, R_camera_imu.' in text
    assert f'| `imu_mean` | {", ".join(f"{value:.6g}" for value in model.config.imu_mean)} |' in text
    assert not card.noise.calibrated  # 32 held-out pairs are too few
    assert any('NOT calibrated: ' in note for note in card.notes)
    assert 'NOT calibrated' in text
    assert '![Learning curves](curves.png)' in text
    assert (tmp_path / 'run' / 'curves.png').stat().st_size > 1000
    assert load_settings(tmp_path / 'run' / 'settings.yaml') == chosen
    assert next((tmp_path / 'run' / 'logs').rglob('metrics.csv')).read_text().count('\n') > 1
    assert list((tmp_path / 'run' / 'logs').rglob('events.*'))


def test_the_error_model_is_fitted_to_the_held_out_data(tmp_path):
    write_prepared(tmp_path / 'data' / 'long', frames=150, seed=2)
    result = train(settings(tmp_path / 'data', max_steps=2, data={'validation_share': 0.8}), tmp_path / 'run')
    noise = load_model(result.model)[1].noise
    assert noise.fitted_to == 'the validation data of its training'
    assert '| `scale` |' in result.card.read_text()


def test_the_correction_to_the_gyro_is_exported_at_the_strength_asked_for(data, tmp_path):
    """And nothing else changes: the same run exported twice, the second time by going on with what is finished."""
    recipe = {'variant': 'ca_a_gyro', 'calibrate_gyro': True, 'max_steps': 2}
    whole = load_model(train(settings(data, **recipe), tmp_path / 'run').model)
    weaker = settings(data, **recipe, export={'gyro_correction': 0.25})
    quarter = load_model(train(weaker, tmp_path / 'run', resume=True).model)
    assert quarter[0].config.residual_std == pytest.approx([0.25 * std for std in whole[0].config.residual_std])
    for name, parameter in whole[0].named_parameters():
        assert torch.equal(parameter, quarter[0].get_parameter(name)), name
    images = torch.randint(0, 256, (1, 2, 1, 32, 64), dtype=torch.uint8)
    imu = torch.zeros(1, 1, 11, 6)  # a gyro that does not turn: what is left is the correction and the bias
    with torch.no_grad():
        strong, weak = (model(images, imu).motion[0, 0].double().numpy() for model, _ in (whole, quarter))
    np.testing.assert_array_equal(strong[:3], weak[:3])
    assert np.abs(weak[3:]).max() < np.abs(strong[3:]).max()


def test_a_model_can_be_stored_as_float16(data, tmp_path):
    result = train(settings(data, max_steps=2, export={'half': True}), tmp_path / 'run')
    assert load_file(result.model)['lstm.from_input.0.weight'].dtype == torch.float16
    figures = dict(load_model(result.model)[1].figures)
    of_file, trained = 'validation end error % of this file', 'validation end error % (too short for t_rel)'
    assert figures[of_file] == pytest.approx(figures[trained], rel=0.01)
    assert f'| {of_file} |' in result.card.read_text()


def test_a_network_that_corrects_no_gyro_has_no_such_strength(data, tmp_path):
    with pytest.raises(SettingsError, match=r'export\.gyro_correction .* which ca_a does not'):
        train(settings(data, export={'gyro_correction': 0.5}), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
