# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import json
import math

import pytest
import soundfile
import torch

from audiolcm_diffusers import log_mel_spectrogram
from audiolcm_diffusers.audio.io import write_audio
from audiolcm_diffusers.data.captioned_audio import (
    SILENCE,
    Clip,
    clip_mels,
    crop_or_pad,
    gain_mel,
    load_clips,
    random_offset,
)


def tone(frequency, rate=16000, seconds=0.5):
    return 0.5 * torch.sin(2 * math.pi * frequency * torch.arange(round(rate * seconds)) / rate)


@pytest.fixture
def folder(tmp_path):
    """A folder of two clips, one of them at another rate, with a column that is of no interest."""
    write_audio(tmp_path / "low.wav", tone(300))
    (tmp_path / "more").mkdir()
    write_audio(tmp_path / "more" / "high.flac", tone(2000, rate=32000), sampling_rate=32000)
    (tmp_path / "metadata.csv").write_text(
        'file_name,licence,caption\nmore/high.flac,CC0,"a high tone, steady"\nlow.wav,CC0,  a low tone \n'
    )
    return tmp_path


def test_clips_come_in_the_order_of_the_file(folder):
    clips = load_clips(folder)
    assert [(clip.name, clip.caption) for clip in clips] == [
        ("more/high.flac", "a high tone, steady"),
        ("low.wav", "a low tone"),
    ]
    assert [clip.waveform.dtype for clip in clips] == [torch.int16] * 2
    assert [clip.waveform.shape for clip in clips] == [(8000,)] * 2


def test_several_folders_are_read_in_turn_and_their_clips_named_by_path(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_audio(other / "low.wav", tone(400))
    (other / "metadata.jsonl").write_text(json.dumps({"file_name": "low.wav", "caption": "another low tone"}))
    clips = load_clips([str(folder), other])
    assert [clip.caption for clip in clips] == ["a high tone, steady", "a low tone", "another low tone"]
    assert [clip.name for clip in clips[1:]] == [str(folder / "low.wav"), str(other / "low.wav")]


def test_clips_under_a_licence_that_does_not_do_are_left_out(folder):
    metadata = folder / "metadata.csv"
    metadata.write_text(metadata.read_text().replace("high.flac,CC0", "high.flac,not stated"))
    assert [clip.name for clip in load_clips(folder, excluded_licences=["not stated"])] == ["low.wav"]
    metadata.write_text("file_name,caption\nlow.wav,a low tone\n")
    with pytest.raises(ValueError, match=r"no column \['licence'\]"):
        load_clips(folder, excluded_licences=["not stated"])


def test_sixteen_bits_are_kept(folder):
    low = load_clips(str(folder))[1].waveform
    # Rounded to 16 bits in the file, and again in memory: at most a step of 2^-15 each.
    assert (low.float() / 32767 - tone(300)).abs().max() <= 2 * 2**-15


def test_spreadsheets_mark_utf_8(folder):
    metadata = folder / "metadata.csv"
    metadata.write_text(metadata.read_text(), encoding="utf-8-sig")
    assert len(load_clips(folder)) == 2


def test_clips_are_resampled(folder):
    clips = load_clips(folder, sampling_rate=8000)
    assert [clip.waveform.shape for clip in clips] == [(4000,)] * 2


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (None, "metadata.csv"),
        ("", "metadata.csv is empty"),
        ("file_name,text\nlow.wav,a tone\n", r"\['caption'\].*\['file_name', 'text'\]"),
        ("file_name,caption\nlow.wav,\n", "'low.wav' has no caption"),
        ("file_name,caption\nlow.wav\n", "'low.wav' has no caption"),
        ("file_name,caption\nlost.wav,a tone\n", "lost.wav"),
        ("caption,file_name\na tone\n", "no audio file"),
    ],
)
def test_incomplete_folder_is_refused(folder, metadata, told):
    (folder / "metadata.csv").unlink()
    if metadata is not None:
        (folder / "metadata.csv").write_text(metadata)
    with pytest.raises(ValueError, match=told):
        load_clips(folder)


def test_json_lines_and_the_published_table_say_the_same(folder, tmp_path):
    expected = [(clip.name, clip.caption) for clip in load_clips(folder)]
    rows = [("more/high.flac", "a high tone, steady"), ("low.wav", "a low tone")]
    lines = [json.dumps({"file_name": name, "caption": caption, "licence": "CC0"}) for name, caption in rows]
    (folder / "metadata.csv").unlink()
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n\n")
    assert [(clip.name, clip.caption) for clip in load_clips(folder)] == expected

    table = "name\tdataset\taudio_path\tcaption\tduration\n"
    table += f"one\tmine\tmore/high.flac\ta high tone, steady\t0.5\ntwo\tmine\t{folder / 'low.wav'}\ta low tone\t0.5\n"
    (folder / "data.tsv").write_text(table)
    clips = load_clips(folder / "data.tsv")
    assert [(clip.name, clip.caption) for clip in clips] == [("one", rows[0][1]), ("two", rows[1][1])]


def spoil(folder):
    """A folder with a bad clip of every kind behind two good ones."""
    noise = 0.1 * torch.randn(8000, generator=torch.Generator().manual_seed(0))
    soundfile.write(folder / "nan.wav", torch.full((100,), float("nan")).numpy(), 16000, subtype="FLOAT")
    soundfile.write(folder / "empty.wav", noise[:0].numpy(), 16000)
    write_audio(folder / "silent.wav", torch.zeros(8000))
    write_audio(folder / "whole.wav", noise)
    write_audio(folder / "whole.flac", noise)
    for name in ("whole.wav", "whole.flac"):
        (folder / name.replace("whole", "cut")).write_bytes((folder / name).read_bytes()[:5000])
    (folder / "text.wav").write_text("no sound")
    bad = ["lost.wav", "nan.wav", "empty.wav", "silent.wav", "cut.wav", "cut.flac", "text.wav"]
    lines = [f"{name},CC0,a sound" for name in bad]
    with (folder / "metadata.csv").open("a") as file:
        file.write("\n".join([*lines, "whole.wav,CC0,"]) + "\n")
    return [*bad, "whole.wav"]


def test_bad_clips_are_left_out_and_told(folder):
    names = spoil(folder)
    bad = []
    clips = load_clips(folder, max_bad_fraction=0.8, bad_clips=bad)
    assert [clip.name for clip in clips] == ["more/high.flac", "low.wav"]
    assert [clip.name for clip in bad] == names
    reasons = [clip.reason for clip in bad]
    tellings = ["no audio file", "NaN", "no samples", "silent", "ends before", "cut.flac", "text.wav", "no caption"]
    for reason, told in zip(reasons, tellings):
        assert told in reason


def test_too_many_bad_clips_stop_with_their_list(folder):
    names = spoil(folder)
    with pytest.raises(ValueError, match="8 of 10 clips .* share of 0.7") as stop:
        load_clips(folder, max_bad_fraction=0.7)
    assert all(name in str(stop.value) for name in names)


def test_max_clips_are_the_first_usable_ones(folder):
    spoil(folder)
    bad = []
    assert [clip.name for clip in load_clips(folder, max_clips=1, bad_clips=bad)] == ["more/high.flac"]
    assert len(load_clips(folder, max_clips=2, bad_clips=bad)) == 2
    assert bad == []
    with pytest.raises(ValueError, match="1 of 3 clips"):
        load_clips(folder, max_clips=3)


def test_clips_are_resampled_as_told(folder):
    scipy, soxr = (load_clips(folder, resampler=resampler) for resampler in ("scipy", "soxr"))
    # 2 kHz at 32 kHz and half of it at 16 kHz; only the first clip has another rate.
    inside = slice(400, 7600)
    assert not torch.equal(scipy[0].waveform, soxr[0].waveform)
    assert (scipy[0].waveform - soxr[0].waveform)[inside].abs().max() < 0.01 * 32767
    assert torch.equal(scipy[1].waveform, soxr[1].waveform)
    with pytest.raises(ValueError, match="got 'sinc'"):
        load_clips(folder, resampler="sinc", max_bad_fraction=1.0)


def test_each_of_several_captions_is_drawn():
    generator = torch.Generator().manual_seed(0)
    waveform = torch.ones(1, dtype=torch.int16)
    clip = Clip("a", "a dog", waveform, ("barking", "a bark"))
    # 300 draws of thirds: 100 each, with a standard deviation of sqrt(300 * 1/3 * 2/3) = 8.2.
    drawn = [clip.draw_caption(generator) for _ in range(300)]
    assert all(abs(drawn.count(caption) - 100) < 41 for caption in ("a dog", "barking", "a bark"))
    # A clip with one caption leaves the generator as it is.
    before = generator.get_state()
    assert Clip("a", "a dog", waveform).draw_caption(generator) == "a dog"
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("{", "line 1, is no JSON"),
        ('{"caption": "a"}', "line 1: expected an object"),
        ("[]", "line 1"),
        ("", "no clip"),
    ],
)
def test_broken_json_lines_are_refused(tmp_path, lines, told):
    (tmp_path / "metadata.jsonl").write_text(lines)
    with pytest.raises(ValueError, match=told):
        load_clips(tmp_path)


def test_mels_cover_the_clip():
    full = Clip("a", "a", (tone(440) * 32767).round().to(torch.int16))
    # 8000 samples are 31.25 frames of 256; the last one is filled up with silence.
    mel = clip_mels([full])[0]
    assert mel.shape == (80, 32)
    expected = log_mel_spectrogram((full.waveform.float() / 32767)[None])[0]
    assert torch.allclose(mel[:, :29], expected[:, :29], atol=1e-5)


@pytest.mark.parametrize("num_samples", [1, 300, 1024])
def test_mels_of_short_clips(num_samples):
    clip = Clip("a", "a", torch.full((num_samples,), 1000, dtype=torch.int16))
    assert clip_mels([clip])[0].shape == (80, 4)


def test_crop_or_pad():
    sequence = torch.arange(6).view(2, 3)
    assert crop_or_pad(sequence, 2, 1, -5).tolist() == [[1, 2], [4, 5]]
    assert crop_or_pad(sequence, 4, 1, -5).tolist() == [[1, 2, -5, -5], [4, 5, -5, -5]]
    assert crop_or_pad(sequence, 3, 0, -5).tolist() == sequence.tolist()


def test_random_offset_reaches_every_place():
    generator = torch.Generator().manual_seed(0)
    # A crop of 3 fits into 5 steps at 0, 1 and 2; missing one of them in 200 draws has probability 3 * (2/3)^200.
    assert {random_offset(5, 3, generator) for _ in range(200)} == {0, 1, 2}
    assert {random_offset(steps, 3, generator) for steps in (1, 2, 3)} == {0}


def test_gain_of_a_mel_is_the_mel_of_the_gain():
    generator = torch.Generator().manual_seed(0)
    waveform = 0.1 * torch.randn(1, 8000, generator=generator).clamp(-5, 5)
    mel = log_mel_spectrogram(waveform)
    # 20 dB are a factor of 10 in amplitude, one unit of log10. No sample passes 0.5 * 10^(5/20) = 0.9, so none clips.
    louder, softer = log_mel_spectrogram(waveform * 10**0.25), log_mel_spectrogram(waveform * 10**-0.5)
    assert torch.allclose(gain_mel(mel, 5.0), louder, atol=1e-4)
    assert torch.allclose(gain_mel(mel, -10.0), softer, atol=1e-4)


def test_gain_keeps_silence():
    assert torch.equal(gain_mel(torch.full((80, 3), SILENCE), -20.0), torch.full((80, 3), SILENCE))
