# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Two independent computations of one thing: a pipeline of diffusers samples along its teacher's ODE, and our solver
walks over the same timesteps with the family's network.
"""

import pytest
import torch
from diffusers import (
    AutoencoderSAME,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    LongCatAudioDiTPipeline,
    LongCatAudioDiTTransformer,
    LongCatAudioDiTVae,
    StableAudio3DiTModel,
    StableAudio3Pipeline,
)
from diffusers.pipelines.stable_audio_3.modeling_stable_audio_3 import StableAudio3DurationEmbedder
from diffusers.pipelines.stable_audio_3.pipeline_stable_audio_3 import logsnr_sigma_schedule
from transformers import UMT5Config, UMT5EncoderModel

from audiolcm_diffusers.distillation import SolverSchedule, guided_solver
from audiolcm_diffusers.teachers.base import NUM_STRAIGHT_TIMESTEPS, Conditions
from audiolcm_diffusers.teachers.longcat_audio_dit import LongCatAudioDiTTeacher
from audiolcm_diffusers.teachers.stable_audio_3 import StableAudio3Teacher


TEXT_WIDTH = 12
TOLERANCE = 1e-4


def seeded(build):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build().eval()
        for parameter in module.parameters():
            if not parameter.detach().any():
                torch.nn.init.normal_(parameter, std=0.1)
    return module


def umt5(tokenizer):
    config = UMT5Config(
        vocab_size=len(tokenizer), d_model=TEXT_WIDTH, d_kv=4, d_ff=16, num_layers=1, num_heads=2, dropout_rate=0.0
    )
    return UMT5EncoderModel(config)


@pytest.fixture
def stable_audio_3(make_tokenizer):
    tokenizer = make_tokenizer()
    width = {"cond_token_dim": TEXT_WIDTH, "global_cond_dim": TEXT_WIDTH}
    transformer = seeded(
        lambda: StableAudio3DiTModel(
            io_channels=8,
            embed_dim=16,
            depth=2,
            num_heads=2,
            local_add_cond_dim=9,
            timestep_features_dim=8,
            num_memory_tokens=2,
            **width,
        )
    )
    vae = seeded(
        lambda: AutoencoderSAME(
            audio_channels=2,
            patch_size=4,
            encoder_channels=8,
            encoder_c_mults=[2],
            encoder_strides=[2],
            encoder_transformer_depths=[1],
            latent_dim=8,
            dim_heads=4,
            ff_mult=1,
            sampling_rate=16000,
        )
    )
    pipe = StableAudio3Pipeline(
        vae=vae,
        text_encoder=seeded(lambda: umt5(tokenizer)),  # in the place of T5Gemma
        tokenizer=tokenizer,
        duration_embedder=seeded(lambda: StableAudio3DurationEmbedder(output_dim=TEXT_WIDTH, fourier_dim=8)),
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def longcat(make_tokenizer):
    tokenizer = make_tokenizer()
    transformer = seeded(
        lambda: LongCatAudioDiTTransformer(
            dit_dim=16, dit_depth=2, dit_heads=2, dit_text_dim=TEXT_WIDTH, latent_dim=8, ff_mult=2.0
        )
    )
    vae = seeded(
        lambda: LongCatAudioDiTVae(
            channels=16,
            c_mults=[1, 2],
            strides=[2, 4],
            latent_dim=8,
            encoder_latent_dim=16,
            downsampling_ratio=8,
            sample_rate=8000,
        )
    )
    pipe = LongCatAudioDiTPipeline(
        vae=vae, text_encoder=seeded(lambda: umt5(tokenizer)), tokenizer=tokenizer, transformer=transformer
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def walked(teacher, latents, prompts, duration_s, timesteps, w):
    """Where our solver arrives from noise over given timesteps of the teacher's path."""
    path = teacher.path
    schedule = SolverSchedule(path, path.timesteps, path.timesteps, teacher.prediction_type)
    cond, empty = teacher.encode_prompts(prompts, duration_s)
    network = teacher.network()
    rows = len(latents)
    for start, end in zip(timesteps, timesteps[1:]):
        ends = (torch.full((rows,), value, dtype=torch.float32) for value in (start, end))
        latents = guided_solver(network, latents, *ends, cond, empty, torch.full((rows,), w), schedule)
    return latents


def assert_same(ours, theirs):
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max()


@torch.no_grad()
def test_stable_audio_3(stable_audio_3):
    teacher = StableAudio3Teacher(stable_audio_3)
    prompts, duration_s = ["rain", "a dog barking"], 0.02
    frames = -(-round(duration_s * 16000) // stable_audio_3.vae.downsampling_ratio)
    noise = torch.randn(2, 8, frames, generator=torch.Generator().manual_seed(0))
    theirs = stable_audio_3(
        prompts, duration=duration_s, num_inference_steps=6, guidance_scale=4.0, latents=noise, output_type="latent"
    ).audios
    # What the scheduler keeps of the grid, in float32; a power of two times it is exact.
    sigmas = torch.tensor([*logsnr_sigma_schedule(6, -6.2, 2.0), 0.0])
    ours = walked(teacher, noise, prompts, duration_s, (sigmas * NUM_STRAIGHT_TIMESTEPS).tolist(), w=3.0)
    assert_same(ours, theirs)
    # The prompt, and guidance, say something.
    others = stable_audio_3(
        ["wind", "wind"], duration=duration_s, num_inference_steps=6, latents=noise, output_type="latent"
    ).audios
    assert (others - theirs).abs().max() > 100 * TOLERANCE * theirs.abs().max()

    waveforms = torch.randn(2, 2, frames * stable_audio_3.vae.downsampling_ratio)
    assert (teacher.sampling_rate, teacher.num_channels) == (16000, 2)
    assert teacher.encode_audio(waveforms).shape == noise.shape


@torch.no_grad()
def test_longcat(longcat):
    teacher = LongCatAudioDiTTeacher(longcat)
    prompts = ["rain", "a dog barking"]
    noise = torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(0))
    theirs = longcat(prompts, num_inference_steps=6, guidance_scale=4.0, latents=noise, output_type="latent").audios
    # It is told the share of data, 0, 1/6, …: the share of noise is what is left.
    data = torch.tensor([step / 6 for step in range(7)])
    ours = walked(teacher, noise, prompts, 1.0, ((1 - data) * NUM_STRAIGHT_TIMESTEPS).tolist(), w=3.0)
    assert_same(ours, theirs)
    unguided = longcat(prompts, num_inference_steps=6, guidance_scale=1.0, latents=noise, output_type="latent").audios
    assert (unguided - theirs).abs().max() > 100 * TOLERANCE * theirs.abs().max()

    assert (teacher.sampling_rate, teacher.num_channels) == (8000, 1)
    # What is no whole frame is left out, as the pipeline makes none.
    assert teacher.encode_audio(torch.randn(2, 1, 83)).shape == (2, 10, 8)


def test_what_is_no_teacher(longcat, make_pipeline):
    with pytest.raises(ValueError, match="a pipeline of StableAudio3Pipeline, got LongCatAudioDiTPipeline"):
        StableAudio3Teacher(longcat)


def test_conditions():
    one, two = (Conditions({"a": torch.full((2, 3), value), "b": torch.full((2,), value)}) for value in (1.0, 2.0))
    both = one.cat(two)
    assert len(one) == 2 and len(both) == 4
    assert torch.equal(both.tensors["b"], torch.tensor([1.0, 1.0, 2.0, 2.0]))
    with pytest.raises(ValueError, match=r"of one family, got \['a', 'b'\] and \['a'\]"):
        one.cat(Conditions({"a": torch.ones(1)}))
    assert one.to("meta").tensors["a"].device.type == "meta"


def test_ours_walk_as_before(make_llama_transformer):
    # Tensors go the way that they went.
    transformer = make_llama_transformer(time_cond_proj_dim=None)
    schedule = SolverSchedule.from_scheduler(DDIMScheduler(), 10)
    latents = torch.randn(2, transformer.config.in_channels, 4, generator=torch.Generator().manual_seed(0))
    embeds = torch.randn(2, 3, transformer.config.cross_attention_dim, generator=torch.Generator().manual_seed(1))
    ends = schedule.timesteps[[5, 9]], schedule.timesteps_prev[[5, 9]]
    result = guided_solver(transformer, latents, *ends, embeds, torch.zeros_like(embeds), torch.ones(2), schedule)
    assert result.shape == latents.shape and torch.isfinite(result).all()
