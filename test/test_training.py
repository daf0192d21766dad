"""Training: it learns, it goes on bit for bit where it stopped, and what it leaves behind explains itself."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
import yaml
from samples.prepared import write_prepared

from atvio_ros.cli import train as train_command
from atvio_ros.cli.main import main
from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.network.checkpoint import load_model

pytest.importorskip('lightning', reason='training needs Lightning: pip install atvio_ros[train]')

from atvio_ros.training.callbacks import LAST, Progress
from atvio_ros.training.dataset import open_split
from atvio_ros.training.photometric import photometric
from atvio_ros.training.plan import Plan
from atvio_ros.training.quiet import quiet_lightning
from atvio_ros.training.settings import (
    AugmentationSettings,
    StageSettings,
    TrainSettings,
    load_settings,
    settings_from,
    to_yaml,
)
from atvio_ros.training.train import Hardware, train
from atvio_ros.training.validation import mean_figures, stretch_figures

ROOT = Path(__file__).resolve().parent.parent
TINY = {
    'variant': 'ca_a',
    'model': {
        'image_height_px': 32,
        'image_width_px': 64,
        'image_channels': 1,
        'visual_widths': [4, 4, 4, 8, 8],
        'lstm_hidden': 8,
        'attention_reduction': 4,
    },
    'data': {'validation_share': 0.4, 'description': 'noise'},
    'augmentation': {'mirror': True, 'frame_skips': [1, 2], 'brightness': 0.1, 'noise': 0.02},
    'sequences': {'epochs': 1, 'batch_size': 4},
    'validate_every_epochs': 100.0,
    'workers': 0,
}


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """Threads gain nothing on nets this small, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    quiet_lightning()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    for i, name in enumerate(('one', 'two')):
        write_prepared(folder / name, frames=40, seed=i)
    return folder


def settings(folder, **changes):
    values = {**TINY, **changes, 'data': {**TINY['data'], 'folder': str(folder), **changes.get('data', {})}}
    return settings_from(values)


def weights(out):
    return torch.load(out / LAST, weights_only=True)['state_dict']


def assert_same_weights(a, b):
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


# ---- going on


def test_two_steps_resumed_for_two_more_give_the_weights_of_four(data, tmp_path):
    train(settings(data, max_steps=4), tmp_path / 'straight')
    train(settings(data, max_steps=2), tmp_path / 'resumed')
    result = train(settings(data, max_steps=4), tmp_path / 'resumed', resume=True)
    assert result.steps == 4
    assert_same_weights(tmp_path / 'straight', tmp_path / 'resumed')


def test_random_masks_of_a_variant_are_resumed_too(data, tmp_path):
    """sf_hard draws Gumbel noise in the forward pass."""
    changes = {'variant': 'sf_hard', 'augmentation': {}}
    train(settings(data, **changes, max_steps=3), tmp_path / 'straight')
    train(settings(data, **changes, max_steps=1), tmp_path / 'resumed')
    train(settings(data, **changes, max_steps=3), tmp_path / 'resumed', resume=True)
    assert_same_weights(tmp_path / 'straight', tmp_path / 'resumed')


def test_a_killed_run_goes_on_from_its_last_validation_and_across_stages(data, tmp_path):
    changes = {'pairs': {'epochs': 1, 'batch_size': 8}, 'validate_every_epochs': 0.5, 'max_steps': 8}
    copied = []

    def keep_second(progress):
        if progress.figures and not copied:
            copied.append(shutil.copytree(tmp_path / 'straight', tmp_path / 'resumed'))

    train(settings(data, **changes), tmp_path / 'straight', show=keep_second)
    assert copied
    train(settings(data, **changes), tmp_path / 'resumed', resume=True)
    assert_same_weights(tmp_path / 'straight', tmp_path / 'resumed')


def test_ctrl_c_saves_and_exports_and_the_run_goes_on(data, tmp_path):
    def interrupt(progress):
        if progress.step == 10:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)  # ignored, where a shell has started the tests in the background
    changes = {'sequences': {'epochs': 2, 'batch_size': 4}, 'max_steps': 12}
    train(settings(data, **changes), tmp_path / 'straight')
    stopped = train(settings(data, **changes), tmp_path / 'resumed', show=interrupt)
    assert stopped.interrupted
    assert 10 <= stopped.steps < 12
    assert load_model(stopped.model)[1].trained
    done = train(settings(data, **changes), tmp_path / 'resumed', resume=True)
    assert (done.steps, done.interrupted) == (12, False)
    assert_same_weights(tmp_path / 'straight', tmp_path / 'resumed')
    assert signal.getsignal(signal.SIGINT) is before


def test_another_recipe_cannot_be_resumed(data, tmp_path):
    train(settings(data, max_steps=1), tmp_path / 'run')
    with pytest.raises(SettingsError, match=r'other settings \(train\.weight_decay\)'):
        train(settings(data, max_steps=2, weight_decay=0.0), tmp_path / 'run', resume=True)


def test_a_run_is_not_overwritten(data, tmp_path):
    train(settings(data, max_steps=1), tmp_path / 'run')
    with pytest.raises(SettingsError, match='holds a run already'):
        train(settings(data, max_steps=1), tmp_path / 'run')


def test_there_must_be_something_to_resume(data, tmp_path):
    with pytest.raises(SettingsError, match='to go on from'):
        train(settings(data), tmp_path / 'run', resume=True)


# ---- learning


def test_training_learns_the_motion(data, tmp_path):
    """Images are noise, so only the IMU can tell rotation and only the mean can tell speed; both are soon found."""
    shown = []
    result = train(
        settings(
            data,
            augmentation={},
            sequences={'epochs': 15, 'batch_size': 8, 'learning_rate': 0.005},
            validate_every_epochs=5.0,
            loss={'separate': True, 'rotation_weight': 1.0},
        ),
        tmp_path / 'run',
        show=shown.append,
    )
    figures = [progress.figures for progress in shown if progress.figures]
    assert figures[-1]['val/loss'] < figures[0]['val/loss']
    assert result.figures['val/translation_mae_m'] < 0.4  # it moves 0.93 m a frame
    assert result.figures['val/t_rel'] == min(f['val/t_rel'] for f in figures)
    assert all(0.0 <= progress.data_wait_percent <= 100.0 for progress in shown)


def test_initial_model_is_where_training_starts(data, tmp_path):
    first = train(settings(data, max_steps=2), tmp_path / 'first')
    changes = {'sequences': {'epochs': 1, 'batch_size': 4, 'learning_rate': 0.0}, 'weight_decay': 0.0}
    second = train(settings(data, max_steps=1, initial_model=str(first.model), **changes), tmp_path / 'second')
    before, after = load_model(first.model)[0], load_model(second.model)[0]
    assert before.config == after.config
    for name, parameter in before.named_parameters():
        assert torch.equal(parameter, after.get_parameter(name)), name


def test_an_initial_model_can_have_its_gyro_fitted_to_the_new_data(data, tmp_path):
    """That of another robot, say."""
    first = train(settings(data, max_steps=1, variant='ca_a_gyro'), tmp_path / 'first')
    changes = {'sequences': {'epochs': 1, 'batch_size': 4, 'learning_rate': 0.0}, 'weight_decay': 0.0}
    changes |= {'initial_model': str(first.model), 'calibrate_gyro': True}
    second = train(settings(data, max_steps=1, variant='ca_a_gyro', **changes), tmp_path / 'second')
    before, after = load_model(first.model)[0], load_model(second.model)[0]
    fitted = ('gyro_lag_s', 'R_camera_imu', 'gyro_bias')
    assert before.config.gyro_bias != after.config.gyro_bias
    assert before.config == dataclasses.replace(after.config, **{name: getattr(before.config, name) for name in fitted})
    for name, parameter in before.named_parameters():
        assert torch.equal(parameter, after.get_parameter(name)), name


def test_nothing_is_trained_without_held_out_images(data, tmp_path):
    with pytest.raises(DatasetError, match='for validation'):
        train(settings(data, data={'validation_share': 0.0}), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
    ('hardware', 'message'),
    [
        (Hardware('cpu', devices=0), '--devices must be at least 1, not 0'),
        (Hardware('cpu', devices=-1), '--devices must be at least 1, not -1'),
        (Hardware('cpu', nodes=0), '--num-nodes must be at least 1, not 0'),
        (Hardware('gpu', devices=1000), 'Choose --accelerator auto or cpu, or fewer --devices'),
    ],
)
def test_hardware_that_is_not_there_is_refused_before_the_run_begins(data, tmp_path, hardware, message):
    with pytest.raises(SettingsError, match=message):
        train(settings(data), tmp_path / 'run', hardware=hardware)
    assert not (tmp_path / 'run').exists()


def test_photometric_changes_are_one_a_window_and_keep_the_range():
    torch.manual_seed(0)
    images = torch.full((3, 5, 1, 4, 4), 100, dtype=torch.uint8)
    changed = photometric(images, AugmentationSettings(brightness=0.3))
    assert changed.min() >= 0.0
    assert changed.max() <= 1.0
    assert torch.equal(changed, changed[:, :1, :, :1, :1].expand_as(changed))
    assert len(changed[:, 0, 0, 0, 0].unique()) == 3
    assert photometric(images, AugmentationSettings()) is images


# ---- what it leaves


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
    assert f'| `gyro_bias` | {", ".join(f"{value:.6g}" for value in model.config.gyro_bias)} |' in text
    assert f'| `imu_mean` | {", ".join(f"{value:.6g}" for value in model.config.imu_mean)} |' in text
    assert not card.noise.calibrated  # 32 held-out pairs are too few
    assert 'too little data' in text
    assert load_settings(tmp_path / 'run' / 'settings.yaml') == chosen
    assert next((tmp_path / 'run' / 'logs').rglob('metrics.csv')).read_text().count('\n') > 1
    assert list((tmp_path / 'run' / 'logs').rglob('events.*'))


def test_the_error_model_is_fitted_to_the_held_out_data(tmp_path):
    write_prepared(tmp_path / 'data' / 'long', frames=150, seed=2)
    result = train(settings(tmp_path / 'data', max_steps=2, data={'validation_share': 0.8}), tmp_path / 'run')
    noise = load_model(result.model)[1].noise
    assert noise.fitted_to == 'the validation data of its training'
    assert '| `scale` |' in result.card.read_text()


def test_short_stretches_are_judged_by_their_end_error():
    straight = torch.zeros(20, 6).double().numpy()
    straight[:, 2] = 1.0
    figures = stretch_figures('short', 1.1 * straight, straight)
    assert figures.segments == 0
    assert figures.t_rel == pytest.approx(10.0)
    assert figures.r_rel == pytest.approx(0.0)


def test_long_stretches_outweigh_short_ones():
    straight = torch.zeros(400, 6).double().numpy()
    straight[:, 2] = 1.0
    long, short = (stretch_figures('s', k * straight[:n], straight[:n]) for k, n in ((1.02, 400), (1.5, 20)))
    assert long.segments > 0
    assert mean_figures([long, short])['val/t_rel'] == pytest.approx(long.t_rel)


# ---- settings


def test_defaults_are_the_papers():
    defaults = TrainSettings()
    assert (defaults.sequences.epochs, defaults.sequences.window, defaults.sequences.batch_size) == (100, 5, 16)
    assert (defaults.sequences.learning_rate, defaults.betas, defaults.weight_decay) == (1e-3, (0.9, 0.999), 3.5e-4)
    assert (defaults.loss.rotation_weight, defaults.loss.alpha) == (100.0, None)
    assert defaults.pairs.epochs == 0
    assert defaults.augmentation == AugmentationSettings()


def test_an_unknown_setting_is_refused_with_a_suggestion():
    with pytest.raises(SettingsError, match=r'train\.sequences\.learning_rte is not a setting.*learning_rate'):
        settings_from({'sequences': {'learning_rte': 0.1}})
    with pytest.raises(SettingsError, match=r'train\.model\.lstm_hiden is not a setting.*lstm_hidden'):
        settings_from({'model': {'lstm_hiden': 8}})


def test_a_group_keeps_the_defaults_of_what_it_leaves_out():
    assert settings_from({'pairs': {'epochs': 3}}).pairs == StageSettings(epochs=3, window=2, batch_size=32)
    chosen = settings_from({'variant': 'lstm_vonas', 'model': {'lstm_hidden': 8}}).model
    assert (chosen.inertial_encoder, chosen.fusion, chosen.lstm_hidden) == ('lstm', 'direct_cat', 8)


def test_settings_survive_yaml(data):
    chosen = settings(data, variant='ca_a_gyro', loss={'alpha': 1.0})
    assert settings_from(yaml.safe_load(to_yaml(chosen))) == chosen


@pytest.mark.parametrize('path', sorted((ROOT / 'config').glob('train_*.yaml')), ids=lambda path: path.stem)
def test_shipped_recipes_load_and_leave_the_test_sequences_alone(path):
    chosen = load_settings(path)
    assert not {'05', '07', '10'} & {*chosen.data.sequences, *chosen.data.validation_sequences}


def test_every_setting_is_documented():
    text = (ROOT / 'docs' / 'training.md').read_text()
    defaults = TrainSettings()
    for field in dataclasses.fields(defaults):
        group = getattr(defaults, field.name)
        names = dataclasses.fields(group) if dataclasses.is_dataclass(group) and field.name != 'model' else ()
        for name in [f'{field.name}.{part.name}' for part in names] or [field.name]:
            assert f'`{name}`' in text, name


def test_cosine_schedule_warms_up_and_ends_near_zero(data):
    chosen = settings(
        data, sequences={'epochs': 4, 'batch_size': 4, 'schedule': 'cosine', 'warm_up_steps': 3, 'learning_rate': 1.0}
    )
    made = Plan(open_split(data, chosen.data, 0.0, 2), chosen)
    rates = [made.learning_rate(step) for step in range(made.steps)]
    assert rates[:4] == sorted(rates[:4])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 0.02


# ---- the command


def write_config(path, data, **changes):
    values = {**TINY, **changes, 'data': {**TINY['data'], 'folder': str(data)}}
    path.write_text(yaml.safe_dump(values))
    return path


def test_command_trains_and_names_what_it_wrote(data, tmp_path, capsys):
    config = write_config(tmp_path / 'tiny.yaml', 'nowhere', max_steps=2, workers=1)
    out = tmp_path / 'run'
    assert main(['train', '--config', str(config), '--data', str(data), '--out', str(out), '--seed', '3']) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].startswith(f'Model and card are {out / "ca_a.safetensors"}')
    assert 'validation t_rel' in printed.err
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


@pytest.mark.slow
def test_two_processes_train_one_network(data, tmp_path):
    """DDP over gloo on the CPU: each on windows of its own, validation shared, one model file."""
    config = write_config(tmp_path / 'tiny.yaml', data, max_steps=2)
    out = tmp_path / 'run'
    words = ['train', '--config', str(config), '--out', str(out), '--accelerator', 'cpu', '--devices', '2']
    done = subprocess.run(
        [sys.executable, '-m', 'atvio_ros.cli', *words],
        cwd=ROOT,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('Model and card') == 1
    saved = torch.load(out / LAST, weights_only=True)
    assert saved['global_step'] == 2
    assert dataclasses.asdict(load_model(out / 'ca_a.safetensors')[0].config)['lstm_hidden'] == 8
