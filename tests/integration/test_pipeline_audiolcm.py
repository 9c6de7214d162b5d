# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""From text to sound through all components, tiny and with random weights."""

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    LCMScheduler,
    UniPCMultistepScheduler,
)
from diffusers.callbacks import PipelineCallback
from diffusers.hooks import FirstBlockCacheConfig, PyramidAttentionBroadcastConfig

from audiolcm_diffusers import AudioLCMPipeline, LCMAudioScheduler
from audiolcm_diffusers.consistency import guidance_embedding
from audiolcm_diffusers.pipelines.stages import fade_ends


def seed(value=0):
    return torch.Generator().manual_seed(value)


def latents_of(pipe, prompt="rain", generator=None, **kwargs):
    kwargs = {"audio_length_in_s": 0.1, "output_type": "latent", **kwargs}
    return pipe(prompt, generator=seed() if generator is None else generator, **kwargs).audios


def record_calls(module):
    """The keyword arguments of every forward pass of a module."""
    calls = []
    module.register_forward_pre_hook(lambda module, args, kwargs: calls.append(kwargs), with_kwargs=True)
    return calls


@pytest.fixture
def make_teacher(make_pipeline, make_llama_transformer):
    def make(scheduler=None, **replacements):
        transformer = make_llama_transformer(time_cond_proj_dim=None)
        scheduler = DDIMScheduler() if scheduler is None else scheduler
        return make_pipeline(transformer=transformer, scheduler=scheduler, **replacements)

    return make


class TestStudent:
    def test_one_pass_a_step_told_the_guidance_scale(self, make_pipeline):
        pipe = make_pipeline()
        calls = record_calls(pipe.transformer)
        latents_of(pipe, ["rain", "a dog"], num_inference_steps=3, guidance_scale=5.0)
        assert [call["timestep"].tolist() for call in calls] == [[999, 999], [679, 679], [339, 339]]
        assert [len(call["hidden_states"]) for call in calls] == [2, 2, 2]
        for call in calls:
            # w = guidance_scale - 1
            torch.testing.assert_close(call["timestep_cond"], guidance_embedding(torch.tensor([4.0, 4.0])))

    def test_two_steps_by_default(self, make_pipeline):
        pipe = make_pipeline()
        calls = record_calls(pipe.transformer)
        latents_of(pipe)
        assert len(calls) == 2
        assert pipe.num_timesteps == 2

    def test_guidance_scale_changes_the_sound(self, make_pipeline):
        pipe = make_pipeline()
        assert not torch.allclose(latents_of(pipe, guidance_scale=2.0), latents_of(pipe, guidance_scale=5.0))

    def test_a_whole_guidance_scale_is_a_number_like_others(self, make_pipeline):
        pipe = make_pipeline()
        assert torch.equal(latents_of(pipe, guidance_scale=5), latents_of(pipe, guidance_scale=5.0))
        calls = record_calls(pipe.transformer)
        latents_of(pipe, guidance_scale=5)
        torch.testing.assert_close(calls[0]["timestep_cond"], guidance_embedding(torch.tensor([4.0])))

    def test_equals_a_loop_written_out(self, make_pipeline):
        pipe = make_pipeline()
        scheduler = LCMAudioScheduler()
        generator = seed()
        embeds = pipe.encode_prompt("rain")[0]
        w = guidance_embedding(torch.tensor([4.0]))
        latents = torch.randn(1, 4, 4, generator=generator)
        scheduler.set_timesteps(4)
        with torch.no_grad():
            for timestep in scheduler.timesteps:
                prediction = pipe.transformer(latents, timestep, embeds, timestep_cond=w).sample
                latents = scheduler.step(prediction, timestep, latents, generator=generator).prev_sample
            mel = pipe.vae.decode(latents / 0.5).sample[..., :7]
            waveform = pipe.vocoder(mel)[:, :1600]
        torch.testing.assert_close(latents_of(pipe, num_inference_steps=4), latents)
        output = pipe("rain", audio_length_in_s=0.1, num_inference_steps=4, generator=seed(), output_type="pt").audios
        torch.testing.assert_close(output, waveform)

    def test_runs_the_same_with_diffusers_own_scheduler(self, make_pipeline):
        expected = latents_of(make_pipeline(), num_inference_steps=4)
        output = latents_of(make_pipeline(scheduler=LCMScheduler()), num_inference_steps=4)
        torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)

    def test_original_steps_choose_the_timesteps(self, make_pipeline):
        """10 original steps lie at 99, 199, … 999; two of them are the first and the middle one, from above."""
        pipe = make_pipeline()
        calls = record_calls(pipe.transformer)
        latents_of(pipe, original_inference_steps=10)
        assert [call["timestep"].item() for call in calls] == [999, 499]

    def test_custom_timesteps(self, make_pipeline):
        pipe = make_pipeline()
        calls = record_calls(pipe.transformer)
        latents_of(pipe, timesteps=[999, 759, 19])
        assert [call["timestep"].item() for call in calls] == [999, 759, 19]

    def test_without_fresh_noise_the_start_decides(self, make_pipeline):
        """At eta = 0 nothing is drawn between steps, so a generator in another state changes nothing."""
        pipe = make_pipeline()
        start = torch.randn(1, 4, 4, generator=seed(3))
        with_noise = [latents_of(pipe, latents=start, generator=seed(i), eta=1.0) for i in (0, 1)]
        without = [latents_of(pipe, latents=start, generator=seed(i), eta=0.0) for i in (0, 1)]
        assert not torch.equal(*with_noise)
        assert torch.equal(*without)

    def test_the_concat_transformer_in_its_place(self, make_pipeline, make_concat_transformer):
        pipe = make_pipeline(transformer=make_concat_transformer())
        output = pipe("rain", audio_length_in_s=0.1, generator=seed()).audios
        assert output.shape == (1, 1600)
        assert np.isfinite(output).all()


class TestTeacher:
    @pytest.mark.parametrize(
        "scheduler",
        [DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler, EulerAncestralDiscreteScheduler],
    )
    def test_cond_and_uncond_in_one_batch(self, make_teacher, scheduler):
        pipe = make_teacher(scheduler())
        calls = record_calls(pipe.transformer)
        output = latents_of(pipe, ["rain", "a dog"], num_inference_steps=4)
        assert output.isfinite().all()
        embeds, negative = pipe.encode_prompt(["rain", "a dog"])
        assert len(calls) == 4
        for call in calls:
            assert call["timestep_cond"] is None
            assert call["hidden_states"].shape[0] == 4
            assert torch.equal(call["hidden_states"][:2], call["hidden_states"][2:])
            torch.testing.assert_close(call["encoder_hidden_states"], torch.cat([negative, embeds]))

    @pytest.mark.parametrize("scheduler", [DDIMScheduler, DPMSolverMultistepScheduler])
    def test_equals_a_loop_written_out(self, make_teacher, scheduler):
        pipe = make_teacher(scheduler())
        loop_scheduler = scheduler()
        loop_scheduler.set_timesteps(5)
        embeds, negative = pipe.encode_prompt("rain")
        latents = torch.randn(1, 4, 4, generator=seed())
        with torch.no_grad():
            for timestep in loop_scheduler.timesteps:
                cond = pipe.transformer(latents, timestep, embeds).sample
                uncond = pipe.transformer(latents, timestep, negative).sample
                # uncond + scale * (cond - uncond) for a scale of 3
                latents = loop_scheduler.step(3 * cond - 2 * uncond, timestep, latents).prev_sample
        output = latents_of(pipe, num_inference_steps=5, guidance_scale=3.0)
        torch.testing.assert_close(output, latents, atol=1e-4, rtol=1e-4)

    def test_one_ddim_step_is_linear_in_the_guidance_scale(self, make_teacher):
        pipe = make_teacher(DDIMScheduler(clip_sample=False, timestep_spacing="trailing"))
        at_2, at_4, at_6 = (latents_of(pipe, num_inference_steps=1, guidance_scale=scale) for scale in (2, 4, 6))
        assert (at_6 - at_2).abs().max() > 0.1
        torch.testing.assert_close(at_4, (at_2 + at_6) / 2, atol=1e-3, rtol=1e-4)

    @pytest.mark.parametrize("guidance_scale", [1.0, 0.0])
    def test_unguided_it_runs_on_the_caption_alone(self, make_teacher, guidance_scale):
        pipe = make_teacher()
        calls = record_calls(pipe.transformer)
        text_calls = record_calls(pipe.text_encoder)
        latents_of(pipe, num_inference_steps=2, guidance_scale=guidance_scale)
        assert [call["hidden_states"].shape[0] for call in calls] == [1, 1]
        assert len(text_calls) == 1

    def test_barely_guided_is_unguided(self, make_teacher):
        """The limit of a guidance scale of 1 is the conditional prediction."""
        pipe = make_teacher()
        unguided = latents_of(pipe, num_inference_steps=3, guidance_scale=1.0)
        barely = latents_of(pipe, num_inference_steps=3, guidance_scale=1.0 + 1e-6)
        torch.testing.assert_close(barely, unguided, atol=1e-4, rtol=1e-4)

    def test_a_negative_prompt_equal_to_the_prompt_undoes_guidance(self, make_teacher):
        pipe = make_teacher()
        unguided = latents_of(pipe, num_inference_steps=3, guidance_scale=1.0)
        undone = latents_of(pipe, num_inference_steps=3, guidance_scale=7.0, negative_prompt="rain")
        torch.testing.assert_close(undone, unguided, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(latents_of(pipe, num_inference_steps=3, guidance_scale=7.0), unguided, atol=1e-3)

    def test_with_the_consistency_scheduler(self, make_teacher):
        assert latents_of(make_teacher(LCMAudioScheduler()), num_inference_steps=4).isfinite().all()

    def test_masks_of_both_prompts(self, make_teacher):
        """A mask over one of the embeddings counts as all-true for the other."""
        pipe = make_teacher()
        embeds, negative = pipe.encode_prompt("rain")
        mask = (torch.arange(80) < 50)[None]
        calls = record_calls(pipe.transformer)
        kwargs = {"prompt": None, "prompt_embeds": embeds, "negative_prompt_embeds": negative}
        output = latents_of(pipe, **kwargs, prompt_attention_mask=mask)
        seen = calls[0]["encoder_attention_mask"]
        assert torch.equal(seen, torch.cat([torch.ones(1, 80, dtype=torch.bool), mask]))
        spoilt = embeds.masked_fill(~mask[..., None], 1e3)
        kwargs["prompt_embeds"] = spoilt
        torch.testing.assert_close(latents_of(pipe, **kwargs, prompt_attention_mask=mask), output)


class TestFlowTeacher:
    def test_equals_euler_steps_written_out(self, make_teacher):
        """From tau to the next, x - (tau - tau_next) v, with v = uncond + 3 (cond - uncond) at 1000 tau."""
        pipe = make_teacher(FlowMatchEulerDiscreteScheduler(shift=2.0))
        embeds, negative = pipe.encode_prompt("rain")
        latents = torch.randn(1, 4, 4, generator=seed())
        taus = [2 * tau / (1 + tau) for tau in (1.0, 0.75, 0.5, 0.25, 0.0)]
        with torch.no_grad():
            for tau, tau_next in zip(taus, taus[1:]):
                cond = pipe.transformer(latents, 1000 * tau, embeds).sample
                uncond = pipe.transformer(latents, 1000 * tau, negative).sample
                latents = latents - (tau - tau_next) * (3 * cond - 2 * uncond)
        output = latents_of(pipe, timesteps=[1000 * tau for tau in taus[:-1]], guidance_scale=3.0)
        torch.testing.assert_close(output, latents, atol=1e-4, rtol=1e-4)

    def test_a_solver_of_second_order_runs_twice_a_step_but_in_the_last(self, make_teacher):
        """4 steps are 1 + 2 * 3 runs; the corrector sees the time that the predictor has come to."""
        pipe = make_teacher(FlowMatchHeunDiscreteScheduler())
        calls = record_calls(pipe.transformer)
        seen = []

        def callback(pipe, index, timestep, tensors):
            seen.append((index, timestep.item()))
            return tensors

        latents_of(pipe, num_inference_steps=4, callback_on_step_end=callback)
        told = [call["timestep"][0].item() for call in calls]
        assert told == pytest.approx([1000, 667, 667, 334, 334, 1, 1], abs=0.01)
        assert seen == list(enumerate(told))
        assert pipe.num_timesteps == 7

    def test_fresh_noise_comes_from_the_generator(self, make_teacher):
        pipe = make_teacher(FlowMatchEulerDiscreteScheduler(stochastic_sampling=True))
        start = torch.randn(1, 4, 4, generator=seed(3))
        first, again, other = (latents_of(pipe, latents=start, generator=seed(i)) for i in (0, 0, 1))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_makes_sound_in_half_precision(self, make_teacher):
        pipe = make_teacher(FlowMatchEulerDiscreteScheduler()).to(torch.bfloat16)
        audio = pipe("rain", audio_length_in_s=0.1, num_inference_steps=3, generator=seed()).audios
        assert np.isfinite(audio).all()

    def test_a_student_takes_few_steps_on_the_straight_path(self, make_pipeline):
        """Of 50 timesteps of the distillation, each fourth of the way, from pure noise."""
        pipe = make_pipeline(scheduler=LCMAudioScheduler(prediction_type="flow_prediction"))
        calls = record_calls(pipe.transformer)
        assert latents_of(pipe, num_inference_steps=2).isfinite().all()
        assert [call["timestep"].item() for call in calls] == pytest.approx([1000, 500])


class TestLength:
    @pytest.mark.parametrize("num_samples", [1, 255, 256, 257, 1600, 5119, 5120, 5121])
    def test_exact_to_the_sample(self, make_pipeline, num_samples):
        pipe = make_pipeline()
        length = num_samples / 16000
        assert pipe("rain", audio_length_in_s=length).audios.shape == (1, num_samples)
        num_mel_frames = -(-num_samples // 256)
        assert pipe("rain", audio_length_in_s=length, output_type="mel").audios.shape == (1, 80, num_mel_frames)
        latents = pipe("rain", audio_length_in_s=length, output_type="latent").audios
        assert latents.shape == (1, 4, -(-num_mel_frames // 2))

    def test_default_is_the_length_that_the_model_was_trained_on(self, make_pipeline):
        pipe = make_pipeline()
        assert pipe("rain", output_type="latent").audios.shape == (1, 4, 313)
        pipe.register_to_config(default_audio_length_in_s=0.25)
        assert pipe("rain").audios.shape == (1, 4000)

    def test_of_given_latents(self, make_pipeline):
        assert make_pipeline()("rain", latents=torch.zeros(1, 4, 3)).audios.shape == (1, 3 * 512)


class TestFades:
    def test_of_a_pipeline(self, make_pipeline, tmp_path):
        plain, faded = make_pipeline(), make_pipeline(fade_s=0.01)
        faded.save_pretrained(tmp_path)
        faded = AudioLCMPipeline.from_pretrained(tmp_path)
        options = {"audio_length_in_s": 0.1, "latents": torch.zeros(1, 4, 4), "output_type": "pt"}
        expected, output = (pipe("rain", generator=seed(), **options).audios for pipe in (plain, faded))
        assert output[0, 0] == output[0, -1] == 0
        torch.testing.assert_close(output, fade_ends(expected, 160))
        torch.testing.assert_close(output[:, 160:-160], expected[:, 160:-160])

    @pytest.mark.parametrize("fade_s", [-0.01, float("inf"), "0.01"])
    def test_bad_values(self, make_pipeline, fade_s):
        with pytest.raises(ValueError, match=f"fade_s.* got {fade_s!r}"):
            make_pipeline(fade_s=fade_s)


class TestOutput:
    def test_types(self, make_pipeline):
        pipe = make_pipeline()
        output = {
            kind: pipe("rain", audio_length_in_s=0.1, generator=seed(), output_type=kind).audios
            for kind in ("np", "pt", "mel", "latent")
        }
        assert isinstance(output["np"], np.ndarray)
        assert output["np"].dtype == np.float32
        assert output["np"].shape == (1, 1600)
        assert torch.equal(output["pt"], torch.from_numpy(output["np"]))
        assert output["pt"].abs().max() <= 1
        assert output["mel"].shape == (1, 80, 7)
        with torch.no_grad():
            torch.testing.assert_close(pipe.vae.decode(output["latent"] / 0.5).sample[..., :7], output["mel"])
            torch.testing.assert_close(pipe.vocoder(output["mel"])[:, :1600], output["pt"])

    def test_a_tuple(self, make_pipeline):
        pipe = make_pipeline()
        (audios,) = pipe("rain", audio_length_in_s=0.1, generator=seed(), return_dict=False)
        assert np.array_equal(audios, pipe("rain", audio_length_in_s=0.1, generator=seed()).audios)

    def test_nothing_remembers_gradients(self, make_pipeline):
        assert not latents_of(make_pipeline()).requires_grad

    def test_latents_need_no_vae_and_no_vocoder(self, make_pipeline):
        expected = latents_of(make_pipeline())
        for missing in ({"vocoder": None}, {"vocoder": None, "vae": None}):
            torch.testing.assert_close(latents_of(make_pipeline(**missing)), expected)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision(self, make_pipeline, relative_error, dtype):
        kwargs = {"latents": torch.randn(1, 4, 4, generator=seed()), "eta": 0.0, "num_inference_steps": 1}
        expected = latents_of(make_pipeline(), **kwargs)
        pipe = make_pipeline().to(dtype)
        output = latents_of(pipe, **kwargs)
        assert output.dtype == dtype
        assert relative_error(output.float(), expected) < 0.05
        waveform = pipe("rain", audio_length_in_s=0.1).audios
        assert waveform.dtype == np.float32
        assert np.isfinite(waveform).all()

    def test_components_of_different_precision(self, make_pipeline):
        pipe = make_pipeline()
        pipe.transformer.to(torch.bfloat16)
        pipe.vocoder.to(torch.float16)
        output = pipe("rain", audio_length_in_s=0.1).audios
        assert output.dtype == np.float32
        assert np.isfinite(output).all()


class TestBatches:
    def test_several_waveforms_a_prompt(self, make_pipeline):
        pipe = make_pipeline()
        calls = record_calls(pipe.transformer)
        output = latents_of(pipe, ["rain", "a dog"], num_waveforms_per_prompt=2)
        assert output.shape == (4, 4, 4)
        assert not torch.allclose(output[0], output[1])
        embeds = pipe.encode_prompt(["rain", "a dog"])[0]
        torch.testing.assert_close(calls[0]["encoder_hidden_states"], embeds[[0, 0, 1, 1]])

    @pytest.mark.parametrize("teacher", [False, True])
    def test_a_generator_each_makes_results_independent_of_the_batch(self, make_pipeline, make_teacher, teacher):
        pipe = make_teacher() if teacher else make_pipeline()
        kwargs = {"num_inference_steps": 3, "eta": 1.0}
        both = latents_of(pipe, ["rain", "a dog"], generator=[seed(1), seed(2)], **kwargs)
        for index, (prompt, value) in enumerate((("rain", 1), ("a dog", 2))):
            alone = latents_of(pipe, prompt, generator=[seed(value)], **kwargs)
            torch.testing.assert_close(both[index : index + 1], alone, atol=1e-5, rtol=1e-5)

    def test_the_same_generator_makes_the_same_sound(self, make_pipeline):
        pipe = make_pipeline()
        assert torch.equal(latents_of(pipe), latents_of(pipe))
        assert not torch.equal(latents_of(pipe), latents_of(pipe, generator=seed(1)))


class TestGivenTensors:
    def test_latents(self, make_pipeline):
        """The first thing drawn is the start."""
        pipe = make_pipeline()
        generator = seed()
        start = torch.randn(1, 4, 4, generator=generator)
        assert torch.equal(latents_of(pipe, latents=start, generator=generator), latents_of(pipe))

    def test_latents_are_not_written_to(self, make_pipeline):
        start = torch.randn(1, 4, 4, generator=seed())
        kept = start.clone()
        latents_of(make_pipeline(), latents=start)
        assert torch.equal(start, kept)

    def test_embeddings_without_any_text_part(self, make_pipeline):
        pipe = make_pipeline()
        embeds = pipe.encode_prompt(["rain", "a dog"])[0]
        bare = make_pipeline(
            text_encoder=None, projection_model=None, text_encoder_2=None, tokenizer=None, tokenizer_2=None
        )
        output = latents_of(bare, None, prompt_embeds=embeds)
        torch.testing.assert_close(output, latents_of(pipe, ["rain", "a dog"]), atol=1e-4, rtol=1e-4)

    def test_embeddings_of_a_teacher_without_any_text_part(self, make_teacher):
        pipe = make_teacher()
        embeds, negative = pipe.encode_prompt("rain", negative_prompt="hum")
        bare = make_teacher(
            text_encoder=None, projection_model=None, text_encoder_2=None, tokenizer=None, tokenizer_2=None
        )
        output = latents_of(bare, None, prompt_embeds=embeds, negative_prompt_embeds=negative)
        torch.testing.assert_close(output, latents_of(pipe, negative_prompt="hum"), atol=1e-4, rtol=1e-4)

    def test_masks_are_repeated_like_their_embeddings(self, make_pipeline):
        pipe = make_pipeline()
        embeds = pipe.encode_prompt(["rain", "a dog"])[0]
        mask = torch.arange(80) < torch.tensor([[50], [60]])
        calls = record_calls(pipe.transformer)
        latents_of(pipe, None, prompt_embeds=embeds, prompt_attention_mask=mask, num_waveforms_per_prompt=2)
        assert torch.equal(calls[0]["encoder_attention_mask"], mask[[0, 0, 1, 1]])

    def test_no_mask_by_default(self, make_pipeline):
        pipe = make_pipeline()
        calls = record_calls(pipe.transformer)
        latents_of(pipe)
        assert calls[0]["encoder_attention_mask"] is None


class TestText:
    @pytest.mark.parametrize(
        "missing",
        [
            {"text_encoder": None, "tokenizer": None, "projection_model": None},
            {"text_encoder_2": None, "tokenizer_2": None},
        ],
    )
    def test_one_stream_alone(self, make_pipeline, missing):
        output = make_pipeline(**missing)("rain", audio_length_in_s=0.1, generator=seed()).audios
        assert np.isfinite(output).all()

    def test_events(self, make_pipeline):
        pipe = make_pipeline()
        events = [("dog barks", "start"), ("rain", "all")]
        output = latents_of(pipe, None, events=events)
        assert torch.equal(output, latents_of(pipe, "<dog barks& start>@<rain& all>"))
        assert not torch.equal(output, latents_of(pipe, "dog barks and rain"))
        two = latents_of(pipe, None, events=[events, [("wind", "all")]])
        assert two.shape[0] == 2
        with_prompt = latents_of(pipe, "a dog", events=events)
        assert not torch.equal(with_prompt, output)


class TestCallbacks:
    def test_sees_every_step(self, make_pipeline):
        pipe = make_pipeline()
        seen = []

        def callback(pipe, index, timestep, tensors):
            assert pipe.current_timestep is timestep
            seen.append((index, timestep.item(), sorted(tensors)))
            return tensors

        names = pipe._callback_tensor_inputs
        latents_of(
            pipe,
            num_inference_steps=2,
            callback_on_step_end=callback,
            callback_on_step_end_tensor_inputs=names,
        )
        assert seen == [(0, 999, sorted(names)), (1, 499, sorted(names))]
        assert pipe.current_timestep is None

    def test_may_change_latents_and_embeddings(self, make_pipeline):
        pipe = make_pipeline()
        zeros = latents_of(
            pipe, callback_on_step_end=lambda pipe, i, t, tensors: {"latents": torch.zeros_like(tensors["latents"])}
        )
        assert torch.equal(zeros, torch.zeros(1, 4, 4))
        other = pipe.encode_prompt("a dog")[0]
        calls = record_calls(pipe.transformer)
        latents_of(pipe, callback_on_step_end=lambda *_: {"prompt_embeds": other})
        assert torch.equal(calls[1]["encoder_hidden_states"], other)

    def test_may_change_the_guidance_scale(self, make_pipeline):
        pipe = make_pipeline()
        calls = record_calls(pipe.transformer)

        def callback(pipe, index, timestep, tensors):
            pipe._guidance_scale += 1.0
            return tensors

        latents_of(pipe, guidance_scale=5.0, callback_on_step_end=callback)
        assert pipe.guidance_scale == 7.0
        torch.testing.assert_close(calls[1]["timestep_cond"], guidance_embedding(torch.tensor([5.0])))

    def test_may_not_begin_to_guide_a_teacher_half_way(self, make_teacher):
        def callback(pipe, index, timestep, tensors):
            pipe._guidance_scale = 5.0
            return tensors

        with pytest.raises(ValueError, match="guidance_scale became 5.0 in a call that began without"):
            latents_of(make_teacher(), guidance_scale=1.0, callback_on_step_end=callback)

    def test_may_interrupt(self, make_pipeline):
        pipe = make_pipeline()
        calls = record_calls(pipe.transformer)
        kept = []

        def callback(pipe, index, timestep, tensors):
            pipe._interrupt = index == 1
            kept.append(tensors["latents"])
            return tensors

        output = latents_of(pipe, num_inference_steps=4, callback_on_step_end=callback)
        assert len(calls) == 2
        assert torch.equal(output, kept[-1])
        assert len(latents_of(pipe)) == 1
        assert not pipe.interrupt

    def test_of_diffusers_own_kind(self, make_teacher):
        class StopGuiding(PipelineCallback):
            tensor_inputs = ["prompt_embeds"]

            def callback_fn(self, pipeline, step_index, timestep, callback_kwargs):
                if step_index == self.config.cutoff_step_index:
                    pipeline._guidance_scale = 1.0
                return callback_kwargs

        pipe = make_teacher()
        calls = record_calls(pipe.transformer)
        callback = StopGuiding(cutoff_step_ratio=None, cutoff_step_index=1)
        latents_of(pipe, num_inference_steps=4, callback_on_step_end=callback)
        assert [len(call["hidden_states"]) for call in calls] == [2, 2, 1, 1]


class TestAcceleration:
    def test_attention_kwargs_reach_the_transformer(self, make_pipeline):
        pipe = make_pipeline()
        calls = record_calls(pipe.transformer)
        latents_of(pipe, attention_kwargs={"scale": 1.0})
        assert calls[0]["attention_kwargs"] == {"scale": 1.0}

    def test_first_block_cache(self, make_teacher):
        pipe = make_teacher()
        calls = record_calls(pipe.transformer.transformer_blocks[1].ff)
        plain = latents_of(pipe, num_inference_steps=6)
        num_plain = len(calls)
        pipe.transformer.enable_cache(FirstBlockCacheConfig(threshold=10.0))
        cached = latents_of(pipe, num_inference_steps=6)
        assert num_plain == 6
        assert len(calls) - num_plain == 1
        assert cached.isfinite().all()
        assert cached.shape == plain.shape

    def test_pyramid_attention_broadcast_follows_the_timesteps_of_the_pipeline(self, make_teacher):
        """Attention is computed at every second of the timesteps from 100 to 800, and at all others."""
        pipe = make_teacher()
        calls = record_calls(pipe.transformer.transformer_blocks[0].attn.to_out[0])
        config = PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=2,
            spatial_attention_timestep_skip_range=(100, 800),
            current_timestep_callback=lambda: pipe.current_timestep,
        )
        pipe.transformer.enable_cache(config)
        seen = []

        def callback(pipe, index, timestep, tensors):
            seen.append((timestep.item(), len(calls)))
            return tensors

        latents_of(pipe, num_inference_steps=5, callback_on_step_end=callback)
        assert seen == [(800, 1), (600, 1), (400, 2), (200, 2), (0, 3)]
