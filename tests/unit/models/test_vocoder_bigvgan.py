# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from diffusers import AutoModel
from diffusers.pipelines.ltx2 import LTX2Vocoder
from safetensors.torch import load_file
from torch.nn.utils import parametrize

from audiolcm_diffusers import BigVGANVocoder


@pytest.fixture
def mel():
    return torch.randn(2, 80, 5, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize("auto_class", [BigVGANVocoder, AutoModel])
def test_save_and_load(make_vocoder, mel, tmp_path, auto_class):
    vocoder = make_vocoder(resblock_type="2", activation="snake", snake_logscale=False)
    vocoder.save_pretrained(tmp_path)
    loaded = auto_class.from_pretrained(str(tmp_path))
    assert isinstance(loaded, BigVGANVocoder)
    assert torch.equal(loaded(mel), vocoder(mel))


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_every_frame_becomes_a_hop(make_vocoder, frames):
    vocoder = make_vocoder(upsample_rates=(3, 2), upsample_kernel_sizes=(7, 2))
    waveform = vocoder(torch.randn(2, 80, frames))
    assert vocoder.hop_length == 6
    assert waveform.shape == (2, 6 * frames)
    assert waveform.abs().max() < 1


@torch.no_grad()
def test_computes_what_the_vocoder_of_diffusers_computes(make_vocoder, mel, relative_error):
    vocoder = make_vocoder(
        upsample_rates=(4, 2),
        upsample_kernel_sizes=(8, 4),
        resblock_kernel_sizes=(3, 5),
        resblock_dilation_sizes=((1, 3), (1, 2)),
    )
    for conv in (vocoder.conv_out, *vocoder.upsamplers):
        conv.weight.mul_(100)  # what training would do: from its start, all that is heard is the last bias
    other = LTX2Vocoder(
        in_channels=80,
        hidden_channels=16,
        out_channels=1,
        upsample_kernel_sizes=[8, 4],
        upsample_factors=[4, 2],
        resnet_kernel_sizes=[3, 5],
        resnet_dilations=[[1, 3], [1, 2]],
        act_fn="snakebeta",
        antialias=True,
        final_act_fn="tanh",
        final_bias=True,
    )
    renamed = {}
    for name, weight in vocoder.state_dict().items():
        name = name.replace("resblocks.", "resnets.")
        if ".acts" in name or name.startswith("act_out."):
            module, parameter = name.rsplit(".", 1)
            name = f"{module}.act.{parameter}"
        renamed[name] = weight
    filters = {key: value for key, value in other.state_dict().items() if key.endswith("filter")}
    other.load_state_dict({**renamed, **filters})
    # One channel of audio, mels of (batch, channels, frames, bins).
    expected = other(mel.transpose(1, 2)[:, None])
    assert relative_error(vocoder(mel), expected.flatten(1)) < 1e-5


def train_a_little(vocoder, mel):
    """A step that moves magnitudes and directions off what they started from."""
    vocoder.apply_weight_norm()
    vocoder(mel).square().sum().backward()
    with torch.no_grad():
        for parameter in vocoder.parameters():
            parameter -= 0.01 * parameter.grad.sign()
    vocoder.zero_grad()


def test_weight_norm_changes_no_output(make_vocoder, mel):
    vocoder = make_vocoder()
    with torch.no_grad():
        expected = vocoder(mel)
    plain = sorted(vocoder.state_dict())
    vocoder.apply_weight_norm()
    vocoder.apply_weight_norm()  # twice does no harm
    assert parametrize.is_parametrized(vocoder.conv_in)
    torch.testing.assert_close(vocoder(mel).detach(), expected)
    train_a_little(vocoder, mel)
    trained = vocoder(mel).detach()
    assert not torch.allclose(trained, expected)
    vocoder.remove_weight_norm()
    assert sorted(vocoder.state_dict()) == plain
    torch.testing.assert_close(vocoder(mel).detach(), trained)


def test_saving_folds_weight_norm_and_leaves_the_model_in_training(make_vocoder, mel, tmp_path):
    vocoder = make_vocoder()
    plain = sorted(vocoder.state_dict())
    train_a_little(vocoder, mel)
    vocoder.train()
    before = {name: weight.clone() for name, weight in vocoder.state_dict().items()}
    random_state = torch.get_rng_state()

    vocoder.save_pretrained(tmp_path)

    assert sorted(load_file(tmp_path / "diffusion_pytorch_model.safetensors")) == plain
    loaded = BigVGANVocoder.from_pretrained(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(loaded(mel), vocoder(mel))
    assert vocoder.training
    assert torch.equal(torch.get_rng_state(), random_state)
    assert vocoder.state_dict().keys() == before.keys()
    for name, weight in vocoder.state_dict().items():
        assert torch.equal(weight, before[name]), name
    vocoder(mel).square().sum().backward()
    assert vocoder.conv_in.parametrizations.weight.original0.grad is not None


@torch.no_grad()
def test_saving_with_weight_norm_takes_the_usual_options(make_vocoder, mel, tmp_path):
    vocoder = make_vocoder()
    vocoder.apply_weight_norm()
    vocoder.save_pretrained(tmp_path, max_shard_size="20KB", variant="fp32")
    assert len(list(tmp_path.glob("*.fp32-0000*-of-*.safetensors"))) > 1
    torch.testing.assert_close(BigVGANVocoder.from_pretrained(tmp_path, variant="fp32")(mel), vocoder(mel))


@torch.no_grad()
def test_compiles_in_one_graph(make_vocoder, mel):
    vocoder = make_vocoder()
    compiled = torch.compile(vocoder, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(mel), vocoder(mel))


def gradients(vocoder, mel):
    vocoder.zero_grad()
    vocoder(mel).square().sum().backward()
    return {name: parameter.grad for name, parameter in vocoder.named_parameters()}


def test_gradient_checkpointing_gives_equal_gradients(make_vocoder, mel):
    vocoder = make_vocoder().train()
    expected = gradients(vocoder, mel)
    vocoder.enable_gradient_checkpointing()
    assert vocoder.gradient_checkpointing
    for name, gradient in gradients(vocoder, mel).items():
        torch.testing.assert_close(gradient, expected[name], msg=name)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(make_vocoder, mel, relative_error, dtype):
    vocoder = make_vocoder()
    for conv in (vocoder.conv_out, *vocoder.upsamplers):
        conv.weight.mul_(100)
    expected = vocoder(mel)
    output = vocoder.to(dtype)(mel.to(dtype))
    assert output.dtype == dtype
    # A unit in the last place is 2^-8 or 2^-11 of a value; some twenty layers add theirs up.
    assert 0 < relative_error(output.float(), expected) < 20 * torch.finfo(dtype).eps


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"upsample_rates": (16,)}, r"must be of one length, got \(16,\) and \(16, 16\)"),
        ({"upsample_kernel_sizes": (16, 17)}, r"must exceed its rate by an even number.* got \(16, 17\)"),
        ({"upsample_kernel_sizes": (16, 14)}, "must exceed its rate"),
        ({"resblock_kernel_sizes": (3, 5)}, r"must be of one length, got \(3, 5\) and \(\(1,\),\)"),
        ({"resblock_kernel_sizes": (4,)}, r"`resblock_kernel_sizes` must be odd, got \(4,\)"),
        ({"resblock_type": "3"}, '`resblock_type` must be "1" or "2", got \'3\''),
        ({"activation": "relu"}, '`activation` must be "snake" or "snakebeta", got \'relu\''),
        ({"upsample_initial_channel": 18}, "`upsample_initial_channel` is halved 2 times, got 18"),
    ],
)
def test_an_impossible_config_is_refused(make_vocoder, config, message):
    with pytest.raises(ValueError, match=message):
        make_vocoder(**config)


@pytest.mark.parametrize("shape", [(80, 4), (1, 79, 4), (1, 80, 0)])
def test_mels_of_another_shape_are_refused(make_vocoder, shape):
    with pytest.raises(ValueError, match=r"Expected a mel of shape \(batch_size, 80, frames\), got"):
        make_vocoder()(torch.zeros(shape))
