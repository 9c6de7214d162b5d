# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest

from audiolcm_diffusers.evaluation.metric_choice import pick_metrics
from audiolcm_diffusers.evaluation.protocol import METRICS


def test_metrics_are_those_that_networks_allow():
    assert pick_metrics(["classifier", "clap"], None, "classifier", True) == (
        ["fad", "kad", "kl", "is", "clap", "acc"],
        {
            "named": "no --tagger",
            "tempo": "no tempo_bpm",
            "diversity": "no caption occurs twice, and one take of each is made",
        },
    )
    everything = ["classifier", "clap", "tagger"]
    assert pick_metrics(everything, None, "classifier", True, True, True, True)[0] == list(METRICS)
    assert pick_metrics(["tagger"], None, None, True, True, True)[0] == ["named"]
    assert pick_metrics(["tagger"], ["named", "tempo"], None, False, False, True, True)[0] == ["named", "tempo"]
    assert pick_metrics(everything, None, "clap")[1]["named"] == "no clip's class is in the class map"
    with pytest.raises(ValueError, match="named needs a network: name it with `tagger`"):
        pick_metrics(["classifier"], ["named"], "classifier")
    with pytest.raises(ValueError, match="tempo needs a column tempo_bpm"):
        pick_metrics(["classifier"], ["tempo"], "classifier")
    assert pick_metrics(["classifier"], ["acc"], "classifier", True)[0] == ["acc"]
    with pytest.raises(ValueError, match="acc needs captions that are classes of the classifier"):
        pick_metrics(["classifier"], ["acc"], "classifier")
    assert pick_metrics(["clap"], None, "clap") == (
        ["fad", "kad", "clap"],
        {
            **dict.fromkeys(("kl", "is", "acc"), "no --classifier"),
            "named": "no --tagger",
            "tempo": "no tempo_bpm",
            "diversity": "no caption occurs twice, and one take of each is made",
        },
    )
    assert pick_metrics(["classifier"], ["is", "fad"], "classifier")[0] == ["fad", "is"]
    with pytest.raises(ValueError, match="kl needs a network: .* `classifier`"):
        pick_metrics(["clap"], ["kl"], "clap")
    with pytest.raises(ValueError, match="`clap`, whose features"):
        pick_metrics(["classifier"], None, "clap")
    with pytest.raises(ValueError, match="Expected a network"):
        pick_metrics([], None, None)
    with pytest.raises(ValueError, match="got mos"):
        pick_metrics(["clap"], ["mos"], "clap")
