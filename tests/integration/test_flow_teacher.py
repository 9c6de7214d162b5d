# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A tiny flow teacher: trained, sampled with diffusers' schedulers, distilled, saved, loaded, in two steps."""

import json

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from script_runs import distillation_options, load_script, run_script, teacher_options

from audiolcm_diffusers import AudioLCMPipeline, LCMAudioScheduler
from audiolcm_diffusers.paths import NoisePath


@pytest.fixture(scope="module")
def flow(trained, data_dir, tmp_path_factory):
    """Folder with a teacher on the straight path, `teacher/model`, and its student, `student/model`."""
    runs = tmp_path_factory.mktemp("flow")
    run_script(
        "train_text_to_audio",
        "TextToAudioConfig",
        data_dir=data_dir,
        output_dir=runs / "teacher",
        **teacher_options(trained / "vae/model"),
        prediction_type="flow_prediction",
        shift=2.0,
        snr_gamma=5.0,
        durations_s="0.256",
        duration_shares="1",
        seconds_per_batch=0.512,
        max_train_steps=8,
        learning_rate=0.03,
        ema_decay=0.0,
        warmup_steps=1,
        logging_steps=1,
        validation_steps=8,
        validation_inference_steps=2,
    )
    options = distillation_options(trained, data_dir, runs / "student")
    del options["vocoder_dir"]
    options.update(teacher_dir=runs / "teacher/model", max_train_steps=3, num_solver_steps=2, solver="dpmsolver++")
    run_script("train_audiolcm_distill", "DistillationConfig", **options)
    return runs


def noise_of(pipe):
    return torch.randn(1, pipe.transformer.config.in_channels, 8, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_the_teacher_is_sampled_along_its_flow(flow):
    pipe = AudioLCMPipeline.from_pretrained(flow / "teacher/model")
    assert type(pipe.scheduler) is FlowMatchEulerDiscreteScheduler and pipe.scheduler.config.shift == 2.0
    latents = pipe("a tone", latents=noise_of(pipe), num_inference_steps=4, guidance_scale=3.0, output_type="latent")

    # The same by hand: from tau to the next, x - (tau - next) v, with v = v_u + 3 (v_c - v_u), told 1000 tau.
    sample, (cond, uncond) = noise_of(pipe), pipe.encode_prompt("a tone")
    taus = [*(pipe.scheduler.timesteps / 1000).tolist(), 0.0]
    for tau, following in zip(taus, taus[1:]):
        v_cond, v_uncond = (
            pipe.transformer(sample, torch.tensor([1000 * tau]), text, return_dict=False)[0] for text in (cond, uncond)
        )
        sample = sample - (tau - following) * (v_uncond + 3 * (v_cond - v_uncond))
    torch.testing.assert_close(torch.as_tensor(latents.audios), sample, atol=1e-5, rtol=1e-5)
    assert taus[0] == 1.0
    # The network is trained so far that it says something.
    assert (sample - noise_of(pipe)).std() > 0.01


@torch.no_grad()
def test_the_student_makes_sound_in_two_steps(flow):
    pipe = AudioLCMPipeline.from_pretrained(flow / "student/model")
    assert type(pipe.scheduler) is LCMAudioScheduler and pipe.is_student
    assert (pipe.scheduler.config.prediction_type, pipe.scheduler.config.shift) == ("flow_prediction", 2.0)
    seen = []
    pipe.transformer.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs), with_kwargs=True)
    result = pipe("a tone", latents=noise_of(pipe), eta=0.0, output_type="latent").audios

    # tau = 1, then with shift 2 at u = 1/2: 2/3. f = x - tau v; the noise that is left is x + (1 - tau) v.
    tau = 2 / 3
    assert [float(call["timestep"][0]) for call in seen] == pytest.approx([1000.0, 1000 * tau])
    noise = noise_of(pipe)
    outputs = [
        pipe.transformer(**{**call, "hidden_states": sample})[0]
        for call, sample in zip(list(seen), [call["hidden_states"] for call in seen])
    ]
    second = (1 - tau) * (noise - outputs[0]) + tau * noise
    torch.testing.assert_close(seen[1]["hidden_states"], second, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.as_tensor(result), second - tau * outputs[1], atol=1e-5, rtol=1e-5)
    assert pipe("a tone", audio_length_in_s=0.5).audios.shape == (1, 8000)


def test_a_flow_student_goes_back_to_a_flow_teacher(flow):
    script = load_script("train_text_to_audio")
    config = script.TextToAudioConfig(data_dir="d", output_dir="o", pipeline_dir=str(flow / "student/model"))
    pipe = script.load_pipeline(config)
    assert type(pipe.scheduler) is FlowMatchEulerDiscreteScheduler
    path = NoisePath.from_scheduler(pipe.scheduler)
    assert (path.is_straight, path.shift, pipe.is_student) == (True, 2.0, False)


def test_losses_and_settings_are_written_down(flow):
    for run, num_steps in (("teacher", 8), ("student", 3)):
        lines = [json.loads(line) for line in (flow / run / "log.jsonl").read_text().splitlines()]
        assert len(lines) == num_steps and all(0 < line["loss"] < 100 for line in lines)
    assert "| prediction_type | flow_prediction |" in (flow / "teacher/model/README.md").read_text()


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample"])
def test_other_predictions_are_trained_on_the_variance_preserving_path(prediction_type):
    script = load_script("train_text_to_audio")
    config = script.TextToAudioConfig(data_dir="d", output_dir="o", vae_dir="v", prediction_type=prediction_type)
    scheduler = script.start_scheduler(config)
    assert type(scheduler) is DDIMScheduler and scheduler.config.prediction_type == prediction_type


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vae_dir": "v", "prediction_type": "flow"}, "one of .*, got 'flow'"),
        ({"vae_dir": "v", "shift": 3.0}, "shift=3.0 needs prediction_type='flow_prediction', got None"),
        ({"vae_dir": "v", "shift": 0.0, "prediction_type": "flow_prediction"}, "positive finite number, got 0.0"),
        ({"pipeline_dir": "p", "prediction_type": "epsilon"}, "leave out prediction_type, got 'epsilon'"),
        ({"pipeline_dir": "p", "shift": 2.0}, "leave out shift, got 2.0"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    script = load_script("train_text_to_audio")
    with pytest.raises(ValueError, match=message):
        script.TextToAudioConfig(data_dir="d", output_dir="o", **options)
