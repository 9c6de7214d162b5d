# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Metrics in the metadata of a model card, where the Hub shows them."""

from pathlib import Path

from ..files import replacing
from ..writable import check_replaceable
from .report import TITLES


# As the Hub calls them, where it has a name.
CARD_METRICS = {
    "fad": "fad",
    "kad": "kad",
    "kl": "kl",
    "is": "inception_score",
    "clap": "clap_score",
    "acc": "accuracy",
    "named": "named",
    "tempo": "tempo",
    "diversity": "diversity",
}


def read_card(path):
    r"""
    Read a model card that metrics are to be added to.

    Args:
        path (`str` or `Path`): Markdown file with a metadata block, as the Hub has it.

    Returns:
        `huggingface_hub.ModelCard`.

    Raises:
        ValueError: If there is no such file, it must not be changed, or its metadata cannot be read or is missing.
    """
    import yaml
    from huggingface_hub import ModelCard

    if not Path(path).is_file():
        raise ValueError(f"Expected a model card, got {str(path)!r}, which is no file.")
    try:
        check_replaceable(path)
    except ValueError as error:
        raise ValueError(f"The model card {error}") from error
    try:
        card = ModelCard.load(path)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"The metadata of the model card {str(path)!r} cannot be read: {error}") from error
    if not card.data.to_dict():
        raise ValueError(f"Expected a model card that begins with a metadata block between `---`, got {str(path)!r}.")
    return card


def write_model_index(path, results, kind):
    r"""
    Set the metrics in a model card's metadata (`model-index`, which the Hub shows); those that it had are replaced.

    Args:
        path (`str` or `Path`): See [`read_card`]. The text below its metadata stays as it is.
        results (`dict`): See [`~audiolcm_diffusers.evaluation.protocol.read_results`].
        kind (`str`): Whose rows: `"model"` or `"teacher"`.
    """
    from huggingface_hub import EvalResult

    card = read_card(path)
    protocol = results["protocol"]
    dataset = protocol["dataset"]
    # A folder's place on this machine says nothing to others.
    is_folder = Path(dataset["name"]).exists()
    name = Path(dataset["name"]).resolve().stem if is_folder else dataset["name"]
    card.data.model_name = card.data.model_name or _title(card.text) or Path(path).stem
    card.data.eval_results = [
        EvalResult(
            task_type="text-to-audio",
            task_name="Text-to-Audio",
            dataset_type="audiofolder" if is_folder else name,
            dataset_name=name,
            dataset_args={"num_clips": dataset["num_clips"], "fingerprint": dataset["fingerprint"][:12]},
            metric_type=CARD_METRICS[metric],
            metric_name=f"{TITLES[metric].split()[0]}, {row['name'].removeprefix(f'{kind}, ')}",
            metric_value=float(f"{estimate['value']:.4g}"),
            metric_args={
                "interval_95": [float(f"{estimate[bound]:.4g}") for bound in ("low", "high")],
                "num_inference_steps": row["generation"]["num_inference_steps"],
                "guidance_scale": row["generation"]["guidance_scale"],
                "networks": {used: network["fingerprint"][:12] for used, network in protocol["networks"].items()},
            },
        )
        for row in results["rows"]
        if row["kind"] == kind
        for metric, estimate in row["metrics"].items()
    ]
    with replacing(path) as temporary:
        # Text and metadata of a card are kept apart by huggingface_hub, and put together by `str`.
        temporary.write_text(str(card), encoding="utf-8")


def _title(text):
    # Behind every second fence there is text again, and no code with comments.
    lines = "".join(text.split("```")[::2]).splitlines()
    return next((line.removeprefix("# ").strip() for line in lines if line.startswith("# ")), None)
