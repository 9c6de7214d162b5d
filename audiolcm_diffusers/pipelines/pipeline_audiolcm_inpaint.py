# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Parts of a sound made anew, sounds that go on, and loops of them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.pipelines.pipeline_utils import AudioPipelineOutput

from .arguments import check_flag, check_latents, is_number
from .base import OF_THE_START, Call, Layer
from .decoding import Kept
from .editing import AudioLCMEditingPipelineBase
from .in_use import one_call_at_a_time
from .masks import Canvas, read_canvas
from .schedules import check_steps, check_strength, init_noise_sigma, noised
from .source_audio import read_source


# More than a frame of mels and the autoencoder see around themselves.
MIRRORED_SAMPLES = 4096


class AudioLCMInpaintPipeline(AudioLCMEditingPipelineBase):
    r"""
    Inpainting, continuation and loops with AudioLCM (arXiv:2406.00356), in as few steps as text to sound.

    What is kept of a sound is noised to each step and put back into the latents, so that what is made anew fits it, as
    in RePaint (Lugmayr et al., arXiv:2201.09865). In the result, what is kept is the given sound, sample by sample,
    but for a crossfade next to what is made anew. Students and teachers, and all schedulers of [`AudioLCMPipeline`],
    whose components and options these are: `AudioLCMInpaintPipeline.from_pipe(pipe)` shares them.
    """

    def check_inputs(
        self,
        prompt: str | list[str] | None = None,
        audio: Any = None,
        mask: Any = None,
        mask_start_seconds: float | Sequence[float] | None = None,
        mask_end_seconds: float | Sequence[float] | None = None,
        extend_s: float | Sequence[float] = 0.0,
        loop: bool = False,
        strength: float = 1.0,
        crossfade_s: float = 0.05,
        sampling_rate: int | None = None,
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
    ) -> tuple[Call, torch.Tensor, Canvas]:
        r"""
        Refuse, before any model runs, what [`~AudioLCMInpaintPipeline.__call__`] cannot do. Arguments as there.

        Returns:
            `tuple[Call, torch.Tensor, Canvas]`: What is asked for, read; the sounds, `(1 or num_prompts, samples)`;
            and what is kept of them.

        Raises:
            ValueError: Quoting the value that does not fit and saying what does.
        """
        default_steps, guidance_scale = self._with_defaults(num_inference_steps, guidance_scale)
        text, limits = self._check_call(
            prompt=prompt,
            events=events,
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
            generator=generator,
        )
        self._check_vae()
        check_steps(self.scheduler, default_steps, original_inference_steps, timesteps)
        num_inference_steps = self._steps_for(num_inference_steps, strength, original_inference_steps)
        check_strength(self.scheduler, strength, num_inference_steps, original_inference_steps, timesteps)
        source = read_source(audio, sampling_rate, self.sampling_rate, text.num_prompts)
        check_flag("loop", loop)
        if not is_number(crossfade_s) or not 0 <= crossfade_s <= 1:
            raise ValueError(f"Expected `crossfade_s` to be from 0 to 1 second, got {crossfade_s!r}.")
        canvas = read_canvas(
            source.shape[-1],
            self.sampling_rate,
            mask,
            mask_start_seconds,
            mask_end_seconds,
            extend_s,
            loop,
            self.config.window_overlap_in_s,
        )
        if strength < 1 and len(canvas.is_kept) > source.shape[-1]:
            raise ValueError(
                f"strength={strength} begins with what is there, and there is nothing in extend_s={extend_s!r}: leave "
                "it at 1."
            )
        length = limits.of_samples(len(canvas.is_kept))
        num_waveforms = text.num_prompts * num_waveforms_per_prompt
        check_latents(latents, (num_waveforms, self.transformer.config.in_channels, length.num_latent_frames))
        return Call(text, length, limits.windows(length, loop), limits.window_frames), source, canvas

    @staticmethod
    def _on_canvas(source: torch.Tensor, canvas: Canvas, fills: bool = True) -> torch.Tensor:
        """
        The given sound in its place. What is put before and behind it is silent, or filled with its mirror image as
        far as the frames at its ends see: that it ends is nothing that they should show.
        """
        behind = len(canvas.is_kept) - source.shape[-1] - canvas.offset
        sizes = canvas.offset, behind
        mirrored = [min(size, MIRRORED_SAMPLES, source.shape[-1] - 1) if fills else 0 for size in sizes]
        source = F.pad(source[:, None], mirrored, mode="reflect")[:, 0] if any(mirrored) else source
        return F.pad(source, [size - done for size, done in zip(sizes, mirrored)])

    def _decode(
        self,
        latents: torch.Tensor,
        call: Call,
        source: torch.Tensor,
        canvas: Canvas,
        crossfade_s: float,
        loop: bool,
        output_type: str,
    ) -> torch.Tensor | np.ndarray:
        """Clean latents as what a call returns, with the given sound where it is kept."""
        waveforms = self._on_canvas(source, canvas, fills=False).repeat_interleave(len(latents) // len(source), dim=0)
        shares = canvas.shares(round(crossfade_s * self.sampling_rate), loop)
        return self._output(
            latents,
            call.length,
            output_type,
            call.is_whole,
            loop,
            Kept(waveforms.to(latents.device), shares.to(latents.device)),
            fades=(not bool(canvas.is_kept[0]), not bool(canvas.is_kept[-1])),
        )

    @torch.no_grad()
    @one_call_at_a_time
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        audio: Any = None,
        mask: Any = None,
        mask_start_seconds: float | Sequence[float] | None = None,
        mask_end_seconds: float | Sequence[float] | None = None,
        extend_s: float | Sequence[float] = 0.0,
        loop: bool = False,
        strength: float = 1.0,
        crossfade_s: float = 0.05,
        sampling_rate: int | None = None,
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
        callback_on_step_end: Callable[["AudioLCMInpaintPipeline", int, int, dict], dict] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        output_type: str = "np",
        return_dict: bool = True,
    ) -> AudioPipelineOutput | tuple:
        r"""
        Make parts of a sound anew.

        Args:
            prompt (`str` or `list[str]`, *optional*):
                What is to be heard where sound is made; see [`~AudioLCMPipeline.__call__`].
            audio (`str`, `Path`, `bytes`, binary file, `np.ndarray`, `torch.Tensor`, `dict`, or a list of them):
                The sound that is partly kept; see [`~AudioLCMAudio2AudioPipeline.__call__`]. The channels' mean is
                what is kept.
            mask (`torch.Tensor` or `np.ndarray` of shape `(frames,)` or `(1, 1, frames)`, *optional*):
                1 where the sound is kept, 0 where it is made anew, as in StableAudio3's pipelines. Any number of
                frames, spread evenly over the sound: a latent frame, a sample or a second each.
            mask_start_seconds, mask_end_seconds (`float` or `list[float]`, *optional*):
                Instead of `mask`, segments that are made anew.
            extend_s (`float` or pair of `float`, defaults to 0.0):
                Seconds of sound that are made behind the given one, or before and behind it.
            loop (`bool`, defaults to `False`):
                Whether the result's end is to meet its beginning. One of them has to be made anew; where nothing else
                is, this is the end, `config.window_overlap_in_s` of it but at most a quarter.
            strength (`float`, defaults to 1.0):
                How much of the masked parts is made anew, above 0 and up to 1; less begins with what is there, see
                [`~AudioLCMAudio2AudioPipeline.__call__`].
            crossfade_s (`float`, defaults to 0.05):
                Seconds before and behind what is made anew in which the kept sound is faded into it, from 0 to 1.
            sampling_rate (`int`, *optional*):
                Of samples, in Hz; by default the model's. A file says its own.
            num_inference_steps (`int`, defaults to `config.default_num_inference_steps`):
                Denoising steps; by default no more than `strength` leaves. Two are enough for what is by itself what
                the prompt says; four fit a sound's surroundings better.
            latents (`torch.Tensor` of shape `(num_waveforms, channels, latent_frames)`, *optional*):
                Noise to begin with, instead of drawn one.
            guidance_scale, original_inference_steps, timesteps, negative_prompt, num_waveforms_per_prompt, generator:
                See [`~AudioLCMPipeline.__call__`].
            prompt_embeds, negative_prompt_embeds, prompt_attention_mask, negative_prompt_attention_mask, events, eta:
                See [`~AudioLCMPipeline.__call__`].
            attention_kwargs, callback_on_step_end, callback_on_step_end_tensor_inputs, output_type, return_dict:
                See [`~AudioLCMPipeline.__call__`].

        Returns:
            [`~diffusers.AudioPipelineOutput`] or `tuple`: `audios`, as `output_type` says.

        Raises:
            ValueError:
                If an argument does not fit, before any model runs; or if a network gives NaN or infinity, naming it.
            RuntimeError: If another call of the pipeline, or with its scheduler, is going on.

        Example:

        ```python
        >>> import torch
        >>> from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMInpaintPipeline

        >>> pipe = AudioLCMInpaintPipeline.from_pretrained(MINI_CHECKPOINT)
        >>> time = torch.arange(48000) / 16000
        >>> tone = 0.3 * torch.sin(2 * torch.pi * 440 * time)
        >>> options = {"mask_start_seconds": 1.0, "mask_end_seconds": 2.0, "generator": torch.manual_seed(0)}
        >>> audio = pipe("a dog barking", audio=tone, **options).audios[0]
        >>> bool((audio[:15000] == tone[:15000].numpy()).all())
        True
        ```
        """
        generator, callback_on_step_end_tensor_inputs = self._read_callbacks(
            generator, callback_on_step_end, callback_on_step_end_tensor_inputs
        )
        arguments = {
            "prompt": prompt,
            "audio": audio,
            "mask": mask,
            "mask_start_seconds": mask_start_seconds,
            "mask_end_seconds": mask_end_seconds,
            "extend_s": extend_s,
            "loop": loop,
            "strength": strength,
            "crossfade_s": crossfade_s,
            "sampling_rate": sampling_rate,
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
        }
        call, source, canvas = self.check_inputs(**arguments)
        timesteps, conditions, noise = self._start(
            call, strength=strength, **{name: arguments[name] for name in OF_THE_START}
        )
        device = noise.device
        clean = self._encode_source(self._on_canvas(source, canvas), call.length, len(noise))
        known = canvas.known_frames(call.length.num_latent_frames, self.hop_length * self.latent_hop).to(device)

        def put_back(latents: torch.Tensor, index: int) -> torch.Tensor:
            is_last = index + 1 == len(timesteps)
            # Between the two halves of a step of second order, latents are where no timestep is.
            if not is_last and (index + 1) % self.scheduler.order:
                return latents
            kept = clean if is_last else noised(self.scheduler, clean, noise, timesteps[index + 1])
            return torch.where(known, kept.to(latents), latents)

        start = noise * init_noise_sigma(self.scheduler)
        kept = noised(self.scheduler, clean, noise, timesteps[0]).to(self._step_dtype)
        start = torch.where(known, kept, start) if strength == 1 else kept
        latents = self._denoise(
            start,
            timesteps,
            [
                Layer(
                    conditions,
                    tuple([window for window in windows if window.shows(~known)] for windows in call.windows),
                )
            ],
            generator,
            eta,
            callback_on_step_end,
            callback_on_step_end_tensor_inputs,
            put_back,
        )
        audio = self._decode(latents, call, source, canvas, crossfade_s, loop, output_type)
        self.maybe_free_model_hooks()

        if not return_dict:
            return (audio,)
        return AudioPipelineOutput(audios=audio)
