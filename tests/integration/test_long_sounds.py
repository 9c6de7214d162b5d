# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Sounds longer than the transformer sees at once, loops and streams, through all components, tiny, random weights."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler
from diffusers.hooks import FirstBlockCacheConfig

from audiolcm_diffusers import AudioLCMPipeline, GriffinLimVocoder, LCMAudioScheduler
from audiolcm_diffusers.pipelines.stages import decode_latents, fade_ends
from audiolcm_diffusers.pipelines.windows import plan_windows, steady_noise


def seed(value=0):
    return torch.Generator().manual_seed(value)


@pytest.fixture
def make(make_components, make_llama_transformer):
    """`make(**options)`: a tiny student, whose windows have 32 latent frames, 1.024 s, and share 8; or a teacher."""

    def make(scheduler=None, vocoder=None, **options):
        parts = {"vocoder": vocoder or GriffinLimVocoder(num_iterations=2)}
        if scheduler is not None:
            parts |= {"scheduler": scheduler, "transformer": make_llama_transformer(time_cond_proj_dim=None)}
        options = {"window_length_in_s": 1.024, "window_overlap_in_s": 0.256, **options}
        pipe = AudioLCMPipeline(**make_components(**parts), **options)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return make


def seen_lengths(pipe):
    """Latent frames that the transformer is given, call by call."""
    lengths = []
    pipe.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["hidden_states"].shape[-1]), with_kwargs=True
    )
    return lengths


class TestWindows:
    def test_no_window_is_longer_than_the_transformer_sees(self, make):
        pipe = make()
        lengths = seen_lengths(pipe)
        assert pipe("rain", 1.024).audios.shape == (1, 16384)
        assert lengths == [32, 32]
        del lengths[:]
        assert pipe("rain", 5.0).audios.shape == (1, 80000)
        # 157 frames: windows of both kinds of steps.
        expected = [plan_windows(157, 32, 8, is_shifted=shifted) for shifted in (False, True)]
        assert lengths == [len(window.weights) for windows in expected for window in windows]

    def test_what_fits_is_as_it_was(self, make):
        """One pass of all networks, written out with none of the parts that are for long sounds."""
        pipe = make(fade_s=0.01)
        latents = pipe("rain", 1.0, generator=seed(), output_type="latent").audios
        mels = decode_latents(pipe.vae, latents, 63)
        expected = fade_ends(pipe.vocoder(mels)[:, :16000], 160)
        assert torch.equal(pipe("rain", 1.0, generator=seed(), output_type="pt").audios, expected)
        assert torch.equal(pipe("rain", 1.0, generator=seed(), output_type="mel").audios, mels)

    def test_begin_alike(self, make):
        pipe = make()
        noise = torch.randn(1, 4, 157, generator=seed())
        given = pipe("rain", latents=steady_noise(noise, 32), output_type="latent", eta=0.0).audios
        drawn = pipe("rain", 157 * 512 / 16000, generator=seed(), output_type="latent", eta=0.0).audios
        torch.testing.assert_close(drawn, given)

    @pytest.mark.parametrize("scheduler", [DDIMScheduler, EulerAncestralDiscreteScheduler])
    def test_of_teachers_too(self, make, scheduler):
        pipe = make(scheduler())
        lengths = seen_lengths(pipe)
        made = pipe("rain", 3.0, num_inference_steps=3, generator=seed(), guidance_scale=3.0).audios
        assert made.shape == (1, 48000) and max(lengths) <= 32 and len(lengths) > 9

    def test_caches_tell_windows_apart(self, make):
        """A cache that never skips changes nothing; one state for all windows would break on their lengths."""
        pipe = make(DDIMScheduler())
        call = {"num_inference_steps": 4, "guidance_scale": 3.0, "output_type": "latent"}
        expected = pipe("rain", 3.0, generator=seed(), **call).audios
        pipe.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.0))
        torch.testing.assert_close(pipe("rain", 3.0, generator=seed(), **call).audios, expected)

    def test_a_batch_is_its_sounds(self, make):
        pipe = make()
        both = pipe(["rain", "wind"], 3.0, generator=[seed(0), seed(1)], output_type="latent").audios
        for index, prompt in enumerate(("rain", "wind")):
            one = pipe(prompt, 3.0, generator=seed(index), output_type="latent").audios
            torch.testing.assert_close(both[index], one[0], atol=1e-4, rtol=1e-3)


class TestStream:
    @pytest.mark.parametrize("length_s", [0.5, 3.0, 11.3])
    @pytest.mark.parametrize("loop", [False, True])
    @pytest.mark.parametrize("kind", ["student", "teacher"])
    def test_adds_up_to_the_whole(self, make, length_s, loop, kind):
        pipe = make(None if kind == "student" else DDIMScheduler(), fade_s=0.02)
        call = {"audio_length_in_s": length_s, "loop": loop, "num_inference_steps": 3}
        pieces = list(pipe.stream("rain", generator=seed(), **call))
        whole = pipe("rain", generator=seed(), **call).audios
        assert np.array_equal(np.concatenate(pieces, axis=-1), whole)
        assert len(pieces) > (length_s > 1.024)

    @pytest.mark.parametrize("eta", [None, 0.0, 0.5])
    def test_draws_what_the_whole_draws(self, make, eta):
        pipe = make(vocoder=GriffinLimVocoder(num_iterations=0))
        call = {"audio_length_in_s": 6.0, "eta": eta, "num_waveforms_per_prompt": 2, "guidance_scale": [2.0, 4.0]}
        for generators in ((seed(), seed()), ([*map(seed, range(4))], [*map(seed, range(4))])):
            pieces = pipe.stream(["rain", "wind"], generator=generators[0], output_type="pt", **call)
            whole = pipe(["rain", "wind"], generator=generators[1], output_type="pt", **call).audios
            torch.testing.assert_close(torch.cat(list(pieces), dim=-1), whole, rtol=0, atol=0)

    def test_the_first_piece_comes_before_the_rest_is_begun(self, make):
        pipe = make()
        lengths = seen_lengths(pipe)
        pieces = pipe.stream("rain", 60.0, generator=seed())
        assert lengths == []
        first = next(pieces)
        # 1.25 s of 60, for which the autoencoder sees 5 s.
        assert first.shape == (1, 80 * 256 - 512) and len(lengths) < 0.2 * 2 * 60
        pieces.close()
        assert pipe("rain", 0.5).audios.shape == (1, 8000)

    def test_holds_the_pipeline(self, make):
        pipe = make()
        pieces = pipe.stream("rain", 5.0)
        next(pieces)
        with pytest.raises(RuntimeError, match="in the middle of another call"):
            pipe("rain", 0.5)
        assert sum(piece.shape[-1] for piece in pieces) > 0
        pipe("rain", 0.5)

    def test_leaves_gradients_to_whoever_takes_the_pieces(self, make):
        for _ in make().stream("rain", 3.0):
            assert torch.is_grad_enabled()

    def test_refuses_at_once(self, make):
        pipe = make()
        for call, message in (
            ({"prompt": 3}, "`prompt` to be a string"),
            ({"prompt": "rain", "output_type": "latent"}, "of a stream to be 'np' or 'pt', got 'latent'"),
            ({"prompt": "rain", "audio_length_in_s": 0.1, "loop": True}, "a loop of at least 0.256 s"),
        ):
            with pytest.raises(ValueError, match=message):
                pipe.stream(**call)

    def test_of_what_looks_at_all_of_a_sound(self, make):
        """Thresholds are quantiles of whole sounds: there, all is denoised first."""
        pipe = make()
        pipe.scheduler = LCMAudioScheduler(thresholding=True, sample_max_value=2.0)
        pieces = list(pipe.stream("rain", 3.0, generator=seed()))
        assert np.array_equal(np.concatenate(pieces, axis=-1), pipe("rain", 3.0, generator=seed()).audios)


class TestLoops:
    def test_a_loop_is_seen_around_its_end(self, make):
        pipe = make()
        lengths = seen_lengths(pipe)
        made = pipe("rain", 0.6, loop=True, generator=seed(), output_type="latent").audios
        # 19 frames, and 8 around the end.
        assert made.shape[-1] == 19 and lengths == [27, 27]

    @pytest.mark.parametrize("length_s", [0.3, 0.9999, 4.0])
    def test_is_as_long_as_was_asked_for(self, make, length_s):
        assert make(fade_s=0.1)("rain", length_s, loop=True).audios.shape == (1, round(length_s * 16000))

    def test_is_not_faded(self, make):
        made = make(fade_s=0.1)("rain", 0.5, loop=True, generator=seed()).audios[0]
        assert np.abs(made[:100]).max() > 0 and np.abs(made[-100:]).max() > 0.1 * np.abs(made).max()


class TestScales:
    def test_one_a_prompt(self, make):
        pipe = make()
        both = pipe(["rain", "wind"], 0.5, guidance_scale=[2.0, 6.0], generator=[seed(0), seed(1)]).audios
        for index, (prompt, scale) in enumerate((("rain", 2.0), ("wind", 6.0))):
            one = pipe(prompt, 0.5, guidance_scale=scale, generator=seed(index), output_type="pt").audios
            torch.testing.assert_close(torch.from_numpy(both[index]), one[0], atol=1e-4, rtol=1e-3)

    def test_of_a_teacher_some_may_be_without_guidance(self, make):
        pipe = make(DDIMScheduler())
        call = {"num_inference_steps": 3, "output_type": "latent", "audio_length_in_s": 0.5}
        both = pipe(["rain", "wind"], guidance_scale=[1.0, 3.0], generator=[seed(0), seed(1)], **call).audios
        for index, (prompt, scale) in enumerate((("rain", 1.0), ("wind", 3.0))):
            one = pipe(prompt, guidance_scale=scale, generator=seed(index), **call).audios
            torch.testing.assert_close(both[index], one[0], atol=1e-4, rtol=1e-3)

    @pytest.mark.parametrize(
        ("scale", "message"),
        [
            ([2.0], "one `guidance_scale`, or 2, as many as there are prompts, got 1"),
            ([], r"a finite number, or a list of one a prompt, got \[\]"),
            ([1.0, float("nan")], "a finite number, or a list of one a prompt"),
        ],
    )
    def test_any_other_number_is_refused(self, make, scale, message):
        with pytest.raises(ValueError, match=message):
            make()(["rain", "wind"], guidance_scale=scale)


class TestEvents:
    def test_have_windows_where_they_are(self, make):
        """4 s are 125 frames: the base in windows of 32; an event from 2 s on, 62.5 frames less two, for 2 s."""
        pipe = make()
        shown = []
        pipe.transformer.register_forward_pre_hook(
            lambda module, args, kwargs: shown.append(
                (kwargs["hidden_states"].shape[-1], kwargs["encoder_hidden_states"])
            ),
            with_kwargs=True,
        )
        pipe("rain", 4.0, events=[("a dog", 2.0)], generator=seed(), num_inference_steps=1, output_type="latent")
        base = pipe.encode_prompt("<rain& all>", do_classifier_free_guidance=False)[0]
        event = pipe.encode_prompt("<a dog& start>@<rain& all>", do_classifier_free_guidance=False)[0]
        of_event = [torch.allclose(embeds, event, atol=1e-5) for _, embeds in shown]
        assert [torch.allclose(embeds, base, atol=1e-5) for _, embeds in shown] == [not other for other in of_event]
        expected = [len(window.weights) for window in plan_windows(65, 32, 8)]
        assert [length for (length, _), other in zip(shown, of_event) if other] == expected

    def test_leave_the_rest_as_it_is(self, make):
        """In windows that show nothing of an event, what is heard is what is heard without."""
        pipe = make()
        call = {"generator": None, "num_inference_steps": 1, "output_type": "latent", "audio_length_in_s": 8.0}
        with_event = pipe("rain", events=[("a dog", 5.0)], **{**call, "generator": seed()}).audios
        without = pipe("<rain& all>", **{**call, "generator": seed()}).audios
        torch.testing.assert_close(with_event[..., :150], without[..., :150], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(with_event[..., 160:200], without[..., 160:200], atol=1e-2)

    @pytest.mark.parametrize("scheduler", [None, DDIMScheduler])
    def test_come_out_of_silence(self, make, scheduler):
        pipe = make(scheduler() if scheduler else None)
        call = {"audio_length_in_s": 4.0, "num_inference_steps": 3, "num_waveforms_per_prompt": 2, "output_type": "pt"}
        made = pipe(events=[("a dog", 1.0)], generator=seed(), guidance_scale=2.0, **call).audios
        assert made.shape == (2, 64000)
        assert not made[:, :14500].any() and not made[:, 49000:].any() and made[:, 16000:40000].abs().max() > 0
        pieces = list(pipe.stream(events=[("a dog", 1.0)], generator=seed(), guidance_scale=2.0, **call))
        assert torch.equal(torch.cat(pieces, dim=-1), made)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ({"events": [("a", 9.0)], "audio_length_in_s": 4.0}, "to begin within the sound's 4 s"),
            ({"events": [("a", 1.0)], "loop": True}, "do not go with `loop`"),
            ({"events": [("a", 1.0)], "prompt_embeds": torch.zeros(1, 80, 16)}, "do not go with `prompt_embeds`"),
            ({"events": [("a", 1.0)], "guidance_scale": [1.0, 2.0]}, "one `guidance_scale`, or 1"),
            ({"events": [("a", 1.0)], "generator": [torch.Generator()] * 2}, "as many generators as waveforms"),
            ({"events": [("a", 1.0)], "audio_length_in_s": "4"}, "a finite number of seconds, got '4'"),
        ],
    )
    def test_what_makes_no_sense_is_quoted(self, make, call, message):
        with pytest.raises(ValueError, match=message):
            make()(**call)

    def test_of_several_prompts(self, make):
        pipe = make()
        events = [[("a dog", 1.0)], [("rain", "all")], [("a cat", 0.5, 1.5), ("wind", "all")]]
        generators = [seed(index) for index in range(3)]
        call = {"audio_length_in_s": 2.0, "output_type": "pt", "num_inference_steps": 2}
        made = pipe(events=events, generator=generators, guidance_scale=[2.0, 3.0, 4.0], **call).audios
        assert made.shape == (3, 32000)
        for index, scale in enumerate((2.0, 3.0, 4.0)):
            one = pipe(events=events[index], generator=seed(index), guidance_scale=scale, **call).audios[0]
            torch.testing.assert_close(made[index], one, atol=1e-3, rtol=1e-2)
        made = pipe(["x", "y"], events=events[:1] * 2, **{**call, "audio_length_in_s": [2.0, 3.0]}).audios
        assert [len(waveform) for waveform in made] == [32000, 48000]
        with pytest.raises(ValueError, match="`events` for each of the 2 prompts, got those of 3"):
            pipe(["x", "y"], events=events, **call)
        with pytest.raises(ValueError, match="events at seconds of one sound"):
            pipe.stream(events=events)


class TestLengths:
    def test_one_a_prompt(self, make):
        pipe = make()
        lengths = [0.3, 2.0, 0.3]
        generators = [seed(index) for index in range(6)]
        prompts, scales = ["rain", "wind", "hail"], [1.0, 2.0, 3.0]
        options = {"num_waveforms_per_prompt": 2, "output_type": "pt"}
        made = pipe(prompts, lengths, generator=generators, guidance_scale=scales, **options).audios
        assert [len(waveform) for waveform in made] == [4800] * 2 + [32000] * 2 + [4800] * 2
        for index, waveform in enumerate(made):
            prompt = index // 2
            one = pipe(
                prompts[prompt],
                lengths[prompt],
                generator=seed(index),
                guidance_scale=scales[prompt],
                output_type="pt",
            ).audios[0]
            torch.testing.assert_close(waveform, one, atol=1e-3, rtol=1e-2)

    def test_of_other_arguments_those_of_the_prompt_are_taken(self, make):
        pipe = make(DDIMScheduler())
        embeds = torch.randn(2, 80, 16, generator=seed())
        call = {"num_inference_steps": 2, "guidance_scale": 2.0, "output_type": "latent"}
        made = pipe(prompt_embeds=embeds, audio_length_in_s=[0.2, 0.4], generator=[seed(0), seed(1)], **call).audios
        for index, length_s in enumerate((0.2, 0.4)):
            one = pipe(
                prompt_embeds=embeds[index : index + 1], audio_length_in_s=length_s, generator=seed(index), **call
            ).audios[0]
            torch.testing.assert_close(made[index], one)
        events = [[("rain", "all")], [("wind", "all"), ("a dog", "end")]]
        made = pipe(events=events, audio_length_in_s=[0.2, 0.4], negative_prompt=["x", "y"], **call).audios
        assert [latents.shape[-1] for latents in made] == [7, 13]

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ({"audio_length_in_s": [1.0]}, "one `audio_length_in_s`, or 2, as many as there are prompts, got 1"),
            ({"audio_length_in_s": [1.0, 0.0]}, "at least one sample, 1/16000 s, got 0.0"),
            ({"audio_length_in_s": [1.0, 2.0], "latents": torch.zeros(2, 4, 32)}, "`latents` are those of one batch"),
            ({"audio_length_in_s": [1.0, [2.0]]}, "seconds, one number a prompt, got"),
            ({"audio_length_in_s": [1.0, 2.0], "generator": [torch.Generator()]}, "as many generators as waveforms"),
            ({"audio_length_in_s": [1.0, 2.0], "guidance_scale": [1.0]}, "one `guidance_scale`, or 2"),
        ],
    )
    def test_what_makes_no_sense_is_quoted_before_any_model_runs(self, make, call, message):
        pipe = make()
        pipe.text_encoder_2.register_forward_pre_hook(lambda *_: pytest.fail("ran"))
        with pytest.raises(ValueError, match=message):
            pipe(["rain", "wind"], **call)
        with pytest.raises(ValueError, match="one `audio_length_in_s`, got"):
            pipe.stream(["rain", "wind"], audio_length_in_s=[1.0, 2.0])
