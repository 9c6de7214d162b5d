# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Two independent computations of one thing: a pipeline of diffusers samples along its teacher's ODE, and our solver
walks over the same timesteps with the family's network.
"""

import copy

import pytest
import torch
from diffusers import (
    AceStepPipeline,
    AceStepTransformer1DModel,
    AutoencoderOobleck,
    AutoencoderSAME,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    LongCatAudioDiTPipeline,
    LongCatAudioDiTTransformer,
    LongCatAudioDiTVae,
    StableAudio3DiTModel,
    StableAudio3Pipeline,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableAudioProjectionModel,
)
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.pipelines.ace_step.modeling_ace_step import AceStepConditionEncoder
from diffusers.pipelines.stable_audio_3.modeling_stable_audio_3 import StableAudio3DurationEmbedder
from diffusers.pipelines.stable_audio_3.pipeline_stable_audio_3 import logsnr_sigma_schedule
from diffusers.schedulers.scheduling_utils import SchedulerMixin, SchedulerOutput
from transformers import UMT5Config, UMT5EncoderModel

from audiolcm_diffusers.distillation import SolverSchedule, distillation_loss, draw_step, guided_solver
from audiolcm_diffusers.teachers.ace_step import AceStepTeacher
from audiolcm_diffusers.teachers.base import NUM_STRAIGHT_TIMESTEPS, Conditions
from audiolcm_diffusers.teachers.families import teacher_of
from audiolcm_diffusers.teachers.longcat_audio_dit import LongCatAudioDiTTeacher
from audiolcm_diffusers.teachers.stable_audio import NUM_TIMESTEPS, StableAudioTeacher
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


def oobleck():
    return seeded(
        lambda: AutoencoderOobleck(
            encoder_hidden_size=16,
            downsampling_ratios=[2, 4],
            channel_multiples=[1, 2],
            decoder_channels=8,
            decoder_input_channels=8,
            audio_channels=2,
            sampling_rate=800,
        )
    )


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


@pytest.fixture
def ace_step(make_tokenizer):
    tokenizer = make_tokenizer()
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 16}
    transformer = seeded(
        lambda: AceStepTransformer1DModel(
            hidden_size=16,
            num_hidden_layers=2,
            in_channels=24,
            audio_acoustic_hidden_dim=8,
            encoder_hidden_size=16,
            sliding_window=8,
            **heads,
        )
    )
    condition_encoder = seeded(
        lambda: AceStepConditionEncoder(
            hidden_size=16,
            text_hidden_dim=TEXT_WIDTH,
            timbre_hidden_dim=8,
            num_lyric_encoder_hidden_layers=1,
            num_timbre_encoder_hidden_layers=1,
            sliding_window=8,
            **heads,
        )
    )
    pipe = AceStepPipeline(
        vae=oobleck(),
        text_encoder=seeded(lambda: umt5(tokenizer)),
        tokenizer=tokenizer,
        transformer=transformer,
        condition_encoder=condition_encoder,
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


class EulerOfSigmas(SchedulerMixin, ConfigMixin):
    """
    Stable Audio's parametrisation (EDM with a data deviation of 1, told 2 / pi * atan(sigma)) by Euler's method,
    `x' = x + (sigma' - sigma) (x - x_0) / sigma`: diffusers' own scheduler for it draws noise in every step.
    """

    order = 1

    @register_to_config
    def __init__(self, num_train_timesteps=1000):
        self.timesteps = self.sigmas = None
        self.index = 0

    def set_timesteps(self, num_inference_steps, device=None):
        # Down from the noisiest timestep that our path has, in even steps of its own.
        indices = torch.linspace(NUM_TIMESTEPS - 1, 0, num_inference_steps + 1).round()[:-1]
        self.timesteps = indices / NUM_TIMESTEPS
        self.sigmas = torch.cat([(self.timesteps * torch.pi / 2).tan(), torch.zeros(1)])
        self.index = 0

    @property
    def init_noise_sigma(self):
        return float((self.sigmas[0] ** 2 + 1) ** 0.5)

    def scale_model_input(self, sample, timestep):
        return sample / (self.sigmas[self.index] ** 2 + 1) ** 0.5

    def step(self, model_output, timestep, sample):
        sigma, following = self.sigmas[self.index], self.sigmas[self.index + 1]
        scale = (sigma**2 + 1) ** 0.5
        clean = sample / scale**2 - sigma / scale * model_output
        self.index += 1
        return SchedulerOutput(sample + (following - sigma) * (sample - clean) / sigma)


@pytest.fixture
def stable_audio(make_tokenizer):
    tokenizer = make_tokenizer()
    transformer = seeded(
        lambda: StableAudioDiTModel(
            sample_size=10,
            in_channels=8,
            out_channels=8,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            num_key_value_attention_heads=2,
            cross_attention_dim=TEXT_WIDTH,
            cross_attention_input_dim=TEXT_WIDTH,
            global_states_input_dim=2 * TEXT_WIDTH,
            time_proj_dim=8,
        )
    )
    projection = seeded(
        lambda: StableAudioProjectionModel(
            text_encoder_dim=TEXT_WIDTH, conditioning_dim=TEXT_WIDTH, min_value=0, max_value=32
        )
    )
    pipe = StableAudioPipeline(
        vae=oobleck(),
        text_encoder=seeded(lambda: umt5(tokenizer)),
        projection_model=projection,
        tokenizer=tokenizer,
        transformer=transformer,
        scheduler=EulerOfSigmas(),
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
        ends = (torch.full((rows,), value, dtype=path.timesteps.dtype) for value in (start, end))
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


@torch.no_grad()
def test_ace_step(ace_step):
    teacher = AceStepTeacher(ace_step)
    prompts, duration_s = ["rain", "wind"], 0.1
    noise = torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(0))
    call = {"audio_duration": duration_s, "num_inference_steps": 6, "latents": noise, "output_type": "latent"}
    theirs = ace_step(prompts, lyrics=["", ""], guidance_scale=1.0, **call).audios
    # Times u = 1, 5/6, … are shifted by 3: 3 u / (1 + 2 u). Its guidance is another than ours, so that there is none.
    sigmas = [3 * u / (1 + 2 * u) for u in (step / 6 for step in range(6, -1, -1))]
    ours = walked(teacher, noise, prompts, duration_s, [sigma * NUM_STRAIGHT_TIMESTEPS for sigma in sigmas], w=0.0)
    assert_same(ours, theirs)
    others = ace_step(["fire", "fire"], lyrics=["", ""], guidance_scale=1.0, **call).audios
    assert (others - theirs).abs().max() > 10 * TOLERANCE * theirs.abs().max()

    cond, empty = teacher.encode_prompts(prompts, duration_s)
    assert not torch.equal(cond.tensors["encoder_hidden_states"], empty.tensors["encoder_hidden_states"])
    assert torch.equal(cond.tensors["context_latents"], empty.tensors["context_latents"])
    assert (teacher.sampling_rate, teacher.num_channels) == (800, 2)
    assert teacher.encode_audio(torch.randn(2, 2, 80), torch.Generator().manual_seed(0)).shape == noise.shape


@torch.no_grad()
def test_stable_audio(stable_audio):
    teacher = StableAudioTeacher(stable_audio)
    prompts, duration_s, num_steps = ["rain", "a dog barking"], 0.1, 6
    noise = torch.randn(2, 8, 10, generator=torch.Generator().manual_seed(0))
    stable_audio.scheduler.set_timesteps(num_steps)
    call = {"audio_end_in_s": duration_s, "num_inference_steps": num_steps, "output_type": "latent"}
    theirs = stable_audio(prompts, guidance_scale=4.0, latents=noise.clone(), **call).audios
    # Ours is what the network sees, theirs times its scale: noise of variance 1 at the beginning, the same at the end.
    timesteps = [*(stable_audio.scheduler.timesteps * NUM_TIMESTEPS).round().long().tolist(), 0]
    ours = walked(teacher, noise, prompts, duration_s, timesteps, w=3.0)
    assert_same(ours, theirs)
    others = stable_audio(["wind", "wind"], guidance_scale=4.0, latents=noise.clone(), **call).audios
    assert (others - theirs).abs().max() > 10 * TOLERANCE * theirs.abs().max()

    assert (teacher.sampling_rate, teacher.num_channels) == (800, 2)
    assert teacher.encode_audio(torch.randn(2, 2, 80), torch.Generator().manual_seed(0)).shape == noise.shape


FAMILIES = {
    "ace_step": (AceStepTeacher, (2, 10, 8)),
    "longcat": (LongCatAudioDiTTeacher, (2, 10, 8)),
    "stable_audio": (StableAudioTeacher, (2, 8, 10)),
    "stable_audio_3": (StableAudio3Teacher, (2, 8, 10)),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_of_distillation(request, family):
    teacher_class, shape = FAMILIES[family]
    teacher = teacher_class(request.getfixturevalue(family))
    student = copy.deepcopy(teacher.denoiser).requires_grad_(True)
    teacher.denoiser.requires_grad_(False)
    schedule = SolverSchedule(teacher.path, *solver_points(teacher.path, 10), teacher.prediction_type)
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cond, empty = teacher.encode_prompts(["rain", "wind"], 0.1)
    draw = draw_step(latents, 10, 2.0, 4.0, torch.Generator().manual_seed(1))
    networks = teacher.network(student), teacher.network(copy.deepcopy(student)), teacher.network()
    loss = distillation_loss(*networks, latents, cond, empty, draw, schedule, guidance_embedding_dim=None).loss
    loss.backward()
    assert torch.isfinite(loss) and loss > 0
    assert max(parameter.grad.abs().max() for parameter in student.parameters() if parameter.grad is not None) > 0
    assert all(parameter.grad is None for parameter in teacher.denoiser.parameters())


def solver_points(path, number):
    """Where steps of a solver start and arrive: every tenth of a path's timesteps."""
    timesteps = path.timesteps[len(path) // number - 1 :: len(path) // number][:number]
    return timesteps, torch.cat([torch.zeros_like(timesteps[:1]), timesteps[:-1]])


def test_what_is_no_teacher(longcat, make_pipeline):
    with pytest.raises(ValueError, match="a pipeline of StableAudio3Pipeline, got LongCatAudioDiTPipeline"):
        StableAudio3Teacher(longcat)
    assert type(teacher_of(longcat)) is LongCatAudioDiTTeacher
    with pytest.raises(ValueError, match="one of AceStepPipeline, .*StableAudioPipeline, got AudioLCMPipeline"):
        teacher_of(make_pipeline())


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
