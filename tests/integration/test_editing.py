# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Sounds made out of sounds, through all components, tiny and with random weights."""

import math

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
    KDPM2DiscreteScheduler,
    UniPCMultistepScheduler,
)

from audiolcm_diffusers import (
    AudioLCMAudio2AudioPipeline,
    AudioLCMInpaintPipeline,
    AudioLCMPipeline,
    GriffinLimVocoder,
    LCMAudioScheduler,
)
from audiolcm_diffusers.audio.io import write_audio
from audiolcm_diffusers.data.latents import LatentEncoder


# diffusers' own, of numpy.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RATE = 16000
SCHEDULERS = [
    LCMAudioScheduler,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    UniPCMultistepScheduler,
    HeunDiscreteScheduler,
    KDPM2DiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
]


def seed(value=0):
    return torch.Generator().manual_seed(value)


def tone(num_samples=16384, frequency=440.0):
    return 0.4 * torch.sin(2 * math.pi * frequency * torch.arange(num_samples) / RATE)


@pytest.fixture
def make(make_components, make_llama_transformer):
    """`make(cls, scheduler=None, **options)`: a tiny pipeline, a student's or with a scheduler of a teacher's."""

    def make(cls, scheduler=None, **options):
        parts = {"vocoder": GriffinLimVocoder(num_iterations=4)}
        if scheduler is not None:
            parts["scheduler"] = scheduler()
            if scheduler is not LCMAudioScheduler:
                parts["transformer"] = make_llama_transformer(time_cond_proj_dim=None)
        pipe = cls(**make_components(**parts), **options)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return make


class TestAudio2Audio:
    def test_begins_at_the_step_that_strength_names(self, make):
        """One step from timestep 599 on, written out."""
        pipe = make(AudioLCMAudio2AudioPipeline)
        noise = torch.randn(1, 4, 32, generator=seed())
        got = pipe("rain", tone(), 0.6, num_inference_steps=1, latents=noise, output_type="latent").audios

        clean = LatentEncoder(pipe.vae).mels_and_latents(tone()[None])[1]
        scheduler = LCMAudioScheduler()
        scheduler.set_timesteps(1, strength=0.6)
        assert scheduler.timesteps.tolist() == [599]
        start = scheduler.add_noise(clean, noise, scheduler.timesteps)
        plain = make(AudioLCMPipeline)
        prediction = []
        plain.transformer.register_forward_hook(lambda *args: prediction.append(args[-1][0]))
        plain("rain", latents=start, timesteps=[599], output_type="latent")
        expected = scheduler.step(prediction[0], 599, start, return_dict=False)[0]
        torch.testing.assert_close(got, expected)

    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_at_full_strength_is_text_to_sound(self, make, scheduler):
        call = {"num_inference_steps": 4, "guidance_scale": 3.0, "output_type": "latent"}
        edited = make(AudioLCMAudio2AudioPipeline, scheduler)
        plain = make(AudioLCMPipeline, scheduler)
        got = edited("rain", tone(), strength=1.0, generator=seed(), **call).audios
        torch.testing.assert_close(got, plain("rain", 16384 / RATE, generator=seed(), **call).audios)

    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_the_less_strength_the_nearer_to_the_sound(self, make, scheduler):
        pipe = make(AudioLCMAudio2AudioPipeline, scheduler)
        clean = LatentEncoder(pipe.vae).mels_and_latents(tone()[None])[1]
        distances = []
        # Beyond, a network of random weights is as far away as it gets.
        for strength in (0.1, 0.3, 0.6):
            num_steps = 5 if scheduler is LCMAudioScheduler else 10
            made = pipe(
                "rain", tone(), strength, num_inference_steps=num_steps, generator=seed(), guidance_scale=1.0,
                output_type="latent",
            ).audios  # fmt: skip
            distances.append(float((made - clean).norm()))
        assert distances == sorted(distances) and distances[0] < 0.5 * distances[-1]

    def test_is_as_long_as_the_sound_whatever_its_rate(self, make, tmp_path):
        pipe = make(AudioLCMAudio2AudioPipeline)
        for audio, rate, num_samples in (
            (tone(5000), None, 5000),
            (tone(5001).expand(2, -1).numpy(), 44100, round(5001 * 16000 / 44100)),
        ):
            assert abs(pipe("rain", audio, sampling_rate=rate).audios.shape[-1] - num_samples) <= 1
        write_audio(tmp_path / "a.wav", tone(4000), 8000)
        assert pipe("rain", str(tmp_path / "a.wav")).audios.shape == (1, 8000)

    def test_a_batch_is_its_sounds(self, make):
        pipe = make(AudioLCMAudio2AudioPipeline)
        sounds = [tone(4000), tone(4000, 1000.0)]
        generators = [seed(index) for index in range(4)]
        both = pipe(
            ["rain", "wind"], sounds, generator=generators, num_waveforms_per_prompt=2, output_type="pt"
        ).audios
        for index in range(4):
            one = pipe(
                ["rain", "wind"][index // 2], sounds[index // 2], generator=seed(index), output_type="pt"
            ).audios
            torch.testing.assert_close(both[index], one[0], atol=1e-4, rtol=1e-3)

    def test_default_steps_are_no_more_than_are_left(self, make):
        pipe = make(AudioLCMAudio2AudioPipeline, default_num_inference_steps=4)
        for strength, num_steps in ((0.01, 1), (0.02, 1), (0.05, 2), (0.08, 4), (0.5, 4)):
            pipe("rain", tone(2000), strength)
            assert pipe.num_timesteps == num_steps
        with pytest.raises(ValueError, match="at most 2 `num_inference_steps`, which strength=0.05"):
            pipe("rain", tone(2000), 0.05, num_inference_steps=3)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ({"strength": 0}, "`strength` to be above 0 and at most 1, got 0"),
            ({"strength": 1.5}, "`strength` to be above 0 and at most 1, got 1.5"),
            ({"audio": None}, "`audio` to be a file, .*got None"),
            ({"audio": torch.zeros(100)}, "it is silent"),
            ({"prompt": 3}, "`prompt` to be a string"),
            ({"num_inference_steps": 51}, "from 1 to 50, the original steps, got 51"),
            ({"latents": torch.zeros(1, 4, 1)}, r"`latents` to be a tensor of shape \(1, 4, 32\)"),
            ({"guidance_scale": [1.0, 2.0]}, r"one `guidance_scale`, or 1, as many as there are prompts, got 2"),
        ],
    )
    def test_what_makes_no_sense_is_quoted_before_any_model_runs(self, make, call, message):
        pipe = make(AudioLCMAudio2AudioPipeline)
        pipe.text_encoder_2.register_forward_pre_hook(lambda *_: pytest.fail("ran"))
        with pytest.raises(ValueError, match=message):
            pipe(**{"prompt": "rain", "audio": tone(), **call})


class TestInpainting:
    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_what_is_kept_is_kept_to_the_sample(self, make, scheduler):
        pipe = make(AudioLCMInpaintPipeline, scheduler)
        made = pipe(
            "rain", tone(), mask_start_seconds=0.4, mask_end_seconds=0.6, num_inference_steps=3, generator=seed(),
            guidance_scale=2.0, output_type="pt",
        ).audios[0]  # fmt: skip
        begin, end, fade = 6400, 9600, 800
        assert torch.equal(made[: begin - fade], tone()[: begin - fade])
        assert torch.equal(made[end + fade :], tone()[end + fade :])
        assert not torch.allclose(made[begin:end], tone()[begin:end], atol=0.1)

    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_latents_that_are_known_are_those_of_the_sound(self, make, scheduler):
        """Frames 13 to 18 of 512 samples have samples from 6656 to 9728 in them."""
        pipe = make(AudioLCMInpaintPipeline, scheduler)
        made = pipe(
            "rain", tone(), mask_start_seconds=6700 / RATE, mask_end_seconds=9700 / RATE, output_type="latent",
            num_inference_steps=3,
        ).audios  # fmt: skip
        clean = LatentEncoder(pipe.vae).mels_and_latents(tone()[None])[1]
        known = torch.ones(32, dtype=torch.bool)
        known[13:19] = False
        torch.testing.assert_close(made[..., known], clean[..., known])
        assert ((made - clean)[..., ~known].abs().amax(dim=1) > 1e-3).all()

    def test_what_the_network_sees_of_it_is_as_noisy_as_the_rest(self, make):
        """At each step, what is known lies at `alpha x_0 + sigma eps`, with the noise that the call began with."""
        pipe = make(AudioLCMInpaintPipeline)
        seen = []
        pipe.transformer.register_forward_pre_hook(
            lambda module, args, kwargs: seen.append((kwargs["hidden_states"].clone(), kwargs["timestep"])),
            with_kwargs=True,
        )
        noise = torch.randn(1, 4, 32, generator=seed())
        pipe("rain", tone(), mask_start_seconds=0.4, mask_end_seconds=0.6, latents=noise, num_inference_steps=3)
        clean = LatentEncoder(pipe.vae).mels_and_latents(tone()[None])[1]
        assert len(seen) == 3
        for latents, timestep in seen:
            expected = pipe.scheduler.add_noise(clean, noise, timestep)
            torch.testing.assert_close(latents[..., :12], expected[..., :12])

    def test_a_mask_and_the_same_in_seconds_are_the_same(self, make):
        pipe = make(AudioLCMInpaintPipeline)
        mask = torch.tensor([1, 1, 0, 1])
        by_mask = pipe("rain", tone(), mask=mask, generator=seed()).audios
        options = {"mask_start_seconds": [8192 / RATE], "mask_end_seconds": [12288 / RATE]}
        assert (by_mask == pipe("rain", tone(), generator=seed(), **options).audios).all()

    @pytest.mark.parametrize(
        ("extend_s", "before", "behind"), [(0.5, 0, 8000), ((0.25, 0.0), 4000, 0), ((0.1, 0.2), 1600, 3200)]
    )
    def test_continuation(self, make, extend_s, before, behind):
        pipe = make(AudioLCMInpaintPipeline, fade_s=0.01)
        made = pipe("rain", tone(), extend_s=extend_s, generator=seed(), output_type="pt").audios[0]
        assert made.shape == (16384 + before + behind,)
        kept = slice(before + 800 * (before > 0), before + 16384 - 800 * (behind > 0))
        assert torch.equal(made[kept], torch.cat([torch.zeros(before), tone()])[kept])
        # What is made is faded at the sound's ends; what is kept is not.
        assert (float(made[0]) == 0) and (float(made[-1]) == 0 or not behind)

    def test_loops(self, make):
        pipe = make(AudioLCMInpaintPipeline, window_length_in_s=1.0, window_overlap_in_s=0.2)
        audio = tone() * torch.linspace(1, 0.2, 16384)
        made = pipe("rain", audio, loop=True, crossfade_s=0.02, generator=seed(), output_type="pt").audios[0]
        assert made.shape == audio.shape
        # The end, 0.2 s, is made anew, and a fade on either side of it.
        assert torch.equal(made[320 : 16384 - 3200 - 320], audio[320 : 16384 - 3200 - 320])
        assert not torch.equal(made[-3200:], audio[-3200:])

    def test_strength_keeps_what_was_masked(self, make):
        pipe = make(AudioLCMInpaintPipeline)
        clean = LatentEncoder(pipe.vae).mels_and_latents(tone()[None])[1]
        options = {"mask_start_seconds": 0.4, "mask_end_seconds": 0.6, "output_type": "latent", "generator": seed()}
        far = pipe("rain", tone(), strength=1.0, **options).audios
        near = pipe("rain", tone(), strength=0.1, **options).audios
        assert (near - clean).norm() < 0.5 * (far - clean).norm()
        with pytest.raises(ValueError, match="strength=0.5 begins with what is there, and .* extend_s=1.0"):
            pipe("rain", tone(), strength=0.5, extend_s=1.0)

    def test_only_windows_that_show_what_is_made_are_predicted(self, make):
        """8 s in windows of 1 s, of which 0.1 s are made: one or two a step."""
        pipe = make(AudioLCMInpaintPipeline, window_length_in_s=1.0)
        lengths = []
        pipe.transformer.register_forward_pre_hook(
            lambda module, args, kwargs: lengths.append(kwargs["hidden_states"].shape[-1]), with_kwargs=True
        )
        audio = tone(8 * RATE)
        made = pipe("rain", audio, mask_start_seconds=4.0, mask_end_seconds=4.1, generator=seed()).audios[0]
        assert 2 <= len(lengths) <= 4 and max(lengths) <= 32
        assert (made[: 4 * RATE - 800] == audio[: 4 * RATE - 800].numpy()).all()

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ({}, "something to make anew, got a mask that keeps all"),
            ({"mask_start_seconds": 0.5, "mask_end_seconds": 2.0}, r"within the sound's 1\.024 s"),
            ({"mask": torch.zeros(5)}, "keeps nothing"),
            ({"extend_s": -1.0}, "`extend_s` to be seconds from 0"),
            ({"extend_s": 4000.0}, "at most 3600 s, the limit of this model"),
            ({"extend_s": 0.1, "crossfade_s": 2}, "`crossfade_s` to be from 0 to 1 second, got 2"),
            ({"extend_s": 0.1, "loop": "yes"}, "`loop` to be True or False, got 'yes'"),
            ({"loop": True}, "a loop of at least 1.984 s, the overlap of its ends .*, got 1.024 s"),
            ({"extend_s": 0.1, "strength": 0}, "`strength` to be above 0 and at most 1, got 0"),
        ],
    )
    def test_what_makes_no_sense_is_quoted_before_any_model_runs(self, make, call, message):
        pipe = make(AudioLCMInpaintPipeline)
        pipe.text_encoder_2.register_forward_pre_hook(lambda *_: pytest.fail("ran"))
        with pytest.raises(ValueError, match=message):
            pipe(**{"prompt": "rain", "audio": tone(), **call})


class TestPipelines:
    @pytest.mark.parametrize("cls", [AudioLCMAudio2AudioPipeline, AudioLCMInpaintPipeline])
    def test_share_their_parts_both_ways(self, make, cls):
        plain = make(AudioLCMPipeline, default_audio_length_in_s=0.5, fade_s=0.01, default_guidance_scale=2.0)
        edit = cls.from_pipe(plain)
        assert edit.transformer is plain.transformer and edit.options == plain.options
        back = AudioLCMPipeline.from_pipe(edit)
        assert back.vae is plain.vae and back.options == plain.options
        assert cls(**plain.components).options == plain.options

    def test_share_them_in_the_precision_that_they_are_in(self, make):
        plain = make(AudioLCMPipeline).to(dtype=torch.bfloat16)
        edit = AudioLCMAudio2AudioPipeline.from_pipe(plain)
        assert plain.vae.dtype == edit.vae.dtype == plain.transformer.dtype == torch.bfloat16
        assert AudioLCMPipeline.from_pipe(edit, torch_dtype=torch.float32).vae.dtype == torch.float32

    @pytest.mark.parametrize("cls", [AudioLCMAudio2AudioPipeline, AudioLCMInpaintPipeline])
    def test_are_saved_and_loaded_as_each_other(self, make, cls, tmp_path):
        from diffusers import DiffusionPipeline

        pipe = make(cls)
        pipe.save_pretrained(tmp_path)
        call = {"extend_s": 0.1} if cls is AudioLCMInpaintPipeline else {}
        call["output_type"] = "latent"
        expected = pipe("rain", tone(2000), generator=seed(), **call).audios
        for loaded in (cls.from_pretrained(tmp_path), DiffusionPipeline.from_pretrained(tmp_path)):
            assert type(loaded) is cls
            again = loaded("rain", tone(2000), generator=seed(), **call).audios
            torch.testing.assert_close(again, expected, atol=1e-5, rtol=1e-5)
        assert AudioLCMPipeline.from_pretrained(tmp_path)("rain", 0.1).audios.shape == (1, 1600)

    def test_a_callback_sees_and_changes_latents(self, make):
        pipe = make(AudioLCMAudio2AudioPipeline)
        steps = []

        def callback(pipe, index, timestep, tensors):
            steps.append((index, int(timestep)))
            return {"latents": torch.zeros_like(tensors["latents"])}

        made = pipe("rain", tone(2000), 0.4, callback_on_step_end=callback, output_type="latent").audios
        assert [index for index, _ in steps] == [0, 1] and steps[0][1] == 399 and not made.any()

    @pytest.mark.parametrize("cls", [AudioLCMAudio2AudioPipeline, AudioLCMInpaintPipeline])
    def test_of_embeddings_need_no_text_parts(self, make, cls, tmp_path):
        pipe = make(cls)
        call = {"audio": tone(2000), "output_type": "latent"}
        call |= {"extend_s": 0.1} if cls is AudioLCMInpaintPipeline else {"strength": 0.5}
        expected = pipe("rain", generator=seed(), **call).audios
        embeds = pipe.encode_prompt("rain", do_classifier_free_guidance=False)[0]
        text = dict.fromkeys(pipe._optional_components)
        bare = cls(**{**pipe.components, **text})
        torch.testing.assert_close(bare(prompt_embeds=embeds, generator=seed(), **call).audios, expected)
        bare.save_pretrained(tmp_path)
        loaded = cls.from_pretrained(tmp_path)
        assert all(getattr(loaded, name) is None for name in text)
        again = loaded(prompt_embeds=embeds, generator=seed(), **call).audios
        torch.testing.assert_close(again, expected, atol=1e-5, rtol=1e-5)
        with pytest.raises(ValueError, match="cannot be encoded, because this pipeline has no text encoder"):
            bare("rain", **call)

    @pytest.mark.parametrize("cls", [AudioLCMAudio2AudioPipeline, AudioLCMInpaintPipeline])
    def test_return_tuples_too_and_show_callbacks_all_tensors(self, make, cls):
        pipe = make(cls, DDIMScheduler)
        seen = []

        def callback(pipe, index, timestep, tensors):
            seen.append(set(tensors))
            pipe._guidance_scale += 1.0
            return tensors

        call = {"audio": tone(2000), "num_inference_steps": 3, "guidance_scale": 2.0, "output_type": "pt"}
        call |= {"extend_s": 0.1} if cls is AudioLCMInpaintPipeline else {"strength": 0.7}
        plain = pipe("rain", generator=seed(), **call).audios
        names = pipe._callback_tensor_inputs
        (guided,) = pipe(
            "rain", generator=seed(), callback_on_step_end=callback, callback_on_step_end_tensor_inputs=names,
            return_dict=False, **call,
        )  # fmt: skip
        assert seen and all(names_seen == set(names) for names_seen in seen)
        assert guided.shape == plain.shape and not torch.equal(guided, plain)
        with pytest.raises(ValueError, match="`callback_on_step_end_tensor_inputs` from"):
            pipe("rain", callback_on_step_end_tensor_inputs=["noise"], **call)

    @pytest.mark.parametrize("cls", [AudioLCMAudio2AudioPipeline, AudioLCMInpaintPipeline])
    @pytest.mark.parametrize("output_type", ["np", "pt", "mel", "latent"])
    def test_have_all_types_of_output(self, make, cls, output_type):
        pipe = make(cls)
        call = {"extend_s": 0.128} if cls is AudioLCMInpaintPipeline else {}
        made = pipe(["rain", "wind"], tone(2048), num_waveforms_per_prompt=2, output_type=output_type, **call).audios
        extra = 4 * bool(call)  # latent frames
        shapes = {"np": (4, 2048 + 512 * extra), "mel": (4, 80, 8 + 2 * extra), "latent": (4, 4, 4 + extra)}
        assert tuple(made.shape) == shapes.get(output_type, shapes["np"])
