# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Components, state and steps that all pipelines of AudioLCM have. What is asked of a call is each pipeline's own."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import SchedulerMixin
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils.torch_utils import randn_tensor
from transformers import BertModel, PreTrainedModel, PreTrainedTokenizerBase, T5EncoderModel

from ..loaders.complete import check_complete, load_complete
from ..loaders.lora import AudioLCMLoraLoaderMixin
from ..model_files import check_plain_files
from ..models.autoencoder_kl_mel_1d import AutoencoderKLMel1D
from ..models.clap_projection import CLAPProjection
from ..models.transformer_concat_1d import ConcatTransformer1DModel
from ..models.transformer_llama_1d import LLaMATransformer1DModel
from ..models.vocoder_bigvgan import BigVGANVocoder
from ..models.vocoder_griffin_lim import GriffinLimVocoder
from ..models.vocoder_vocos import VocosVocoder
from .arguments import LengthLimits, SoundLength, max_latent_frames
from .finite import check_finite, warn_of_silence
from .model_options import ModelOptions
from .prompts import PromptText, TextStream, check_embeds, count_tokens, read_text
from .saving import SavedWithCardMixin
from .schedules import init_noise_sigma
from .shared_parts import load_shared_parts
from .stages import decode_latents, fade_ends


TEXT_ENCODERS = {"text_encoder": BertModel, "text_encoder_2": T5EncoderModel}


class AudioLCMPipelineBase(SavedWithCardMixin, DiffusionPipeline, AudioLCMLoraLoaderMixin):
    r"""
    What all pipelines of AudioLCM share. For the components see [`AudioLCMPipeline`].
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
        vocoder: BigVGANVocoder | VocosVocoder | GriffinLimVocoder,
        default_audio_length_in_s: float | None = None,
        max_audio_length_in_s: float | None = None,
        fade_s: float | None = None,
        default_num_inference_steps: int | None = None,
        default_guidance_scale: float | None = None,
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
        options = ModelOptions.of(
            transformer,
            default_audio_length_in_s=default_audio_length_in_s,
            max_audio_length_in_s=max_audio_length_in_s,
            fade_s=fade_s,
            default_num_inference_steps=default_num_inference_steps,
            default_guidance_scale=default_guidance_scale,
        )
        options.stay_with(transformer)
        self.register_to_config(**asdict(options))
        self._current_timestep = None
        # A pipeline without a VAE or vocoder counts as the published model does.
        self.sampling_rate = self.vae.config.sampling_rate if getattr(self, "vae", None) is not None else 16000
        self.hop_length = self.vocoder.hop_length if getattr(self, "vocoder", None) is not None else 256
        self.latent_hop = self.vae.temporal_compression_ratio if getattr(self, "vae", None) is not None else 2

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs):
        r"""
        Load a pipeline, see `DiffusionPipeline.from_pretrained`. A folder may leave components to the one beside it
        that its `model_index.json` names as `_shared_with`.
        """
        if Path(pretrained_model_name_or_path).is_dir():
            check_plain_files(pretrained_model_name_or_path)
        shared = load_shared_parts(cls, pretrained_model_name_or_path, kwargs)
        try:
            pipe = super().from_pretrained(pretrained_model_name_or_path, **kwargs, **shared)
        except RuntimeError as error:
            # transformers prints which weights have other shapes, and does not say it in the error.
            if "ignore_mismatched_sizes" in str(error):
                for name, model_class in TEXT_ENCODERS.items():
                    folder = Path(pretrained_model_name_or_path, name)
                    if (folder / "config.json").is_file() and name not in kwargs:
                        load_complete(model_class, str(folder), ignore_mismatched_sizes=True)
            raise
        for name, component in pipe.components.items():
            if isinstance(component, PreTrainedModel) and name not in kwargs and name not in shared:
                check_complete(component, kwargs.get("variant"))
        return pipe

    @property
    def options(self) -> dict[str, Any]:
        r"""`dict`: All that the pipeline was made with beside its components, by the names of its configuration."""
        return {name: self.config[name] for name in self._get_signature_keys(self)[1]}

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

    def _with_defaults(self, num_inference_steps: int | None, guidance_scale: float | None) -> tuple[int, float]:
        """What a call left open is what the model was made for."""
        if num_inference_steps is None:
            num_inference_steps = self.config.default_num_inference_steps
        return num_inference_steps, self.config.default_guidance_scale if guidance_scale is None else guidance_scale

    @property
    def _text_streams(self) -> tuple[TextStream, TextStream]:
        return (
            TextStream("tokenizer", self.tokenizer, self.text_encoder, self.projection_model),
            TextStream("tokenizer_2", self.tokenizer_2, self.text_encoder_2),
        )

    def _read_prompts(
        self,
        prompt: str | list[str] | None,
        events: Sequence | None,
        negative_prompt: str | list[str] | None,
        prompt_embeds: torch.Tensor | None,
        negative_prompt_embeds: torch.Tensor | None,
        prompt_attention_mask: torch.Tensor | None,
        negative_prompt_attention_mask: torch.Tensor | None,
        guidance_scale: float,
    ) -> tuple[PromptText, LengthLimits]:
        """Read the text of a call for this transformer, and find out what lengths the text leaves to it."""
        streams = self._text_streams
        is_guided = not self.is_student and guidance_scale > 1
        text = read_text(
            streams, prompt, events, negative_prompt, prompt_embeds, negative_prompt_embeds, needs_negative=is_guided
        )
        masks = prompt_attention_mask, negative_prompt_attention_mask
        check_embeds(text, masks, self.transformer.config.cross_attention_dim)
        equal_streams = isinstance(self.transformer, ConcatTransformer1DModel)
        num_tokens = count_tokens(streams, text, is_guided=is_guided, equal_streams=equal_streams)
        limits = LengthLimits(
            sampling_rate=self.sampling_rate,
            hop_length=self.hop_length,
            latent_hop=self.latent_hop,
            default_s=self.config.default_audio_length_in_s,
            max_s=self.config.max_audio_length_in_s,
            max_latent_frames=max_latent_frames(self.transformer.config, num_tokens),
        )
        return text, limits

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
        if do_classifier_free_guidance is None:
            is_teacher = self.transformer is not None and not self.is_student
            do_classifier_free_guidance = is_teacher or negative_prompt is not None
        text = read_text(
            self._text_streams,
            prompt,
            events,
            negative_prompt,
            prompt_embeds,
            negative_prompt_embeds,
            needs_negative=do_classifier_free_guidance,
        )
        return text.encode(self._text_streams, num_waveforms_per_prompt, device or self._execution_device)

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

        Noise is drawn in float32 whatever the precision, so that a seed means one sound in all of them.

        Args:
            batch_size (`int`): Number of waveforms.
            num_channels (`int`): Channels of the latents.
            num_frames (`int`): Latent frames.
            dtype (`torch.dtype`): Of the result.
            device (`torch.device`): Where the transformer runs.
            generator (`torch.Generator` or `list[torch.Generator]`, *optional*): One, or one a waveform.
            latents (`torch.Tensor` of shape `(batch_size, num_channels, num_frames)`, *optional*):
                Noise of variance 1 to use instead of drawn one.

        Returns:
            `torch.Tensor` of shape `(batch_size, num_channels, num_frames)`.
        """
        if latents is None:
            shape = (batch_size, num_channels, num_frames)
            latents = randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)
        return latents.to(device=device, dtype=dtype) * init_noise_sigma(self.scheduler)

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

    def _output(self, latents: torch.Tensor, length: SoundLength, output_type: str) -> torch.Tensor | np.ndarray:
        """Clean latents as what a call returns."""
        check_finite(latents, "The transformer's steps gave latents that are expected")
        if output_type == "latent":
            return latents.to(self.transformer.dtype)
        mels = decode_latents(self.vae, latents, length.num_mel_frames)
        check_finite(mels, "The VAE gave mel spectrograms that are expected")
        if output_type == "mel":
            return mels
        waveforms = self.mel_spectrogram_to_waveform(mels, length.num_samples)
        check_finite(waveforms, "The vocoder gave sounds that are expected")
        warn_of_silence(waveforms)
        return waveforms.cpu().numpy() if output_type == "np" else waveforms
