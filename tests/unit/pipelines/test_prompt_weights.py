# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.pipelines.prompt_weights import escape_weights, parse_weights, token_weights


@pytest.mark.parametrize(
    ("prompt", "text", "phrases"),
    [
        ("(rain:1.3) and wind", "rain and wind", [("rain", 1.3)]),
        ("a (big dog: 0.5), (far away:2)", "a big dog, far away", [("big dog", 0.5), ("far away", 2.0)]),
        ("(rain:1) and (wind:0)", "rain and wind", [("wind", 0.0)]),
        ("rain (heavy) at 12:30", "rain (heavy) at 12:30", []),
        ("rain (heavy: very)", "rain (heavy: very)", []),
        (r"\(rain:1.3\) and \(wind\)", "(rain:1.3) and (wind)", []),
        (r"(a \(b\):.5)", "a (b)", [("a (b)", 0.5)]),
        ("<(dog:2)& start>@<rain& all>", "<dog& start>@<rain& all>", [("dog", 2.0)]),
        ("", "", []),
    ],
)
def test_weights_are_taken_out(prompt, text, phrases):
    assert parse_weights(prompt) == (text, phrases)


@pytest.mark.parametrize("weight", ["-1", "10.5", "1000"])
def test_weights_out_of_range_are_quoted(weight):
    with pytest.raises(ValueError, match=rf"a weight from 0 to 10 in the prompt '\(rain:{weight}\)', got '\(rain:"):
        parse_weights(f"(rain:{weight})")


@pytest.mark.parametrize("text", ["a (b:2)", r"a \(b", "((c:1):2)", "none"])
def test_escaped_texts_are_themselves(text):
    # A backslash before a bracket stays one: it is no escape in data.
    assert parse_weights(escape_weights(text)) == (text, [])


def test_tokens_of_phrases_in_their_order():
    caption, offsets = "rain and rain", [(0, 0), (0, 4), (5, 8), (9, 11), (11, 13), (0, 0)]
    assert token_weights(caption, offsets, [("rain", 2.0)]) == [1, 2, 1, 1, 1, 1]
    assert token_weights(caption, offsets, [("rain", 2.0), ("rain", 0.5)]) == [1, 2, 1, 0.5, 0.5, 1]
    with pytest.raises(ValueError, match="The phrase 'wind' with the weight 2 is not in 'rain and rain'"):
        token_weights(caption, offsets, [("wind", 2.0)])


class TestPipeline:
    """The tokenizers of tests cut texts into bytes: a phrase's tokens are its letters."""

    def embeds(self, pipe, prompt, **options):
        return pipe.encode_prompt(prompt, do_classifier_free_guidance=False, **options)[0]

    def test_moves_embeddings_away_from_the_empty_prompt(self, make_pipeline):
        pipe = make_pipeline()
        plain, empty = self.embeds(pipe, "rain and wind"), self.embeds(pipe, "")
        weighted = self.embeds(pipe, "(rain:1.5) and (wind:0)")
        # 40 tokens of BERT, with [CLS] before; then 40 of T5, "<" before and "& all>" behind.
        factors = torch.ones(80)
        factors[1:5], factors[10:14] = 1.5, 0.0
        factors[41:45], factors[50:54] = 1.5, 0.0
        # The second stream reads nothing of an empty prompt, whose tokens are those of no event.
        torch.testing.assert_close(weighted, empty + factors[None, :, None] * (plain - empty))

    def test_of_one_is_as_without(self, make_pipeline):
        pipe = make_pipeline()
        assert torch.equal(self.embeds(pipe, "(rain:1.0) and wind"), self.embeds(pipe, "rain and wind"))

    def test_changes_the_sound(self, make_pipeline):
        pipe = make_pipeline()
        made = [
            pipe(prompt, 0.2, generator=torch.Generator().manual_seed(0), output_type="latent").audios
            for prompt in ("rain and wind", "(rain:2) and wind", "(rain:1) and wind")
        ]
        assert torch.equal(made[0], made[2]) and not torch.allclose(made[0], made[1])

    def test_in_events(self, make_pipeline):
        pipe = make_pipeline()
        plain = self.embeds(pipe, None, events=[("rain", "all"), ("a dog", "end")])
        weighted = self.embeds(pipe, None, events=[("rain", "all"), ("(a dog:2)", "end")])
        changed = (plain != weighted).any(dim=-1)[0]
        assert changed[40:].any() and not changed[40 : 40 + len("<rain& all>@<")].any()
        with pytest.raises(ValueError, match="Weights cannot be told apart where `prompt` and `events`"):
            self.embeds(pipe, "(rain:2)", events=[("rain", "all")])

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_are_cut_and_filled_up_as_tokens_are(self, make_pipeline, side):
        pipe = make_pipeline()
        pipe.tokenizer.truncation_side = pipe.tokenizer_2.truncation_side = side
        pipe.tokenizer.padding_side = pipe.tokenizer_2.padding_side = side
        prompt = "x" * 30 + " (rain:2) " + "y" * 30
        plain, weighted = self.embeds(pipe, prompt.replace("(rain:2)", "rain")), self.embeds(pipe, prompt)
        changed = (plain != weighted).any(dim=-1)[0, :40]
        # Of 66 letters 38 are kept: the last ones are 3 of " rain" and 30 of y behind it, or 7 of its end.
        if side == "left":
            assert changed.nonzero().flatten().tolist() == [4, 5, 6, 7]
        else:
            assert changed.nonzero().flatten().tolist() == [32, 33, 34, 35]

    def test_slow_tokenizers_are_told(self, make_pipeline, monkeypatch):
        pipe = make_pipeline()
        monkeypatch.setattr(type(pipe.tokenizer), "is_fast", property(lambda self: False))
        self.embeds(pipe, "rain")
        with pytest.raises(ValueError, match=r"`tokenizer` does not say which .* leave out the weights \[\[\('rain'"):
            self.embeds(pipe, "(rain:2)")


def test_training_takes_brackets_as_they_are(make_pipeline):
    from audiolcm_diffusers.trainer.prompts import encoder_of_prompts

    pipe = make_pipeline()
    plain = encoder_of_prompts(pipe)(["a bell (loud:3)"])
    assert torch.equal(plain, pipe.encode_prompt(r"a bell \(loud:3\)", do_classifier_free_guidance=False)[0])
    assert not torch.equal(plain, pipe.encode_prompt("a bell (loud:3)", do_classifier_free_guidance=False)[0])
