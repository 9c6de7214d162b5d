# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest
import torch

from audiolcm_diffusers.evaluation.asked import Asked


CAPTIONS = ["a low tone", "a high tone", "a whale", "drums"]


def heard_of(bands, bpm):
    """What is heard where one band of twelve is the likeliest, and the others follow upwards from it."""
    likely = [[-((band - best) % 12) for band in range(12)] for best in bands]
    return {"tagger": {"probabilities": torch.tensor(likely).double()}, "tempo": {"bpm": torch.tensor(bpm)[:, None]}}


def test_what_nothing_is_asked_of_does_not_count(make_tagger):
    asked = Asked.of(CAPTIONS, make_tagger(), ["", "", "", "noise"], [None, 120.0, 60.0, 90.0])
    assert asked.classes == ["a low tone", "a high tone", None, "noise"]
    assert (asked.num_classes_known, asked.num_tempos_known) == (3, 3)
    # Band 0 is the third from 10 on; 6 is not among 0 to 4; 11 is the last of five from 7 on.
    heard = heard_of([10, 0, 0, 7], [100.0, 120.0, 121.0, 100.0])
    assert np.array_equal(asked.hits("named", heard), [1, 0, np.nan, 1], equal_nan=True)
    # 121 is within 8 % of 60 twice over; 100 is not within 7.2 of 90.
    assert np.array_equal(asked.hits("tempo", heard), [np.nan, 1, 0, 0], equal_nan=True)
    assert np.array_equal(asked.hits("tempo or octave", heard), [np.nan, 1, 1, 0], equal_nan=True)
    facts = asked.facts(["kl", "named", "tempo"], heard)
    assert facts["classes"] == {
        "a low tone": {"named": {"share": 1.0, "num_sounds": 1}},
        "a high tone": {"named": {"share": 0.0, "num_sounds": 1}, "tempo": {"share": 1.0, "num_sounds": 1}},
        "a whale": {"tempo": {"share": 0.0, "num_sounds": 1}},
        "noise": {"named": {"share": 1.0, "num_sounds": 1}, "tempo": {"share": 0.0, "num_sounds": 1}},
    }
    assert facts["tempo_or_octave"] == 2 / 3
    assert asked.facts(["kl"], heard) == {}


@pytest.mark.parametrize("tempos", [[120.0, 90.0], [120.0, None]])
def test_hits_are_numbers_to_take_means_of(tempos):
    """Also where something is asked of every sound."""
    asked = Asked.of(["a", "b"], tempos_bpm=tempos)
    hits = asked.hits("tempo", {"tempo": {"bpm": torch.tensor([[120.0], [60.0]], dtype=torch.float64)}})
    assert hits.dtype == float and hits[0] == 1.0
    assert torch.from_numpy(hits).nanmean() == (0.5 if tempos[1] else 1.0)


def test_a_protocol_tells_what_was_asked(make_tagger):
    asked = Asked.of(CAPTIONS, make_tagger(), tempos_bpm=[None, None, None, 90.0])
    named, tempo = (asked.describe()[name] for name in ("named", "tempo"))
    assert (named["num_clips"], named["num_left_out"], tempo["num_clips"], tempo["num_left_out"]) == (2, 2, 1, 3)
    other = Asked.of(CAPTIONS, make_tagger(), ["", "noise", "", ""]).describe()["named"]
    assert other["num_clips"] == 2 and other["classes"] != named["classes"]
    assert Asked.of(CAPTIONS).num_classes_known == 0
