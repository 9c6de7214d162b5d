# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
The pipelines as blocks of a modular pipeline of diffusers: text to sound, sound to sound, inpainting and continuation.

Blocks do what the pipelines do, by the pipelines' own methods: encode the text, denoise, decode. What lies between
them, embeddings and latents, is in the state, where other blocks find it.
"""

import inspect
from typing import Any

import numpy as np
import torch
from diffusers.modular_pipelines import ConditionalPipelineBlocks, ModularPipelineBlocks, SequentialPipelineBlocks
from diffusers.modular_pipelines.modular_pipeline_utils import ComponentSpec, ConfigSpec, InputParam, OutputParam
from transformers import BertModel, PreTrainedTokenizerBase, T5EncoderModel

from ..models.autoencoder_kl_mel_1d import AutoencoderKLMel1D
from ..models.clap_projection import CLAPProjection
from ..models.transformer_llama_1d import LLaMATransformer1DModel
from ..models.vocoder_bigvgan import BigVGANVocoder
from ..schedulers.scheduling_lcm_audio import LCMAudioScheduler
from .model_options import ModelOptions
from .pipeline_audiolcm import AudioLCMPipeline
from .pipeline_audiolcm_audio2audio import AudioLCMAudio2AudioPipeline
from .pipeline_audiolcm_inpaint import AudioLCMInpaintPipeline
from .stages import is_guided


# Where a repository names the class of a part, that one is loaded; these are what parts are by default.
PARTS = {
    "vae": AutoencoderKLMel1D,
    "text_encoder": BertModel,
    "projection_model": CLAPProjection,
    "text_encoder_2": T5EncoderModel,
    "tokenizer": PreTrainedTokenizerBase,
    "tokenizer_2": PreTrainedTokenizerBase,
    "transformer": LLaMATransformer1DModel,
    "scheduler": LCMAudioScheduler,
    "vocoder": BigVGANVocoder,
}
# Of a call: what the text encoder reads, what is no input of a block, and what goes from one to the other.
_OF_THE_TEXT = ("prompt", "events", "negative_prompt")
_NO_INPUTS = ("self", "callback_on_step_end", "callback_on_step_end_tensor_inputs", "output_type", "return_dict")
_EMBEDS = ("prompt_embeds", "negative_prompt_embeds")


class _Block(ModularPipelineBlocks):
    model_name = "audiolcm"

    def __init__(self):
        super().__init__()
        self._progress_bar_config = {}

    @property
    def expected_components(self) -> list[ComponentSpec]:
        return [ComponentSpec(name, part) for name, part in PARTS.items()]

    @property
    def expected_configs(self) -> list[ConfigSpec]:
        # What is None is left to `ModelOptions`.
        return [ConfigSpec(name, None) for name in ModelOptions.__dataclass_fields__]

    def set_progress_bar_config(self, **kwargs: Any) -> None:
        r"""See `DiffusionPipeline.set_progress_bar_config`."""
        self._progress_bar_config = kwargs

    def _pipeline(self, components: Any, pipeline_class: type) -> Any:
        """A pipeline of the parts that are loaded."""
        parts = {name: getattr(components, name, None) for name in PARTS}
        options = {name: components.config.get(name) for name in ModelOptions.__dataclass_fields__}
        pipe = pipeline_class(**parts, **options)
        pipe.set_progress_bar_config(**self._progress_bar_config)
        return pipe


class AudioLCMTextEncoderStep(_Block):
    r"""Encodes what is to be heard."""

    @property
    def description(self) -> str:
        return "Encodes what is to be heard, and for a teacher that is guided what is not."

    @property
    def inputs(self) -> list[InputParam]:
        return [
            InputParam("prompt", type_hint=str | list[str], description="What is to be heard."),
            InputParam("events", type_hint=list, description="Events with orders, read by the second text stream."),
            InputParam("negative_prompt", type_hint=str | list[str], description="What is not to be heard."),
            InputParam("guidance_scale", type_hint=float, description="How strongly the sound follows the prompt."),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        return [OutputParam(name, type_hint=torch.Tensor, description="Encoded captions.") for name in _EMBEDS]

    def __call__(self, components: Any, state: Any) -> tuple:
        block_state = self.get_block_state(state)
        pipe = self._pipeline(components, AudioLCMPipeline)
        _, scale = pipe._with_defaults(None, block_state.guidance_scale)
        guides = not pipe.is_student and is_guided(scale)
        block_state.prompt_embeds, block_state.negative_prompt_embeds = pipe.encode_prompt(
            block_state.prompt,
            block_state.events,
            block_state.negative_prompt,
            do_classifier_free_guidance=guides,
        )
        self.set_block_state(state, block_state)
        return components, state


class _DenoiseStep(_Block):
    pipeline_class: type

    @property
    def inputs(self) -> list[InputParam]:
        parameters = inspect.signature(self.pipeline_class.__call__).parameters.values()
        return [
            InputParam(
                parameter.name,
                type_hint=parameter.annotation,
                default=parameter.default,
                required=parameter.name in ("audio", "prompt_embeds"),
                description=f"See `{self.pipeline_class.__name__}.__call__`.",
            )
            for parameter in parameters
            if parameter.name not in (*_OF_THE_TEXT, *_NO_INPUTS)
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        return [
            OutputParam("latents", type_hint=torch.Tensor, description="Clean latents."),
            OutputParam("plan", type_hint=tuple, description="What was asked for, read: decoding needs it."),
        ]

    def __call__(self, components: Any, state: Any) -> tuple:
        block_state = self.get_block_state(state)
        call = {parameter.name: getattr(block_state, parameter.name) for parameter in self.inputs}
        pipe = self._pipeline(components, self.pipeline_class)
        block_state.plan = pipe.check_inputs(**call)
        block_state.latents = pipe(**call, output_type="latent").audios
        self.set_block_state(state, block_state)
        return components, state


class AudioLCMDenoiseStep(_DenoiseStep):
    r"""Noise to latents of sound."""

    pipeline_class = AudioLCMPipeline

    @property
    def description(self) -> str:
        return "Text to sound: denoises latents."


class AudioLCMAudio2AudioDenoiseStep(_DenoiseStep):
    r"""Latents of a sound to those of another."""

    pipeline_class = AudioLCMAudio2AudioPipeline

    @property
    def description(self) -> str:
        return "Sound to sound: denoises the latents of a sound from `strength` on."


class AudioLCMInpaintDenoiseStep(_DenoiseStep):
    r"""Parts of a sound made anew, or put before or behind it."""

    pipeline_class = AudioLCMInpaintPipeline

    @property
    def description(self) -> str:
        return "Inpainting, continuation and loops: denoises what is not kept of a sound."


class AudioLCMAutoDenoiseStep(ConditionalPipelineBlocks):
    r"""The denoising that inputs ask for."""

    model_name = "audiolcm"
    block_classes = [AudioLCMInpaintDenoiseStep, AudioLCMAudio2AudioDenoiseStep, AudioLCMDenoiseStep]
    block_names = ["inpaint", "audio2audio", "text2audio"]
    block_trigger_inputs = ["audio", "mask", "mask_start_seconds", "extend_s", "loop"]
    default_block_name = "text2audio"

    @property
    def description(self) -> str:
        return (
            "Denoises: text to sound without `audio`; with it sound to sound; with `mask`, `mask_start_seconds`, "
            "`extend_s` or `loop`, too, inpainting, continuation or a loop."
        )

    def select_block(self, audio=None, mask=None, mask_start_seconds=None, extend_s=None, loop=None) -> str:
        r"""The block that inputs ask for."""
        if audio is None:
            return "text2audio"
        is_extended = extend_s is not None and bool(np.any(np.asarray(extend_s)))
        inpaints = mask is not None or mask_start_seconds is not None or is_extended or bool(loop)
        return "inpaint" if inpaints else "audio2audio"

    def set_progress_bar_config(self, **kwargs: Any) -> None:
        r"""See `DiffusionPipeline.set_progress_bar_config`."""
        for block in self.sub_blocks.values():
            block.set_progress_bar_config(**kwargs)


class AudioLCMDecodeStep(_Block):
    r"""Latents to sound."""

    @property
    def description(self) -> str:
        return "Decodes latents, and puts what is kept of a given sound into its place."

    @property
    def inputs(self) -> list[InputParam]:
        return [
            InputParam("latents", type_hint=torch.Tensor, required=True, description="Clean latents."),
            InputParam("plan", type_hint=tuple, required=True, description="From the denoising block."),
            InputParam("loop", type_hint=bool, default=False, description="As of the denoising block."),
            InputParam("crossfade_s", type_hint=float, default=0.05, description="As of the denoising block."),
            InputParam("output_type", type_hint=str, default="np", description='"np", "pt" or "mel".'),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        return [
            OutputParam("audios", type_hint=np.ndarray, description="Waveforms, `(num_waveforms, samples)`."),
            OutputParam("sampling_rate", type_hint=int, description="Of them, in Hz."),
        ]

    def __call__(self, components: Any, state: Any) -> tuple:
        block_state = self.get_block_state(state)
        plan, loop = block_state.plan, bool(block_state.loop)
        is_inpainted = isinstance(plan, tuple) and len(plan) == 3
        pipe = self._pipeline(components, AudioLCMInpaintPipeline if is_inpainted else AudioLCMPipeline)
        latents = block_state.latents.to(pipe._execution_device, pipe._step_dtype)
        if is_inpainted:
            audios = pipe._decode(latents, *plan, block_state.crossfade_s, loop, block_state.output_type)
        else:
            call = plan[0] if isinstance(plan, tuple) else plan
            gains = pipe._gains(call)
            audios = pipe._output(latents, call.length, block_state.output_type, call.is_whole, loop, gains=gains)
        block_state.audios, block_state.sampling_rate = audios, pipe.sampling_rate
        self.set_block_state(state, block_state)
        return components, state


class AudioLCMBlocks(SequentialPipelineBlocks):
    r"""
    AudioLCM (arXiv:2406.00356) as a modular pipeline of diffusers: text to sound, sound to sound, inpainting,
    continuation and loops, by what a call gives.

    Example:

    ```python
    >>> from audiolcm_diffusers import AudioLCMBlocks

    >>> AudioLCMBlocks().available_workflows
    ['text2audio', 'audio2audio', 'inpainting', 'continuation']
    ```
    """

    model_name = "audiolcm"
    block_classes = [AudioLCMTextEncoderStep, AudioLCMAutoDenoiseStep, AudioLCMDecodeStep]
    block_names = ["text_encoder", "denoise", "decode"]
    _workflow_map = {
        "text2audio": {"prompt": True},
        "audio2audio": {"prompt": True, "audio": True},
        "inpainting": {"prompt": True, "audio": True, "mask_start_seconds": True},
        "continuation": {"prompt": True, "audio": True, "extend_s": True},
    }

    @property
    def description(self) -> str:
        return "AudioLCM: text to sound, sound to sound, inpainting, continuation and loops."

    @property
    def outputs(self) -> list[OutputParam]:
        return self.sub_blocks["decode"].intermediate_outputs
