# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What `audiolcm inspect` found, for people: a table a section."""

from .report import size_of


ENDS = {
    "first_db": "first 10 ms against the next 100 ms, dB",
    "last_db": "last 10 ms against the 100 ms before, dB",
    "first_step": "first sample, of full scale",
    "last_step": "last sample, of full scale",
}


def report_lines(results):
    r"""
    The report: a Markdown table of each section that there is, with what its numbers mean, and at last what they are
    of.

    Args:
        results (`dict`): What `audiolcm inspect` writes.

    Returns:
        `list[str]`: Lines.
    """
    sections, lines = results["sections"], []
    for name, write in SECTIONS.items():
        if name in sections:
            lines += [f"## {name.capitalize()}", "", *write(sections[name], results["protocol"]), ""]
    return lines + ["## Protocol", "", *_protocol_lines(results), *results["notes"]]


def table(header, rows):
    r"""
    A Markdown table.

    Args:
        header (`Sequence[str]`): Titles of the columns.
        rows (`Sequence[Sequence[str]]`): Cells.

    Returns:
        `list[str]`: Lines.
    """
    rules = ["---"] * len(header)
    return [_row(header)] + [f"|{'|'.join(rules)}|"] + [_row(cells) for cells in rows]


def _row(cells):
    return f"| {' | '.join(cells)} |"


def _estimate(estimate):
    return "–" if estimate is None else f"{estimate['value']:.3g} [{estimate['low']:.3g}, {estimate['high']:.3g}]"


def _diversity_lines(section, protocol):
    columns = section["rows"]["model"]
    header = ["", *(f"{name} ({estimate['num_prompts']})" for name, estimate in columns.items())]
    rows = [
        [name, *(_estimate(estimates.get(column)) for column in columns)]
        for name, estimates in {**section["rows"], **section["ratios"]}.items()
    ]
    return [
        *table(header, rows),
        "",
        f"Mean Euclidean distance of the embeddings of two of the {protocol['takes']} takes of one prompt, or of two "
        "real clips of one caption, averaged over prompts; and ratios of these.",
    ]


def _neighbours_lines(section, protocol):
    header = ["", "sounds", "distance", "least", "nearer", "similarity", "most", "more alike"]
    rows = [
        [
            source,
            str(found["num_sounds"]),
            f"{found['distance']['median']:.3g}",
            f"{found['distance']['minimum']:.3g}",
            str(found["num_nearer"]),
            f"{found['similarity']['median']:.2f}",
            f"{found['similarity']['maximum']:.2f}",
            str(found["num_more_alike"]),
        ]
        for source, found in section["rows"].items()
    ]
    training = protocol["training"]
    lines = [
        *table(header, rows),
        "",
        f"Distance: of a sound's embedding to that of the nearest of {training['num_clips']} clips of "
        f"{training['name']}. Similarity: the highest normalised cross-correlation of its log-mel spectrogram, over "
        f"all shifts, with one of the {section['num_neighbours']} nearest clips; a copy's is 1. Both are medians over "
        "prompts of the medians of their sounds. Nearer, more alike: sounds that come closer to a training clip than "
        "any held-out clip of these captions does. Training clips, decoded: training clips through the model's "
        "autoencoder and vocoder, which is how a copy would look. How many of these stand out says how much it means "
        "that a model's sounds do not.",
        "",
    ]
    for source, found in section["rows"].items():
        for words, pair, measure in (
            ("nearest", found["nearest"], "distance"),
            ("most alike", found["most_alike"], "similarity"),
        ):
            lines.append(
                f"- {source}, {words}: {pair['caption']!r}, {pair['name']}, to {pair['clip']['name']} "
                f"({pair['clip']['caption']!r}), {measure} {pair[measure]:.3g}"
            )
    return lines


def _lengths_lines(section, protocol):
    durations, real = section["durations"], section["real clips"]

    def row(title, cell, of_real=""):
        return [title, *(cell(found) for found in durations.values()), of_real]

    rows = []
    if all("named" in found for found in durations.values()):
        rows.append(row(f"named as asked, by the {_namer(protocol)}", lambda found: _estimate(found["named"])))
        rows.append(row("real clips cut to this length, named", lambda found: _estimate(found["named_real"])))
    rows += [
        row("level against real clips, dB", lambda found: f"{found['level_difference_db']:+.1f}"),
        row("loudest 100 ms against real clips, dB", lambda found: f"{found['loudest_difference_db']:+.1f}"),
        row("clipped samples", lambda found: f"{found['clipped']:.3%}", f"{real['clipped']:.3%}"),
        row("silent sounds", lambda found: f"{found['silent']:.1%}", f"{real['silent']:.1%}"),
    ]
    for measure, title in ENDS.items():
        digits = "+.1f" if measure.endswith("_db") else ".4f"

        def cell(found, measure=measure, digits=digits):
            return f"{found[measure]['median']:{digits}} ({found[measure]['high']:{digits}})"

        rows.append(row(title, cell, cell(real) if real["num_clips"] else "–"))
    return [
        *table(["", *(f"{duration} s" for duration in durations), "real clips as they are"], rows),
        "",
        f"{len(protocol['prompts'])} prompts, {protocol['takes']} takes each, and {protocol['num_real']} real clips "
        "of these captions. Level: root mean square; the median over prompts of the difference between the median of "
        "a prompt's takes and the median of its real clips, which are cut to the length and not filled where they are "
        "shorter; positive where takes are louder. Clipped: |x| >= 1 - 1/32768. Silent: below -60 dB of full scale. "
        "Ends: the median over sounds, and in brackets the 95 % quantile.",
    ]


def _paraphrases_lines(section, protocol):
    rows = [
        [caption, f"{of['caption']:.2f}", f"{of['mean']:.2f}", _listed(of["wordings"])]
        for caption, of in section["captions"].items()
    ]
    rows.append(["all", _estimate(section["all"]["caption"]), _estimate(section["all"]["mean"]), ""])
    return [
        *table(["", "caption", "other wordings", "each"], rows),
        "",
        f"Share of {protocol['takes']} takes that the {_namer(protocol)} names as the caption.",
    ]


def _namer(protocol):
    return "tagger" if "tagger" in protocol["networks"] else "classifier"


def _listed(shares):
    return ", ".join(f"{wording} {share:.2f}" for wording, share in shares.items())


def _protocol_lines(results):
    protocol = results["protocol"]
    dataset, bootstrap = protocol["dataset"], protocol["bootstrap"]
    lines = [
        f"- {role}: {made['model']}, steps {made['num_inference_steps']}, scale {made['guidance_scale']:g} "
        f"(weights {made['fingerprint'][:12]})."
        for role, made in results["generation"].items()
    ]
    lines += [
        f"- {kind}: {network['name']} ({network['class']}, {size_of(network)}, weights {network['fingerprint'][:12]})."
        for kind, network in protocol["networks"].items()
    ]
    return [
        *lines,
        f"- References: {dataset['num_clips']} real clips of {dataset['name']}, of which {protocol['num_real']} have "
        f"one of the {len(protocol['prompts'])} prompts as caption. Where no other length is said, sounds and clips "
        f"are {protocol['num_samples'] / protocol['sampling_rate']:g} s long.",
        f"- Seed {protocol['seed']} for first takes. In square brackets: {bootstrap['confidence']:.0%} intervals over "
        f"prompts, {bootstrap['num_resamples']} resamples.",
        "",
    ]


SECTIONS = {
    "diversity": _diversity_lines,
    "neighbours": _neighbours_lines,
    "lengths": _lengths_lines,
    "paraphrases": _paraphrases_lines,
}
