# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from diffusers import AutoModel

from audiolcm_diffusers import AutoencoderKLMel1D


@pytest.fixture
def make_mel():
    """`make_mel(frames)`: two random mels of as many frames."""
    return lambda frames: torch.randn(2, 80, frames, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize("auto_class", [AutoencoderKLMel1D, AutoModel])
def test_save_and_load(make_vae, make_mel, tmp_path, auto_class):
    vae = make_vae(attention_levels=(1,), z_channels=3)
    vae.save_pretrained(tmp_path)
    loaded = auto_class.from_pretrained(str(tmp_path))
    assert isinstance(loaded, AutoencoderKLMel1D)
    assert torch.equal(loaded(make_mel(12)).sample, vae(make_mel(12)).sample)
    assert loaded.config.scaling_factor == 0.5


def test_unbuilt_defaults_are_the_published_sizes():
    with torch.device("meta"):
        vae = AutoencoderKLMel1D()
    assert [block.resnets[0].conv2.weight.shape[0] for block in vae.encoder.down_blocks] == [384, 768, 1536]
    assert vae.encoder.conv_out.weight.shape == (40, 1536, 5)
    assert vae.decoder.up_blocks[0].resnets[0].conv1.weight.shape == (1536, 1536, 3)
    assert vae.temporal_compression_ratio == 2


@torch.no_grad()
@pytest.mark.parametrize("downsample_levels", [(), (0,), (0, 1)])
@pytest.mark.parametrize("frames", [1, 7, 8])
def test_any_number_of_frames(make_vae, make_mel, downsample_levels, frames):
    vae = make_vae(channel_multipliers=(1, 2, 2), downsample_levels=downsample_levels)
    stride = 2 ** len(downsample_levels)
    latents = vae.encode(make_mel(frames)).latent_dist.mode()
    latent_frames = -(-frames // stride)
    assert latents.shape == (2, 4, latent_frames)
    assert vae.decode(latents).sample.shape == (2, 80, latent_frames * stride)
    assert vae(make_mel(frames)).sample.shape == (2, 80, frames)


@torch.no_grad()
def test_frames_are_filled_up_by_repeating_the_last(make_vae, make_mel):
    vae, mel = make_vae(), make_mel(7)
    filled = torch.cat([mel, mel[..., -1:]], dim=-1)
    assert torch.equal(vae.encode(mel).latent_dist.parameters, vae.encode(filled).latent_dist.parameters)
    assert torch.equal(vae(mel).sample, vae(filled).sample[..., :7])


@torch.no_grad()
def test_forward_decodes_the_mode_or_a_sample(make_vae, make_mel):
    vae, mel = make_vae(), make_mel(8)
    posterior = vae.encode(mel).latent_dist
    assert torch.equal(vae(mel).sample, vae.decode(posterior.mode()).sample)
    sampled = vae(mel, sample_posterior=True, generator=torch.manual_seed(3)).sample
    assert torch.equal(sampled, vae.decode(posterior.sample(generator=torch.manual_seed(3))).sample)
    assert torch.equal(vae(mel, return_dict=False)[0], vae(mel).sample)


@torch.no_grad()
def test_slicing_changes_nothing(make_vae, make_mel):
    vae, mel = make_vae(), make_mel(8)
    expected = vae.encode(mel).latent_dist.mode()
    decoded = vae.decode(expected).sample
    vae.enable_slicing()
    torch.testing.assert_close(vae.encode(mel).latent_dist.mode(), expected)
    torch.testing.assert_close(vae.decode(expected).sample, decoded)


@torch.no_grad()
def test_a_sound_that_fits_one_tile_is_not_changed(make_vae, make_mel):
    vae, mel = make_vae(), make_mel(16)
    expected = vae.encode(mel).latent_dist.mode()
    decoded = vae.decode(expected).sample
    vae.enable_tiling(16, 12)
    assert torch.equal(vae.encode(mel).latent_dist.mode(), expected)
    assert torch.equal(vae.decode(expected).sample, decoded)


@torch.no_grad()
@pytest.mark.parametrize("frames", [17, 20, 21, 47])
def test_tiles_are_those_of_the_sound(make_vae, make_mel, frames):
    """Each but for where it overlaps another, with slices or without."""
    vae, mel = make_vae(), make_mel(frames)
    padded = mel if frames % 2 == 0 else torch.cat([mel, mel[..., -1:]], dim=-1)
    first, second = (vae.encode(padded[..., cut]).latent_dist.mode() for cut in (slice(16), slice(12, 28)))
    vae.enable_tiling(16, 12)
    vae.enable_slicing()
    latents = vae.encode(mel).latent_dist.mode()
    assert latents.shape[-1] == -(-frames // 2)
    torch.testing.assert_close(latents[..., :6], first[..., :6])
    share = torch.tensor([0.25, 0.75])
    torch.testing.assert_close(latents[..., 6:8], (1 - share) * first[..., 6:] + share * second[..., :2])
    if frames > 28:
        torch.testing.assert_close(latents[..., 8:12], second[..., 2:6])
    made = vae.decode(latents).sample
    assert made.shape == (len(mel), 80, 2 * latents.shape[-1])
    expected = vae.decode(latents[..., :8]).sample
    torch.testing.assert_close(made[..., :12], expected[..., :12])
    vae.disable_tiling()
    assert not torch.equal(vae.encode(mel).latent_dist.mode(), latents)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ((15, 12), "`tile_sample_min_num_frames` to be a positive multiple of 2, got 15"),
        ((16, 0), "`tile_sample_stride_num_frames` to be a positive multiple of 2, got 0"),
        ((16, 16), "got 16 of 16"),
        ((16, 6), "got 6 of 16"),
        (("16", 12), "got '16'"),
    ],
)
def test_tiles_that_do_not_fit_are_refused(make_vae, lengths, message):
    vae = make_vae()
    with pytest.raises(ValueError, match=message):
        vae.enable_tiling(*lengths)
    assert not vae.use_tiling


@torch.no_grad()
def test_repeated_blocks_compile(make_vae, make_mel):
    vae, mel = make_vae(), make_mel(8)
    expected = vae(mel).sample
    torch.compiler.reset()
    vae.compile_repeated_blocks(backend="eager", fullgraph=True)
    torch.testing.assert_close(vae(mel).sample, expected)


def test_the_logarithm_of_the_variance_is_clamped(make_vae):
    vae = make_vae()
    with torch.no_grad():
        vae.quant_conv.bias[4:6] += 1e3
        vae.quant_conv.bias[6:8] -= 1e3
        posterior = vae.encode(torch.zeros(1, 80, 4)).latent_dist
    assert posterior.logvar[:, :2].eq(20).all()
    assert posterior.logvar[:, 2:].eq(-30).all()


def test_norms_have_the_published_epsilon(make_vae):
    # Too small to show in the output for anything that sounds.
    norms = [module for module in make_vae(attention_levels=(0,)).modules() if isinstance(module, torch.nn.GroupNorm)]
    assert {norm.eps for norm in norms} == {1e-6}
    assert {norm.num_groups for norm in norms} == {4}


def gradients(model, sample):
    model.zero_grad()
    model(sample).sample.square().mean().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def test_gradient_checkpointing_gives_equal_gradients(make_vae, make_mel):
    vae = make_vae(attention_levels=(1,)).train()
    expected = gradients(vae, make_mel(8))
    assert all(gradient is not None for gradient in expected.values())
    vae.enable_gradient_checkpointing()
    assert vae.encoder.gradient_checkpointing
    assert vae.decoder.gradient_checkpointing
    for name, gradient in gradients(vae, make_mel(8)).items():
        torch.testing.assert_close(gradient, expected[name], msg=name)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(make_vae, make_mel, relative_error, dtype):
    vae = make_vae()
    expected = vae(make_mel(9)).sample
    output = vae.to(dtype)(make_mel(9).to(dtype)).sample
    assert output.dtype == dtype
    # A unit in the last place is 2^-8 or 2^-11 of a value; some twenty layers add theirs up.
    assert 0 < relative_error(output.float(), expected) < 20 * torch.finfo(dtype).eps


@torch.no_grad()
def test_compiles_in_one_graph(make_vae, make_mel):
    vae = make_vae(attention_levels=(1,))
    compiled = torch.compile(vae, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(make_mel(7), return_dict=False), vae(make_mel(7), return_dict=False))


def test_dropout_is_for_training(make_vae, make_mel):
    vae = make_vae(dropout=0.5)
    assert torch.equal(vae(make_mel(4)).sample, vae(make_mel(4)).sample)
    vae.train()
    assert not torch.equal(vae(make_mel(4)).sample, vae(make_mel(4)).sample)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kernel_size": 4}, "`kernel_size` must be a positive odd number, got 4"),
        ({"decoder_kernel_size": 0}, "`decoder_kernel_size` must be a positive odd number, got 0"),
        ({"downsample_levels": (1,)}, r"`downsample_levels` must lie in 0…0 .*, got \(1,\)"),
        ({"downsample_levels": (-1,)}, r"`downsample_levels` must lie in"),
        ({"attention_levels": (2,)}, r"`attention_levels` must lie in 0…1, got \(2,\)"),
        ({"norm_num_groups": 3}, r"`norm_num_groups` 3 must divide `base_channels` 8 .* got \[8, 16\]"),
    ],
)
def test_an_impossible_config_is_refused(make_vae, config, message):
    with pytest.raises(ValueError, match=message):
        make_vae(**config)


@pytest.mark.parametrize("shape", [(80, 4), (1, 79, 4), (1, 80, 0), (1, 1, 80, 4)])
def test_mels_of_another_shape_are_refused(make_vae, shape):
    message = rf"Expected a mel of shape \(batch_size, 80, frames\), got \({str(shape)[1:-1]}\)"
    with pytest.raises(ValueError, match=message):
        make_vae().encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(4, 4), (1, 3, 4), (1, 4, 0)])
def test_latents_of_another_shape_are_refused(make_vae, shape):
    with pytest.raises(ValueError, match=r"Expected latents of shape \(batch_size, 4, latent_frames\), got"):
        make_vae().decode(torch.zeros(shape))
