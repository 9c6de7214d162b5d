# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EDMEulerScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
)


NAN = float("nan")


def forbid_models(pipe):
    """Let every model of the pipeline fail as soon as it runs."""

    def fail(module, *_):
        raise AssertionError(f"{type(module).__name__} ran before the input was refused.")

    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            component.register_forward_pre_hook(fail)
    for name in ("encode", "decode"):
        setattr(pipe.vae, name, fail)
    return pipe


@pytest.fixture
def student(make_pipeline):
    return forbid_models(make_pipeline())


@pytest.fixture
def teacher(make_pipeline, make_llama_transformer):
    return forbid_models(
        make_pipeline(transformer=make_llama_transformer(time_cond_proj_dim=None), scheduler=DDIMScheduler())
    )


def test_models_are_forbidden_indeed(student):
    with pytest.raises(AssertionError, match="BertModel ran before"):
        student("a dog", audio_length_in_s=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"default_num_inference_steps": 0}, "`default_num_inference_steps` to be a whole number from 1, got 0"),
        ({"default_guidance_scale": NAN}, "`default_guidance_scale` to be a finite number, got nan"),
    ],
)
def test_defaults_that_no_call_could_take_are_refused(make_pipeline, options, message):
    with pytest.raises(ValueError, match=message):
        make_pipeline(**options)


class TestBadInput:
    @pytest.mark.parametrize(
        ("call", "message"),
        [
            # Text
            ({"prompt": []}, r"`prompt` to hold at least one string, got \[\]"),
            ({"prompt": 3}, "`prompt` to be a string or a list of strings, got 3"),
            ({"prompt": ["a dog", 3]}, r"`prompt` to be a string or a list of strings, got \['a dog', 3\]"),
            ({"prompt": None}, "one of `prompt`, `events` and `prompt_embeds`, got None for all"),
            ({"prompt": "<a dog& loud>"}, r"order of an event .* got \('a dog', 'loud'\)"),
            ({"events": [("a dog", "later")]}, r"order of an event .* got \('a dog', 'later'\)"),
            ({"events": []}, r"at least one, got \[\]"),
            ({"prompt": ["a", "b"], "events": [("a", "all")]}, "`events` for each of the 2 prompts, got those of 1"),
            # Length
            ({"audio_length_in_s": 0}, "at least one sample, 1/16000 s, got 0"),
            ({"audio_length_in_s": -2.5}, "at least one sample, 1/16000 s, got -2.5"),
            ({"audio_length_in_s": NAN}, "finite number of seconds, got nan"),
            ({"audio_length_in_s": float("inf")}, "finite number of seconds, got inf"),
            ({"audio_length_in_s": "5"}, "finite number of seconds, got '5'"),
            ({"audio_length_in_s": True}, "finite number of seconds, got True"),
            ({"audio_length_in_s": 3600.5}, "at most 3600 s, the limit of this model, got 3600.5 s"),
            # Steps
            ({"num_inference_steps": 0}, "`num_inference_steps` to be a whole number from 1 to 50.*got 0"),
            ({"num_inference_steps": -1}, "whole number from 1 to 50.*got -1"),
            ({"num_inference_steps": 51}, "whole number from 1 to 50, the original steps, got 51"),
            ({"num_inference_steps": 2.0}, "whole number from 1 to 50.*got 2.0"),
            ({"num_inference_steps": 5, "original_inference_steps": 4}, "whole number from 1 to 4,.*got 5"),
            ({"original_inference_steps": 0}, "`original_inference_steps` .* from 1 to 1000, got 0"),
            ({"original_inference_steps": 1001}, "`original_inference_steps` .* from 1 to 1000, got 1001"),
            ({"timesteps": [499, 999]}, r"`timesteps` to be descending, got \[499, 999\]"),
            ({"timesteps": [999, 999]}, r"`timesteps` to be descending, got \[999, 999\]"),
            ({"timesteps": torch.tensor([1, 2])}, r"`timesteps` to be descending, got \[1, 2\]"),
            ({"timesteps": [1000, 1]}, r"`timesteps` in 0…999, got \[1000, 1\]"),
            ({"timesteps": [1, -1]}, r"`timesteps` in 0…999, got \[1, -1\]"),
            ({"timesteps": []}, r"at least one number, got \[\]"),
            ({"timesteps": 999}, "at least one number, got 999"),
            ({"timesteps": ["999"]}, r"at least one number, got \['999'\]"),
            ({"timesteps": [999.5]}, r"whole number, got \[999.5\]"),
            ({"timesteps": list(range(60, 0, -1))}, "at most 50 `timesteps`, the original steps, got 60"),
            # Tensors
            ({"prompt": None, "prompt_embeds": torch.zeros(1, 80, 15)}, r"num_tokens, 16\), got \(1, 80, 15\)"),
            ({"prompt": None, "prompt_embeds": torch.zeros(80, 16)}, r"cross_attention_dim\), got \(80, 16\)"),
            ({"prompt": None, "prompt_embeds": torch.zeros(0, 80, 16)}, r"got \(0, 80, 16\)"),
            ({"prompt": None, "prompt_embeds": "a dog"}, "`prompt_embeds` to be a tensor .*got 'a dog'"),
            ({"prompt_embeds": torch.zeros(1, 80, 16)}, "either `prompt_embeds` or `prompt`.*prompt='a dog'"),
            (
                {"prompt": None, "prompt_embeds": torch.zeros(1, 80, 16), "prompt_attention_mask": torch.ones(1, 80)},
                "boolean or integer tensor, got torch.float32",
            ),
            (
                {
                    "prompt": None,
                    "prompt_embeds": torch.zeros(1, 80, 16),
                    "prompt_attention_mask": torch.ones(1, 79, dtype=torch.bool),
                },
                r"a mask of shape \(1, 79\) with embeddings of shape \(1, 80, 16\)",
            ),
            ({"prompt_attention_mask": torch.ones(1, 80, dtype=torch.bool)}, "with embeddings of shape None"),
            ({"latents": torch.zeros(1, 5, 4)}, r"`latents` to be a tensor of shape \(1, 4, 4\), got \(1, 5, 4\)"),
            ({"latents": torch.zeros(2, 4, 4)}, r"of shape \(1, 4, 4\), got \(2, 4, 4\)"),
            ({"latents": torch.zeros(1, 4, 5)}, r"of shape \(1, 4, 4\), got \(1, 4, 5\)"),
            ({"latents": torch.zeros(4, 4)}, r"of shape \(1, 4, 4\), got \(4, 4\)"),
            # Randomness
            ({"generator": [torch.Generator()] * 2}, "as many generators as waveforms are made, 1 .* got 2"),
            (
                {"generator": [torch.Generator()], "num_waveforms_per_prompt": 2},
                "waveforms are made, 2 .1 prompts, num_waveforms_per_prompt=2., got 1",
            ),
            ({"generator": 0}, "torch.Generator or a list of them, got 0"),
            ({"eta": 1.5}, "`eta` to be a number from 0 to 1, got 1.5"),
            ({"eta": NAN}, "`eta` to be a number from 0 to 1, got nan"),
            # The rest
            ({"output_type": "wav"}, r"`output_type` .* \('np', 'pt', 'mel', 'latent'\), got 'wav'"),
            ({"num_waveforms_per_prompt": 0}, "`num_waveforms_per_prompt` .* from 1, got 0"),
            ({"guidance_scale": NAN}, "`guidance_scale` to be a finite number, got nan"),
            ({"guidance_scale": "5"}, "`guidance_scale` to be a finite number, got '5'"),
            ({"negative_prompt": "noise"}, "student .* cannot use a negative prompt, got negative_prompt='noise'"),
            (
                {"negative_prompt_embeds": torch.zeros(1, 80, 16)},
                r"student .* cannot use a negative prompt, .*negative_prompt_embeds=\(1, 80, 16\)",
            ),
            ({"attention_kwargs": [1]}, r"`attention_kwargs` to be a dictionary, got \[1\]"),
            ({"callback_on_step_end_tensor_inputs": ["mel"]}, r"from \['latents', .*\], got \['mel'\]"),
        ],
    )
    def test_it_is_quoted_before_any_model_runs(self, student, call, message):
        with pytest.raises(ValueError, match=message):
            student(**{"prompt": "a dog", "audio_length_in_s": 0.1, **call})

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ({"negative_prompt": []}, r"`negative_prompt` to hold at least one string, got \[\]"),
            ({"negative_prompt": 3}, "`negative_prompt` to be a string or a list of strings, got 3"),
            ({"negative_prompt": ["a", "b"]}, r"or 1, as many as there are prompts, got 2: \['a', 'b'\]"),
            ({"negative_prompt": "<noise& loud>"}, r"order of an event .* got \('noise', 'loud'\)"),
            ({"negative_prompt": "noise", "guidance_scale": 1.0}, "guidance_scale > 1, got guidance_scale=1.0"),
            ({"negative_prompt_embeds": torch.zeros(1, 80, 15)}, r"num_tokens, 16\), got \(1, 80, 15\)"),
            ({"negative_prompt_embeds": torch.zeros(2, 80, 16)}, r"for 1 prompts, got shape \(2, 80, 16\)"),
            (
                {"negative_prompt": "noise", "negative_prompt_embeds": torch.zeros(1, 80, 16)},
                "either `negative_prompt` or `negative_prompt_embeds`, got 'noise'",
            ),
            (
                {
                    "prompt": None,
                    "prompt_embeds": torch.zeros(1, 80, 16),
                    "negative_prompt_embeds": torch.zeros(1, 40, 16),
                },
                r"the shape of `prompt_embeds`, \(1, 80, 16\), got \(1, 40, 16\)",
            ),
            ({"num_inference_steps": 1001}, "whole number from 1 to 1000, the original steps, got 1001"),
            ({"original_inference_steps": 50}, "DDIMScheduler has no `original_inference_steps`, got 50"),
            ({"timesteps": [999]}, r"DDIMScheduler takes no custom `timesteps`, got \[999\]"),
        ],
    )
    def test_it_is_quoted_before_a_teacher_runs(self, teacher, call, message):
        with pytest.raises(ValueError, match=message):
            teacher(**{"prompt": "a dog", "audio_length_in_s": 0.1, **call})

    @pytest.mark.parametrize(
        ("scheduler", "call", "message"),
        [
            (EDMEulerScheduler(), {}, "one of DDIMParallelScheduler, .*, got EDMEulerScheduler"),
            (PNDMScheduler(prediction_type="sample"), {}, "PNDMScheduler is for .* got prediction_type='sample'"),
            (FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), {}, "use_dynamic_shifting=True"),
            (FlowMatchEulerDiscreteScheduler(invert_sigmas=True), {}, "invert_sigmas=True"),
            (FlowMatchEulerDiscreteScheduler(shift_terminal=0.1), {"timesteps": [1000, 500]}, "does not take"),
            (FlowMatchHeunDiscreteScheduler(), {"timesteps": [1000, 500]}, "takes no custom `timesteps`"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_schedulers_are_refused_before_a_teacher_runs(self, teacher, scheduler, call, message):
        teacher.scheduler = scheduler
        with pytest.raises(ValueError, match=message):
            teacher("a dog", audio_length_in_s=0.1, **call)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ({"prompt": "a dog", "negative_prompt_embeds": torch.zeros(1, 40, 16)}, "got 80 and 40"),
            ({"prompt_embeds": torch.zeros(1, 40, 16)}, "got 40 and 80"),
        ],
    )
    def test_prompt_and_negative_prompt_of_unequal_length(self, teacher, call, message):
        with pytest.raises(ValueError, match=f"same number of tokens, {message}"):
            teacher(audio_length_in_s=0.1, **call)

    def test_eta_of_a_scheduler_without(self, make_pipeline, make_llama_transformer):
        pipe = forbid_models(
            make_pipeline(
                transformer=make_llama_transformer(time_cond_proj_dim=None), scheduler=DPMSolverMultistepScheduler()
            )
        )
        with pytest.raises(ValueError, match="DPMSolverMultistepScheduler has no `eta` in its steps, got 0.5"):
            pipe("a dog", audio_length_in_s=0.1, eta=0.5)

    @pytest.mark.parametrize(
        ("missing", "message"),
        [
            ({"text_encoder": None, "text_encoder_2": None}, "no text encoder; pass `prompt_embeds` instead"),
            ({"tokenizer": None}, "the pipeline's `tokenizer` is None"),
            ({"tokenizer_2": None}, "the pipeline's `tokenizer_2` is None"),
            ({"transformer": None}, "output_type='np' needs the pipeline's `transformer`, which is None"),
            ({"scheduler": None}, "output_type='np' needs the pipeline's `scheduler`, which is None"),
            ({"vae": None}, "output_type='np' needs the pipeline's `vae`, which is None"),
            ({"vocoder": None}, "output_type='np' needs the pipeline's `vocoder`, which is None"),
        ],
    )
    def test_a_missing_part_is_named(self, make_pipeline, missing, message):
        with pytest.raises(ValueError, match=message):
            make_pipeline(**missing)("a dog", audio_length_in_s=0.1)

    def test_events_without_a_stream_that_reads_them(self, make_pipeline):
        pipe = forbid_models(make_pipeline(text_encoder_2=None, tokenizer_2=None))
        with pytest.raises(ValueError, match=r"second text stream, .*got \[\('a dog', 'all'\)\]"):
            pipe(events=[("a dog", "all")], audio_length_in_s=0.1)

    def test_embeddings_for_a_teacher_need_negative_ones_where_nothing_encodes_the_empty_prompt(
        self, make_pipeline, make_llama_transformer
    ):
        pipe = make_pipeline(
            transformer=make_llama_transformer(time_cond_proj_dim=None),
            text_encoder=None,
            text_encoder_2=None,
            tokenizer=None,
            tokenizer_2=None,
            projection_model=None,
        )
        with pytest.raises(ValueError, match="pass `negative_prompt_embeds` instead"):
            forbid_models(pipe)(prompt_embeds=torch.zeros(1, 80, 16), audio_length_in_s=0.1)


class TestTableOfPositions:
    """The concat transformer has 200 positions: 1 timestep, 2 x 40 tokens, 119 frames of 512 samples, 3.808 s."""

    def test_limits_what_is_seen_at_once(self, make_pipeline, make_concat_transformer):
        pipe = make_pipeline(transformer=make_concat_transformer())
        lengths = []
        pipe.transformer.register_forward_pre_hook(
            lambda module, args, kwargs: lengths.append(kwargs["hidden_states"].shape[-1]), with_kwargs=True
        )
        pipe("a dog", audio_length_in_s=3.808, output_type="latent", num_inference_steps=1)
        assert lengths == [119]
        # 3.84 s are 120 frames, of which two windows of 89 or 90 share 59.
        pipe("a dog", audio_length_in_s=3.84, output_type="latent", num_inference_steps=1)
        assert lengths[1:] == [89, 90]

    def test_limits_the_default_length(self, make_pipeline, make_concat_transformer):
        pipe = make_pipeline(transformer=make_concat_transformer())
        assert pipe("a dog", output_type="latent").audios.shape == (1, 4, 119)

    def test_limits_the_text(self, make_pipeline, make_concat_transformer):
        pipe = forbid_models(make_pipeline(transformer=make_concat_transformer(max_position_embeddings=81)))
        with pytest.raises(ValueError, match="at most 79 text tokens, .* 81 positions for sound, got 80"):
            pipe("a dog")

    def test_learned_positions_are_for_frames_alone(self, make_pipeline, make_llama_transformer):
        """119 frames of 512 samples are 3.808 s, whatever the text."""
        transformer = make_llama_transformer(position_embedding="learned", num_positions=119)
        pipe = make_pipeline(transformer=transformer)
        assert pipe("a dog", output_type="latent").audios.shape == (1, 4, 119)
        assert pipe("a dog", audio_length_in_s=4.0, output_type="latent").audios.shape == (1, 4, 125)

    def test_streams_must_be_of_equal_length(self, make_pipeline, make_concat_transformer, make_tokenizer):
        for replacement, got in (
            ({"text_encoder": None, "tokenizer": None}, "got None and 40 tokens"),
            ({"tokenizer_2": make_tokenizer(model_max_length=30)}, "got 40 and 30 tokens"),
        ):
            pipe = forbid_models(make_pipeline(transformer=make_concat_transformer(), **replacement))
            with pytest.raises(ValueError, match=f"two text streams of equal length.*{got}"):
                pipe("a dog", audio_length_in_s=0.1)
            with pytest.raises(ValueError, match=r"an even number of tokens, got shape \(1, 33, 16\)"):
                pipe(prompt_embeds=torch.zeros(1, 33, 16), audio_length_in_s=0.1)


class TestLatents:
    def test_are_at_the_scale_of_the_scheduler(self, make_pipeline, make_llama_transformer):
        from diffusers import EulerDiscreteScheduler

        scheduler = EulerDiscreteScheduler()
        pipe = make_pipeline(transformer=make_llama_transformer(time_cond_proj_dim=None), scheduler=scheduler)
        scheduler.set_timesteps(3)
        ones = torch.ones(1, 4, 5)
        latents = pipe.prepare_latents(1, 4, 5, torch.float32, torch.device("cpu"), latents=ones)
        torch.testing.assert_close(latents, ones * scheduler.init_noise_sigma)

    def test_one_generator_a_waveform(self, make_pipeline):
        pipe = make_pipeline()
        shape = {"num_channels": 4, "num_frames": 5, "dtype": torch.float32, "device": torch.device("cpu")}
        generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
        both = pipe.prepare_latents(2, generator=generators, **shape)
        second = pipe.prepare_latents(1, generator=torch.Generator().manual_seed(2), **shape)
        assert torch.equal(both[1:], second)


@pytest.mark.parametrize(
    "timesteps",
    [[999, 499], (999, 499), np.array([999, 499]), torch.tensor([999, 499])],
    ids=lambda t: type(t).__name__,
)
def test_timesteps_in_every_form(make_pipeline, timesteps):
    pipe = make_pipeline(scheduler=LCMScheduler())
    pipe("rain", audio_length_in_s=0.1, timesteps=timesteps, output_type="latent")
    assert pipe.scheduler.timesteps.tolist() == [999, 499]
    assert pipe.num_timesteps == 2
