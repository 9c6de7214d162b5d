# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Text to sound with a latent consistency model, or with the teacher that one is distilled from."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers.pipelines.pipeline_utils import AudioPipelineOutput

from .arguments import (
    SoundLength,
    check_attention_kwargs,
    check_callback_tensors,
    check_generator,
    check_guidance,
    check_latents,
    check_num_waveforms,
    check_output_type,
    read_changes,
)
from .base import AudioLCMPipelineBase
from .finite import check_finite
from .in_use import one_call_at_a_time
from .prompts import PromptText
from .schedules import check_eta, check_steps, scale_model_input, set_timesteps, step_arguments
from .stages import Conditions, predict


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
        max_audio_length_in_s (`float`, defaults to 300.0):
            Longest sound that a call may ask for, in seconds. The positions of a [`ConcatTransformer1DModel`], and
            those that a [`LLaMATransformer1DModel`] has learned, limit it further.
        fade_s (`float`, defaults to 0.0):
            Seconds in which a sound rises from silence at its beginning and falls to it at its end, along half a
            Hann window, at most half of the sound each. A sound that is cut out of one that goes on would click. Of
            waveforms alone, not of mels and latents.
        default_num_inference_steps (`int`, defaults to 2):
            Denoising steps where a call names none; those that the model was made for.
        default_guidance_scale (`float`, defaults to 5.0):
            Guidance scale where a call names none.

    Any text stream may be `None`; all text parts may be where calls pass `prompt_embeds`.
    """

    def check_inputs(
        self,
        prompt: str | list[str] | None = None,
        audio_length_in_s: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
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
    ) -> tuple[PromptText, SoundLength]:
        r"""
        Refuse, before any model runs, what [`~AudioLCMPipeline.__call__`] cannot do. Arguments as there.

        Returns:
            `tuple[PromptText, SoundLength]`: The text and the length, read.

        Raises:
            ValueError: Quoting the value that does not fit and saying what does.
        """
        num_inference_steps, guidance_scale = self._with_defaults(num_inference_steps, guidance_scale)
        check_output_type(self, output_type)
        check_guidance(self.is_student, guidance_scale, negative_prompt, negative_prompt_embeds)
        check_num_waveforms(num_waveforms_per_prompt)
        check_attention_kwargs(attention_kwargs)
        check_callback_tensors(callback_on_step_end_tensor_inputs, self._callback_tensor_inputs)
        check_eta(self.scheduler, eta)
        text, limits = self._read_prompts(
            prompt=prompt,
            events=events,
            negative_prompt=negative_prompt,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            prompt_attention_mask=prompt_attention_mask,
            negative_prompt_attention_mask=negative_prompt_attention_mask,
            guidance_scale=guidance_scale,
        )
        check_steps(self.scheduler, num_inference_steps, original_inference_steps, timesteps)
        length = limits.read(audio_length_in_s, latents)
        num_waveforms = text.num_prompts * num_waveforms_per_prompt
        check_latents(latents, (num_waveforms, self.transformer.config.in_channels, length.num_latent_frames))
        check_generator(generator, text.num_prompts, num_waveforms_per_prompt)
        return text, length

    @torch.no_grad()
    @one_call_at_a_time
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        audio_length_in_s: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
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
    ) -> AudioPipelineOutput | tuple:
        r"""
        Make sound.

        Args:
            prompt (`str` or `list[str]`, *optional*):
                What is to be heard. The second text stream reads it as one event that lasts all the time; a prompt
                in structured form, `"<a sneeze& start>@<a door slams& end>"`, says when.
            audio_length_in_s (`float`, *optional*):
                Seconds of sound, exact to the sample. By default the length of `latents`, or else
                `config.default_audio_length_in_s` or as much of it as the model can do.
            num_inference_steps (`int`, defaults to `config.default_num_inference_steps`):
                Denoising steps, from 1 to the original steps. A student needs 1 to 4; a teacher 20 and more. With a
                scheduler of second order (Heun, KDPM2) the network runs twice a step, and each run counts as one for
                `num_timesteps`, callbacks and the progress bar.
            guidance_scale (`float`, defaults to `config.default_guidance_scale`):
                How strongly the sound follows the prompt; `w + 1` of the paper. At 1 and below, a teacher is not
                guided, which is what a teacher with an LCM-LoRA wants.
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
                descriptions joined by "and".
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
        if isinstance(callback_on_step_end, (PipelineCallback, MultiPipelineCallbacks)):
            callback_on_step_end_tensor_inputs = callback_on_step_end.tensor_inputs
        if isinstance(generator, tuple):
            generator = list(generator)
        num_inference_steps, guidance_scale = self._with_defaults(num_inference_steps, guidance_scale)
        text, length = self.check_inputs(
            prompt=prompt,
            audio_length_in_s=audio_length_in_s,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            original_inference_steps=original_inference_steps,
            timesteps=timesteps,
            negative_prompt=negative_prompt,
            num_waveforms_per_prompt=num_waveforms_per_prompt,
            generator=generator,
            latents=latents,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            prompt_attention_mask=prompt_attention_mask,
            negative_prompt_attention_mask=negative_prompt_attention_mask,
            events=events,
            eta=eta,
            attention_kwargs=attention_kwargs,
            callback_on_step_end_tensor_inputs=callback_on_step_end_tensor_inputs,
            output_type=output_type,
        )
        self._guidance_scale = guidance_scale
        self._attention_kwargs = attention_kwargs
        self._interrupt = False
        device = self._execution_device
        dtype = self.transformer.dtype
        # Steps are taken in float32 at least: half precision would draw other noise, and round from step to step.
        step_dtype = torch.promote_types(dtype, torch.float32)

        # Before any model runs, because schedulers refuse timesteps for reasons of their own; and before the noise,
        # because some know its scale only afterwards.
        timesteps = set_timesteps(self.scheduler, num_inference_steps, original_inference_steps, timesteps, device)
        self._num_timesteps = len(timesteps)
        embeds = text.encode(self._text_streams, num_waveforms_per_prompt, device)
        # Not where training encodes, too: to look at values waits for the device.
        for encoded in embeds:
            if encoded is not None:
                check_finite(encoded, "The text encoders gave embeddings that are expected")
        masks = [
            None if mask is None else mask.to(device).repeat_interleave(num_waveforms_per_prompt, dim=0)
            for mask in (prompt_attention_mask, negative_prompt_attention_mask)
        ]
        conditions = Conditions(*(None if states is None else states.to(dtype) for states in embeds), *masks)
        latents = self.prepare_latents(
            batch_size=text.num_prompts * num_waveforms_per_prompt,
            num_channels=self.transformer.config.in_channels,
            num_frames=length.num_latent_frames,
            dtype=step_dtype,
            device=device,
            generator=generator,
            latents=latents,
        )
        step_kwargs = step_arguments(self.scheduler, generator, eta)

        with self.progress_bar(total=len(timesteps)) as progress_bar:
            for index, timestep in enumerate(timesteps):
                if self.interrupt:
                    continue
                self._current_timestep = timestep
                prediction = predict(
                    self.transformer,
                    scale_model_input(self.scheduler, latents, timestep).to(dtype),
                    timestep,
                    conditions,
                    self.guidance_scale,
                    self.attention_kwargs,
                )
                latents = self.scheduler.step(prediction, timestep, latents, **step_kwargs)[0].to(step_dtype)
                if callback_on_step_end is not None:
                    tensors = {"latents": latents, **conditions.embeds}
                    given = {name: tensors[name] for name in callback_on_step_end_tensor_inputs or ("latents",)}
                    latents, conditions = read_changes(
                        callback_on_step_end(self, index, timestep, given), latents, conditions
                    )
                progress_bar.update()
        self._current_timestep = None

        audio = self._output(latents, length, output_type)
        self.maybe_free_model_hooks()

        if not return_dict:
            return (audio,)
        return AudioPipelineOutput(audios=audio)
