# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Three nodes. A sound is ComfyUI's: `{"waveform": tensor of shape (batch, channels, samples), "sample_rate": int}`.
"""

import torch

from audiolcm_diffusers.generation.edits import edit_call, pipeline_of, read_segments
from audiolcm_diffusers.generation.requests import MAX_SEED, check_prompt
from audiolcm_diffusers.pipelines.loading import MINI, find_model, load_pipeline, pick_device, pick_dtype


CATEGORY = "audio/AudioLCM"
AUTO = "auto"
MODEL = "AUDIOLCM_MODEL"

# Where 0 stands for what the model was made for.
STEPS = ("INT", {"default": 0, "min": 0, "max": 1000, "tooltip": "Denoising steps; 0: the model's."})
SCALE = ("FLOAT", {"default": 0.0, "min": 0.0, "max": 30.0, "step": 0.5, "tooltip": "Guidance scale; 0: the model's."})
SEED = ("INT", {"default": 0, "min": 0, "max": MAX_SEED, "control_after_generate": True})
NEGATIVE = ("STRING", {"default": "", "tooltip": "What is not to be heard; for teachers alone."})


def prompt_input(default):
    r"""An input of a text."""
    return ("STRING", {"default": default, "multiline": True})


def seconds_input(default, tooltip):
    r"""An input of seconds."""
    return ("FLOAT", {"default": default, "min": 0.0, "max": 3600.0, "step": 0.1, "tooltip": tooltip})


def shared_settings(steps, scale, negative_prompt):
    r"""Arguments of a call that are asked for."""
    call = {"num_inference_steps": steps or None, "guidance_scale": scale or None}
    call["negative_prompt"] = negative_prompt or None
    return {name: value for name, value in call.items() if value is not None}


def generators(seed, number):
    r"""Random numbers of takes: `seed`, `seed + 1`, …"""
    return [torch.Generator().manual_seed((seed + take) % (MAX_SEED + 1)) for take in range(number)]


def sound_of(waveforms, sampling_rate):
    r"""Waveforms `(batch, samples)` as ComfyUI has them."""
    return {"waveform": waveforms.detach().to("cpu", torch.float32)[:, None], "sample_rate": sampling_rate}


def after_each_step(total):
    r"""A callback that moves ComfyUI's progress bar, and ends where its user stops the work; nothing elsewhere."""
    try:
        from comfy.model_management import throw_exception_if_processing_interrupted
        from comfy.utils import ProgressBar
    except ImportError:
        return None
    bar = ProgressBar(total)

    def step(pipe, index, timestep, tensors):
        throw_exception_if_processing_interrupted()
        bar.update(1)
        return tensors

    return step


class AudioLCMLoad:
    r"""Loads a model by its name, folder or Hub id."""

    CATEGORY = CATEGORY
    FUNCTION = "load"
    RETURN_TYPES = (MODEL,)
    RETURN_NAMES = ("model",)

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("STRING", {"default": MINI, "tooltip": "mini, mini-teacher, a folder, or owner/name."}),
                "device": ([AUTO, "cpu", "cuda", "mps"],),
                "dtype": ([AUTO, "float32", "float16", "bfloat16"],),
            }
        }

    def load(self, model, device=AUTO, dtype=AUTO):
        r"""`tuple[AudioLCMPipeline]`: The model."""
        found = find_model(model.strip())
        place = pick_device(None if device == AUTO else device)
        pipe = load_pipeline(found, place, pick_dtype(None if dtype == AUTO else dtype, place))
        pipe.set_progress_bar_config(disable=True)
        return (pipe,)


class AudioLCMGenerate:
    r"""Makes sounds of a text."""

    CATEGORY = CATEGORY
    FUNCTION = "generate"
    RETURN_TYPES = ("AUDIO",)

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": (MODEL,),
                "prompt": prompt_input("a dog barking"),
                "seconds": seconds_input(0.0, "Length; 0: the model's."),
                "steps": STEPS,
                "scale": SCALE,
                "seed": SEED,
                "takes": ("INT", {"default": 1, "min": 1, "max": 64, "tooltip": "Sounds, as a batch."}),
                "loop": ("BOOLEAN", {"default": False, "tooltip": "Whether the end meets the beginning."}),
            },
            "optional": {"negative_prompt": NEGATIVE},
        }

    def generate(
        self, model, prompt, seconds=0.0, steps=0, scale=0.0, seed=0, takes=1, loop=False, negative_prompt=""
    ):
        r"""`tuple[dict]`: Sounds of shape `(takes, 1, samples)`."""
        check_prompt(prompt)
        audios = model(
            prompt,
            audio_length_in_s=seconds or None,
            num_waveforms_per_prompt=takes,
            generator=generators(seed, takes),
            loop=loop,
            output_type="pt",
            callback_on_step_end=after_each_step(steps or model.config.default_num_inference_steps),
            **shared_settings(steps, scale, negative_prompt),
        ).audios
        return (sound_of(audios, model.sampling_rate),)


class AudioLCMEdit:
    r"""Changes sounds, makes parts of them anew, or continues them."""

    CATEGORY = CATEGORY
    FUNCTION = "edit"
    RETURN_TYPES = ("AUDIO",)

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": (MODEL,),
                "audio": ("AUDIO",),
                "prompt": prompt_input("a dog barking"),
                "strength": (
                    "FLOAT",
                    {
                        "default": 0.0,
                        "min": 0.0,
                        "max": 1.0,
                        "step": 0.05,
                        "tooltip": "How much is made anew; 0: 0.6 of a whole sound, 1 of masks.",
                    },
                ),
                "masks": ("STRING", {"default": "", "tooltip": "Seconds to make anew, such as 1:1.5, 3:4."}),
                "seconds_behind": seconds_input(0.0, "Seconds to make behind the sound."),
                "seconds_before": seconds_input(0.0, "Seconds to make before the sound."),
                "loop": ("BOOLEAN", {"default": False, "tooltip": "Let the end meet the beginning."}),
                "steps": STEPS,
                "scale": SCALE,
                "seed": SEED,
            },
            "optional": {"negative_prompt": NEGATIVE},
        }

    def edit(
        self,
        model,
        audio,
        prompt,
        strength=0.0,
        masks="",
        seconds_behind=0.0,
        seconds_before=0.0,
        loop=False,
        steps=0,
        scale=0.0,
        seed=0,
        negative_prompt="",
    ):
        r"""`tuple[dict]`: A sound for each of `audio`, `(batch, 1, samples)`."""
        check_prompt(prompt)
        waveforms = audio["waveform"]
        if waveforms.ndim != 3:
            raise ValueError(f"Expected a sound of shape (batch, channels, samples), got {tuple(waveforms.shape)}.")
        call = edit_call(
            read_segments(masks) if masks.strip() else None,
            seconds_behind or None,
            seconds_before or None,
            loop,
            strength=strength or None,
            **shared_settings(steps, scale, negative_prompt),
        )
        pipe = pipeline_of(model, call)
        pipe.set_progress_bar_config(disable=True)
        number = len(waveforms)
        audios = pipe(
            [prompt] * number,
            audio=waveforms,
            sampling_rate=audio["sample_rate"],
            generator=generators(seed, number),
            output_type="pt",
            callback_on_step_end=after_each_step(steps or model.config.default_num_inference_steps),
            **call,
        ).audios
        return (sound_of(audios, pipe.sampling_rate),)
