# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
from huggingface_hub import ModelCard

from audiolcm_diffusers.evaluation.model_card import read_card, write_model_index


CARD = """---
license: cc-by-3.0
tags: [text-to-audio]
---
# The title

Text, with a line of its own:
---
"""


def test_metrics_in_the_metadata_of_a_card(metrics_table, tmp_path):
    path = tmp_path / "card.md"
    path.write_text(CARD)
    write_model_index(path, metrics_table, "model")
    card = ModelCard.load(path)
    assert card.data.license == "cc-by-3.0" and card.data.tags == ["text-to-audio"]
    assert card.data.model_name == "The title"
    found = {
        (entry.metric_name, entry.metric_type, entry.metric_value, entry.metric_args["num_inference_steps"])
        for entry in card.data.eval_results
    }
    assert found == {
        ("FAD, 1 step, scale 5", "fad", 4.0, 1),
        ("CLAP, 1 step, scale 5", "clap_score", 0.5, 1),
        ("FAD, 2 steps, scale 5", "fad", 3.0, 2),
        ("CLAP, 2 steps, scale 5", "clap_score", 0.6, 2),
    }
    assert path.read_text().endswith(CARD.split("---\n", 2)[2])

    # Again, of the teacher: what was there is replaced, the name stays.
    write_model_index(path, metrics_table, "teacher")
    card = ModelCard.load(path)
    assert [(entry.metric_name, entry.metric_value) for entry in card.data.eval_results] == [
        ("FAD, 100 steps, scale 5", 2.0),
        ("CLAP, 100 steps, scale 5", 0.7),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["card.md"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "card.md', which is no file"),
        ("# Only text\n", "begins with a metadata block between `---`, got"),
        ("---\n- a list\n---\n", "metadata of the model card"),
        ("---\nlicense: [a\n---\n", "metadata of the model card"),
    ],
)
def test_bad_cards(text, told, tmp_path):
    if text is not None:
        (tmp_path / "card.md").write_text(text)
    with pytest.raises(ValueError, match=told):
        read_card(tmp_path / "card.md")
