# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Turn a trained pipeline folder into one to share: half precision on disk, and credits of the recordings.

    python training/export_pipeline.py --pipeline_dir runs/student/model --data_dir DATA/train --output_dir mini
"""

import csv
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch

from audiolcm_diffusers import AudioLCMPipeline
from audiolcm_diffusers.pipelines.shared_parts import leave_out_shared_parts
from audiolcm_diffusers.trainer import load_vocoder, option, parse_config, save_folder


CREDIT_COLUMNS = ("source_set", "licence", "author", "source")


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    pipeline_dir: str = field(metadata={"help": "Pipeline folder of `AudioLCMPipeline`."})
    output_dir: str = field(metadata={"help": "Where the exported folder goes; it is replaced."})
    data_dir: list[str] | None = option(
        None, "Folders that it was trained on; their `metadata.csv` names licences and authors."
    )
    excluded_licences: list[str] | None = option(None, "Licences whose clips the training left out.")
    vocoder_dir: str | None = option(None, "Vocoder to take instead of the pipeline's.")
    shared_with: str | None = option(
        None,
        "An exported pipeline beside output_dir, such as a teacher's student: parts that both have are loaded from it "
        "and not kept here.",
    )
    default_audio_length_in_s: float | None = option(None, "Seconds of a sound where a call does not say it.")
    default_num_inference_steps: int | None = option(None, "Steps where a call does not say it.")
    default_guidance_scale: float | None = option(None, "Guidance scale where a call does not say it.")
    card: str | None = option(
        None, "Model card, copied to `README.md`; by default the pipeline's own, with its samples."
    )


def credits(data_dirs, excluded_licences=()):
    """The distinct combinations of source, licence and author in folders' metadata, as lines of a CSV file."""
    found = set()
    for data_dir in data_dirs:
        with (Path(data_dir) / "metadata.csv").open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            missing = set(CREDIT_COLUMNS) - set(reader.fieldnames or ())
            if missing:
                raise ValueError(f"{data_dir}/metadata.csv has no column {sorted(missing)}, which credits need.")
            found |= {tuple(row[column] for column in CREDIT_COLUMNS) for row in reader}
    return sorted(row for row in found if row[CREDIT_COLUMNS.index("licence")] not in excluded_licences)


def forget_use(tokenizer):
    """Tokenizers keep, and save, how they were last asked to pad and cut: two that are one would differ."""
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    for name in ("pad_to_multiple_of", "pad_token_type_id", "padding_side", "max_length", "stride", "truncation_side"):
        tokenizer.init_kwargs.pop(name, None)


def forget_places(folder):
    """Configurations keep where on this machine a model was loaded from."""
    for path in folder.rglob("*.json"):
        if path.name == "model_index.json" or path.name.endswith("config.json"):
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("_name_or_path", None) is not None:
                path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main(config):
    rows = None if config.data_dir is None else credits(config.data_dir, config.excluded_licences or ())
    shared_with = None if config.shared_with is None else Path(config.shared_with)
    if shared_with is not None:
        if not (shared_with / "model_index.json").is_file():
            raise ValueError(f"shared_with: there is no pipeline in {config.shared_with!r}.")
        if shared_with.resolve().parent != Path(config.output_dir).resolve().parent:
            raise ValueError(f"shared_with={config.shared_with!r} is not beside output_dir={config.output_dir!r}.")
    replaced = {}
    if config.vocoder_dir is not None:
        replaced["vocoder"] = load_vocoder(config.vocoder_dir)
    defaults = {
        "default_audio_length_in_s": config.default_audio_length_in_s,
        "default_num_inference_steps": config.default_num_inference_steps,
        "default_guidance_scale": config.default_guidance_scale,
    }
    replaced |= {name: value for name, value in defaults.items() if value is not None}
    pipe = AudioLCMPipeline.from_pretrained(config.pipeline_dir, dtype=torch.float32, **replaced)
    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            component.half()

    for tokenizer in (pipe.tokenizer, pipe.tokenizer_2):
        if tokenizer is not None:
            forget_use(tokenizer)

    def save(folder):
        pipe.save_pretrained(folder)
        forget_places(folder)
        for encoder, name in ((pipe.text_encoder, "text_encoder"), (pipe.text_encoder_2, "text_encoder_2")):
            if encoder is not None:
                # transformers loads in the dtype that the config names: weights are halved on disk, not in use.
                encoder.config.dtype = torch.float32
                encoder.config.save_pretrained(folder / name)
        if config.card is not None:
            shutil.copyfile(config.card, folder / "README.md")
            shutil.rmtree(folder / "samples", ignore_errors=True)
        if rows is not None:
            with (folder / "CREDITS.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(CREDIT_COLUMNS)
                writer.writerows(rows)
        if shared_with is not None:
            left_out = leave_out_shared_parts(folder, shared_with)
            print(f"Shared with {config.shared_with}: {', '.join(left_out) or 'nothing'}", flush=True)

    save_folder(save, config.output_dir)


if __name__ == "__main__":
    main(parse_config(ExportConfig))
