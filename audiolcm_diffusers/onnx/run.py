# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Make sound with the networks of this folder: numpy, onnxruntime and tokenizers are all that it takes.

    python run.py "a dog barking" --output dog.wav --seed 0
"""

import argparse
import json
import wave
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def caption(prompt, template):
    r"""A prompt as a text encoder was taught to read it: as it is, or as an event, whose signs it must not hold."""
    if template == "{}":
        return prompt
    text = prompt.replace("&", " and ").replace("@", " at ").replace("<", " ").replace(">", " ")
    text = " ".join(text.split())
    return template.replace("{}", text) if text else ""


class AudioLCM:
    r"""
    A model that `audiolcm export-onnx` wrote.

    Args:
        folder (`str` or `Path`): Where.
        providers (`list[str]`): Of onnxruntime, such as `"CUDAExecutionProvider"`.
    """

    def __init__(self, folder=Path(__file__).parent, providers=("CPUExecutionProvider",)):
        folder = Path(folder)
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.tokenizers = [Tokenizer.from_file(str(folder / stream["file"])) for stream in self.config["tokenizers"]]
        self.text_encoder, self.transformer, self.vae_decoder, self.vocoder = (
            onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), providers=list(providers))
            for name in ("text_encoder", "transformer", "vae_decoder", "vocoder")
        )

    def encode(self, prompts):
        r"""`np.ndarray` of shape `(num_prompts, num_tokens, width)`: What the transformer reads of prompts."""
        inputs = {}
        for number, (tokenizer, stream) in enumerate(zip(self.tokenizers, self.config["tokenizers"])):
            texts = [caption(prompt, stream["template"]) for prompt in prompts]
            rows = []
            for encoding in tokenizer.encode_batch(texts):
                ids, length = encoding.ids, stream["num_tokens"]
                if len(ids) > length:  # the end of the text is left out, and what the tokenizer puts behind it stays
                    kept = length - stream["num_trailing"]
                    ids = ids[:kept] + ids[len(ids) - stream["num_trailing"] :]
                rows.append(ids + [stream["pad_token_id"]] * (length - len(ids)))
            inputs[f"input_ids_{number}"] = np.array(rows, dtype=np.int64)
        return self.text_encoder.run(None, inputs)[0]

    def __call__(
        self,
        prompts,
        audio_length_in_s=None,
        num_inference_steps=None,
        guidance_scale=None,
        negative_prompt="",
        seed=0,
        latents=None,
        noises=None,
    ):
        r"""
        Make sounds.

        Args:
            prompts (`str` or `list[str]`): What is to be heard.
            audio_length_in_s (`float`, *optional*): Seconds; what the model was made for by default.
            num_inference_steps (`int`, *optional*): Denoising steps; the model's by default.
            guidance_scale (`float`, *optional*): How strongly sounds follow their prompts; the model's by default.
            negative_prompt (`str`, defaults to `""`): What is not to be heard; for teachers.
            seed (`int`, defaults to 0): Of the random numbers.
            latents (`np.ndarray` of shape `(num_prompts, channels, latent_frames)`, *optional*): Noise to begin with.
            noises (`list[np.ndarray]`, *optional*): Noise of the steps.

        Returns:
            `np.ndarray` of shape `(num_prompts, samples)`: Sounds in `[-1, 1]`, float32.
        """
        config = self.config
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        length = config["default_audio_length_in_s"] if audio_length_in_s is None else audio_length_in_s
        num_steps = config["default_num_inference_steps"] if num_inference_steps is None else num_inference_steps
        scale = config["default_guidance_scale"] if guidance_scale is None else guidance_scale
        if not 0 < length <= config["max_length_s"]:
            raise ValueError(f"Expected a length above 0 and up to {config['max_length_s']} s, got {length}.")
        if str(num_steps) not in config["steps"]:
            raise ValueError(f"Expected 1 to {max(map(int, config['steps']))} steps, got {num_steps}.")
        num_samples = round(length * config["sampling_rate"])
        shape = len(prompts), config["channels"], -(-num_samples // config["samples_per_latent_frame"])
        random = np.random.default_rng(seed)
        if latents is None:
            latents = random.standard_normal(shape, dtype=np.float32)
        if latents.shape != shape:
            raise ValueError(f"Expected latents of shape {shape}, got {latents.shape}.")
        guides = not config["is_student"] and scale > 1
        embeds = self.encode(prompts)
        empty = self.encode([negative_prompt]).repeat(len(prompts), axis=0) if guides else None

        latents = latents * np.float32(config["init_noise_sigma"])
        for number, step in enumerate(config["steps"][str(num_steps)]):
            prediction = self._predict(latents, step["timestep"], embeds, scale)
            if guides:
                without = self._predict(latents, step["timestep"], empty, scale)
                prediction = without + np.float32(scale) * (prediction - without)
            latents = np.float32(step["of_latents"]) * latents + np.float32(step["of_prediction"]) * prediction
            if step["of_noise"]:
                noise = random.standard_normal(shape, dtype=np.float32) if noises is None else noises[number]
                latents = latents + np.float32(step["of_noise"]) * noise

        mels = self.vae_decoder.run(None, {"latents": latents})[0]
        mels = mels[..., : -(-num_samples // config["samples_per_mel_frame"])]
        sounds = self.vocoder.run(None, {"mel": mels})[0][:, :num_samples]
        return self._faded(sounds)

    def _predict(self, latents, timestep, embeds, scale):
        rows = len(latents)
        inputs = {
            "latents": latents,
            "timestep": np.full(rows, timestep, dtype=np.float32),
            "prompt_embeds": embeds,
        }
        if self.config["is_student"]:
            inputs["guidance_scale"] = np.full(rows, scale, dtype=np.float32)
        return self.transformer.run(None, inputs)[0]

    def _faded(self, sounds):
        num_samples = min(round(self.config["fade_s"] * self.config["sampling_rate"]), sounds.shape[1] // 2)
        if num_samples:
            rise = np.sin(np.arange(num_samples) * (np.pi / (2 * num_samples))) ** 2
            sounds[:, :num_samples] *= rise.astype(np.float32)
            sounds[:, -num_samples:] *= rise[::-1].astype(np.float32)
        return sounds


def write_wav(path, sound, sampling_rate):
    r"""Write a sound of shape `(samples,)` as a WAV file of 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sampling_rate)
        file.writeframes((np.clip(sound, -1, 1) * 32767).round().astype("<i2").tobytes())


def main():
    parser = argparse.ArgumentParser(description="Make sound from text.")
    parser.add_argument("prompt", help='what is to be heard, such as "a dog barking"')
    parser.add_argument("--output", default="sound.wav", help="a WAV file (default: sound.wav)")
    parser.add_argument("--duration", type=float, help="seconds (default: the model's)")
    parser.add_argument("--num-inference-steps", type=int, help="denoising steps (default: the model's)")
    parser.add_argument("--guidance-scale", type=float, help="default: the model's")
    parser.add_argument("--negative-prompt", default="", help="what is not to be heard; for teachers")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (default: 0)")
    args = parser.parse_args()
    model = AudioLCM()
    (sound,) = model(
        args.prompt,
        args.duration,
        args.num_inference_steps,
        args.guidance_scale,
        args.negative_prompt,
        args.seed,
    )
    write_wav(args.output, sound, model.config["sampling_rate"])
    print(f"{args.output}: {len(sound) / model.config['sampling_rate']:.2f} s of sound, {args.prompt!r}")


if __name__ == "__main__":
    main()
