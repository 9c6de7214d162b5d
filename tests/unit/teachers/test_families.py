# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Two independent computations of one thing: a pipeline of diffusers samples along its teacher's ODE, and our solver
walks over the same timesteps with the family's network.
"""

import copy

import pytest
import tiny_families
import torch
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.stable_audio_3.pipeline_stable_audio_3 import logsnr_sigma_schedule

from audiolcm_diffusers.distillation import (
    SolverSchedule,
    consistency_prediction,
    distillation_loss,
    draw_step,
    guided_solver,
)
from audiolcm_diffusers.paths import add_noise
from audiolcm_diffusers.teachers.ace_step import AceStepTeacher
from audiolcm_diffusers.teachers.audiolcm import AudioLCMTeacher
from audiolcm_diffusers.teachers.audioldm2 import AudioLDM2Teacher
from audiolcm_diffusers.teachers.base import NUM_STRAIGHT_TIMESTEPS, Conditions
from audiolcm_diffusers.teachers.families import teacher_of
from audiolcm_diffusers.teachers.longcat_audio_dit import LongCatAudioDiTTeacher
from audiolcm_diffusers.teachers.stable_audio import NUM_TIMESTEPS, StableAudioTeacher
from audiolcm_diffusers.teachers.stable_audio_3 import StableAudio3Teacher


TOLERANCE = 1e-4


@pytest.fixture
def ace_step(make_tokenizer):
    return tiny_families.ace_step(make_tokenizer())


@pytest.fixture
def audioldm2():
    return tiny_families.audioldm2()


@pytest.fixture
def longcat(make_tokenizer):
    return tiny_families.longcat(make_tokenizer())


@pytest.fixture
def stable_audio(make_tokenizer):
    return tiny_families.stable_audio(make_tokenizer())


@pytest.fixture
def stable_audio_3(make_tokenizer):
    return tiny_families.stable_audio_3(make_tokenizer())


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


@torch.no_grad()
def test_audioldm2(audioldm2):
    teacher = AudioLDM2Teacher(audioldm2)
    prompts, num_steps = ["rain", "a dog barking"], 5
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    call = {"audio_length_in_s": 16 * 64 / 8000, "num_inference_steps": num_steps, "output_type": "latent"}
    theirs = audioldm2(prompts, guidance_scale=3.5, latents=noise.clone(), **call).audios
    # "leading" timesteps, and the last step to the first of the schedule, which is not quite clean.
    skip = 1000 // num_steps
    timesteps = [*(skip * step + 1 for step in reversed(range(num_steps))), 0]
    ours = walked(teacher, noise, prompts, 0.128, timesteps, w=2.5)
    assert_same(ours, theirs)
    others = audioldm2(["wind", "wind"], guidance_scale=3.5, latents=noise.clone(), **call).audios
    assert (others - theirs).abs().max() > 10 * TOLERANCE * theirs.abs().max()

    assert (teacher.sampling_rate, teacher.num_channels, teacher.samples_per_frame) == (8000, 1, 128)
    assert teacher.encode_audio(torch.randn(2, 1, 1024), torch.Generator().manual_seed(0)).shape == noise.shape


def test_mels_of_audioldm2(audioldm2):
    # A tone lies in the band of its frequency, however loud it is.
    teacher = AudioLDM2Teacher(audioldm2)
    time = torch.arange(8000) / 8000
    quiet, loud = (gain * torch.sin(2 * torch.pi * 1000 * time)[None] for gain in (0.01, 0.9))
    mel = teacher.log_mel(quiet)
    assert mel.shape == (1, 8000 // 64, 16)
    assert torch.allclose(mel.exp(), teacher.log_mel(loud).exp(), atol=1e-3)
    band = int(mel[0, 60].argmax())
    edges = hertz_of_mels(torch.linspace(0, float(mels_of_hertz(torch.tensor(4000.0))), 18))
    assert edges[band] < 1000 < edges[band + 2]


def mels_of_hertz(hertz):
    """Slaney's scale: linear below 1 kHz, 15 mels there, then 27 for each factor of 6.4."""
    return torch.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * torch.log(hertz / 1000) / torch.log(torch.tensor(6.4)))


def hertz_of_mels(mels):
    return torch.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))


@torch.no_grad()
def test_ace_step_is_guided_as_its_pipeline_is_in_a_first_step(ace_step):
    # Later steps of the pipeline remember the differences before.
    teacher = AceStepTeacher(ace_step)
    prompts, duration_s = ["rain", "wind"], 0.1
    noise = torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(0))
    call = {"audio_duration": duration_s, "num_inference_steps": 1, "latents": noise, "output_type": "latent"}
    theirs = ace_step(prompts, lyrics=["", ""], guidance_scale=7.0, **call).audios
    ours = walked(teacher, noise, prompts, duration_s, [float(NUM_STRAIGHT_TIMESTEPS), 0.0], w=6.0)
    assert_same(ours, theirs)
    plain = ace_step(prompts, lyrics=["", ""], guidance_scale=1.0, **call).audios
    assert (plain - theirs).abs().max() > 10 * TOLERANCE * theirs.abs().max()


@torch.no_grad()
@pytest.mark.parametrize("scheduler", ["ddim", "flow"])
@pytest.mark.parametrize("kind", ["llama", "concat"])
def test_audiolcm(make_pipeline, make_llama_transformer, make_concat_transformer, kind, scheduler):
    make = make_llama_transformer if kind == "llama" else make_concat_transformer
    walks = {
        "ddim": DDIMScheduler(clip_sample=False, set_alpha_to_one=False, timestep_spacing="trailing"),
        "flow": FlowMatchEulerDiscreteScheduler(shift=2.0),
    }
    pipe = make_pipeline(transformer=make(time_cond_proj_dim=None), scheduler=walks[scheduler])
    teacher = AudioLCMTeacher(pipe)
    prompts, frames = ["rain", "a dog barking"], 12
    duration_s = frames * teacher.samples_per_frame / teacher.sampling_rate
    noise = torch.randn(2, 4, frames, generator=torch.Generator().manual_seed(0))
    call = {"audio_length_in_s": duration_s, "num_inference_steps": 5, "output_type": "latent"}
    theirs = torch.as_tensor(pipe(prompts, guidance_scale=4.0, latents=noise.clone(), **call).audios)
    timesteps = [*pipe.scheduler.timesteps.tolist(), 0]
    assert_same(walked(teacher, noise, prompts, duration_s, timesteps, w=3.0), theirs)
    others = torch.as_tensor(pipe(["wind", "wind"], guidance_scale=4.0, latents=noise.clone(), **call).audios)
    assert (others - theirs).abs().max() > 10 * TOLERANCE * theirs.abs().max()
    assert (teacher.sampling_rate, teacher.num_channels, teacher.default_guidance_scale) == (16000, 1, 5.0)
    assert teacher.encode_audio(torch.randn(2, 1, frames * teacher.samples_per_frame)).shape == noise.shape


FAMILIES = {
    "audioldm2": (AudioLDM2Teacher, (2, 4, 8, 8)),
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


# A call of each family's pipeline, and the second of two timesteps that it visits on our path.
SAMPLING = {
    "audioldm2": ({"audio_length_in_s": 16 * 64 / 8000}, 499),
    "ace_step": ({"audio_duration": 0.1, "lyrics": [""]}, 0.75 * NUM_STRAIGHT_TIMESTEPS),
    "longcat": ({}, 0.5 * NUM_STRAIGHT_TIMESTEPS),
    "stable_audio": ({"audio_end_in_s": 0.1}, 499),
    "stable_audio_3": (
        {"duration": 0.02},
        float(torch.tensor(logsnr_sigma_schedule(2, -6.2, 2.0)[1])) * NUM_STRAIGHT_TIMESTEPS,
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("num_steps", [1, 2])
@pytest.mark.parametrize("family", SAMPLING)
def test_a_students_pipeline_samples_its_consistency_function(request, family, num_steps):
    teacher_class, shape = FAMILIES[family]
    teacher = teacher_class(request.getfixturevalue(family))
    schedule = SolverSchedule.on_path(teacher.path, 10, teacher.prediction_type)
    call, second = SAMPLING[family]
    noise = torch.randn((1, *shape[1:]), generator=torch.Generator().manual_seed(0))
    if family == "stable_audio_3":
        noise = noise[..., : -(-320 // teacher.samples_per_frame)]
    conditions, _ = teacher.encode_prompts(["rain"], next((v for v in call.values() if isinstance(v, float)), 1.0))

    def student(sample, timestep):
        timesteps = torch.tensor([timestep], dtype=teacher.path.timesteps.dtype)
        return consistency_prediction(teacher.network(), sample, timesteps, conditions, None, schedule)

    last = teacher.path.timesteps[-1].item()
    expected = student(noise, last)
    if num_steps == 2:
        timesteps = torch.tensor([second], dtype=teacher.path.timesteps.dtype)
        if family == "longcat":  # without fresh noise
            alpha, sigma = teacher.path.at(timesteps)
            between = alpha * expected + sigma * noise
        else:
            fresh = torch.randn(noise.shape, generator=torch.Generator().manual_seed(3))
            between = add_noise(expected, fresh, *teacher.path.at(timesteps))
        expected = student(between, second)

    pipe = teacher.student_pipeline(copy.deepcopy(teacher.denoiser), 10)
    pipe.set_progress_bar_config(disable=True)
    torch.manual_seed(3)  # ACE-Step's pipeline draws from torch's own generator
    options = {"guidance_scale": 1.0, "num_inference_steps": num_steps, "output_type": "latent", **call}
    generator = torch.Generator().manual_seed(3)
    actual = pipe(["rain"], latents=noise.clone(), generator=generator, **options).audios
    assert_same(expected, actual)


def solver_points(path, number):
    """Where steps of a solver start and arrive: every tenth of a path's timesteps."""
    timesteps = path.timesteps[len(path) // number - 1 :: len(path) // number][:number]
    return timesteps, torch.cat([torch.zeros_like(timesteps[:1]), timesteps[:-1]])


def test_what_is_no_teacher(longcat, make_pipeline):
    with pytest.raises(ValueError, match="a pipeline of StableAudio3Pipeline, got LongCatAudioDiTPipeline"):
        StableAudio3Teacher(longcat)
    assert type(teacher_of(longcat)) is LongCatAudioDiTTeacher
    assert type(teacher_of(make_pipeline())) is AudioLCMTeacher
    with pytest.raises(ValueError, match="one of AceStepPipeline, .*StableAudioPipeline, got DDPMPipeline"):
        teacher_of(DDPMPipeline(unet=None, scheduler=DDPMScheduler()))


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
