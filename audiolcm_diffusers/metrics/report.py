# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Results for people: a table, pictures of metrics against steps, and the metadata of a model card."""

from pathlib import Path

from ..audio.io import replacing


TITLES = {"fad": "FAD ↓", "kl": "KL ↓", "is": "IS ↑", "clap": "CLAP ↑", "acc": "named ↑"}
# As the Hub calls them, where it has a name.
CARD_METRICS = {"fad": "fad", "kl": "kl", "is": "inception_score", "clap": "clap_score", "acc": "accuracy"}


def table_lines(results):
    r"""
    A Markdown table of all rows, and below it what a reader must know.

    Args:
        results (`dict`): See [`~audiolcm_diffusers.metrics.protocol.read_results`].

    Returns:
        `list[str]`: Lines. A cell is a value and its interval; `–` where a metric makes no sense.
    """
    protocol = results["protocol"]
    metrics = list(protocol["metrics"])
    lines = [f"| | {' | '.join(TITLES[name] for name in metrics)} |", "|---|" + "---|" * len(metrics)]
    for row in results["rows"]:
        cells = [_cell(row["metrics"].get(name)) for name in metrics]
        lines.append(f"| {row['name']} | {' | '.join(cells)} |")
    bootstrap = protocol["bootstrap"]
    dataset = protocol["dataset"]
    lines += [
        "",
        f"{dataset['num_clips']} clips of {dataset['name']}, "
        f"{protocol['num_samples'] / protocol['sampling_rate']:g} s each at {protocol['sampling_rate']} Hz, "
        f"seed {protocol['seed']}. In brackets: "
        f"{bootstrap['confidence']:.0%} intervals, {bootstrap['num_resamples']} resamples.",
    ]
    lines += [
        f"{kind}: {network['name']} ({network['class']}, {network['dim']} dimensions, weights "
        f"{network['fingerprint'][:12]})."
        for kind, network in protocol["networks"].items()
    ]
    if "fad" in metrics:
        lines.append(f"FAD is of the {protocol['metrics']['fad']['features']}'s features.")
    return lines + results["notes"]


def _cell(estimate):
    if estimate is None:
        return "–"
    return f"{estimate['value']:.3g} [{estimate['low']:.3g}, {estimate['high']:.3g}]"


def comparison_lines(compared, names):
    r"""
    Two results side by side, as a Markdown table.

    Args:
        compared (`dict`): From [`~audiolcm_diffusers.metrics.protocol.compare`].
        names (`tuple[str, str]`): What the two are called.

    Returns:
        `list[str]`: Lines, one a row and metric.
    """
    lines = [f"| | metric | {names[0]} | {names[1]} |", "|---|---|---|---|"]
    lines += [
        f"| {row} | {TITLES[metric]} | {_cell(one)} | {_cell(other)} |"
        for row, metrics in compared.items()
        for metric, (one, other) in metrics.items()
    ]
    return lines


def read_card(path):
    r"""
    Read a model card that metrics are to be added to.

    Args:
        path (`str` or `Path`): Markdown file with a metadata block, as the Hub has it.

    Returns:
        `huggingface_hub.ModelCard`.

    Raises:
        ValueError: If there is no such file, or its metadata cannot be read or is missing.
    """
    import yaml
    from huggingface_hub import ModelCard

    if not Path(path).is_file():
        raise ValueError(f"Expected a model card, got {str(path)!r}, which is no file.")
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
        results (`dict`): See [`~audiolcm_diffusers.metrics.protocol.read_results`].
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


def plot_steps(path, results):
    r"""
    Draw each metric against the number of steps: a line a model and guidance scale with its intervals, and the real
    clips and their reconstruction as levels.

    Args:
        path (`str` or `Path`): PNG file. Its folder exists.
        results (`dict`): With rows whose `generation` names `model`, `num_inference_steps` and `guidance_scale`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metrics = list(results["protocol"]["metrics"])
    figure = Figure(figsize=(1.0 + 4.0 * len(metrics), 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(metrics), squeeze=False)[0]
    lines = {}
    for row in results["rows"]:
        if row["generation"] is not None and "num_inference_steps" in row["generation"]:
            lines.setdefault((row["kind"], row["generation"]["guidance_scale"]), []).append(row)
    ticks = sorted({row["generation"]["num_inference_steps"] for rows in lines.values() for row in rows})
    for axis, metric in zip(axes, metrics):
        for (kind, scale), rows in lines.items():
            rows = sorted(rows, key=lambda row: row["generation"]["num_inference_steps"])
            estimates = [row["metrics"][metric] for row in rows]
            values = [estimate["value"] for estimate in estimates]
            bars = [
                [estimate["value"] - estimate["low"] for estimate in estimates],
                [estimate["high"] - estimate["value"] for estimate in estimates],
            ]
            steps = [row["generation"]["num_inference_steps"] for row in rows]
            axis.errorbar(steps, values, bars, marker="o", capsize=3, label=f"{kind}, scale {scale:g}")
        for row, style in zip((row for row in results["rows"] if row["kind"] == "ceiling"), ("--", ":")):
            if metric in row["metrics"]:
                axis.axhline(row["metrics"][metric]["value"], linestyle=style, color="grey", label=row["name"])
        axis.set_xscale("log")
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.set_xticks([], minor=True)
        axis.set(xlabel="steps", title=TITLES[metric])
    # Some metrics lack some lines.
    labelled = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels())}
    figure.legend(labelled.values(), labelled, loc="outside lower center", ncols=len(lines) + 2)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
