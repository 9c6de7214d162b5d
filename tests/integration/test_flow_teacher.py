# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A tiny flow teacher: trained, sampled with diffusers' schedulers, distilled, saved, loaded, in two steps."""

import json

import pytest
import torch
from diffusers import DDIMScheduler, FlowMapEulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from script_runs import distillation_options, load_script, run_script, teacher_options

from audiolcm_diffusers import AudioLCMPipeline, LCMAudioScheduler
from audiolcm_diffusers.distillation import SolverSchedule
from audiolcm_diffusers.meanflow import meanflow_sample
from audiolcm_diffusers.paths import NoisePath
from audiolcm_diffusers.pipelines.schedules import interval_after


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


@pytest.fixture(scope="module")
def average(flow, trained, data_dir):
    """Folder of a student of average velocities, and the options of its run."""
    options = distillation_options(trained, data_dir, flow / "average")
    for name in ("vocoder_dir", *load_script("train_audiolcm_distill").LCM_OPTIONS):
        options.pop(name, None)
    options.update(teacher_dir=flow / "teacher/model", max_train_steps=3, method="meanflow", w=2.0, guidance="fixed")
    run_script("train_audiolcm_distill", "DistillationConfig", **options)
    return flow / "average/model", options


@torch.no_grad()
@pytest.mark.parametrize("num_steps", [1, 2, 4])
def test_a_student_of_average_velocities_jumps_as_its_definition_says(average, num_steps):
    pipe = AudioLCMPipeline.from_pretrained(average[0])
    assert type(pipe.scheduler) is FlowMapEulerDiscreteScheduler and pipe.config.default_guidance_scale == 1.0
    assert pipe.transformer.config.time_cond_type == "interval"
    latents = pipe("a tone", latents=noise_of(pipe), num_inference_steps=num_steps, output_type="latent").audios
    schedule = SolverSchedule.from_scheduler(pipe.scheduler, 10)
    text = pipe.encode_prompt("a tone")[0]
    dim = pipe.transformer.config.time_cond_proj_dim
    expected = meanflow_sample(pipe.transformer, noise_of(pipe), text, num_steps, schedule, dim)
    torch.testing.assert_close(torch.as_tensor(latents), expected, atol=1e-5, rtol=1e-5)
    assert (expected - noise_of(pipe)).std() > 0.01
    # It is told how far a step goes.
    pipe.scheduler.set_timesteps(num_steps)
    assert interval_after(pipe.scheduler, pipe.scheduler.timesteps[-1]) == pytest.approx(1 / num_steps)


def test_a_student_of_average_velocities_is_called_as_it_was_trained(average, flow):
    pipe = AudioLCMPipeline.from_pretrained(average[0])
    with pytest.raises(ValueError, match="guidance folded in: expected guidance_scale == 1, got 3.0"):
        pipe("a tone", guidance_scale=3.0)
    pipe.scheduler = FlowMatchEulerDiscreteScheduler()
    with pytest.raises(ValueError, match="needs a FlowMapEulerDiscreteScheduler, got FlowMatchEulerDiscreteScheduler"):
        pipe("a tone")
    mark = json.loads((average[0] / "model_index.json").read_text())["_few_step_student"]
    assert mark["num_inference_steps"] == [1, 2, 4] and mark["folded_in_guidance_scale"] == 3.0
    script = load_script("train_text_to_audio")
    config = {"data_dir": "d", "output_dir": "o", "pipeline_dir": str(average[0])}
    again = script.load_pipeline(script.TextToAudioConfig(**config))
    assert not again.is_student and type(again.scheduler) is FlowMatchEulerDiscreteScheduler
    with pytest.raises(ValueError, match="student of average velocities.*leave out lora_rank, got 2"):
        script.load_pipeline(script.TextToAudioConfig(**config, lora_rank=2))


def test_both_derivatives_train_alike_and_a_run_goes_on_where_it_was(average, flow, tmp_path):
    _, options = average
    resumed = {**options, "output_dir": tmp_path / "resumed", "checkpointing_steps": 2}
    run_script("train_audiolcm_distill", "DistillationConfig", **{**resumed, "max_train_steps": 2})
    run_script("train_audiolcm_distill", "DistillationConfig", **resumed, resume_from_checkpoint="latest")
    exact = {**options, "output_dir": tmp_path / "jvp", "derivative": "jvp", "attention_backend": "_native_math"}
    run_script("train_audiolcm_distill", "DistillationConfig", **exact)
    at_once, resumed, exact = (
        AudioLCMPipeline.from_pretrained(folder).transformer.state_dict()
        for folder in (average[0], tmp_path / "resumed/model", tmp_path / "jvp/model")
    )
    for name, weight in at_once.items():
        assert torch.equal(weight, resumed[name])
    # A step of Adam does not shrink with its gradient, so that a few weights go another way.
    apart = torch.cat([(weight - exact[name]).abs().flatten() for name, weight in at_once.items()])
    assert apart.median() < 1e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "flow"}, "method to be one of .*, got 'flow'"),
        ({"method": "meanflow", "guidance": "embedded"}, "use guidance='fixed', got 'embedded'"),
        ({"method": "meanflow", "lora_rank": 2}, "not told intervals: method='meanflow' with lora_rank=2"),
        ({"method": "meanflow", "num_solver_steps": 2}, "no solver.*leave out num_solver_steps, got 2"),
        ({"method": "meanflow", "default_guidance_scale": 2.0}, "leave out default_guidance_scale, got 2.0"),
        ({"method": "meanflow", "interval_share": 1.5}, "0 <= interval_share <= 1, got 1.5"),
        ({"method": "meanflow", "interval_std": 0.0}, "interval_std above 0, got 0.0"),
        ({"method": "meanflow", "interval_mean": float("nan")}, "finite interval_mean, got nan"),
        ({"method": "meanflow", "derivative": "exact"}, "derivative to be one of .*, got 'exact'"),
        ({"method": "meanflow", "derivative": "jvp"}, "needs attention_backend='_native_math' and no compile"),
        ({"derivative": "jvp"}, "method='lcm' draws no intervals: leave out derivative, got 'jvp'"),
    ],
)
def test_options_of_another_method_are_refused(options, message):
    script = load_script("train_audiolcm_distill")
    with pytest.raises(ValueError, match=message):
        script.DistillationConfig(data_dir="d", output_dir="o", teacher_dir="t", **options)


def test_average_velocities_are_of_the_straight_path(average, flow, trained):
    script = load_script("train_audiolcm_distill")
    common = {"data_dir": "d", "output_dir": "o", "method": "meanflow"}
    with pytest.raises(ValueError, match="needs a teacher on the straight path"):
        script.load_teacher(script.DistillationConfig(**common, teacher_dir=str(trained / "teacher/model")))
    with pytest.raises(ValueError, match="holds a student"):
        script.load_teacher(script.DistillationConfig(**common, teacher_dir=str(average[0])))
    with pytest.raises(ValueError, match="expected time_cond_type='interval' in .*, got 'guidance'"):
        script.DistillationConfig(
            **common, teacher_dir=str(flow / "teacher/model"), student_dir=str(flow / "student/model")
        )


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
