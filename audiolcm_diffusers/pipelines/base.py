# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Components, state and steps that all pipelines of AudioLCM have. What is asked of a call is each pipeline's own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import SchedulerMixin
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils.torch_utils import randn_tensor
from transformers import BertModel, PreTrainedModel, PreTrainedTokenizerBase, T5EncoderModel

from ..loaders.complete import cast_weights, check_complete, load_complete
from ..loaders.lora import AudioLCMLoraLoaderMixin
from ..model_files import check_plain_files
from ..models.autoencoder_kl_mel_1d import AutoencoderKLMel1D
from ..models.clap_projection import CLAPProjection
from ..models.transformer_concat_1d import ConcatTransformer1DModel
from ..models.transformer_llama_1d import LLaMATransformer1DModel
from ..models.vocoder_bigvgan import BigVGANVocoder
from ..models.vocoder_griffin_lim import GriffinLimVocoder
from ..models.vocoder_vocos import VocosVocoder
from ..remote_code import without_code
from .arguments import (
    LengthLimits,
    SoundLength,
    check_attention_kwargs,
    check_callback_tensors,
    check_folded_guidance,
    check_generator,
    check_guidance,
    check_num_waveforms,
    check_output_type,
    check_scales,
    max_latent_frames,
    read_changes,
)
from .caption_cache import CaptionCache
from .decoding import Kept, Mels, waveform_pieces
from .finite import check_finite, warn_of_silence
from .model_options import ModelOptions
from .optimizing import check_optimization, compile_networks, faster_dtype, fuse_attention
from .prompts import Captions, PromptText, TextStream, check_embeds, count_tokens, read_text
from .saving import SavedWithCardMixin
from .schedules import (
    check_eta,
    check_intervals,
    init_noise_sigma,
    interval_after,
    scale_model_input,
    step_arguments,
)
from .shared_parts import load_shared_parts
from .stages import Conditions, fade_ends, is_guided, predict
from .windows import Window, predict_in_windows, read_frames, steady_noise


TEXT_ENCODERS = {"text_encoder": BertModel, "text_encoder_2": T5EncoderModel}

# What the beginning of every pipeline's call reads of its arguments.
OF_THE_START = (
    "num_inference_steps",
    "guidance_scale",
    "original_inference_steps",
    "timesteps",
    "num_waveforms_per_prompt",
    "generator",
    "latents",
    "prompt_attention_mask",
    "negative_prompt_attention_mask",
    "attention_kwargs",
)


@dataclass(frozen=True)
class Call:
    r"""
    What is asked of a pipeline, checked and read before any model runs.

    Args:
        text ([`~prompts.PromptText`]): The prompts.
        length ([`~arguments.SoundLength`]): Of each sound.
        windows (`tuple[list[Window], list[Window]]`): What the transformer sees at once in even and in odd steps.
        window_frames (`int`): Latent frames of a window at most.
        layers (`list[tuple[list[Window], list[Window]]]`, *optional*):
            With events at seconds, the windows of each caption of `text`, all of which are heard in one sound.
        loudness (`torch.Tensor` of shape `(latent_frames,)`, *optional*): How much sound there is then.
    """

    text: PromptText
    length: SoundLength
    windows: tuple[list[Window], list[Window]]
    window_frames: int
    layers: list[tuple[list[Window], list[Window]]] | None = None
    loudness: torch.Tensor | None = None

    @property
    def num_sounds(self) -> int:
        r"""`int`: Prompts that are sounds of their own. With events at seconds, all captions are of one."""
        return self.text.num_prompts if self.layers is None else 1

    @property
    def steady_frames(self) -> int | None:
        r"""`int`, *optional*: `window_frames` where there are several windows, which are to begin alike."""
        return None if self.is_whole else self.window_frames

    @property
    def is_whole(self) -> bool:
        r"""`bool`: Whether a sound is no longer than what the transformer sees at once."""
        return len(self.windows[0]) == 1


@dataclass(frozen=True)
class Layer:
    r"""
    What the transformer is told of a part of a sound, or of all of it.

    Args:
        conditions ([`~stages.Conditions`]): What it is told.
        windows (`tuple[Sequence[Window], Sequence[Window]]`): What it sees in even and in odd steps.
    """

    conditions: Conditions
    windows: tuple[Sequence[Window], Sequence[Window]]


def draw_noise(
    shape: tuple[int, int, int],
    generator: torch.Generator | list[torch.Generator] | None,
    device: torch.device,
    window_frames: int | None,
) -> torch.Tensor:
    r"""
    Noise that a sound begins with, in float32.

    Args:
        shape (`tuple[int, int, int]`): Waveforms, channels and latent frames.
        generator (`torch.Generator` or `list[torch.Generator]`, *optional*): One, or one a waveform.
        device (`torch.device`): Where it is to be.
        window_frames (`int`, *optional*): See [`~AudioLCMPipelineBase.prepare_latents`].
    """
    noise = randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)
    return noise if window_frames is None else steady_noise(noise, window_frames)


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
        window_length_in_s: float | None = None,
        window_overlap_in_s: float | None = None,
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
            window_length_in_s=window_length_in_s,
            window_overlap_in_s=window_overlap_in_s,
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

    @classmethod
    def _dict_from_json_file(cls, json_file):
        # Both from folders and from the Hub: what a repository's own code is for is done by these classes.
        return without_code(super()._dict_from_json_file(json_file))

    @classmethod
    def from_pipe(cls, pipeline, **kwargs):
        r"""
        A pipeline of another kind with the same components, see `DiffusionPipeline.from_pipe`. They stay in the
        precision that they are in, unless `dtype` says another, to which they are cast in both pipelines.
        """
        asks_for_more = {"dtype", "torch_dtype", "custom_pipeline"} & kwargs.keys()
        if asks_for_more or not isinstance(pipeline, AudioLCMPipelineBase):
            return super().from_pipe(pipeline, **kwargs)
        pipe = cls(**{**pipeline.components, **pipeline.options, **kwargs})
        name = pipeline.config.get("_name_or_path")
        if name is not None:
            pipe.register_to_config(_name_or_path=name)
        return pipe

    @property
    def options(self) -> dict[str, Any]:
        r"""`dict`: All that the pipeline was made with beside its components, by the names of its configuration."""
        return {name: self.config[name] for name in self._get_signature_keys(self)[1]}

    @property
    def guidance_scale(self) -> float | Sequence[float]:
        r"""
        `float` or `list[float]`: Guidance scale of the current call, or of each of its prompts; a callback may change
        `_guidance_scale` between steps.
        """
        return self._guidance_scale

    @property
    def is_student(self) -> bool:
        r"""`bool`: Whether the transformer takes the guidance scale, or the length of its steps, as an embedding."""
        return self.transformer.config.time_cond_proj_dim is not None

    @property
    def _is_told_intervals(self) -> bool:
        """Whether it is a student of average velocities, whose guidance is folded in."""
        return self.is_student and self.transformer.config.time_cond_type == "interval"

    @property
    def do_classifier_free_guidance(self) -> bool:
        r"""`bool`: Whether the transformer runs with and without caption: a teacher with a guidance scale above 1."""
        return not self.is_student and is_guided(self._guidance_scale)

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
        guides = not self.is_student and is_guided(guidance_scale)
        text = read_text(
            streams, prompt, events, negative_prompt, prompt_embeds, negative_prompt_embeds, needs_negative=guides
        )
        masks = prompt_attention_mask, negative_prompt_attention_mask
        check_embeds(text, masks, self.transformer.config.cross_attention_dim)
        equal_streams = isinstance(self.transformer, ConcatTransformer1DModel)
        num_tokens = count_tokens(streams, text, is_guided=guides, equal_streams=equal_streams)
        limits = LengthLimits(
            sampling_rate=self.sampling_rate,
            hop_length=self.hop_length,
            latent_hop=self.latent_hop,
            default_s=self.config.default_audio_length_in_s,
            max_s=self.config.max_audio_length_in_s,
            window_s=self.config.window_length_in_s,
            overlap_s=self.config.window_overlap_in_s,
            max_latent_frames=max_latent_frames(self.transformer.config, num_tokens),
        )
        return text, limits

    def _check_call(
        self,
        prompt: str | list[str] | None,
        events: Sequence | None,
        negative_prompt: str | list[str] | None,
        prompt_embeds: torch.Tensor | None,
        negative_prompt_embeds: torch.Tensor | None,
        prompt_attention_mask: torch.Tensor | None,
        negative_prompt_attention_mask: torch.Tensor | None,
        guidance_scale: float | Sequence[float],
        num_waveforms_per_prompt: int,
        eta: float | None,
        attention_kwargs: dict[str, Any] | None,
        callback_on_step_end_tensor_inputs: Sequence[str] | None,
        output_type: str,
        generator: torch.Generator | list[torch.Generator] | None,
    ) -> tuple[PromptText, LengthLimits]:
        """Refuse what no pipeline can do of the arguments that all of them have, and read the text."""
        check_output_type(self, output_type)
        check_guidance(self.is_student, guidance_scale, negative_prompt, negative_prompt_embeds)
        check_intervals(self.scheduler, self._is_told_intervals)
        if self._is_told_intervals:
            check_folded_guidance(guidance_scale)
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
        check_scales(guidance_scale, text.num_prompts)
        check_generator(generator, text.num_prompts, num_waveforms_per_prompt)
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
        return self._encode_text(text, num_waveforms_per_prompt, device or self._execution_device)

    # What [`~AudioLCMPipeline.optimize`] keeps; no part of what is saved.
    _caption_cache = None

    def _encode_text(
        self, text: PromptText, num_waveforms_per_prompt: int, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        encode = Captions.encode if self._caption_cache is None else self._caption_cache.encode
        return text.encode(self._text_streams, num_waveforms_per_prompt, device, encode)

    def optimize(
        self,
        dtype: torch.dtype | None = None,
        fuse_projections: bool = True,
        compile: bool = False,
        cuda_graphs: bool = False,
        text_cache_size: int = 64,
        fast_convolutions: bool = True,
    ):
        r"""
        Make the pipeline faster, for calls to come. Sounds stay as they are, but for rounding. What it comes to is in
        `docs/performance.md`.

        Args:
            dtype (`torch.dtype` or `"auto"`, *optional*):
                To cast the networks to; `"auto"` is the precision in which the device is fastest by far, which is
                measured on a CPU. They stay as they are by default.
            fuse_projections (`bool`, defaults to `True`):
                Compute queries, keys and values as one product. `transformer.unfuse_qkv_projections()` undoes it.
            compile (`bool`, defaults to `False`):
                Compile the transformer's blocks and the autoencoder's decoder. The first call of each length and batch
                size then takes seconds more.
            cuda_graphs (`bool`, defaults to `False`): Record what was compiled as CUDA graphs.
            text_cache_size (`int`, defaults to 64): Captions whose encoding is kept; 0 for none.
            fast_convolutions (`bool`, defaults to `True`):
                Let a BigVGAN vocoder make sound with fewer multiplications, see
                [`~BigVGANVocoder.set_fast_convolutions`]: on CPUs, in float32, for memory.

        Returns:
            The pipeline itself.

        Raises:
            ValueError: If an option is none of those above, or cannot be had here.
        """
        check_optimization(self, dtype, fuse_projections, compile, cuda_graphs, text_cache_size)
        if dtype is not None:
            dtype = faster_dtype(self._execution_device) if dtype == "auto" else dtype
            for part in self.components.values():
                if isinstance(part, torch.nn.Module):
                    cast_weights(part, dtype)
        if fuse_projections and self.transformer is not None:
            fuse_attention(self.transformer)
        if isinstance(self.vocoder, BigVGANVocoder):
            self.vocoder.set_fast_convolutions(fast_convolutions)
        if compile:
            compile_networks(self, cuda_graphs)
        self._caption_cache = CaptionCache(text_cache_size) if text_cache_size else None
        return self

    def prepare_latents(
        self,
        batch_size: int,
        num_channels: int,
        num_frames: int,
        dtype: torch.dtype,
        device: torch.device,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        window_frames: int | None = None,
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
            window_frames (`int`, *optional*):
                Latent frames of a window, where a sound has several: drawn noise lets them begin alike (see
                [`~pipelines.windows.steady_noise`]).

        Returns:
            `torch.Tensor` of shape `(batch_size, num_channels, num_frames)`.
        """
        if latents is None:
            latents = draw_noise((batch_size, num_channels, num_frames), generator, device, window_frames)
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

    @staticmethod
    def _read_callbacks(
        generator: Any, callback_on_step_end: Callable | None, tensor_inputs: Sequence[str] | None
    ) -> tuple[Any, Sequence[str] | None]:
        """Generators as a list, and the tensors that diffusers' own callbacks ask for themselves."""
        if isinstance(callback_on_step_end, (PipelineCallback, MultiPipelineCallbacks)):
            tensor_inputs = callback_on_step_end.tensor_inputs
        return list(generator) if isinstance(generator, tuple) else generator, tensor_inputs

    def _begin(self, guidance_scale: Any, attention_kwargs: dict[str, Any] | None, timesteps: torch.Tensor) -> None:
        """What a callback may look at during a call."""
        self._guidance_scale = guidance_scale
        self._attention_kwargs = attention_kwargs
        self._interrupt = False
        self._num_timesteps = len(timesteps)

    def _encode_conditions(
        self, text: PromptText, num_waveforms_per_prompt: int, masks: Sequence[torch.Tensor | None]
    ) -> Conditions:
        """What the transformer is told, a row a waveform."""
        device, dtype = self._execution_device, self.transformer.dtype
        embeds = self._encode_text(text, num_waveforms_per_prompt, device)
        # Not where training encodes, too: to look at values waits for the device.
        for encoded in embeds:
            if encoded is not None:
                check_finite(encoded, "The text encoders gave embeddings that are expected")
        masks = [
            None if mask is None else mask.to(device).repeat_interleave(num_waveforms_per_prompt, dim=0)
            for mask in masks
        ]
        return Conditions(*(None if states is None else states.to(dtype) for states in embeds), *masks)

    @property
    def _step_dtype(self) -> torch.dtype:
        # Half precision would draw other noise, and round from step to step.
        return torch.promote_types(self.transformer.dtype, torch.float32)

    def _row_scales(self, batch_size: int) -> float | tuple[float, ...]:
        """The guidance scale of each waveform; one number where all have the same."""
        scale = self.guidance_scale
        if not isinstance(scale, (list, tuple)):
            return scale
        return tuple(of_one for of_one in scale for _ in range(batch_size // len(scale)))

    def _predict(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        layers: Sequence[Layer],
        step: int,
    ) -> torch.Tensor:
        """What the transformer predicts of latents as the scheduler has them, window by window, caption by caption."""
        seen = scale_model_input(self.scheduler, latents, timestep)
        predictions, first = [], 0
        num_windows = sum(len(layer.windows[step % 2]) for layer in layers)
        for layer in layers:
            windows = layer.windows[step % 2]

            def of_window(part: torch.Tensor, number: int, layer=layer, first=first) -> torch.Tensor:
                return self._predict_window(part, timestep, layer.conditions, step, first + number, num_windows)

            if windows:
                predictions.append(predict_in_windows(of_window, seen, windows))
            first += len(windows)
        return sum(predictions[1:], start=predictions[0])

    def _predict_window(
        self,
        part: torch.Tensor,
        timestep: torch.Tensor,
        conditions: Conditions,
        step: int,
        number: int,
        num_windows: int,
    ) -> torch.Tensor:
        """What the transformer predicts of what it sees."""
        return predict(
            self.transformer,
            part.to(self.transformer.dtype),
            timestep,
            conditions,
            self._row_scales(len(part)),
            self.attention_kwargs,
            part="" if num_windows == 1 else f"_{step % 2}_{number}",
            interval=interval_after(self.scheduler, timestep) if self._is_told_intervals else None,
        )

    def _denoise(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        layers: Sequence[Layer],
        generator: torch.Generator | list[torch.Generator] | None,
        eta: float | None,
        callback_on_step_end: Callable | None,
        callback_on_step_end_tensor_inputs: Sequence[str] | None,
        put_back: Callable[[torch.Tensor, int], torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """The steps of a call. `put_back(latents, index)` changes latents after each of them."""
        step_kwargs = step_arguments(self.scheduler, generator, eta)
        with self.progress_bar(total=len(timesteps)) as progress_bar:
            for index, timestep in enumerate(timesteps):
                if self.interrupt:
                    continue
                self._current_timestep = timestep
                prediction = self._predict(latents, timestep, layers, index)
                latents = self.scheduler.step(prediction, timestep, latents, **step_kwargs)[0].to(self._step_dtype)
                if put_back is not None:
                    latents = put_back(latents, index)
                if callback_on_step_end is not None:
                    conditions = layers[0].conditions
                    tensors = {"latents": latents, **conditions.embeds}
                    given = {name: tensors[name] for name in callback_on_step_end_tensor_inputs or ("latents",)}
                    latents, conditions = read_changes(
                        callback_on_step_end(self, index, timestep, given), latents, conditions
                    )
                    layers = [replace(layers[0], conditions=conditions), *layers[1:]]
                progress_bar.update()
        self._current_timestep = None
        return latents

    def _pieces(
        self,
        read_latents: Callable[[int, int], torch.Tensor],
        length: SoundLength,
        is_whole: bool,
        is_loop: bool = False,
        kept: Kept | None = None,
        fades: tuple[bool, bool] = (True, True),
        gains: torch.Tensor | None = None,
    ) -> Iterator[torch.Tensor]:
        """Waveforms of clean latents, piece by piece, faded at their ends as `config.fade_s` says, times `gains`."""
        mels = Mels(
            self.vae,
            read_latents,
            length,
            self.latent_hop,
            is_whole,
            is_loop,
            lambda mels: check_finite(mels, "The VAE gave mel spectrograms that are expected"),
        )
        num_fade_samples = 0 if is_loop else round(self.config.fade_s * self.sampling_rate)
        pieces = waveform_pieces(
            self.vocoder,
            mels,
            length,
            self.hop_length,
            is_whole,
            is_loop,
            kept,
            tuple(num_fade_samples * is_faded for is_faded in fades),
        )
        begin = 0
        for piece in pieces:
            check_finite(piece, "The vocoder gave sounds that are expected")
            end = begin + piece.shape[-1]
            yield piece if gains is None else piece * gains[begin:end].to(piece)
            begin = end

    def _output(
        self,
        latents: torch.Tensor,
        length: SoundLength,
        output_type: str,
        is_whole: bool,
        is_loop: bool = False,
        kept: Kept | None = None,
        fades: tuple[bool, bool] = (True, True),
        gains: torch.Tensor | None = None,
    ) -> torch.Tensor | np.ndarray:
        """Clean latents as what a call returns."""
        check_finite(latents, "The transformer's steps gave latents that are expected")
        if output_type == "latent":
            return latents.to(self.transformer.dtype)
        read = partial(read_frames, latents)
        if output_type == "mel":
            return Mels(self.vae, read, length, self.latent_hop, is_whole, is_loop).part(0, length.num_mel_frames)
        # Put in their places one by one: pieces beside the whole would take its memory twice.
        waveforms, begin = None, 0
        for piece in self._pieces(read, length, is_whole, is_loop, kept, fades, gains):
            if waveforms is None:
                device = "cpu" if output_type == "np" else piece.device
                waveforms = torch.empty(len(piece), length.num_samples, device=device)
            waveforms[:, begin : begin + piece.shape[-1]] = piece
            begin += piece.shape[-1]
        warn_of_silence(waveforms)
        return waveforms.numpy() if output_type == "np" else waveforms
