# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Which metrics can be computed of the networks, captions, classes and tempos that there are."""

from .protocol import METRICS


def pick_metrics(
    networks,
    wanted,
    fad_network,
    captions_are_classes=False,
    several_sounds=False,
    classes_are_mapped=False,
    tempos_are_known=False,
):
    r"""
    Decide which metrics are computed.

    Args:
        networks (`Mapping[str, Network]`): Of the keys `"classifier"`, `"clap"` and `"tagger"`, those that there are.
        wanted (`Sequence[str]`, *optional*): Some of `METRICS`; `None` for all that can be computed.
        fad_network (`str`, *optional*): Whose features FAD, KAD and diversity are of.
        captions_are_classes (`bool`, defaults to `False`): Whether some captions are classes of the classifier.
        several_sounds (`bool`, defaults to `False`): Whether there are several sounds of some captions.
        classes_are_mapped (`bool`, defaults to `False`): Whether some sounds' classes are in the tagger's class map.
        tempos_are_known (`bool`, defaults to `False`): Whether tempos are asked for.

    Returns:
        `tuple[list[str], dict[str, str]]`: Metrics in the order of `METRICS`, and why the others are left out.

    Raises:
        ValueError: If a metric that is wanted lacks its network, or none can be computed.
    """
    if not networks:
        raise ValueError(
            "Expected a network to judge by: `classifier` for fad, kad, kl and is, `clap` for clap, fad and kad, "
            "`tagger` for named."
        )
    if fad_network is not None and fad_network not in networks:
        raise ValueError(f"Expected `{fad_network}`, whose features FAD is to be of.")
    features = fad_network or "classifier"
    needs = {"fad": features, "kad": features, "clap": "clap", "named": "tagger", "diversity": features}
    # What else metrics need: whether it is there, what it is, and why they are left out without it.
    needs_further = {
        "acc": (
            captions_are_classes,
            "captions that are classes of the classifier; there is none",
            "no caption is a class of the classifier",
        ),
        "named": (
            classes_are_mapped,
            "sounds whose class is in the class map; there is none",
            "no clip's class is in the class map",
        ),
        "tempo": (tempos_are_known, "a column tempo_bpm", "no tempo_bpm"),
        "diversity": (
            several_sounds,
            "several sounds of a caption: captions that occur twice, or `takes` of at least 2",
            "no caption occurs twice, and one take of each is made",
        ),
    }
    unknown = set(wanted or ()) - set(METRICS)
    if unknown:
        raise ValueError(f"Expected metrics among {', '.join(METRICS)}, got {', '.join(sorted(unknown))}.")
    left_out = {}
    for name in METRICS:
        if wanted is not None and name not in wanted:
            left_out[name] = "not asked for"
        elif name != "tempo" and (needed := needs.get(name, "classifier")) not in networks:
            if wanted is not None:
                raise ValueError(f"The metric {name} needs a network: name it with `{needed}`.")
            left_out[name] = f"no --{needed}"
        elif name in needs_further and not needs_further[name][0]:
            _, needed, reason = needs_further[name]
            if wanted is not None:
                raise ValueError(f"The metric {name} needs {needed}.")
            left_out[name] = reason
    return [name for name in METRICS if name not in left_out], left_out
