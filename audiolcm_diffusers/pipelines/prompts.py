# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
What a call says in words: read and checked without any model, then encoded by the text streams that a pipeline has.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers.utils import logging
from transformers import PreTrainedTokenizerBase

from .finite import check_finite
from .prompt_events import plain_caption, structured_caption, structured_captions
from .prompt_weights import parse_weights, token_weights


logger = logging.get_logger(__name__)

# Where a tokenizer names no length: the length of both text streams of the published model.
NUM_TEXT_TOKENS = 77

# A tokenizer whose files name no length reports a number of about 1e30.
_NO_LENGTH = 1_000_000

_EMPTY_PROMPT = "a negative prompt (the empty one by default)"


@dataclass(frozen=True)
class TextStream:
    r"""
    One way from captions to tokens of the width that the transformer reads.

    Args:
        tokenizer_name (`str`): What the pipeline calls the tokenizer.
        tokenizer ([`~transformers.PreTrainedTokenizerBase`], *optional*): Every caption has its `model_max_length`.
        text_encoder ([`~transformers.PreTrainedModel`], *optional*): Without one, there is no such stream.
        projection ([`CLAPProjection`], *optional*): Applied to the encoder's tokens.
    """

    tokenizer_name: str
    tokenizer: PreTrainedTokenizerBase | None
    text_encoder: torch.nn.Module | None
    projection: torch.nn.Module | None = None

    @property
    def num_tokens(self) -> int | None:
        r"""`int`: Tokens of every caption; `None` where there is no such stream."""
        if self.text_encoder is None:
            return None
        return NUM_TEXT_TOKENS if self.tokenizer.model_max_length > _NO_LENGTH else self.tokenizer.model_max_length

    def _tokenize(
        self, captions: list[str], phrases: Sequence[Sequence[tuple[str, float]]]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Tokens, and how much each counts, where any counts for more or less than 1."""
        tokenizer, max_length = self.tokenizer, self.num_tokens
        num_kept = max_length - tokenizer.num_special_tokens_to_add()
        # One call, which neither pads nor cuts: these are settings of the tokenizer itself, which threads may share.
        options = {"return_special_tokens_mask": True, "return_attention_mask": False, "verbose": False}
        if any(phrases):
            if not tokenizer.is_fast:
                raise ValueError(
                    f"The pipeline's `{self.tokenizer_name}` does not say which of its tokens a phrase is, which "
                    f"weights need: take a fast tokenizer, or leave out the weights {[*phrases]!r}."
                )
            options["return_offsets_mapping"] = True
        encoded = tokenizer(captions, **options)
        rows, weights = [], []
        for number, (caption, tokens, mask) in enumerate(
            zip(captions, encoded.input_ids, encoded.special_tokens_mask)
        ):
            num_leading = mask.index(0) if 0 in mask else len(mask)
            num_text = len(tokens) - tokenizer.num_special_tokens_to_add()
            text, num_cut = tokens[num_leading : num_leading + num_text], num_text - num_kept
            cut = []
            if num_cut > 0:
                keeps_end = tokenizer.truncation_side == "left"
                cut, text = (text[:num_cut], text[num_cut:]) if keeps_end else (text[num_kept:], text[:num_kept])
                logger.warning(
                    f"The prompt {caption!r} is longer than the {max_length} tokens that "
                    f"{tokenizer.__class__.__name__} keeps. What was cut: {tokenizer.decode(cut)!r}"
                )
            row = [*tokens[:num_leading], *text, *tokens[num_leading + num_text :]]
            padding = [tokenizer.pad_token_id] * (max_length - len(row))
            rows.append([*padding, *row] if tokenizer.padding_side == "left" else [*row, *padding])
            if any(phrases):
                of_tokens = token_weights(caption, encoded.offset_mapping[number], phrases[number])
                # Cut and filled up as the tokens are.
                first = num_leading + (num_cut if num_cut > 0 and tokenizer.truncation_side == "left" else 0)
                kept = of_tokens[:num_leading] + of_tokens[first : first + len(text)]
                kept += of_tokens[num_leading + num_text :]
                ones = [1.0] * len(padding)
                weights.append([*ones, *kept] if tokenizer.padding_side == "left" else [*kept, *ones])
        return torch.tensor(rows, dtype=torch.long), torch.tensor(weights) if weights else None

    def encode(
        self, captions: list[str], device: torch.device, phrases: Sequence[Sequence[tuple[str, float]]] = ()
    ) -> torch.Tensor:
        r"""Tokens of captions, `(num_captions, num_tokens, width)`, with the phrases of each weighted."""
        tokens, weights = self._tokenize(captions, phrases)
        states = self._encode_tokens(tokens.to(device))
        if weights is None:
            return states
        empty = self._encode_tokens(self._tokenize([""], ())[0].to(device))
        return torch.lerp(empty, states, weights.to(states)[..., None])

    def _encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        # The published model gives its encoders no attention mask, so that padding is attended.
        hidden_states = self.text_encoder(tokens)[0]
        return hidden_states if self.projection is None else self.projection(hidden_states)


@dataclass(frozen=True)
class Captions:
    r"""
    Prompts as the two streams read them.

    Args:
        plain (`list[str]`): For the first stream.
        structured (`list[str]`): The same prompts for the second.
        phrases (`list[list[tuple[str, float]]]`): Phrases of each that count for more or less, and how much.
    """

    plain: list[str]
    structured: list[str]
    phrases: list[list[tuple[str, float]]]

    @classmethod
    def of(cls, prompts: Sequence[str]) -> "Captions":
        r"""Both readings of prompts, plain or in structured form."""
        texts, phrases = zip(*map(parse_weights, prompts))
        return cls(*([caption(text) for text in texts] for caption in (plain_caption, structured_caption)), [*phrases])

    @classmethod
    def of_events(cls, events: Sequence, prompts: Sequence[str] | None) -> "Captions":
        r"""Events for the second stream; prompts, or without them the events' descriptions, for the first."""
        structured, phrases = zip(*map(parse_weights, structured_captions(events)))
        if prompts is None:
            return cls([plain_caption(text) for text in structured], [*structured], [*phrases])
        prompts, of_prompts = zip(*map(parse_weights, prompts))
        if any(phrases) or any(of_prompts):
            raise ValueError(
                f"Weights cannot be told apart where `prompt` and `events` are both given, got {prompts!r} with "
                f"{list(events)!r}: leave out the one or the weights."
            )
        return cls([plain_caption(text) for text in prompts], [*structured], [*phrases])

    def __len__(self) -> int:
        return len(self.structured)

    def encode(self, streams: Sequence[TextStream], device: torch.device) -> torch.Tensor:
        r"""Tokens of the streams that there are, one after the other: `(num_captions, num_tokens, width)`."""
        embeds = [
            stream.encode(captions, device, self.phrases)
            for captions, stream in zip((self.plain, self.structured), streams)
            if stream.text_encoder is not None
        ]
        return torch.cat([states.to(embeds[-1].dtype) for states in embeds], dim=1)


@dataclass(frozen=True)
class PromptText:
    r"""
    The text of a call, read: either captions or embeddings of both prompts. Nothing negative where none is needed.

    Args:
        captions ([`Captions`], *optional*): To be encoded.
        prompt_embeds (`torch.Tensor` of shape `(num_prompts, num_tokens, cross_attention_dim)`, *optional*): Encoded.
        negative_captions ([`Captions`], *optional*): One a prompt, to be encoded.
        negative_prompt_embeds (`torch.Tensor` of the same shape, *optional*): Encoded.
    """

    captions: Captions | None
    prompt_embeds: torch.Tensor | None
    negative_captions: Captions | None
    negative_prompt_embeds: torch.Tensor | None

    @property
    def num_prompts(self) -> int:
        r"""`int`: Number of prompts, each of one waveform or several."""
        return len(self.captions if self.prompt_embeds is None else self.prompt_embeds)

    def encode(
        self,
        streams: Sequence[TextStream],
        num_waveforms_per_prompt: int,
        device: torch.device,
        encode: Callable = Captions.encode,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        r"""
        `prompt_embeds` and `negative_prompt_embeds`, repeated next to each other for the waveforms of a prompt.
        Captions are encoded by `encode`, such as that of a [`~pipelines.caption_cache.CaptionCache`].
        """
        pairs = (self.captions, self.prompt_embeds), (self.negative_captions, self.negative_prompt_embeds)
        encoded = []
        for captions, embeds in pairs:
            if captions is not None:
                embeds = encode(captions, streams, device)
            encoded.append(
                None if embeds is None else embeds.to(device).repeat_interleave(num_waveforms_per_prompt, dim=0)
            )
        return tuple(encoded)


def read_text(
    streams: Sequence[TextStream],
    prompt: str | list[str] | None,
    events: Sequence | None,
    negative_prompt: str | list[str] | None,
    prompt_embeds: torch.Tensor | None,
    negative_prompt_embeds: torch.Tensor | None,
    needs_negative: bool,
) -> PromptText:
    r"""
    Read the text of a call and refuse what cannot be encoded. No model runs.

    Args:
        streams (`Sequence[TextStream]`): The pipeline's two.
        prompt, events, negative_prompt, prompt_embeds, negative_prompt_embeds:
            See [`~AudioLCMPipeline.__call__`].
        needs_negative (`bool`): Whether the call is guided away from something, by default the empty prompt.

    Returns:
        [`PromptText`].

    Raises:
        ValueError: Quoting the text that does not fit and saying what does.
    """
    for name, text in (("prompt", prompt), ("negative_prompt", negative_prompt)):
        if text is not None:
            _check_strings(name, text)
    for name, embeds in (("prompt_embeds", prompt_embeds), ("negative_prompt_embeds", negative_prompt_embeds)):
        if embeds is not None and (not isinstance(embeds, torch.Tensor) or embeds.ndim != 3 or 0 in embeds.shape):
            raise ValueError(
                f"Expected `{name}` to be a tensor of shape (batch_size, num_tokens, cross_attention_dim), got "
                f"{tuple(embeds.shape) if isinstance(embeds, torch.Tensor) else embeds!r}."
            )
        if embeds is not None:
            check_finite(embeds, f"Expected `{name}`")

    captions = None
    if prompt_embeds is None:
        captions = _read_captions(streams, prompt, events)
    elif prompt is not None or events is not None:
        raise ValueError(
            f"Pass either `prompt_embeds` or `prompt` and `events`, got prompt_embeds of shape "
            f"{tuple(prompt_embeds.shape)} with prompt={prompt!r}, events={events!r}."
        )
    num_prompts = len(captions if prompt_embeds is None else prompt_embeds)

    negative_captions = None
    if negative_prompt is not None:
        if negative_prompt_embeds is not None:
            raise ValueError(
                f"Pass either `negative_prompt` or `negative_prompt_embeds`, got {negative_prompt!r} with "
                f"embeddings of shape {tuple(negative_prompt_embeds.shape)}."
            )
        negative_captions = _read_negative_captions(streams, negative_prompt, num_prompts)
    elif negative_prompt_embeds is not None:
        _check_negative_embeds(negative_prompt_embeds, prompt_embeds, num_prompts)
    elif needs_negative:
        _check_parts(streams, _EMPTY_PROMPT, "negative_prompt_embeds")
        negative_captions = Captions.of([""] * num_prompts)
    return PromptText(captions, prompt_embeds, negative_captions if needs_negative else None, negative_prompt_embeds)


def _check_strings(name: str, text: str | list[str]) -> None:
    if isinstance(text, str):
        return
    if not isinstance(text, (list, tuple)) or not all(isinstance(item, str) for item in text):
        raise ValueError(f"Expected `{name}` to be a string or a list of strings, got {text!r}.")
    if len(text) == 0:
        raise ValueError(f"Expected `{name}` to hold at least one string, got {text!r}.")


def _check_parts(streams: Sequence[TextStream], what: str, embeds_name: str) -> None:
    if all(stream.text_encoder is None for stream in streams):
        raise ValueError(
            f"{what} cannot be encoded, because this pipeline has no text encoder; pass `{embeds_name}` instead."
        )
    for stream in streams:
        if stream.text_encoder is not None and stream.tokenizer is None:
            raise ValueError(f"{what} cannot be encoded, because the pipeline's `{stream.tokenizer_name}` is None.")


def _read_captions(streams: Sequence[TextStream], prompt: str | list[str] | None, events: Sequence | None) -> Captions:
    if prompt is None and events is None:
        raise ValueError("Pass one of `prompt`, `events` and `prompt_embeds`, got None for all of them.")
    _check_parts(streams, f"prompt={prompt!r}, events={events!r}", "prompt_embeds")
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if events is None:
        return Captions.of(prompts)
    if streams[1].text_encoder is None:
        raise ValueError(
            f"`events` are read by the second text stream, which this pipeline does not have; got {events!r}."
        )
    captions = Captions.of_events(events, prompts)
    if len(captions.plain) != len(captions.structured):
        raise ValueError(
            f"Expected `events` for each of the {len(captions.plain)} prompts, got those of "
            f"{len(captions.structured)}: {events!r}."
        )
    return captions


def _read_negative_captions(
    streams: Sequence[TextStream], negative_prompt: str | list[str], num_prompts: int
) -> Captions:
    _check_parts(streams, f"negative_prompt={negative_prompt!r}", "negative_prompt_embeds")
    if isinstance(negative_prompt, str):
        return Captions.of([negative_prompt] * num_prompts)
    captions = Captions.of(negative_prompt)
    if len(captions) != num_prompts:
        raise ValueError(
            f"Expected one `negative_prompt` or {num_prompts}, as many as there are prompts, got {len(captions)}: "
            f"{negative_prompt!r}."
        )
    return captions


def _check_negative_embeds(
    negative_prompt_embeds: torch.Tensor, prompt_embeds: torch.Tensor | None, num_prompts: int
) -> None:
    if prompt_embeds is not None and negative_prompt_embeds.shape != prompt_embeds.shape:
        raise ValueError(
            f"Expected `negative_prompt_embeds` of the shape of `prompt_embeds`, {tuple(prompt_embeds.shape)}, got "
            f"{tuple(negative_prompt_embeds.shape)}."
        )
    if negative_prompt_embeds.shape[0] != num_prompts:
        raise ValueError(
            f"Expected `negative_prompt_embeds` for {num_prompts} prompts, got shape "
            f"{tuple(negative_prompt_embeds.shape)}."
        )


def check_embeds(text: PromptText, masks: Sequence[torch.Tensor | None], cross_attention_dim: int) -> None:
    r"""
    Refuse embeddings of another width than the transformer reads, and masks that do not fit them.

    Args:
        text ([`PromptText`]): Of the call.
        masks (`Sequence[torch.Tensor | None]`): `prompt_attention_mask` and `negative_prompt_attention_mask`.
        cross_attention_dim (`int`): Of the transformer.
    """
    for name, embeds, mask in zip(
        ("prompt", "negative_prompt"), (text.prompt_embeds, text.negative_prompt_embeds), masks
    ):
        if embeds is not None and embeds.shape[-1] != cross_attention_dim:
            raise ValueError(
                f"Expected `{name}_embeds` of shape (batch_size, num_tokens, {cross_attention_dim}), got "
                f"{tuple(embeds.shape)}."
            )
        if mask is None:
            continue
        if not isinstance(mask, torch.Tensor) or mask.is_floating_point() or mask.is_complex():
            raise ValueError(
                f"Expected `{name}_attention_mask` to be a boolean or integer tensor, got "
                f"{mask.dtype if isinstance(mask, torch.Tensor) else mask!r}."
            )
        if embeds is None or mask.shape != embeds.shape[:2]:
            raise ValueError(
                f"Expected `{name}_attention_mask` along with `{name}_embeds`, and of shape (batch_size, "
                f"num_tokens); got a mask of shape {tuple(mask.shape)} with embeddings of shape "
                f"{None if embeds is None else tuple(embeds.shape)}."
            )


def count_tokens(
    streams: Sequence[TextStream], text: PromptText, is_guided: bool = False, equal_streams: bool = False
) -> int:
    r"""
    Count the tokens that the transformer reads of each prompt.

    Args:
        streams (`Sequence[TextStream]`): The pipeline's two.
        text ([`PromptText`]): Of the call.
        is_guided (`bool`, defaults to `False`): Whether prompt and negative prompt run in one batch.
        equal_streams (`bool`, defaults to `False`):
            Whether the transformer takes the first half of the tokens for the first stream, as a
            [`ConcatTransformer1DModel`] does.

    Returns:
        `int`.

    Raises:
        ValueError: If prompt and negative prompt differ in it, or the streams where they may not.
    """
    num_tokens = _num_tokens(streams, text.prompt_embeds)
    if is_guided:
        num_negative_tokens = _num_tokens(streams, text.negative_prompt_embeds)
        if num_negative_tokens != num_tokens:
            raise ValueError(
                "Expected prompt and negative prompt (the empty one by default) to have the same number of tokens, "
                f"got {num_tokens} and {num_negative_tokens}; pass embeddings of equal length for both."
            )
    if equal_streams and text.prompt_embeds is None:
        first, second = (stream.num_tokens for stream in streams)
        if first != second:
            raise ValueError(
                "This transformer reads two text streams of equal length: expected two text encoders, and tokenizers "
                f"of the same `model_max_length`, got {first} and {second} tokens; or pass `prompt_embeds`."
            )
    elif equal_streams and num_tokens % 2 != 0:
        raise ValueError(
            "This transformer reads two text streams of equal length: expected `prompt_embeds` with an even number "
            f"of tokens, got shape {tuple(text.prompt_embeds.shape)}."
        )
    return num_tokens


def _num_tokens(streams: Sequence[TextStream], embeds: torch.Tensor | None) -> int:
    if embeds is not None:
        return embeds.shape[1]
    return sum(stream.num_tokens for stream in streams if stream.text_encoder is not None)
