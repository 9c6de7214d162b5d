# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""From one sound to another that is like it, as a text says."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers.pipelines.pipeline_utils import AudioPipelineOutput

from .arguments import check_latents
from .base import OF_THE_START, Call, Layer
from .editing import AudioLCMEditingPipelineBase
from .in_use import one_call_at_a_time
from .schedules import check_steps, check_strength, init_noise_sigma, noised
from .source_audio import read_source


class AudioLCMAudio2AudioPipeline(AudioLCMEditingPipelineBase):
    r"""
    Sound to sound with AudioLCM (arXiv:2406.00356), in as few steps as text to sound.

    The given sound is encoded, noised to the step that `strength` names, and denoised from there with the prompt
    (SDEdit: Meng et al., arXiv:2108.01073). Students and teachers, and all schedulers of [`AudioLCMPipeline`], whose
    components and options these are: `AudioLCMAudio2AudioPipeline.from_pipe(pipe)` shares them.
    """

    def check_inputs(
        self,
        prompt: str | list[str] | None = None,
        audio: Any = None,
        strength: float = 0.6,
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
    ) -> tuple[Call, torch.Tensor]:
        r"""
        Refuse, before any model runs, what [`~AudioLCMAudio2AudioPipeline.__call__`] cannot do. Arguments as there.

        Returns:
            `tuple[Call, torch.Tensor]`: What is asked for, read; and the sounds, `(1 or num_prompts, samples)`.

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
        length = limits.of_samples(source.shape[-1])
        num_waveforms = text.num_prompts * num_waveforms_per_prompt
        check_latents(latents, (num_waveforms, self.transformer.config.in_channels, length.num_latent_frames))
        return Call(text, length, limits.windows(length), limits.window_frames), source

    @torch.no_grad()
    @one_call_at_a_time
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        audio: Any = None,
        strength: float = 0.6,
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
        callback_on_step_end: Callable[["AudioLCMAudio2AudioPipeline", int, int, dict], dict] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        output_type: str = "np",
        return_dict: bool = True,
    ) -> AudioPipelineOutput | tuple:
        r"""
        Make a sound out of another.

        Args:
            prompt (`str` or `list[str]`, *optional*):
                What is to be heard; see [`~AudioLCMPipeline.__call__`].
            audio (`str`, `Path`, `bytes`, binary file, `np.ndarray`, `torch.Tensor`, `dict`, or a list of them):
                The sound to begin with; one for all prompts, or one a prompt, of one length. A file that libsndfile
                reads; or samples of shape `(samples,)`, `(channels, samples)` or `(batch_size, channels, samples)`,
                whole numbers or in [-1, 1]; or a dictionary with `array` and `sampling_rate`. The channels' mean is
                taken. The result is as long as it.
            strength (`float`, defaults to 0.6):
                How much of it is made anew, above 0 and up to 1: 1 begins with noise alone, as text to sound does. A
                student takes all of its steps, spread over what is left of the way; another model those of its steps
                that lie there, `int(strength * num_inference_steps)`.
            sampling_rate (`int`, *optional*):
                Of samples, in Hz; by default the model's. A file says its own.
            num_inference_steps (`int`, defaults to `config.default_num_inference_steps`):
                Denoising steps; by default no more than `strength` leaves.
            latents (`torch.Tensor` of shape `(num_waveforms, channels, latent_frames)`, *optional*):
                Noise that is added to the encoded sound, instead of drawn one.
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
        >>> from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMAudio2AudioPipeline

        >>> pipe = AudioLCMAudio2AudioPipeline.from_pretrained(MINI_CHECKPOINT)
        >>> time = torch.arange(32000) / 16000
        >>> tone = 0.3 * torch.sin(2 * torch.pi * 440 * time)
        >>> pipe("a dog barking", audio=tone, strength=0.7, generator=torch.manual_seed(0)).audios[0].shape
        (32000,)
        ```
        """
        generator, callback_on_step_end_tensor_inputs = self._read_callbacks(
            generator, callback_on_step_end, callback_on_step_end_tensor_inputs
        )
        arguments = {
            "prompt": prompt,
            "audio": audio,
            "strength": strength,
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
        call, source = self.check_inputs(**arguments)
        timesteps, conditions, noise = self._start(
            call, strength=strength, **{name: arguments[name] for name in OF_THE_START}
        )
        clean = self._encode_source(source, call.length, len(noise))
        # At full strength nothing of the sound is heard; what the noisiest step would keep of it is left out, too.
        start = noise * init_noise_sigma(self.scheduler)
        if strength < 1:
            start = noised(self.scheduler, clean, noise, timesteps[0]).to(self._step_dtype)
        latents = self._denoise(
            start,
            timesteps,
            [Layer(conditions, call.windows)],
            generator,
            eta,
            callback_on_step_end,
            callback_on_step_end_tensor_inputs,
        )
        audio = self._output(latents, call.length, output_type, call.is_whole)
        self.maybe_free_model_hooks()

        if not return_dict:
            return (audio,)
        return AudioPipelineOutput(audios=audio)
