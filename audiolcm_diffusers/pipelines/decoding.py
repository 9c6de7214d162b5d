# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
From latents to a waveform, piece by piece: in the memory of one piece, as soon as what it needs is there, and around
samples that are to stay.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ..models.tiling import tiles
from .arguments import SoundLength
from .stages import decode_latents, fade_gains


# Mel frames of a piece, 5 s of the published model's; the first one is short, so that it is there early.
PIECE_FRAMES, FIRST_PIECE_FRAMES = 320, 80
# Mel frames of a tile that the autoencoder decodes, and from one to the next.
TILE_FRAMES, TILE_STRIDE_FRAMES = 320, 256
# Samples in which one piece goes over into the next.
JOINT_SAMPLES = 512
# Mel frames around a piece that a vocoder sees, where it does not say how many it needs.
CONTEXT_FRAMES = 32


@dataclass(frozen=True)
class Kept:
    r"""
    Samples of a sound that are there already.

    Args:
        waveforms (`torch.Tensor` of shape `(batch_size, samples)`): The sound.
        shares (`torch.Tensor` of shape `(samples,)`):
            1 where it is kept to the sample, 0 where nothing of it is, and in between along a crossfade.
    """

    waveforms: torch.Tensor
    shares: torch.Tensor

    def part(self, start: int, stop: int) -> "Kept":
        r"""From a sample to before another; there is nothing beyond the ends."""
        length = self.shares.shape[-1]
        inner = slice(max(start, 0), min(max(stop, 0), length))
        padding = (max(0, min(-start, stop - start)), max(0, min(stop - length, stop - start)))
        pad = torch.nn.functional.pad
        return Kept(pad(self.waveforms[:, inner], padding), pad(self.shares[inner], padding))


def crossfade(one: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    r"""
    Go over from one sound to another at even power, however alike they are.

    With shares `a` and `1 - a` of sounds with the correlation `r`, the power of the sum is
    `a^2 + (1 - a)^2 + 2 r a (1 - a)` times that of either; its root is divided out.

    Args:
        one, other (`torch.Tensor` of shape `(batch_size, samples)`): Sounds.
        share (`torch.Tensor` of shape `(samples,)`): Of the first, in [0, 1]. At 1 and 0 it is one of them, bit for
            bit.

    Returns:
        `torch.Tensor` of shape `(batch_size, samples)`.
    """
    inside = (share > 0) & (share < 1)
    if not inside.any():
        return torch.where(share == 1, one, other)
    first, second = one[:, inside], other[:, inside]
    power = (first.square().sum(dim=1) * second.square().sum(dim=1)).sqrt().clamp(min=1e-12)
    alike = ((first * second).sum(dim=1) / power).clamp(0.0, 1.0)[:, None]
    rest = 1 - share
    mixed = (share * one + rest * other) / (share.square() + rest.square() + 2 * alike * share * rest).sqrt()
    return torch.where(share == 1, one, torch.where(share == 0, other, mixed))


class Mels:
    r"""
    Mel spectrograms that are decoded when they are asked for, in order, tile by tile.

    Args:
        vae ([`AutoencoderKLMel1D`]): Decodes.
        read (`Callable[[int, int], torch.Tensor]`):
            Gives latents from a frame to before another; in a loop also from below 0 and from beyond the end.
        length ([`SoundLength`]): Of the sound.
        latent_hop (`int`): Mel frames a latent frame.
        is_whole (`bool`): Whether it is decoded in one tile.
        is_loop (`bool`, defaults to `False`): Whether there is something before the beginning and behind the end.
        check (`Callable[[torch.Tensor], None]`, *optional*): Looks at each tile.
    """

    def __init__(self, vae, read, length: SoundLength, latent_hop: int, is_whole: bool, is_loop=False, check=None):
        # Latent frames that are decoded around a loop.
        margin = 2 * CONTEXT_FRAMES // latent_hop if is_loop else 0
        tile, stride = TILE_FRAMES // latent_hop, TILE_STRIDE_FRAMES // latent_hop
        if is_whole:
            tile = length.num_latent_frames + 2 * margin
        self.num_frames = length.num_latent_frames * latent_hop if is_loop else length.num_mel_frames
        self._first = -margin * latent_hop
        self._tiles = tiles(
            lambda latents: decode_latents(vae, latents, latents.shape[-1] * latent_hop),
            lambda start, stop: read(start - margin, stop - margin),
            length.num_latent_frames + 2 * margin,
            tile,
            stride,
        )
        self._check = check
        self._made = None

    def part(self, start: int, stop: int) -> torch.Tensor:
        r"""`torch.Tensor` of shape `(batch_size, num_mel_bins, stop - start)`: Frames, decoded as far as needed."""
        pieces = [] if self._made is None else [self._made]
        missing = stop - self._first - sum(piece.shape[-1] for piece in pieces)
        while missing > 0:
            pieces.append(next(self._tiles))
            if self._check is not None:
                self._check(pieces[-1])
            missing -= pieces[-1].shape[-1]
        self._made = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=-1)
        return self._made[..., start - self._first : stop - self._first]

    def forget(self, before: int) -> None:
        r"""Let go of frames that nobody asks for any more."""
        if self._made is not None and before > self._first:
            self._made = self._made[..., before - self._first :].clone()
            self._first = before


def piece_bounds(num_frames: int, is_whole: bool, is_loop: bool, context: int = 0) -> list[tuple[int, int]]:
    r"""
    Where a sound is cut into pieces.

    Args:
        num_frames (`int`): Mel frames of the sound.
        is_whole (`bool`): Whether it may be one piece.
        is_loop (`bool`): Whether its end is joined to its beginning, which takes two.
        context (`int`, defaults to 0): Frames that are made on either side of a piece and thrown away.

    Returns:
        `list[tuple[int, int]]`: First frames, and frames behind the last ones.
    """
    starts = [0]
    if not is_whole:
        # What is thrown away is to be a small part.
        starts = [0, *range(FIRST_PIECE_FRAMES, num_frames, max(PIECE_FRAMES, 16 * context))]
        if len(starts) > 1 and num_frames - starts[-1] < CONTEXT_FRAMES:
            # What is left is no piece.
            del starts[-1]
    if is_loop and len(starts) == 1:
        starts.append(num_frames // 2)
    return list(zip(starts, [*starts[1:], num_frames]))


def waveform_pieces(
    vocoder: torch.nn.Module,
    mels: Mels,
    length: SoundLength,
    hop_length: int,
    is_whole: bool,
    is_loop: bool = False,
    kept: Kept | None = None,
    num_fade_samples: tuple[int, int] = (0, 0),
) -> Iterator[torch.Tensor]:
    r"""
    Make a waveform piece by piece.

    Each piece goes over into the next one where they overlap. A vocoder that takes known samples
    ([`GriffinLimVocoder`]) goes on from the end of the piece before, so that its phases fit. Others give the same for
    a frame wherever a piece begins, if they see enough around it. The end of a loop goes over into what was made
    before its beginning.

    Args:
        vocoder ([`BigVGANVocoder`], [`VocosVocoder`] or [`GriffinLimVocoder`]): Makes waveforms of mels.
        mels ([`Mels`]): The sound.
        length ([`SoundLength`]): Of it.
        hop_length (`int`): Samples a mel frame.
        is_whole (`bool`): Whether it may be made as a whole.
        is_loop (`bool`, defaults to `False`): Whether the end is to meet the beginning.
        kept ([`Kept`], *optional*): Samples that are there already. Pieces that are kept as a whole are not made.
        num_fade_samples (`tuple[int, int]`, defaults to `(0, 0)`): Samples faded at the beginning and at the end.

    Yields:
        `torch.Tensor` of shape `(batch_size, samples)`: float32; one behind the other, they are the sound.
    """
    takes_known = getattr(vocoder, "takes_known_samples", False)
    context = getattr(vocoder, "num_context_frames", CONTEXT_FRAMES)
    if not takes_known:
        # What goes over into the piece before begins earlier than the piece.
        context += -(-JOINT_SAMPLES // hop_length)
    gains = fade_gains(length.num_samples, *num_fade_samples)
    tail = head = lead = None
    for first, last in piece_bounds(mels.num_frames, is_whole, is_loop, 0 if takes_known else context):
        is_first, is_last = tail is None, last == mels.num_frames
        # The last samples of a piece wait for the next one.
        begin = 0 if is_first else first * hop_length - JOINT_SAMPLES
        end = length.num_samples if is_last else last * hop_length
        here = None if kept is None else kept.part(begin, end)
        if here is not None and bool((here.shares == 1).all()):
            piece = here.waveforms
        else:
            low = first - context if is_loop or not is_first else 0
            high = last + context if is_loop else min(last + context, mels.num_frames)
            mel = mels.part(low, high)
            place = low * hop_length
            around = {}
            if takes_known:
                ends = [] if is_first else [(begin - tail.shape[-1] + JOINT_SAMPLES, tail[:, :-JOINT_SAMPLES])]
                if is_loop and is_last:
                    ends.append((length.num_samples, head))
                around = known_samples(mel, place, hop_length, kept, ends)
            made = vocoder(mel.to(vocoder.dtype), **around).float()
            piece = made[:, begin - place : end - place]
            if is_first:
                lead = made[:, :-place] if is_loop else None
            else:
                piece = joined(tail[:, -JOINT_SAMPLES:], piece)
            if is_loop and is_last:
                # What was made before the beginning leads to it.
                piece = joined(lead.flip(-1)[:, :JOINT_SAMPLES], piece.flip(-1)).flip(-1)
            if here is not None:
                piece = crossfade(here.waveforms.to(piece), piece, here.shares.to(piece))
        if is_loop and is_first:
            head = piece[:, : context * hop_length]
            if lead is None:
                # The beginning is kept: what leads to it is made for the end alone.
                mel, place = mels.part(-context, context), -context * hop_length
                around = known_samples(mel, place, hop_length, None, [(0, head)]) if takes_known else {}
                lead = vocoder(mel.to(vocoder.dtype), **around).float()[:, :-place]
        tail = (piece if is_first else torch.cat([tail[:, :-JOINT_SAMPLES], piece], dim=-1))[
            :, -context * hop_length :
        ]
        mels.forget(last - context)
        piece = piece if is_last else piece[:, :-JOINT_SAMPLES]
        yield piece if gains is None else piece * gains(begin, begin + piece.shape[-1]).to(piece)


def joined(before: torch.Tensor, behind: torch.Tensor) -> torch.Tensor:
    r"""
    Go over from the end of one piece to the next, which begins where that end does.

    Args:
        before (`torch.Tensor` of shape `(batch_size, overlap)`): The end.
        behind (`torch.Tensor` of shape `(batch_size, samples)`): The next piece, as long or longer.

    Returns:
        `torch.Tensor` of shape `(batch_size, samples)`.
    """
    num = before.shape[-1]
    share = (torch.arange(num, 0, -1, device=behind.device) - 0.5) / num
    return torch.cat([crossfade(before, behind[:, :num], share.to(behind)), behind[:, num:]], dim=-1)


def known_samples(
    mel: torch.Tensor,
    place: int,
    hop_length: int,
    kept: Kept | None,
    further: list[tuple[int, torch.Tensor]],
) -> dict[str, torch.Tensor]:
    r"""
    What [`GriffinLimVocoder`] is told of the samples that are there already.

    Args:
        mel (`torch.Tensor` of shape `(batch_size, num_mel_bins, frames)`): What it makes sound of.
        place (`int`): The sample at which that begins.
        hop_length (`int`): Samples a mel frame.
        kept ([`Kept`], *optional*): Samples that stay.
        further (`list[tuple[int, torch.Tensor]]`): Others, and the samples at which they begin.

    Returns:
        `dict`: `known` and `is_known`; empty where nothing is.
    """
    num_samples = mel.shape[-1] * hop_length
    known = torch.zeros(mel.shape[0], num_samples, device=mel.device)
    is_known = torch.zeros(num_samples, dtype=torch.bool, device=mel.device)
    if kept is not None:
        part = kept.part(place, place + num_samples)
        known, is_known = part.waveforms.to(known).clone(), (part.shares == 1).to(mel.device)
    for start, samples in further:
        inner = slice(max(start, place) - place, min(start + samples.shape[-1], place + num_samples) - place)
        known[:, inner] = samples[:, inner.start + place - start : inner.stop + place - start]
        is_known[inner] = True
    return {"known": known, "is_known": is_known} if bool(is_known.any()) else {}
