# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Text to sound with a latent consistency model, or with the teacher that one is distilled from."""

import inspect
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from diffusers import SchedulerMixin
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers.pipelines.pipeline_utils import AudioPipelineOutput, DiffusionPipeline
from diffusers.utils import logging
from diffusers.utils.torch_utils import randn_tensor
from transformers import BertModel, PreTrainedTokenizerBase, T5EncoderModel

from ..consistency import guidance_embedding, guide
from ..loaders.lora import AudioLCMLoraLoaderMixin
from ..models.autoencoder_kl_mel_1d import AutoencoderKLMel1D
from ..models.clap_projection import CLAPProjection
from ..models.transformer_concat_1d import ConcatTransformer1DModel
from ..models.transformer_llama_1d import LLaMATransformer1DModel
from ..models.vocoder_bigvgan import BigVGANVocoder
from ..models.vocoder_griffin_lim import GriffinLimVocoder
from .prompt_events import plain_caption, structured_caption, structured_captions


logger = logging.get_logger(__name__)

OUTPUT_TYPES = ("np", "pt", "mel", "latent")

# Where a tokenizer names no length: the length of both text streams of the published model.
NUM_TEXT_TOKENS = 77

# A tokenizer whose files name no length reports a number of about 1e30.
_NO_LENGTH = 1_000_000


def _accepts(function: Callable, argument: str) -> bool:
    return argument in inspect.signature(function).parameters


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def fade_ends(waveforms: torch.Tensor, num_samples: int) -> torch.Tensor:
    r"""
    Let sounds rise from silence and fall to it, along half a Hann window.

    Args:
        waveforms (`torch.Tensor` of shape `(batch_size, samples)`): Sounds.
        num_samples (`int`): Length of a fade; at most half of the sound is faded at either end.

    Returns:
        `torch.Tensor` of the shape of `waveforms`.
    """
    num_samples = min(num_samples, waveforms.shape[-1] // 2)
    if num_samples == 0:
        return waveforms
    # Sample n is raised to sin^2(pi n / 2N): the first is silent.
    rise = torch.sin(torch.arange(num_samples, device=waveforms.device) * (math.pi / (2 * num_samples))) ** 2
    gain = torch.ones(waveforms.shape[-1], device=waveforms.device)
    gain[:num_samples] = rise
    gain[len(gain) - num_samples :] = rise.flip(0)
    return waveforms * gain


class AudioLCMPipeline(DiffusionPipeline, AudioLCMLoraLoaderMixin):
    r"""
    Text to sound with AudioLCM (arXiv:2406.00356).

    Text goes through up to two streams: a BERT with CLAP's projection reads the plain caption, a T5 encoder reads the
    caption as structured events. Their tokens are concatenated. The transformer denoises mel latents in few steps, the
    VAE turns these into a log-mel spectrogram, and the vocoder turns that into a waveform.

    Student and teacher run in this one class. A transformer with a guidance embedding
    (`transformer.config.time_cond_proj_dim`) is a student: it is told the guidance scale and runs once a step. One
    without is a teacher: it runs with and without caption in one batch (classifier-free guidance), with any scheduler
    of diffusers, and wants more steps than the two that are the default. An LCM-LoRA makes a few-step model of it, to
    be called with a guidance scale of 1: see [`AudioLCMLoraLoaderMixin`], which loads LoRAs of both.

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
        scheduler ([`LCMAudioScheduler`] or another scheduler of diffusers):
            For a student [`LCMAudioScheduler`]; for a teacher also [`~diffusers.DDIMScheduler`],
            [`~diffusers.DPMSolverMultistepScheduler`] and their like.
        vocoder ([`BigVGANVocoder`] or [`GriffinLimVocoder`]):
            Turns log-mel spectrograms into waveforms. The second has nothing to learn.
        default_audio_length_in_s (`float`, defaults to 10.0):
            Seconds of sound made where a call names no length; the length that the model was trained on.
        max_audio_length_in_s (`float`, defaults to 300.0):
            Longest sound that a call may ask for, in seconds. The positions of a [`ConcatTransformer1DModel`], and
            those that a [`LLaMATransformer1DModel`] has learned, limit it further.
        fade_s (`float`, defaults to 0.0):
            Seconds in which a sound rises from silence at its beginning and falls to it at its end, along half a
            Hann window, at most half of the sound each. A sound that is cut out of one that goes on would click. Of
            waveforms alone, not of mels and latents.

    Any text stream may be `None`; all text parts may be where calls pass `prompt_embeds`.
    """

    model_cpu_offload_seq = "text_encoder->projection_model->text_encoder_2->transformer->vae->vocoder"
    _optional_components = ["text_encoder", "projection_model", "text_encoder_2", "tokenizer", "tokenizer_2"]
    _callback_tensor_inputs = ["latents", "prompt_embeds", "negative_prompt_embeds"]

    def __init__(
        self,
        vae: AutoencoderKLMel1D,
        text_encoder: BertModel | None,
        projection_model: CLAPProjection | None,
        text_encoder_2: T5EncoderModel | None,
        tokenizer: PreTrainedTokenizerBase | None,
        tokenizer_2: PreTrainedTokenizerBase | None,
        transformer: LLaMATransformer1DModel | ConcatTransformer1DModel,
        scheduler: SchedulerMixin,
        vocoder: BigVGANVocoder | GriffinLimVocoder,
        default_audio_length_in_s: float = 10.0,
        max_audio_length_in_s: float = 300.0,
        fade_s: float = 0.0,
    ):
        super().__init__()
        self.register_modules(
            vae=vae,
            text_encoder=text_encoder,
            projection_model=projection_model,
            text_encoder_2=text_encoder_2,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer_2,
            transformer=transformer,
            scheduler=scheduler,
            vocoder=vocoder,
        )
        if not _is_number(fade_s) or not 0 <= fade_s < math.inf:
            raise ValueError(f"Expected `fade_s` to be a finite number from 0, got {fade_s!r}.")
        self.register_to_config(
            default_audio_length_in_s=default_audio_length_in_s,
            max_audio_length_in_s=max_audio_length_in_s,
            fade_s=fade_s,
        )
        self._current_timestep = None
        # A pipeline without a VAE or vocoder counts as the published model does.
        self.sampling_rate = self.vae.config.sampling_rate if getattr(self, "vae", None) is not None else 16000
        self.hop_length = self.vocoder.hop_length if getattr(self, "vocoder", None) is not None else 256
        self.latent_hop = self.vae.temporal_compression_ratio if getattr(self, "vae", None) is not None else 2

    @property
    def guidance_scale(self) -> float:
        r"""`float`: Guidance scale of the current call; a callback may change `_guidance_scale` between steps."""
        return self._guidance_scale

    @property
    def is_student(self) -> bool:
        r"""`bool`: Whether the transformer takes the guidance scale as an embedding."""
        return self.transformer.config.time_cond_proj_dim is not None

    @property
    def do_classifier_free_guidance(self) -> bool:
        r"""`bool`: Whether the transformer runs with and without caption: a teacher with a guidance scale above 1."""
        return not self.is_student and self._guidance_scale > 1

    @property
    def attention_kwargs(self) -> dict[str, Any] | None:
        r"""`dict`: Arguments of the attention processors in the current call."""
        return self._attention_kwargs

    @property
    def num_timesteps(self) -> int:
        r"""`int`: Number of denoising steps of the current call."""
        return self._num_timesteps

    @property
    def current_timestep(self) -> torch.Tensor | None:
        r"""`torch.Tensor`: Timestep of the current denoising step, for caches that depend on it; `None` outside."""
        return self._current_timestep

    @property
    def interrupt(self) -> bool:
        r"""`bool`: Set `_interrupt` in a callback to leave out the steps that remain."""
        return self._interrupt

    def _text_streams(self) -> list[tuple]:
        """The (tokenizer, text encoder, projection) of the streams that there are; `None` for those there are not."""
        return [
            (self.tokenizer, self.text_encoder, self.projection_model),
            (self.tokenizer_2, self.text_encoder_2, None),
        ]

    @staticmethod
    def _num_text_tokens(tokenizer: PreTrainedTokenizerBase) -> int:
        return NUM_TEXT_TOKENS if tokenizer.model_max_length > _NO_LENGTH else tokenizer.model_max_length

    def _tokenize(self, tokenizer: PreTrainedTokenizerBase, captions: list[str]) -> torch.Tensor:
        max_length = self._num_text_tokens(tokenizer)
        num_kept = max_length - tokenizer.num_special_tokens_to_add()
        for caption, tokens in zip(captions, tokenizer(captions, add_special_tokens=False, verbose=False).input_ids):
            if len(tokens) > num_kept:
                logger.warning(
                    f"The prompt {caption!r} is longer than the {max_length} tokens that "
                    f"{tokenizer.__class__.__name__} keeps. What was cut: {tokenizer.decode(tokens[num_kept:])!r}"
                )
        return tokenizer(
            captions, padding="max_length", max_length=max_length, truncation=True, return_tensors="pt"
        ).input_ids

    def _encode_captions(self, plain: list[str], structured: list[str], device: torch.device) -> torch.Tensor:
        embeds = []
        for captions, (tokenizer, text_encoder, projection) in zip((plain, structured), self._text_streams()):
            if text_encoder is None:
                continue
            # The published model gives its encoders no attention mask, so that padding is attended.
            hidden_states = text_encoder(self._tokenize(tokenizer, captions).to(device))[0]
            embeds.append(hidden_states if projection is None else projection(hidden_states))
        return torch.cat([states.to(embeds[-1].dtype) for states in embeds], dim=1)

    def encode_prompt(
        self,
        prompt: str | list[str] | None = None,
        events: Sequence | None = None,
        negative_prompt: str | list[str] | None = None,
        num_waveforms_per_prompt: int = 1,
        do_classifier_free_guidance: bool | None = None,
        prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds: torch.Tensor | None = None,
        device: torch.device | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        r"""
        Encode captions with the text streams that the pipeline has.

        Args:
            prompt (`str` or `list[str]`, *optional*):
                Captions; see [`~AudioLCMPipeline.__call__`].
            events (`list`, *optional*):
                What the second stream reads instead; see [`~AudioLCMPipeline.__call__`].
            negative_prompt (`str` or `list[str]`, *optional*):
                Captions to be guided away from, the empty one by default.
            num_waveforms_per_prompt (`int`, defaults to 1):
                How often every prompt is repeated.
            do_classifier_free_guidance (`bool`, *optional*):
                Whether to encode the negative prompt. By default where one is given or the transformer is a teacher.
            prompt_embeds (`torch.Tensor` of shape `(batch_size, num_tokens, cross_attention_dim)`, *optional*):
                Encoded captions, which are only repeated.
            negative_prompt_embeds (`torch.Tensor` of the shape of `prompt_embeds`, *optional*):
                The same for the negative prompt.
            device (`torch.device`, *optional*):
                Where the encoders run; the pipeline's device by default.

        Returns:
            `tuple[torch.Tensor, torch.Tensor | None]`: `prompt_embeds` and `negative_prompt_embeds`, each of shape
            `(batch_size * num_waveforms_per_prompt, num_tokens, cross_attention_dim)`; the second is `None` where it
            was not asked for.

        Raises:
            ValueError: If prompts have a wrong type or number, or a part needed to encode them is missing.
        """
        device = device or self._execution_device
        if do_classifier_free_guidance is None:
            is_teacher = self.transformer is not None and not self.is_student
            do_classifier_free_guidance = is_teacher or negative_prompt is not None
        batch_size = self._check_text(prompt, events, negative_prompt, prompt_embeds, negative_prompt_embeds)

        if prompt_embeds is None:
            if events is None:
                prompts = [prompt] if isinstance(prompt, str) else list(prompt)
                structured = [structured_caption(text) for text in prompts]
            else:
                structured = structured_captions(events)
                prompts = structured if prompt is None else [prompt] if isinstance(prompt, str) else list(prompt)
            prompt_embeds = self._encode_captions([plain_caption(text) for text in prompts], structured, device)
        prompt_embeds = prompt_embeds.to(device).repeat_interleave(num_waveforms_per_prompt, dim=0)

        if do_classifier_free_guidance and negative_prompt_embeds is None:
            if negative_prompt is None or isinstance(negative_prompt, str):
                negative_prompts = [negative_prompt or ""] * batch_size
            else:
                negative_prompts = list(negative_prompt)
            self._check_text_parts("a negative prompt (the empty one by default)", "negative_prompt_embeds")
            negative_prompt_embeds = self._encode_captions(
                [plain_caption(text) for text in negative_prompts],
                [structured_caption(text) for text in negative_prompts],
                device,
            )
        if negative_prompt_embeds is not None:
            negative_prompt_embeds = negative_prompt_embeds.to(device).repeat_interleave(
                num_waveforms_per_prompt, dim=0
            )
        return prompt_embeds, negative_prompt_embeds

    def _check_text_parts(self, what: str, embeds_name: str) -> None:
        if self.text_encoder is None and self.text_encoder_2 is None:
            raise ValueError(
                f"{what} cannot be encoded, because this pipeline has no text encoder; pass `{embeds_name}` instead."
            )
        for name, (tokenizer, text_encoder, _) in zip(("tokenizer", "tokenizer_2"), self._text_streams()):
            if text_encoder is not None and tokenizer is None:
                raise ValueError(f"{what} cannot be encoded, because the pipeline's `{name}` is None.")

    def _check_text(
        self,
        prompt: str | list[str] | None,
        events: Sequence | None,
        negative_prompt: str | list[str] | None,
        prompt_embeds: torch.Tensor | None,
        negative_prompt_embeds: torch.Tensor | None,
    ) -> int:
        """Check everything about text that needs no model, and return the number of prompts."""
        for name, text in (("prompt", prompt), ("negative_prompt", negative_prompt)):
            if text is None or isinstance(text, str):
                continue
            if not isinstance(text, (list, tuple)) or not all(isinstance(item, str) for item in text):
                raise ValueError(f"Expected `{name}` to be a string or a list of strings, got {text!r}.")
            if len(text) == 0:
                raise ValueError(f"Expected `{name}` to hold at least one string, got {text!r}.")
        for name, embeds in (("prompt_embeds", prompt_embeds), ("negative_prompt_embeds", negative_prompt_embeds)):
            if embeds is not None and (not isinstance(embeds, torch.Tensor) or embeds.ndim != 3 or 0 in embeds.shape):
                raise ValueError(
                    f"Expected `{name}` to be a tensor of shape (batch_size, num_tokens, cross_attention_dim), got "
                    f"{tuple(embeds.shape) if isinstance(embeds, torch.Tensor) else embeds!r}."
                )

        if prompt_embeds is not None:
            if prompt is not None or events is not None:
                raise ValueError(
                    f"Pass either `prompt_embeds` or `prompt` and `events`, got prompt_embeds of shape "
                    f"{tuple(prompt_embeds.shape)} with prompt={prompt!r}, events={events!r}."
                )
            batch_size = prompt_embeds.shape[0]
        else:
            if prompt is None and events is None:
                raise ValueError("Pass one of `prompt`, `events` and `prompt_embeds`, got None for all of them.")
            self._check_text_parts(f"prompt={prompt!r}, events={events!r}", "prompt_embeds")
            batch_size = 1 if isinstance(prompt, str) else None if prompt is None else len(prompt)
            if events is None:
                for text in [prompt] if isinstance(prompt, str) else prompt:
                    structured_caption(text)
            else:
                if self.text_encoder_2 is None:
                    raise ValueError(
                        "`events` are read by the second text stream, which this pipeline does not have; got "
                        f"{events!r}."
                    )
                num_captions = len(structured_captions(events))
                if batch_size not in (None, num_captions):
                    raise ValueError(
                        f"Expected `events` for each of the {batch_size} prompts, got those of {num_captions}: "
                        f"{events!r}."
                    )
                batch_size = num_captions

        if negative_prompt is not None:
            if negative_prompt_embeds is not None:
                raise ValueError(
                    f"Pass either `negative_prompt` or `negative_prompt_embeds`, got {negative_prompt!r} with "
                    f"embeddings of shape {tuple(negative_prompt_embeds.shape)}."
                )
            self._check_text_parts(f"negative_prompt={negative_prompt!r}", "negative_prompt_embeds")
            negative_prompts = [negative_prompt] if isinstance(negative_prompt, str) else negative_prompt
            for text in negative_prompts:
                structured_caption(text)
            if not isinstance(negative_prompt, str) and len(negative_prompt) != batch_size:
                raise ValueError(
                    f"Expected one `negative_prompt` or {batch_size}, as many as there are prompts, got "
                    f"{len(negative_prompt)}: {negative_prompt!r}."
                )
        if negative_prompt_embeds is not None:
            if prompt_embeds is not None and negative_prompt_embeds.shape != prompt_embeds.shape:
                raise ValueError(
                    f"Expected `negative_prompt_embeds` of the shape of `prompt_embeds`, "
                    f"{tuple(prompt_embeds.shape)}, got {tuple(negative_prompt_embeds.shape)}."
                )
            if negative_prompt_embeds.shape[0] != batch_size:
                raise ValueError(
                    f"Expected `negative_prompt_embeds` for {batch_size} prompts, got shape "
                    f"{tuple(negative_prompt_embeds.shape)}."
                )
        return batch_size

    def _check_schedule(
        self, num_inference_steps: int, original_inference_steps: int | None, timesteps: Sequence[int] | None
    ) -> None:
        set_timesteps = self.scheduler.set_timesteps
        num_train_timesteps = self.scheduler.config.num_train_timesteps
        scheduler_name = self.scheduler.__class__.__name__

        num_original_steps = num_train_timesteps
        if original_inference_steps is not None:
            if not _accepts(set_timesteps, "original_inference_steps"):
                raise ValueError(
                    f"{scheduler_name} has no `original_inference_steps`, got {original_inference_steps!r}."
                )
            if not _is_count(original_inference_steps) or original_inference_steps > num_train_timesteps:
                raise ValueError(
                    f"Expected `original_inference_steps` to be a whole number from 1 to {num_train_timesteps}, got "
                    f"{original_inference_steps!r}."
                )
            num_original_steps = original_inference_steps
        elif _accepts(set_timesteps, "original_inference_steps"):
            num_original_steps = self.scheduler.config.original_inference_steps

        if timesteps is not None:
            if not _accepts(set_timesteps, "timesteps"):
                raise ValueError(f"{scheduler_name} takes no custom `timesteps`, got {timesteps!r}.")
            values = timesteps.tolist() if isinstance(timesteps, (torch.Tensor, np.ndarray)) else timesteps
            if not isinstance(values, Sequence) or len(values) == 0 or not all(_is_number(t) for t in values):
                raise ValueError(f"Expected `timesteps` to be a list of at least one number, got {timesteps!r}.")
            if any(later >= earlier for earlier, later in pairwise(values)):
                raise ValueError(f"Expected `timesteps` to be descending, got {values}.")
            if not 0 <= values[-1] <= values[0] < num_train_timesteps:
                raise ValueError(f"Expected `timesteps` in 0…{num_train_timesteps - 1}, got {values}.")
            if len(values) > num_original_steps:
                raise ValueError(
                    f"Expected at most {num_original_steps} `timesteps`, the original steps, got {len(values)}."
                )
        elif not _is_count(num_inference_steps) or num_inference_steps > num_original_steps:
            raise ValueError(
                f"Expected `num_inference_steps` to be a whole number from 1 to {num_original_steps}, the original "
                f"steps, got {num_inference_steps!r}."
            )

    def _num_samples(
        self, audio_length_in_s: float | None, latents: torch.Tensor | None, num_text_tokens: int
    ) -> tuple[int, int]:
        """
        Check the length asked for, and return it in samples of the waveform and in latent frames.
        """
        samples_per_frame = self.hop_length * self.latent_hop
        max_positions = self.transformer.config.get("max_position_embeddings", None)
        # A LLaMA transformer's learned positions are the frames' alone.
        max_frames = self.transformer.config.get("num_positions", None)
        max_samples = math.floor(self.config.max_audio_length_in_s * self.sampling_rate)
        if max_positions is not None:
            # One position is the timestep's.
            max_frames = max_positions - 1 - num_text_tokens
            if max_frames < 1:
                raise ValueError(
                    f"Expected at most {max_positions - 2} text tokens, which leave one of this transformer's "
                    f"{max_positions} positions for sound, got {num_text_tokens}."
                )
        if max_frames is not None:
            max_samples = min(max_samples, max_frames * samples_per_frame)

        if audio_length_in_s is not None:
            if not _is_number(audio_length_in_s) or not math.isfinite(audio_length_in_s):
                raise ValueError(
                    f"Expected `audio_length_in_s` to be a finite number of seconds, got {audio_length_in_s!r}."
                )
            num_samples = round(audio_length_in_s * self.sampling_rate)
            if num_samples < 1:
                raise ValueError(
                    f"Expected `audio_length_in_s` to be at least one sample, 1/{self.sampling_rate} s, got "
                    f"{audio_length_in_s!r}."
                )
        elif latents is not None and latents.ndim == 3:
            num_samples = latents.shape[-1] * samples_per_frame
        else:
            num_samples = min(round(self.config.default_audio_length_in_s * self.sampling_rate), max_samples)
        if num_samples > max_samples:
            raise ValueError(
                f"Expected a sound of at most {max_samples / self.sampling_rate:g} s, the limit of this model, got "
                f"{num_samples / self.sampling_rate:g} s."
            )
        num_frames = math.ceil(math.ceil(num_samples / self.hop_length) / self.latent_hop)
        return num_samples, num_frames

    def check_inputs(
        self,
        prompt: str | list[str] | None = None,
        audio_length_in_s: float | None = None,
        num_inference_steps: int = 2,
        guidance_scale: float = 5.0,
        original_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
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
    ) -> None:
        r"""
        Refuse, before any model runs, what [`~AudioLCMPipeline.__call__`] cannot do. Arguments as there.

        Raises:
            ValueError: Quoting the value that does not fit and saying what does.
        """
        if output_type not in OUTPUT_TYPES:
            raise ValueError(f"Expected `output_type` to be one of {OUTPUT_TYPES}, got {output_type!r}.")
        needed = {"transformer": self.transformer, "scheduler": self.scheduler}
        if output_type != "latent":
            needed["vae"] = self.vae
        if output_type in ("np", "pt"):
            needed["vocoder"] = self.vocoder
        for name, component in needed.items():
            if component is None:
                raise ValueError(f"output_type={output_type!r} needs the pipeline's `{name}`, which is None.")

        if not _is_number(guidance_scale) or not math.isfinite(guidance_scale):
            raise ValueError(f"Expected `guidance_scale` to be a finite number, got {guidance_scale!r}.")
        if not _is_count(num_waveforms_per_prompt):
            raise ValueError(
                f"Expected `num_waveforms_per_prompt` to be a whole number from 1, got {num_waveforms_per_prompt!r}."
            )
        if self.is_student and (negative_prompt is not None or negative_prompt_embeds is not None):
            raise ValueError(
                "A student takes guidance as an embedding and cannot use a negative prompt, got negative_prompt="
                f"{negative_prompt!r}, negative_prompt_embeds="
                f"{None if negative_prompt_embeds is None else tuple(negative_prompt_embeds.shape)}; leave it out."
            )
        if not self.is_student and guidance_scale <= 1 and negative_prompt is not None:
            raise ValueError(
                f"A negative prompt needs guidance_scale > 1, got guidance_scale={guidance_scale} with "
                f"negative_prompt={negative_prompt!r}."
            )
        if attention_kwargs is not None and not isinstance(attention_kwargs, dict):
            raise ValueError(f"Expected `attention_kwargs` to be a dictionary, got {attention_kwargs!r}.")
        unknown = [name for name in callback_on_step_end_tensor_inputs if name not in self._callback_tensor_inputs]
        if unknown:
            raise ValueError(
                f"Expected `callback_on_step_end_tensor_inputs` from {self._callback_tensor_inputs}, got {unknown}."
            )
        if eta is not None:
            if not _is_number(eta) or not 0 <= eta <= 1:
                raise ValueError(f"Expected `eta` to be a number from 0 to 1, got {eta!r}.")
            if not _accepts(self.scheduler.step, "eta"):
                raise ValueError(f"{self.scheduler.__class__.__name__} has no `eta` in its steps, got {eta}.")

        batch_size = self._check_text(prompt, events, negative_prompt, prompt_embeds, negative_prompt_embeds)
        needs_negative = not self.is_student and guidance_scale > 1 and negative_prompt_embeds is None
        if needs_negative and prompt_embeds is not None:
            self._check_text_parts("a negative prompt (the empty one by default)", "negative_prompt_embeds")
        cross_attention_dim = self.transformer.config.cross_attention_dim
        for name, embeds, mask in (
            ("prompt", prompt_embeds, prompt_attention_mask),
            ("negative_prompt", negative_prompt_embeds, negative_prompt_attention_mask),
        ):
            if embeds is not None and embeds.shape[-1] != cross_attention_dim:
                raise ValueError(
                    f"Expected `{name}_embeds` of shape (batch_size, num_tokens, {cross_attention_dim}), got "
                    f"{tuple(embeds.shape)}."
                )
            if mask is None:
                continue
            if not isinstance(mask, torch.Tensor) or mask.is_floating_point() or mask.is_complex():
                raise ValueError(
                    f"Expected `{name}_attention_mask` to be a boolean or integer tensor, got "
                    f"{mask.dtype if isinstance(mask, torch.Tensor) else mask!r}."
                )
            if embeds is None or mask.shape != embeds.shape[:2]:
                raise ValueError(
                    f"Expected `{name}_attention_mask` along with `{name}_embeds`, and of shape (batch_size, "
                    f"num_tokens); got a mask of shape {tuple(mask.shape)} with embeddings of shape "
                    f"{None if embeds is None else tuple(embeds.shape)}."
                )
        if not self.is_student and guidance_scale > 1:
            num_tokens = self._num_prompt_tokens(prompt_embeds)
            num_negative_tokens = self._num_prompt_tokens(negative_prompt_embeds)
            if num_negative_tokens != num_tokens:
                raise ValueError(
                    "Expected prompt and negative prompt (the empty one by default) to have the same number of "
                    f"tokens, got {num_tokens} and {num_negative_tokens}; pass embeddings of equal length for both."
                )
        if isinstance(self.transformer, ConcatTransformer1DModel):
            self._check_equal_streams(prompt_embeds)

        self._check_schedule(num_inference_steps, original_inference_steps, timesteps)

        num_waveforms = batch_size * num_waveforms_per_prompt
        _, num_frames = self._num_samples(audio_length_in_s, latents, self._num_prompt_tokens(prompt_embeds))
        shape = (num_waveforms, self.transformer.config.in_channels, num_frames)
        if latents is not None and (not isinstance(latents, torch.Tensor) or tuple(latents.shape) != shape):
            raise ValueError(
                f"Expected `latents` to be a tensor of shape {shape}, got "
                f"{tuple(latents.shape) if isinstance(latents, torch.Tensor) else latents!r}."
            )
        generators = generator if isinstance(generator, (list, tuple)) else [generator]
        if generator is not None and not all(isinstance(item, torch.Generator) for item in generators):
            raise ValueError(f"Expected `generator` to be a torch.Generator or a list of them, got {generator!r}.")
        if isinstance(generator, (list, tuple)) and len(generator) != num_waveforms:
            raise ValueError(
                f"Expected as many generators as waveforms are made, {num_waveforms} ({batch_size} prompts, "
                f"num_waveforms_per_prompt={num_waveforms_per_prompt}), got {len(generator)}."
            )

    def _check_equal_streams(self, prompt_embeds: torch.Tensor | None) -> None:
        """A [`ConcatTransformer1DModel`] takes the first half of the tokens for the first stream."""
        if prompt_embeds is not None:
            if prompt_embeds.shape[1] % 2 != 0:
                raise ValueError(
                    "This transformer reads two text streams of equal length: expected `prompt_embeds` with an even "
                    f"number of tokens, got shape {tuple(prompt_embeds.shape)}."
                )
            return
        lengths = [
            None if text_encoder is None else self._num_text_tokens(tokenizer)
            for tokenizer, text_encoder, _ in self._text_streams()
        ]
        if lengths[0] != lengths[1]:
            raise ValueError(
                "This transformer reads two text streams of equal length: expected two text encoders, and tokenizers "
                f"of the same `model_max_length`, got {lengths[0]} and {lengths[1]} tokens; or pass `prompt_embeds`."
            )

    def _num_prompt_tokens(self, prompt_embeds: torch.Tensor | None) -> int:
        if prompt_embeds is not None:
            return prompt_embeds.shape[1]
        return sum(
            self._num_text_tokens(tokenizer)
            for tokenizer, text_encoder, _ in self._text_streams()
            if text_encoder is not None
        )

    def prepare_latents(
        self,
        batch_size: int,
        num_channels: int,
        num_frames: int,
        dtype: torch.dtype,
        device: torch.device,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
    ) -> torch.Tensor:
        r"""
        Draw the noise to start from, or take the one given, at the scheduler's scale.

        Args:
            batch_size (`int`): Number of waveforms.
            num_channels (`int`): Channels of the latents.
            num_frames (`int`): Latent frames.
            dtype (`torch.dtype`): Of the transformer.
            device (`torch.device`): Where the transformer runs.
            generator (`torch.Generator` or `list[torch.Generator]`, *optional*): One, or one a waveform.
            latents (`torch.Tensor` of shape `(batch_size, num_channels, num_frames)`, *optional*):
                Noise of variance 1 to use instead of drawn one.

        Returns:
            `torch.Tensor` of shape `(batch_size, num_channels, num_frames)`.
        """
        if latents is None:
            shape = (batch_size, num_channels, num_frames)
            latents = randn_tensor(shape, generator=generator, device=device, dtype=dtype)
        return latents.to(device=device, dtype=dtype) * self.scheduler.init_noise_sigma

    def _set_timesteps(
        self,
        num_inference_steps: int,
        original_inference_steps: int | None,
        timesteps: Sequence[int] | None,
        device: torch.device,
    ) -> torch.Tensor:
        kwargs = {}
        if original_inference_steps is not None:
            kwargs["original_inference_steps"] = original_inference_steps
        if timesteps is None:
            kwargs["num_inference_steps"] = num_inference_steps
        else:
            values = timesteps.tolist() if isinstance(timesteps, (torch.Tensor, np.ndarray)) else list(timesteps)
            kwargs["timesteps"] = values
        self.scheduler.set_timesteps(device=device, **kwargs)
        return self.scheduler.timesteps

    def _predict(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        prompt_embeds: torch.Tensor,
        negative_prompt_embeds: torch.Tensor | None,
        prompt_attention_mask: torch.Tensor | None,
        negative_prompt_attention_mask: torch.Tensor | None,
    ) -> torch.Tensor:
        """Run the transformer once, guided in the way that it knows."""
        w = self.guidance_scale - 1
        timestep_cond = None
        if self.is_student:
            timestep_cond = guidance_embedding(
                torch.full((latents.shape[0],), w, device=latents.device),
                embedding_dim=self.transformer.config.time_cond_proj_dim,
            )
        elif self.do_classifier_free_guidance:
            if negative_prompt_embeds is None:
                raise ValueError(
                    f"guidance_scale became {self.guidance_scale} in a call that began without classifier-free "
                    "guidance; begin with a guidance_scale above 1."
                )
            latents = torch.cat([latents, latents])
            if prompt_attention_mask is not None or negative_prompt_attention_mask is not None:
                masks = [
                    torch.ones(embeds.shape[:2], dtype=torch.bool, device=embeds.device)
                    if mask is None
                    else mask.bool()
                    for embeds, mask in (
                        (negative_prompt_embeds, negative_prompt_attention_mask),
                        (prompt_embeds, prompt_attention_mask),
                    )
                ]
                prompt_attention_mask = torch.cat(masks)
            # In this order, because diffusers' caches take the second half for the conditional one.
            prompt_embeds = torch.cat([negative_prompt_embeds, prompt_embeds])

        with self.transformer.cache_context("cond_uncond" if self.do_classifier_free_guidance else "cond"):
            prediction = self.transformer(
                hidden_states=self.scheduler.scale_model_input(latents, timestep),
                timestep=timestep.expand(latents.shape[0]),
                encoder_hidden_states=prompt_embeds,
                encoder_attention_mask=prompt_attention_mask,
                timestep_cond=timestep_cond,
                attention_kwargs=self.attention_kwargs,
                return_dict=False,
            )[0]
        if self.do_classifier_free_guidance:
            uncond, cond = prediction.chunk(2)
            prediction = guide(cond, uncond, w)
        return prediction

    def mel_spectrogram_to_waveform(self, mel: torch.Tensor, num_samples: int | None = None) -> torch.Tensor:
        r"""
        The vocoder's waveforms, faded at their ends as `config.fade_s` says.

        Args:
            mel (`torch.Tensor` of shape `(batch_size, num_mel_bins, frames)`): Log-mel spectrograms.
            num_samples (`int`, *optional*): Length to cut to; the whole by default.

        Returns:
            `torch.Tensor` of shape `(batch_size, samples)`: float32.
        """
        waveforms = self.vocoder(mel.to(self.vocoder.dtype))[..., :num_samples].float()
        return fade_ends(waveforms, round(self.config.fade_s * self.sampling_rate))

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        audio_length_in_s: float | None = None,
        num_inference_steps: int = 2,
        guidance_scale: float = 5.0,
        original_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
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
            num_inference_steps (`int`, defaults to 2):
                Denoising steps, from 1 to the original steps. A student needs 1 to 4; a teacher 20 and more.
            guidance_scale (`float`, defaults to 5.0):
                How strongly the sound follows the prompt; `w + 1` of the paper. At 1 and below, a teacher is not
                guided, which is what a teacher with an LCM-LoRA wants.
            original_inference_steps (`int`, *optional*):
                Number of solver steps that the student was distilled on, from which `num_inference_steps` are picked.
                By default the scheduler's. Only for schedulers that know it.
            timesteps (`list[int]`, *optional*):
                Descending training timesteps to use instead of `num_inference_steps` evenly spaced ones. Only for
                schedulers that take them.
            negative_prompt (`str` or `list[str]`, *optional*):
                What is not to be heard; one for all prompts or one each. Only for a teacher with a guidance scale
                above 1, where the empty prompt is the default.
            num_waveforms_per_prompt (`int`, defaults to 1):
                Waveforms to make from each prompt.
            generator (`torch.Generator` or `list[torch.Generator]`, *optional*):
                Makes the sound reproducible: one, or one a waveform.
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
                returns a dictionary of those that it changed.
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
            ValueError: If an argument does not fit, before any model runs.

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
        self.check_inputs(
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

        # First, because schedulers refuse timesteps for reasons of their own. Some know the scale of the noise only
        # afterwards.
        timesteps = self._set_timesteps(num_inference_steps, original_inference_steps, timesteps, device)
        self._num_timesteps = len(timesteps)
        num_samples, num_frames = self._num_samples(audio_length_in_s, latents, self._num_prompt_tokens(prompt_embeds))
        prompt_embeds, negative_prompt_embeds = self.encode_prompt(
            prompt=prompt,
            events=events,
            negative_prompt=negative_prompt,
            num_waveforms_per_prompt=num_waveforms_per_prompt,
            do_classifier_free_guidance=self.do_classifier_free_guidance,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            device=device,
        )
        prompt_embeds = prompt_embeds.to(dtype)
        if negative_prompt_embeds is not None:
            negative_prompt_embeds = negative_prompt_embeds.to(dtype)
        prompt_attention_mask, negative_prompt_attention_mask = (
            None if mask is None else mask.to(device).repeat_interleave(num_waveforms_per_prompt, dim=0)
            for mask in (prompt_attention_mask, negative_prompt_attention_mask)
        )

        latents = self.prepare_latents(
            batch_size=prompt_embeds.shape[0],
            num_channels=self.transformer.config.in_channels,
            num_frames=num_frames,
            dtype=dtype,
            device=device,
            generator=generator,
            latents=latents,
        )
        step_kwargs = {}
        if _accepts(self.scheduler.step, "generator"):
            step_kwargs["generator"] = generator
        if eta is not None:
            step_kwargs["eta"] = eta

        with self.progress_bar(total=len(timesteps)) as progress_bar:
            for index, timestep in enumerate(timesteps):
                if self.interrupt:
                    continue
                self._current_timestep = timestep
                prediction = self._predict(
                    latents,
                    timestep,
                    prompt_embeds,
                    negative_prompt_embeds,
                    prompt_attention_mask,
                    negative_prompt_attention_mask,
                )
                latents = self.scheduler.step(prediction, timestep, latents, return_dict=False, **step_kwargs)[0]
                latents = latents.to(dtype)
                if callback_on_step_end is not None:
                    tensors = {
                        "latents": latents,
                        "prompt_embeds": prompt_embeds,
                        "negative_prompt_embeds": negative_prompt_embeds,
                    }
                    changed = callback_on_step_end(
                        self, index, timestep, {name: tensors[name] for name in callback_on_step_end_tensor_inputs}
                    )
                    latents = changed.pop("latents", latents)
                    prompt_embeds = changed.pop("prompt_embeds", prompt_embeds)
                    negative_prompt_embeds = changed.pop("negative_prompt_embeds", negative_prompt_embeds)
                progress_bar.update()
        self._current_timestep = None

        audio = latents
        if output_type != "latent":
            mel = self.vae.decode((latents / self.vae.config.scaling_factor).to(self.vae.dtype), return_dict=False)[0]
            audio = mel[..., : math.ceil(num_samples / self.hop_length)]
        if output_type in ("np", "pt"):
            audio = self.mel_spectrogram_to_waveform(audio, num_samples)
        if output_type == "np":
            audio = audio.cpu().numpy()

        self.maybe_free_model_hooks()

        if not return_dict:
            return (audio,)
        return AudioPipelineOutput(audios=audio)
