"""The network: the sizes the paper states, what each fusion may and may not do, and the equality streaming rests on."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from atvio_ros.errors import SettingsError
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.checkpoint import untrained_model
from atvio_ros.network.config import VARIANTS, AtvioConfig, variant
from atvio_ros.network.description import count_parameters, describe
from atvio_ros.network.fusion import make_fusion
from atvio_ros.network.image_input import ImageInput, images_to_tensor
from atvio_ros.network.inertial_encoder import make_inertial_encoder
from atvio_ros.network.lstm import Lstm
from atvio_ros.network.visual_encoder import make_visual_encoder

SMALL = {'image_height_px': 64, 'image_width_px': 96, 'visual_widths': (4, 8, 8, 16, 16), 'attention_reduction': 4}


def small_model(name, seed=0, **changes):
    torch.manual_seed(seed)
    return Atvio(dataclasses.replace(variant(name), **SMALL, **changes)).eval()


def drive(steps, batch=1, seed=0, size=(64, 96)):
    """Random images (batch, steps + 1, 3, H, W) and IMU blocks (batch, steps, 11, 6) at rest with some noise."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (batch, steps + 1, 3, *size), dtype=torch.uint8, generator=generator)
    imu = torch.randn(batch, steps, 11, 6, generator=generator) * 0.1
    imu[..., 5] += 9.81
    return images, imu


# ---- sizes


def test_conv1d_inertial_encoder_has_the_weights_of_figure_2():
    encoder = make_inertial_encoder(variant('ca_a'))
    assert count_parameters(encoder) == 101_120
    # The ablation's 0.11 M: the same with a layer from its 256 x 7 features to the six numbers of the pose.
    assert count_parameters(encoder) + count_parameters(nn.Linear(256 * 7, 6)) == 111_878


def test_lstm_inertial_encoder_has_about_the_ablations_2_54_million_weights():
    encoder = make_inertial_encoder(variant('lstm_vonas'))
    with_fc = count_parameters(encoder) + count_parameters(nn.Linear(128 * 4 * 13, 6))
    assert with_fc == 2_547_206
    assert with_fc / 1e6 == pytest.approx(2.54, abs=0.01)


def test_inertial_encoder_keeps_gyroscope_and_accelerometer_apart():
    encoder = make_inertial_encoder(variant('ca_a'))
    _, imu = drive(1)
    changed = imu.clone()
    changed[..., 3:] += 1.0
    before, after = encoder(imu[0]), encoder(changed[0])  # (1, 128, 4, 13)
    assert torch.equal(before[:, :64], after[:, :64])  # the gyroscope's channels come first
    assert not torch.equal(before[:, 64:], after[:, 64:])


@pytest.mark.parametrize('family', ['plain', 'residual', 'mobile'])
def test_every_visual_encoder_maps_6x128x416_to_c1x4x13(family):
    config = AtvioConfig(visual_encoder=family)
    features = make_visual_encoder(config)(torch.zeros(1, 6, 128, 416))
    assert features.shape[1:] == config.feature_shape == (64, 4, 13)


@pytest.mark.parametrize('size', [(128, 416), (64, 208), (100, 333)])
def test_features_of_both_encoders_meet_at_any_image_size(size):
    config = AtvioConfig(image_height_px=size[0], image_width_px=size[1], visual_widths=(4, 4, 4, 4, 4))
    visual = make_visual_encoder(config)(torch.zeros(1, 6, *size))
    inertial = make_inertial_encoder(config)(torch.zeros(1, 11, 6))
    assert visual.shape[2:] == inertial.shape[2:] == config.feature_shape[1:]


def test_reported_macs_and_parameters_are_those_of_hand_arithmetic():
    model = small_model('ca_a')
    figures = describe(model)
    h, w, inputs, conv = 64, 96, 6, 0
    for stage, outputs in enumerate(SMALL['visual_widths']):
        h, w, kernel = h // 2, w // 2, (7, 5, 3, 3, 3)[stage]
        conv += h * w * outputs * inputs * kernel**2
        if stage >= 2:
            conv += h * w * outputs * outputs * 9
        inputs = outputs
    imu = 2 * (9 * 128 * 3 * 3 + 7 * 128 * 128 * 3)
    channels = 16 + 128
    attention = 2 * channels * (channels // 4)
    lstm = 4 * 128 * (channels * 2 * 3 + 128) + 4 * 128 * (128 + 128)
    assert figures['macs'] == conv + imu + attention + lstm + 128 * 6
    assert figures['parameters']['total'] == sum(p.numel() for p in model.parameters())


# ---- the whole network


@pytest.mark.parametrize('name', VARIANTS)
def test_a_drive_fed_pair_by_pair_equals_the_whole_window(name):
    model = small_model(name)
    images, imu = drive(steps=5, batch=2)
    interval_s = torch.full((2, 5), 0.104)
    with torch.inference_mode():
        window = model(images, imu, interval_s)
        state, motions, attentions = None, [], []
        for t in range(5):
            output = model(images[:, t : t + 2], imu[:, t : t + 1], interval_s[:, t : t + 1], state)
            state = output.state
            motions.append(output.motion)
            attentions.append(output.attention)
    scale = torch.tensor(model.config.motion_std)
    torch.testing.assert_close(torch.cat(motions, 1) / scale, window.motion / scale, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(torch.cat(attentions, 1), window.attention, equal_nan=True)


@pytest.mark.parametrize('name', VARIANTS)
def test_every_weight_of_every_variant_gets_a_gradient(name):
    model = small_model(name).train()
    images, imu = drive(steps=2, batch=3)
    model(images, imu).motion.square().sum().backward()
    without = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert without == []


@pytest.mark.parametrize('name', VARIANTS)
def test_motion_depends_on_the_images_and_unless_images_only_on_the_imu(name):
    # Read off the gradient: an untrained hard mask may happen to drop what a single changed input touches.
    model = small_model(name)
    images, imu = drive(steps=1)
    pixels, readings = (images / 255.0).requires_grad_(), imu.requires_grad_()
    model(pixels, readings).motion[..., 0].sum().backward()
    assert pixels.grad.abs().max() > 0
    uses_imu = readings.grad is not None and readings.grad.abs().max() > 0
    assert uses_imu == (name != 'vonas_a')


def test_each_seed_gives_its_own_weights_and_leaves_the_callers_random_state():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, again, other = untrained_model('vonas_a', 1), untrained_model('vonas_a', 1), untrained_model('vonas_a', 2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.pose_head.fc.weight, again.pose_head.fc.weight)
    assert not torch.equal(first.pose_head.fc.weight, other.pose_head.fc.weight)


def test_lstm_gates_are_not_saturated_by_thousands_of_inputs():
    from_input = Lstm(13_312, 128, 2).from_input[0]
    gates = torch.randn(32, 13_312) @ from_input.weight.T
    assert gates.std().item() == pytest.approx(1.0, abs=0.1)


def test_lstm_is_torchs_lstm():
    ours, torchs = Lstm(7, 5, 2), nn.LSTM(7, 5, 2, batch_first=True)
    with torch.no_grad():
        for i in range(2):
            torchs.get_parameter(f'weight_ih_l{i}').copy_(ours.from_input[i].weight)
            torchs.get_parameter(f'weight_hh_l{i}').copy_(ours.from_memory[i].weight)
            torchs.get_parameter(f'bias_ih_l{i}').copy_(ours.from_input[i].bias)
            torchs.get_parameter(f'bias_hh_l{i}').zero_()
    inputs, state = torch.randn(3, 6, 7), (torch.randn(2, 3, 5), torch.randn(2, 3, 5))
    torch.testing.assert_close(ours(inputs, state), torchs(inputs, state))
    torch.testing.assert_close(ours(inputs), torchs(inputs))


# ---- images


def test_grey_and_colour_images_and_floats_give_the_same_network_input():
    grey = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 1), dtype=np.uint8)
    as_grey, as_colour = images_to_tensor(grey), images_to_tensor(np.repeat(grey, 3, axis=-1))
    assert (as_grey.shape, as_colour.shape) == ((2, 1, 64, 96), (2, 3, 64, 96))
    assert as_grey.dtype == as_colour.dtype == torch.uint8
    for channels in (1, 3):
        prepare = ImageInput(AtvioConfig(image_channels=channels))
        from_colour = prepare(as_colour)
        assert from_colour.shape == (2, channels, 64, 96)
        torch.testing.assert_close(prepare(as_colour / 255.0), from_colour)
        torch.testing.assert_close(prepare(as_grey), from_colour, rtol=0, atol=1e-5)


# ---- fusion


@pytest.mark.parametrize('fusion', ['ca_a', 'ca_b', 'ca_c', 'ca_d', 'sf_soft', 'sf_hard'])
@pytest.mark.parametrize('training', [False, True])
def test_fusion_weighs_whole_channels_by_what_it_reports(fusion, training):
    module = make_fusion(AtvioConfig(fusion=fusion, visual_widths=(4, 4, 4, 4, 32))).train(training)
    visual, inertial = torch.randn(3, 32, 4, 13), torch.randn(3, 128, 4, 13)
    fused, weights = module(visual, inertial)
    assert weights.shape == (3, 160)
    assert ((weights >= 0) & (weights <= 1)).all()
    torch.testing.assert_close(fused, torch.cat((visual, inertial), 1) * weights[:, :, None, None])


def test_direct_cat_changes_nothing():
    visual, inertial = torch.randn(2, 32, 4, 13), torch.randn(2, 128, 4, 13)
    fused, weights = make_fusion(AtvioConfig(fusion='direct_cat', visual_widths=(32,)))(visual, inertial)
    assert weights is None
    assert torch.equal(fused, torch.cat((visual, inertial), 1))


def test_ca_a_lets_inertia_decide_on_vision_and_ca_b_only_by_a_common_factor():
    visual, inertial = torch.rand(1, 32, 4, 13), torch.rand(1, 128, 4, 13)
    louder = inertial * 3.0
    ratios = {}
    for fusion in ('ca_a', 'ca_b', 'ca_c', 'ca_d'):
        module = make_fusion(AtvioConfig(fusion=fusion, visual_widths=(4, 4, 4, 4, 32)))
        before, after = (module(visual, b)[1][0, :32] for b in (inertial, louder))
        ratios[fusion] = (after / before).detach()
    assert ratios['ca_a'].std() > 1e-4  # each visual channel reacts in its own way
    for fusion in ('ca_b', 'ca_c', 'ca_d'):  # all visual channels by alpha alone
        torch.testing.assert_close(ratios[fusion], ratios[fusion][0].expand(32))
        assert (ratios[fusion][0] - 1.0).abs() > 1e-5


def test_ca_c_is_not_ca_d_in_another_guise():
    # A convolution followed directly by the pool sees the maps' means only, but for the border; ours must see more.
    module = make_fusion(AtvioConfig(fusion='ca_c', visual_widths=(4, 4, 4, 4, 32)))
    visual, inertial = torch.randn(1, 32, 4, 13) * 3, torch.zeros(1, 128, 4, 13)
    visual[:, :, :1] = visual[:, :, -1:] = visual[:, :, :, :1] = visual[:, :, :, -1:] = 0.0
    flat = visual.clone()
    flat[:, :, 1:3, 1:12] = visual[:, :, 1:3, 1:12].mean(dim=(2, 3), keepdim=True)
    alpha, alpha_of_mean = (
        module.balance(torch.cat((visual, inertial), 1)),
        module.balance(torch.cat((flat, inertial), 1)),
    )
    assert (alpha - alpha_of_mean).abs().max() > 1e-4


def test_hard_selection_is_random_in_training_only_and_learns_through_its_binary_mask():
    module = make_fusion(AtvioConfig(fusion='sf_hard', visual_widths=(4, 4, 4, 4, 32)))
    visual, inertial = torch.randn(2, 32, 4, 13), torch.randn(2, 128, 4, 13)
    torch.manual_seed(0)
    masks = [module.train()(visual, inertial)[1] for _ in range(2)]
    assert all(((mask == 0) | (mask == 1)).all() for mask in masks)
    assert not torch.equal(*masks)
    module(visual, inertial)[0].square().sum().backward()
    assert module.mask.weight.grad.abs().max() > 0
    first, second = (module.eval()(visual, inertial)[1] for _ in range(2))
    assert torch.equal(first, second)


# ---- configuration


def test_an_unknown_variant_is_refused_by_name():
    with pytest.raises(SettingsError, match=r'ca_z.*ca_a'):
        variant('ca_z')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'inertial_encoder': 'none'}, 'direct_cat'),
        ({'visual_widths': ()}, 'visual_widths'),
        ({'R_camera_imu': ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))}, 'rotation matrix'),
    ],
)
def test_contradicting_choices_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        dataclasses.replace(AtvioConfig(), **changes)
