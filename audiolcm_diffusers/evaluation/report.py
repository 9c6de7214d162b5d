# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Results for people: a table, and pictures of metrics against steps."""

from ..files import replacing


TITLES = {
    "fad": "FAD ↓",
    "kad": "KAD ↓",
    "kl": "KL ↓",
    "is": "IS ↑",
    "clap": "CLAP ↑",
    "acc": "acc ↑",
    "named": "named ↑",
    "tempo": "tempo ↑",
    "diversity": "diversity",
}


def table_lines(results):
    r"""
    A Markdown table of all rows, and below it what a reader must know.

    Args:
        results (`dict`): See [`~audiolcm_diffusers.evaluation.protocol.read_results`].

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
    lines += [
        "",
        f"{_what_is_judged(protocol)}, "
        f"{protocol['num_samples'] / protocol['sampling_rate']:g} s each at {protocol['sampling_rate']} Hz, "
        f"seed {protocol['seed']}. In brackets: "
        f"{bootstrap['confidence']:.0%} intervals, {bootstrap['num_resamples']} resamples.",
    ]
    lines += [
        f"{kind}: {network['name']} ({network['class']}, {size_of(network)}, weights {network['fingerprint'][:12]})."
        for kind, network in protocol["networks"].items()
    ]
    if "named" in metrics:
        lines.append(
            f"Named, by the tagger: {protocol['metrics']['named']['rule']}. It says something beside the rate of real "
            "clips."
        )
    if "tempo" in metrics:
        lines.append(f"Tempo: {protocol['metrics']['tempo']['rule']}. Half and double of it are errors here.")
    if "fad" in metrics:
        lines.append(f"FAD is of the {protocol['metrics']['fad']['features']}'s features.")
    if "kad" in metrics:
        kad = protocol["metrics"]["kad"]
        lines.append(
            f"KAD is of the {kad['features']}'s features, unbiased, times {kad['scale']:g}: about 0 for other clips "
            "of the same kind, and below it for copies of the references, such as their reconstruction."
        )
    if "diversity" in metrics:
        lines.append(
            f"Diversity: the mean distance of the {protocol['metrics']['diversity']['features']}'s features of two "
            "sounds of one caption, averaged over captions; best near that of real clips."
        )
    return lines + results["notes"] + class_lines(results)


def _what_is_judged(protocol):
    if "prompts" not in protocol:
        return f"{protocol['dataset']['num_clips']} clips of {protocol['dataset']['name']}"
    prompts = protocol["prompts"]
    return f"{prompts['num_prompts']} prompts of {prompts['name']}, sounds of each: {prompts['takes']}"


def size_of(network):
    r"""How large a network of a protocol is, in words."""
    return f"{network['dim']} dimensions" if "dim" in network else f"{network['num_labels']} labels"


def class_lines(results):
    r"""
    Of the metrics `named` and `tempo`, a Markdown table of each class, and what the rows have of the real clips' rate.

    Args:
        results (`dict`): See [`~audiolcm_diffusers.evaluation.protocol.read_results`].

    Returns:
        `list[str]`: Lines; none where neither metric is there.
    """
    rows, lines = [row for row in results["rows"] if row.get("classes")], []
    for metric in ("named", "tempo"):
        if metric not in results["protocol"]["metrics"] or not rows:
            continue
        columns = {
            row["name"]: {name: of[metric] for name, of in row["classes"].items() if metric in of} for row in rows
        }
        names = sorted({name for column in columns.values() for name in column})
        header = [f"{metric}, by class", *columns]
        lines += ["", f"| {' | '.join(header)} |", "|---|" + "---|" * len(columns)]
        for name in names:
            cells = [_class_cell(column.get(name)) for column in columns.values()]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        means = [_mean_of(column) for column in columns.values()]
        lines.append(f"| mean of classes | {' | '.join(map(_number, means))} |")
        values = [row["metrics"].get(metric, {}).get("value") for row in rows]
        lines.append(f"| all | {' | '.join(map(_number, values))} |")
        if rows[0]["kind"] == "ceiling" and values[0]:
            of_real = [None if value is None else value / values[0] for value in values]
            lines.append(f"| all, × {rows[0]['name']} | {' | '.join(map(_number, of_real))} |")
        if metric == "tempo":
            octaves = [row.get("tempo_or_octave") for row in rows]
            lines.append(f"| all, half and double counted, too | {' | '.join(map(_number, octaves))} |")
    return lines


def _class_cell(found):
    return "–" if found is None else f"{found['share']:.2f} ({found['num_sounds']})"


def _mean_of(column):
    return sum(found["share"] for found in column.values()) / len(column) if column else None


def _number(value):
    return "–" if value is None else f"{value:.2f}"


def _cell(estimate):
    if estimate is None:
        return "–"
    if not isinstance(estimate, dict):
        return f"{estimate:.3g}"
    return f"{estimate['value']:.3g} [{estimate['low']:.3g}, {estimate['high']:.3g}]"


def comparison_lines(compared, names):
    r"""
    Two results side by side, as a Markdown table. Values are estimates with intervals, or plain numbers.

    Args:
        compared (`dict`): Of each row, metrics and their two estimates.
        names (`tuple[str, str]`): What the two are called.

    Returns:
        `list[str]`: Lines, one a row and metric.
    """
    lines = [f"| | metric | {names[0]} | {names[1]} |", "|---|---|---|---|"]
    lines += [
        f"| {row} | {TITLES.get(metric, metric)} | {_cell(one)} | {_cell(other)} |"
        for row, metrics in compared.items()
        for metric, (one, other) in metrics.items()
    ]
    return lines


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
