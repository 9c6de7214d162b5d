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
