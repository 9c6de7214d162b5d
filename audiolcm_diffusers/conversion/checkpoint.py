# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""The files of the published model: read without running what they hold, and turned into a pipeline's components."""

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..loaders.complete import refuse_own_code
from ..model_files import check_plain_files, read_small_text
from ..models.transformer_concat_1d import ConcatTransformer1DModel
from ..models.transformer_llama_1d import LLaMATransformer1DModel
from ..schedulers.scheduling_lcm_audio import LCMAudioScheduler
from .bigvgan import bigvgan_from_original
from .concat_transformer import concat_transformer_from_original
from .llama_transformer import llama_transformer_from_original
from .mel_vae import mel_vae_from_original
from .original_weights import listed, require
from .text_encoders import text_encoders_from_original


# The checkpoint holds three transformers of the same layout. The student is the model.
STUDENT = "unet.diffusion_model."
VAE = "first_stage_model."
TEXT = "cond_stage_model."
NOT_NEEDED = ("model.diffusion_model.", "target_unet.diffusion_model.", "model_ema.")
SCHEDULE = (
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
)
OTHER_ENTRIES = ("scale_factor", "logvar", *SCHEDULE)

VOCODER_CONFIGS = ("args.yml", "args.yaml", "config.yml", "config.yaml", "config.json")
VOCODER_WEIGHTS = ("best_netG.pt", "bigvgan_generator.pt", "g_*", "*.pt", "*.pth", "*.ckpt", "*.safetensors")

VOCABULARIES = ("tokenizer.json", "vocab.txt", "spiece.model")

# Of each text stream, padding included.
NUM_TEXT_TOKENS = 77


def read_weights(path: str | Path, entry: str) -> dict[str, torch.Tensor]:
    r"""
    Read a state dict from a PyTorch or safetensors file, without running code that the file may hold.

    Files of PyTorch's present format are mapped into memory: what is never used is never read.

    Args:
        path (`str` or `Path`): The file.
        entry (`str`): Where in the file's dictionary the weights are; unless they are all that there is in it.

    Returns:
        `dict[str, torch.Tensor]`: Weights on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, holds no weights, or wants to run code or build objects of unknown types.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{str(path)!r} is damaged or no safetensors file: {error}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about the pickle protocol; what matters raises
            # Only the zip format can be mapped.
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        found = f"asks for {wanted[1]}" if wanted else "is not written as PyTorch writes weights"
        raise ValueError(
            f"{str(path)!r} was refused: it {found}, and to go along could run code. Only plain tensors are read. Get "
            "a copy that holds the state dict alone from someone you trust."
        ) from error
    except (RuntimeError, EOFError, KeyError, AttributeError, ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{str(path)!r} is damaged or no PyTorch file: {error}") from error
    if isinstance(loaded, Mapping) and entry in loaded:
        loaded = loaded[entry]
    if not isinstance(loaded, Mapping) or not loaded:
        raise ValueError(f"Expected a dictionary of weights in {str(path)!r}, got {type(loaded).__name__}.")
    others = [repr(key) for key, value in loaded.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise ValueError(
            f"Expected weights or {entry!r} in {str(path)!r}, but these are no tensors: {listed(others)}."
        )
    return dict(loaded)


def read_config(path: str | Path) -> dict[str, Any]:
    r"""
    Read a YAML or JSON file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is neither, wants to build objects, or holds no dictionary.
    """
    import yaml

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    try:
        text = read_small_text(path)
        config = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except RecursionError:
        raise ValueError(f"{str(path)!r} cannot be read: its entries are nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no JSON, or no text at all
        raise ValueError(f"{str(path)!r} cannot be read as {path.suffix.lstrip('.') or 'YAML'}: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"Expected a dictionary in {str(path)!r}, got {type(config).__name__}.")
    return config


def find_file(folder: str | Path, patterns: Sequence[str], what: str) -> Path:
    r"""
    Find the file of a folder that fits the first of several patterns that any fits.

    Raises:
        FileNotFoundError: If the folder or such a file is missing.
        ValueError: If several files fit equally well.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {str(folder)!r}.")
    for pattern in patterns:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise ValueError(f"Expected one {what} in {str(folder)!r}, found {names}. Leave only the one to be used.")
        if found:
            return found[0]
    raise FileNotFoundError(f"There is no {what} in {str(folder)!r}; looked for {', '.join(patterns)}.")


def _section(config: Mapping[str, Any], path: Path, *keys: str) -> Mapping[str, Any]:
    for depth, key in enumerate(keys):
        config = config.get(key)
        if not isinstance(config, Mapping):
            raise ValueError(f"Expected a dictionary under {'.'.join(keys[: depth + 1])!r} in {str(path)!r}.")
    return config


def check_keys(state_dict: Mapping[str, torch.Tensor]) -> None:
    r"""
    Refuse a whole checkpoint with entries that no part of the model takes.

    Raises:
        ValueError: If there are such; the message lists them.
    """
    known = (STUDENT, VAE, TEXT, *NOT_NEEDED)
    left_over = [repr(key) for key in state_dict if not key.startswith(known) and key not in OTHER_ENTRIES]
    if left_over:
        raise ValueError(f"The checkpoint has {len(left_over)} keys of unknown use: {listed(left_over)}.")


def _with_prefix(state_dict: Mapping[str, torch.Tensor], prefix: str, path: Path) -> dict[str, torch.Tensor]:
    weights = {key.removeprefix(prefix): weight for key, weight in state_dict.items() if key.startswith(prefix)}
    if not weights:
        raise ValueError(f"{str(path)!r} has no key that begins with {prefix!r}.")
    return weights


def _load_text_folder(folder: Path, config_class: type) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoTokenizer
    from transformers.utils import is_protobuf_available, is_sentencepiece_available

    check_plain_files(folder)
    refuse_own_code(folder)
    find_file(folder, ("config.json",), "configuration")
    # Where the vocabulary is missing, transformers makes do with an empty one.
    vocabulary = find_file(folder, VOCABULARIES, "tokenizer")
    if vocabulary.name == "spiece.model" and not (is_sentencepiece_available() and is_protobuf_available()):
        raise ImportError(
            f"{str(vocabulary)!r} is read with sentencepiece and protobuf, which are not both installed: "
            "`pip install 'audiolcm-diffusers[convert]'`, or use a folder that has a tokenizer.json."
        )
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not isinstance(config, config_class):
        raise ValueError(f"Expected a {config_class.__name__} in {str(folder)!r}, got {type(config).__name__}.")
    tokenizer = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, model_max_length=NUM_TEXT_TOKENS
    )
    if len(tokenizer) > config.vocab_size:
        raise ValueError(
            f"The tokenizer in {str(folder)!r} knows {len(tokenizer)} tokens, but the encoder's vocab_size is "
            f"{config.vocab_size}."
        )
    return config, tokenizer


def transformer_from_checkpoint(
    weights: Mapping[str, torch.Tensor], config: Mapping[str, Any]
) -> ConcatTransformer1DModel | LLaMATransformer1DModel:
    r"""Build whichever of the two transformers the weights are of."""
    if "cap_embedder.0.weight" in weights:
        return llama_transformer_from_original(weights, config)
    return concat_transformer_from_original(weights, config)


def components_from_original(
    checkpoint: str | Path, config: str | Path, vocoder: str | Path, bert: str | Path, t5: str | Path
) -> dict[str, Any]:
    r"""
    Build the components of an [`AudioLCMPipeline`] from the published model's files.

    Weights are mapped into memory and taken over as they are. The student (`unet.*`) becomes the transformer; the
    teacher (`model.*`) and the moving average (`target_unet.*`) are left out.

    Args:
        checkpoint (`str` or `Path`): The published checkpoint.
        config (`str` or `Path`): The published YAML configuration.
        vocoder (`str` or `Path`): Folder of the published BigVGAN: its configuration and its generator's weights.
        bert (`str` or `Path`): Folder with the configuration and tokenizer of the first text stream.
        t5 (`str` or `Path`): Folder with the configuration and tokenizer of the second text stream.

    Returns:
        `dict[str, Any]`: Keyword arguments of [`AudioLCMPipeline`].

    Raises:
        FileNotFoundError: If something is missing.
        ValueError: If a file is damaged or wants to run code, or weights and configuration do not fit.
    """
    from transformers import BertConfig, T5Config

    # Small files first: what is missing there need not wait for gigabytes.
    checkpoint, config_path = Path(checkpoint), Path(config)
    published = read_config(config_path)
    params = _section(published, config_path, "model", "params")
    unet_config = _section(published, config_path, "model", "params", "unet_config", "params")
    vae_config = _section(published, config_path, "model", "params", "first_stage_config", "params")
    ddconfig = _section(vae_config, config_path, "ddconfig")
    embed_dim = require(vae_config, "embed_dim", "VAE")
    vocoder_config = read_config(find_file(vocoder, VOCODER_CONFIGS, "vocoder configuration"))
    vocoder_weights = find_file(vocoder, VOCODER_WEIGHTS, "file of vocoder weights")
    bert_config, tokenizer = _load_text_folder(Path(bert), BertConfig)
    t5_config, tokenizer_2 = _load_text_folder(Path(t5), T5Config)

    state_dict = read_weights(checkpoint, "state_dict")
    check_keys(state_dict)
    scheduler = LCMAudioScheduler(
        num_train_timesteps=params.get("timesteps", 1000),
        beta_start=params.get("linear_start", 0.00085),
        beta_end=params.get("linear_end", 0.012),
        original_inference_steps=params.get("num_ddim_timesteps", 50),
    )
    if "alphas_cumprod" in state_dict:
        trained = state_dict["alphas_cumprod"].float()
        if trained.shape != scheduler.alphas_cumprod.shape or not torch.allclose(
            trained, scheduler.alphas_cumprod, atol=1e-5
        ):
            schedule = {name: scheduler.config[name] for name in ("num_train_timesteps", "beta_start", "beta_end")}
            raise ValueError(f"The checkpoint's alphas_cumprod is not the schedule that its config makes, {schedule}.")

    text_encoder, projection_model, text_encoder_2 = text_encoders_from_original(
        _with_prefix(state_dict, TEXT, checkpoint), bert_config, t5_config
    )
    return {
        "vae": mel_vae_from_original(
            _with_prefix(state_dict, VAE, checkpoint), ddconfig, embed_dim, state_dict.get("scale_factor", 1.0)
        ),
        "text_encoder": text_encoder,
        "projection_model": projection_model,
        "text_encoder_2": text_encoder_2,
        "tokenizer": tokenizer,
        "tokenizer_2": tokenizer_2,
        "transformer": transformer_from_checkpoint(_with_prefix(state_dict, STUDENT, checkpoint), unet_config),
        "scheduler": scheduler,
        "vocoder": bigvgan_from_original(read_weights(vocoder_weights, "generator"), vocoder_config),
    }
