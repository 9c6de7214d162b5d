# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Text to sound with a latent consistency model, or with the teacher that one is distilled from."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.pipelines.pipeline_utils import AudioPipelineOutput
from diffusers.utils.torch_utils import randn_tensor

from ..data.latents import LatentEncoder
from ..schedulers.scheduling_lcm_audio import LCMAudioScheduler
from .arguments import (
    check_flag,
    check_generator,
    check_latents,
    check_num_waveforms,
    check_scales,
    is_number,
    split_call,
)
from .base import OF_THE_START, AudioLCMPipelineBase, Call, Layer
from .finite import check_finite, warn_of_silence
from .in_use import in_use, one_call_at_a_time
from .prompt_events import structured_captions
from .schedules import check_steps, init_noise_sigma, noised, set_timesteps
from .stages import Conditions
from .streaming import LatentFront
from .timeline import Timeline, is_timed, read_timeline, timed_prompts, windows_of
from .windows import read_frames


def count_prompts(arguments: dict[str, Any]) -> int:
    r"""Prompts of a call."""
    prompt, embeds, events = (arguments[name] for name in ("prompt", "prompt_embeds", "events"))
    if isinstance(embeds, torch.Tensor):
        return len(embeds)
    if isinstance(prompt, (list, tuple)):
        return len(prompt)
    return 1 if prompt is not None or events is None else len(structured_captions(events))


def layers_of(call: Call, conditions: Conditions) -> list[Layer]:
    r"""
    What the transformer is told, and where.

    Args:
        call ([`~pipelines.base.Call`]): What is asked for.
        conditions ([`~stages.Conditions`]):
            A row a waveform; or with events at seconds, all waveforms of one caption after those of another.
    """
    if call.layers is None:
        return [Layer(conditions, call.windows)]
    parts = conditions.split(len(call.layers))
    return [Layer(part, windows) for part, windows in zip(parts, call.layers)]


class AudioLCMPipeline(AudioLCMPipelineBase):
    r"""
    Text to sound with AudioLCM (arXiv:2406.00356).

    Text goes through up to two streams: a BERT with CLAP's projection reads the plain caption, a T5 encoder reads the
    caption as structured events. Their tokens are concatenated. The transformer denoises mel latents in few steps, the
    VAE turns these into a log-mel spectrogram, and the vocoder turns that into a waveform.

    Student and teacher run in this one class. A transformer with a guidance embedding
    (`transformer.config.time_cond_proj_dim`) is a student: it is told the guidance scale and runs once a step. One
    without is a teacher: it runs with and without caption in one batch (classifier-free guidance), with one of the
    schedulers below, and wants more steps than the two that are the default. An LCM-LoRA makes a few-step model of
    it, to be called with a guidance scale of 1: see [`AudioLCMLoraLoaderMixin`], which loads LoRAs of both.

    Both may be flow models, if the scheduler is one for flow matching: latents then lie at
    `x_t = (1 - tau) x_0 + tau noise`, and the transformer is told `1000 tau` and predicts `noise - x_0`.

    Args:
        vae ([`AutoencoderKLMel1D`]):
            Decodes latents to log-mel spectrograms.
        text_encoder ([`~transformers.BertModel`], *optional*):
            First text stream, reads the plain caption.
        projection_model ([`CLAPProjection`], *optional*):
            Projects the tokens of the first stream to the width of the second. Without, they are used as they are.
        text_encoder_2 ([`~transformers.T5EncoderModel`], *optional*):
            Second text stream, reads the structured caption.
        tokenizer ([`~transformers.PreTrainedTokenizerBase`], *optional*):
            Tokenizer of the first stream. Every caption is padded or cut to its `model_max_length`, or to 77 tokens
            if it names no length. Padding is attended, as in the published model.
        tokenizer_2 ([`~transformers.PreTrainedTokenizerBase`], *optional*):
            The same for the second stream.
        transformer ([`LLaMATransformer1DModel`] or [`ConcatTransformer1DModel`]):
            Denoises the latents.
        scheduler ([`LCMAudioScheduler`] or one of diffusers):
            For a student [`LCMAudioScheduler`]. For a teacher that predicts noise, clean latents or velocity also
            DDIM, DDPM (and their parallel kinds), DEIS, DPM-Solver (multistep and singlestep), Euler, Euler
            ancestral, Heun, KDPM2, KDPM2 ancestral, LCM, LMS, PNDM, SA-Solver, TCD and UniPC; but Euler ancestral,
            both KDPM2 and PNDM not for clean latents. For a flow model FlowMatchEuler, FlowMatchHeun, FlowMatchLCM
            and FlowMapEuler; DEIS, DPM-Solver, SA-Solver and UniPC with `use_flow_sigmas=True` and
            `prediction_type="flow_prediction"`, which tell the network whole timesteps; and [`LCMAudioScheduler`]
            with that prediction type. Subclasses count as these. Any other is refused by name, and so are options
            that would mislead the network, such as `use_dynamic_shifting` and `invert_sigmas`.
        vocoder ([`BigVGANVocoder`], [`VocosVocoder`] or [`GriffinLimVocoder`]):
            Turns log-mel spectrograms into waveforms. The last has nothing to learn.
        default_audio_length_in_s (`float`, defaults to 10.0):
            Seconds of sound made where a call names no length; the length that the model was trained on.
        max_audio_length_in_s (`float`, defaults to 3600.0):
            Longest sound that a call may ask for, in seconds.
        fade_s (`float`, defaults to 0.0):
            Seconds in which a sound rises from silence at its beginning and falls to it at its end, along half a
            Hann window, at most half of the sound each. A sound that is cut out of one that goes on would click. Of
            waveforms alone, not of mels and latents.
        default_num_inference_steps (`int`, defaults to 2):
            Denoising steps where a call names none; those that the model was made for.
        default_guidance_scale (`float`, defaults to 5.0):
            Guidance scale where a call names none.
        window_length_in_s (`float`, *optional*):
            Most seconds that the transformer sees at once: what it was trained on. Longer sounds are denoised in
            windows of this length (see `pipelines/windows.py`), and made piece by piece, so that memory does not grow
            with them. By default 10, or `default_audio_length_in_s` where that is more.
        window_overlap_in_s (`float`, *optional*):
            Seconds that neighbouring windows share, and the ends of loops; at most half a window, by default a fifth.

    Any text stream may be `None`; all text parts may be where calls pass `prompt_embeds`.
    """

    def check_inputs(
        self,
        prompt: str | list[str] | None = None,
        audio_length_in_s: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | Sequence[float] | None = None,
        original_inference_steps: int | None = None,
        timesteps: Sequence[float] | None = None,
        negative_prompt: str | list[str] | None = None,
        num_waveforms_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds: torch.Tensor | None = None,
        prompt_attention_mask: torch.Tensor | None = None,
        negative_prompt_attention_mask: torch.Tensor | None = None,
        events: Sequence | None = None,
        eta: float | None = None,
        attention_kwargs: dict[str, Any] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        output_type: str = "np",
        loop: bool = False,
    ) -> Call:
        r"""
        Refuse, before any model runs, what [`~AudioLCMPipeline.__call__`] cannot do. Arguments as there.

        Returns:
            [`~pipelines.base.Call`]: Text and length, read.

        Raises:
            ValueError: Quoting the value that does not fit and saying what does.
        """
        if isinstance(audio_length_in_s, (list, tuple)):
            raise ValueError(
                f"Expected one `audio_length_in_s`, got {audio_length_in_s!r}; a call of the pipeline takes several."
            )
        if timed_prompts(events):
            raise ValueError(
                f"Expected events at seconds of one sound, got {events!r}; a call takes those of several."
            )
        num_inference_steps, guidance_scale = self._with_defaults(num_inference_steps, guidance_scale)
        timeline = None
        if is_timed(events):
            timeline = self._read_timeline(events, prompt, prompt_embeds, audio_length_in_s, latents, loop)
            check_scales(guidance_scale, 1)
            guidance_scale = guidance_scale[0] if isinstance(guidance_scale, (list, tuple)) else guidance_scale
        text, limits = self._check_call(
            prompt=prompt if timeline is None else timeline.captions,
            events=events if timeline is None else None,
            negative_prompt=negative_prompt,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            prompt_attention_mask=prompt_attention_mask,
            negative_prompt_attention_mask=negative_prompt_attention_mask,
            guidance_scale=guidance_scale,
            num_waveforms_per_prompt=num_waveforms_per_prompt,
            eta=eta,
            attention_kwargs=attention_kwargs,
            callback_on_step_end_tensor_inputs=callback_on_step_end_tensor_inputs,
            output_type=output_type,
            generator=generator if timeline is None else None,
        )
        check_steps(self.scheduler, num_inference_steps, original_inference_steps, timesteps)
        length = limits.read(audio_length_in_s, latents)
        check_flag("loop", loop)
        layers = loudness = None
        if timeline is not None:
            layers, loudness = windows_of(timeline, length, limits)
        call = Call(text, length, limits.windows(length, loop), limits.window_frames, layers, loudness)
        check_generator(generator, call.num_sounds, num_waveforms_per_prompt)
        num_waveforms = call.num_sounds * num_waveforms_per_prompt
        check_latents(latents, (num_waveforms, self.transformer.config.in_channels, length.num_latent_frames))
        return call

    def _read_timeline(
        self,
        events: Sequence,
        prompt: str | list[str] | None,
        prompt_embeds: torch.Tensor | None,
        audio_length_in_s: float | None,
        latents: torch.Tensor | None,
        loop: bool,
    ) -> Timeline:
        """Events with seconds, of one sound."""
        if prompt_embeds is not None:
            raise ValueError("Events at seconds have captions of their own, and do not go with `prompt_embeds`.")
        if loop:
            raise ValueError("Events at seconds do not go with `loop`, which has no beginning that they count from.")
        length_s = audio_length_in_s
        if length_s is None and isinstance(latents, torch.Tensor) and latents.ndim == 3:
            length_s = latents.shape[-1] * self.hop_length * self.latent_hop / self.sampling_rate
        if length_s is None:
            length_s = self.config.default_audio_length_in_s
        if not is_number(length_s):
            raise ValueError(f"Expected `audio_length_in_s` to be a finite number of seconds, got {length_s!r}.")
        return read_timeline(events, prompt, length_s)

    @torch.no_grad()
    @one_call_at_a_time
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        audio_length_in_s: float | Sequence[float] | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | Sequence[float] | None = None,
        original_inference_steps: int | None = None,
        timesteps: Sequence[float] | None = None,
        negative_prompt: str | list[str] | None = None,
        num_waveforms_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds: torch.Tensor | None = None,
        prompt_attention_mask: torch.Tensor | None = None,
        negative_prompt_attention_mask: torch.Tensor | None = None,
        events: Sequence | None = None,
        eta: float | None = None,
        attention_kwargs: dict[str, Any] | None = None,
        callback_on_step_end: Callable[["AudioLCMPipeline", int, int, dict], dict] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        output_type: str = "np",
        return_dict: bool = True,
        loop: bool = False,
    ) -> AudioPipelineOutput | tuple:
        r"""
        Make sound.

        Args:
            prompt (`str` or `list[str]`, *optional*):
                What is to be heard. The second text stream reads it as one event that lasts all the time; a prompt
                in structured form, `"<a sneeze& start>@<a door slams& end>"`, says when. `(rain:1.3)` counts for more
                than other words, `(rain:0.5)` for less; brackets without a number are text, as are `\\(` and `\\)`.
            audio_length_in_s (`float` or `list[float]`, *optional*):
                Seconds of sound, exact to the sample. With a list, one a prompt, `audios` is a list of waveforms, made
                by a call for each length. By default the length of `latents`, or else
                `config.default_audio_length_in_s` or as much of it as the model can do.
            num_inference_steps (`int`, defaults to `config.default_num_inference_steps`):
                Denoising steps, from 1 to the original steps. A student needs 1 to 4; a teacher 20 and more. With a
                scheduler of second order (Heun, KDPM2) the network runs twice a step, and each run counts as one for
                `num_timesteps`, callbacks and the progress bar.
            guidance_scale (`float` or `list[float]`, defaults to `config.default_guidance_scale`):
                How strongly the sound follows the prompt, one number or one a prompt; `w + 1` of the paper. At 1 and
                below, a teacher is not guided, which is what a teacher with an LCM-LoRA wants.
            original_inference_steps (`int`, *optional*):
                Number of solver steps that the student was distilled on, from which `num_inference_steps` are picked.
                By default the scheduler's. Only for schedulers that know it.
            timesteps (`list[int]` or `list[float]`, *optional*):
                Descending training timesteps to use instead of `num_inference_steps` evenly spaced ones: what the
                network is told, whole numbers from 0, or of a flow any numbers above 0 and up to 1000, pure noise,
                which are not shifted again. Only for schedulers that take them.
            negative_prompt (`str` or `list[str]`, *optional*):
                What is not to be heard; one for all prompts or one each. Only for a teacher with a guidance scale
                above 1, where the empty prompt is the default.
            num_waveforms_per_prompt (`int`, defaults to 1):
                Waveforms to make from each prompt.
            generator (`torch.Generator` or `list[torch.Generator]`, *optional*):
                Makes the sound reproducible, in every precision: one, or one a waveform.
            latents (`torch.Tensor` of shape `(num_waveforms, channels, latent_frames)`, *optional*):
                Noise to start from, instead of drawn one.
            prompt_embeds (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`, *optional*):
                Encoded prompts, instead of `prompt`. See [`~AudioLCMPipeline.encode_prompt`].
            negative_prompt_embeds (`torch.Tensor` of the shape of `prompt_embeds`, *optional*):
                Encoded negative prompts, instead of `negative_prompt`.
            prompt_attention_mask (`torch.Tensor` of shape `(batch_size, num_tokens)`, *optional*):
                True where a token of `prompt_embeds` is to be seen. By default all are, as in the published model.
            negative_prompt_attention_mask (`torch.Tensor` of shape `(batch_size, num_tokens)`, *optional*):
                The same for `negative_prompt_embeds`.
            events (`list`, *optional*):
                What the second text stream reads instead of `prompt`: (description, order) pairs such as
                `[("dog barks", "start"), ("rain", "all")]`, with the orders `"all"`, `"start"`, `"mid"` and `"end"`;
                or a list of such lists, one a prompt. The first stream reads `prompt`, or without one the
                descriptions joined by "and". Events may also say when they begin, `("a door slams", 3.5)`, or from
                when to when they last, `("rain", 0.0, 20.0)`: they have windows of their own, while `prompt` or those
                with orders are heard besides, and without either nothing is (see `pipelines/timeline.py`).
            eta (`float`, *optional*):
                Share of fresh noise in each step, from 0 to 1, for schedulers whose steps take it.
            attention_kwargs (`dict`, *optional*):
                `scale` multiplies the active LoRAs; everything else goes to the attention processors.
            callback_on_step_end (`Callable`, *optional*):
                Called after each step with the pipeline, the step's index, its timestep and a dictionary of tensors;
                returns a dictionary of those that it changed, or nothing.
            callback_on_step_end_tensor_inputs (`list[str]`, defaults to `("latents",)`):
                Names of the tensors for the callback, from `_callback_tensor_inputs`.
            output_type (`str`, defaults to `"np"`):
                `"np"` and `"pt"`: waveforms of shape `(num_waveforms, samples)` in (-1, 1), float32. `"mel"`: log-mel
                spectrograms of shape `(num_waveforms, bins, frames)`. `"latent"`: latents of shape
                `(num_waveforms, channels, latent_frames)` as the transformer sees them, that is times the VAE's
                `scaling_factor`.
            return_dict (`bool`, defaults to `True`):
                Whether to return an [`~diffusers.AudioPipelineOutput`] instead of a tuple.
            loop (`bool`, defaults to `False`):
                Whether the sound's end is to meet its beginning, so that it can be played over and over. Such a sound
                is not faded, and lasts at least `config.window_overlap_in_s`.

        Returns:
            [`~diffusers.AudioPipelineOutput`] or `tuple`: `audios`, as `output_type` says.

        Raises:
            ValueError:
                If an argument does not fit, before any model runs; or if a network gives NaN or infinity, naming it.
            RuntimeError: If another call of the pipeline, or with its scheduler, is going on.

        Example:

        ```python
        >>> import torch
        >>> from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMPipeline

        >>> pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
        >>> audio = pipe("a dog barking", audio_length_in_s=5.0, generator=torch.manual_seed(0)).audios[0]
        >>> audio.shape
        (80000,)
        ```
        """
        generator, callback_on_step_end_tensor_inputs = self._read_callbacks(
            generator, callback_on_step_end, callback_on_step_end_tensor_inputs
        )
        num_inference_steps, guidance_scale = self._with_defaults(num_inference_steps, guidance_scale)
        arguments = {
            "prompt": prompt,
            "audio_length_in_s": audio_length_in_s,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "original_inference_steps": original_inference_steps,
            "timesteps": timesteps,
            "negative_prompt": negative_prompt,
            "num_waveforms_per_prompt": num_waveforms_per_prompt,
            "generator": generator,
            "latents": latents,
            "prompt_embeds": prompt_embeds,
            "negative_prompt_embeds": negative_prompt_embeds,
            "prompt_attention_mask": prompt_attention_mask,
            "negative_prompt_attention_mask": negative_prompt_attention_mask,
            "events": events,
            "eta": eta,
            "attention_kwargs": attention_kwargs,
            "callback_on_step_end_tensor_inputs": callback_on_step_end_tensor_inputs,
            "output_type": output_type,
            "loop": loop,
        }
        if isinstance(audio_length_in_s, (list, tuple)) or timed_prompts(events):
            audio = self._make_in_parts(arguments, callback_on_step_end)
        else:
            audio = self._make(self.check_inputs(**arguments), arguments, callback_on_step_end)
        self.maybe_free_model_hooks()

        if not return_dict:
            return (audio,)
        return AudioPipelineOutput(audios=audio)

    def _make_in_parts(
        self, arguments: dict[str, Any], callback_on_step_end: Callable | None
    ) -> list[np.ndarray | torch.Tensor] | np.ndarray | torch.Tensor:
        """A call for each length and each prompt with seconds, all of which are checked before any begins."""
        check_num_waveforms(arguments["num_waveforms_per_prompt"])
        alone = timed_prompts(arguments["events"])
        num_prompts = len(arguments["events"]) if alone else count_prompts(arguments)
        check_scales(arguments["guidance_scale"], num_prompts)
        check_generator(arguments["generator"], num_prompts, arguments["num_waveforms_per_prompt"])
        if alone and arguments["prompt"] is not None and count_prompts(arguments) != num_prompts:
            raise ValueError(
                f"Expected `events` for each of the {count_prompts(arguments)} prompts, got those of {num_prompts}."
            )
        parts = split_call(arguments, num_prompts, alone)
        calls = [self.check_inputs(**part) for _, part in parts]
        made = {}
        for (waveforms, part), call in zip(parts, calls):
            made.update(zip(waveforms, self._make(call, part, callback_on_step_end)))
        made = [made[index] for index in range(len(made))]
        if isinstance(arguments["audio_length_in_s"], (list, tuple)):
            return made
        return torch.stack(made) if isinstance(made[0], torch.Tensor) else np.stack(made)

    def _make(
        self, call: Call, arguments: dict[str, Any], callback_on_step_end: Callable | None
    ) -> np.ndarray | torch.Tensor:
        """What a call of one length returns."""
        generator = arguments["generator"]
        timesteps, conditions, latents = self._start(call, **{name: arguments[name] for name in OF_THE_START})
        latents = self._denoise(
            latents,
            timesteps,
            layers_of(call, conditions),
            generator,
            arguments["eta"],
            callback_on_step_end,
            arguments["callback_on_step_end_tensor_inputs"],
            self._silence(call, latents, timesteps),
        )
        return self._output(
            latents, call.length, arguments["output_type"], call.is_whole, arguments["loop"], gains=self._gains(call)
        )

    def _start(
        self,
        call: Call,
        num_inference_steps: int,
        guidance_scale: float | Sequence[float],
        original_inference_steps: int | None,
        timesteps: Sequence[float] | None,
        num_waveforms_per_prompt: int,
        generator: torch.Generator | list[torch.Generator] | None,
        latents: torch.Tensor | None,
        prompt_attention_mask: torch.Tensor | None,
        negative_prompt_attention_mask: torch.Tensor | None,
        attention_kwargs: dict[str, Any] | None,
    ) -> tuple[torch.Tensor, Conditions, torch.Tensor]:
        """Timesteps, what the transformer is told, and the noise to begin with."""
        device = self._execution_device
        # Before any model runs, because schedulers refuse timesteps for reasons of their own; and before the noise,
        # because some know its scale only afterwards.
        timesteps = set_timesteps(self.scheduler, num_inference_steps, original_inference_steps, timesteps, device)
        self._begin(guidance_scale, attention_kwargs, timesteps)
        conditions = self._encode_conditions(
            call.text, num_waveforms_per_prompt, (prompt_attention_mask, negative_prompt_attention_mask)
        )
        latents = self.prepare_latents(
            batch_size=call.num_sounds * num_waveforms_per_prompt,
            num_channels=self.transformer.config.in_channels,
            num_frames=call.length.num_latent_frames,
            dtype=self._step_dtype,
            device=device,
            generator=generator,
            latents=latents,
            window_frames=call.steady_frames,
        )
        return timesteps, conditions, latents

    def stream(
        self,
        prompt: str | list[str] | None = None,
        audio_length_in_s: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | Sequence[float] | None = None,
        original_inference_steps: int | None = None,
        timesteps: Sequence[float] | None = None,
        negative_prompt: str | list[str] | None = None,
        num_waveforms_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds: torch.Tensor | None = None,
        prompt_attention_mask: torch.Tensor | None = None,
        negative_prompt_attention_mask: torch.Tensor | None = None,
        events: Sequence | None = None,
        eta: float | None = None,
        attention_kwargs: dict[str, Any] | None = None,
        output_type: str = "np",
        loop: bool = False,
    ) -> Iterator[np.ndarray | torch.Tensor]:
        r"""
        Make sound piece by piece: one behind the other, the pieces are what the same call of the pipeline returns.

        With [`LCMAudioScheduler`], the first piece of a long sound is there before the rest of it is begun. Other
        schedulers keep what they know of all of a sound from step to step: with them, and in loops, all is denoised
        first, and the waveform is made piece by piece. A sound of at most `config.window_length_in_s` is one piece.

        The pipeline is busy until the last piece was taken, or the iterator is closed.

        Args:
            prompt, audio_length_in_s, num_inference_steps, guidance_scale, original_inference_steps, timesteps:
                See [`~AudioLCMPipeline.__call__`].
            negative_prompt, num_waveforms_per_prompt, generator, latents, prompt_embeds, negative_prompt_embeds:
                See [`~AudioLCMPipeline.__call__`].
            prompt_attention_mask, negative_prompt_attention_mask, events, eta, attention_kwargs, loop:
                See [`~AudioLCMPipeline.__call__`].
            output_type (`str`, defaults to `"np"`): `"np"` or `"pt"`.

        Returns:
            `Iterator[np.ndarray]` or `Iterator[torch.Tensor]`: Pieces of shape `(num_waveforms, samples)`.

        Raises:
            ValueError: At once, if an argument does not fit.
            RuntimeError: With the first piece, if another call is going on.

        Example:

        ```python
        >>> import torch
        >>> from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMPipeline

        >>> pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
        >>> pieces = pipe.stream("rain falling", audio_length_in_s=12.0, generator=torch.manual_seed(0))
        >>> sum(piece.shape[-1] for piece in pieces)
        192000
        ```
        """
        if output_type not in ("np", "pt"):
            raise ValueError(f"Expected `output_type` of a stream to be 'np' or 'pt', got {output_type!r}.")
        generator, _ = self._read_callbacks(generator, None, None)
        num_inference_steps, guidance_scale = self._with_defaults(num_inference_steps, guidance_scale)
        arguments = {
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "original_inference_steps": original_inference_steps,
            "timesteps": timesteps,
            "num_waveforms_per_prompt": num_waveforms_per_prompt,
            "generator": generator,
            "latents": latents,
            "prompt_attention_mask": prompt_attention_mask,
            "negative_prompt_attention_mask": negative_prompt_attention_mask,
            "eta": eta,
            "attention_kwargs": attention_kwargs,
            "loop": loop,
        }
        call = self.check_inputs(
            prompt=prompt,
            audio_length_in_s=audio_length_in_s,
            negative_prompt=negative_prompt,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            events=events,
            output_type=output_type,
            **arguments,
        )
        return self._stream(call, output_type, **arguments)

    def _silence(
        self, call: Call, latents: torch.Tensor, timesteps: torch.Tensor
    ) -> Callable[[torch.Tensor, int], torch.Tensor] | None:
        """Puts silence into latents where no event is heard, and no prompt."""
        if call.loudness is None or bool((call.loudness > 0).all()):
            return None
        num_samples = call.length.num_latent_frames * self.hop_length * self.latent_hop
        _, silent = LatentEncoder(self.vae).mels_and_latents(torch.zeros(1, num_samples), latents.device)
        silent = silent.to(latents).expand_as(latents)
        is_silent = (call.loudness == 0).to(latents.device)
        noise = latents / init_noise_sigma(self.scheduler)

        def put_in(latents: torch.Tensor, index: int) -> torch.Tensor:
            is_last = index + 1 == len(timesteps)
            if not is_last and (index + 1) % self.scheduler.order:
                return latents
            kept = silent if is_last else noised(self.scheduler, silent, noise, timesteps[index + 1])
            return torch.where(is_silent, kept.to(latents), latents)

        return put_in

    def _gains(self, call: Call) -> torch.Tensor | None:
        """How loud each sample is, where events come out of silence."""
        if call.loudness is None or bool((call.loudness == 1).all()):
            return None
        scale = self.hop_length * self.latent_hop
        gains = F.interpolate(call.loudness[None, None], scale_factor=float(scale), mode="linear")[0, 0]
        return gains[: call.length.num_samples]

    def _stream(self, call: Call, output_type: str, loop: bool, **arguments: Any) -> Iterator:
        with in_use(self):
            # Not around the yields: whoever takes the pieces may want gradients in between.
            with torch.no_grad():
                read = self._front(call, loop, **arguments)
            pieces = self._pieces(read, call.length, call.is_whole, loop, gains=self._gains(call))
            peak = torch.zeros(())
            while True:
                with torch.no_grad():
                    piece = next(pieces, None)
                if piece is None:
                    break
                peak = torch.maximum(peak, piece.abs().amax(dim=-1).cpu())
                yield piece.cpu().numpy() if output_type == "np" else piece
            warn_of_silence(peak[:, None])
            self.maybe_free_model_hooks()

    def _front(
        self, call: Call, loop: bool, generator: Any, eta: float | None, **arguments: Any
    ) -> Callable[[int, int], torch.Tensor]:
        """A function that gives clean latents from a frame to before another, which makes them as it is asked."""
        timesteps, conditions, latents = self._start(call, generator=generator, **arguments)
        scheduler = self.scheduler
        is_elementwise = isinstance(scheduler, LCMAudioScheduler) and not scheduler.config.thresholding
        if loop or not is_elementwise or call.layers is not None:
            silence = self._silence(call, latents, timesteps)
            layers = layers_of(call, conditions)
            latents = self._denoise(latents, timesteps, layers, generator, eta, None, None, silence)
            check_finite(latents, "The transformer's steps gave latents that are expected")
            return partial(read_frames, latents)
        # Drawn in the order in which steps would draw it.
        has_noise = (scheduler.config.eta if eta is None else eta) > 0
        noises = [
            randn_tensor(latents.shape, generator=generator, device=latents.device, dtype=torch.float32)
            if has_noise
            else None
            for _ in timesteps[1:]
        ]

        def predict_window(part: torch.Tensor, index: int, number: int) -> torch.Tensor:
            self._current_timestep = timesteps[index]
            windows = call.windows[index % 2]
            return self._predict_window(part, timesteps[index], conditions, index, number, len(windows))

        def step(prediction: torch.Tensor, index: int, latents: torch.Tensor, frames: slice) -> torch.Tensor:
            noise = noises[index][..., frames] if index < len(noises) and has_noise else None
            latents = scheduler.step(
                prediction, timesteps[index], latents, variance_noise=noise, eta=eta, return_dict=False
            )[0]
            check_finite(latents, "The transformer's steps gave latents that are expected")
            return latents.to(self._step_dtype)

        windows = [call.windows[index % 2] for index in range(len(timesteps))]
        return LatentFront(latents, windows, predict_window, step).read
