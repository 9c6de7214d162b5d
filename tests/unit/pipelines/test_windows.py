# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from audiolcm_diffusers.pipelines.windows import Window, plan_windows, predict_in_windows, read_frames, steady_noise


def places(windows):
    return [(window.start, window.stop) for window in windows]


def test_what_fits_is_one_window():
    (window,) = plan_windows(10, window=10, overlap=4)
    assert torch.equal(window.weights, torch.ones(10)) and window.start == 0


def test_two_windows_share_the_overlap():
    """16 frames in windows of 10 that share 4: both have all of their length."""
    windows = plan_windows(16, window=10, overlap=4)
    assert places(windows) == [(0, 10), (6, 16)]
    # A quarter of the overlap, one frame, is blended: from frame 7.5 to 8.5, in which the middle of no frame lies.
    first = torch.tensor([1.0] * 8 + [0.0] * 2)
    assert torch.equal(windows[0].weights, first) and torch.equal(windows[1].weights, first.flip(0))


def test_the_blend_is_linear():
    """Of an overlap of 16, four frames around the border at 24: 1/8, 3/8, 5/8 and 7/8 are the later window's."""
    _, later = plan_windows(48, window=32, overlap=16)
    assert later.start == 16
    assert later.weights[:12].tolist() == [0.0] * 6 + [0.125, 0.375, 0.625, 0.875] + [1.0] * 2


def test_borders_move_by_half_a_window():
    even, odd = (plan_windows(48, window=32, overlap=16, is_shifted=shifted) for shifted in (False, True))
    # Borders at 24; and at 8 + 8 and 24 + 8.
    assert places(even) == [(0, 32), (16, 48)]
    assert places(odd) == [(0, 24), (8, 40), (24, 48)]


def test_a_loop_goes_around_its_end():
    even, odd = (plan_windows(20, window=30, overlap=8, is_shifted=shifted, is_loop=True) for shifted in (False, True))
    assert places(even) == [(-4, 24)] and places(odd) == [(6, 34)]
    with pytest.raises(ValueError, match="a loop of at least 8 latent frames, .* got 7"):
        plan_windows(7, window=30, overlap=8, is_loop=True)


@pytest.mark.parametrize("is_loop", [False, True])
@pytest.mark.parametrize("is_shifted", [False, True])
@pytest.mark.parametrize("num_frames", [62, 63, 251, 313, 314, 600, 1000, 18750])
def test_weights_add_up_to_one_and_no_window_is_too_long(num_frames, is_shifted, is_loop):
    windows = plan_windows(num_frames, 313, 62, is_shifted, is_loop)
    total = torch.zeros(num_frames)
    for window in windows:
        assert len(window.weights) <= 313
        total.index_add_(0, torch.arange(window.start, window.stop) % num_frames, window.weights)
    torch.testing.assert_close(total, torch.ones(num_frames))
    for earlier, later in zip(windows, windows[1:]):
        assert earlier.start < later.start and earlier.stop - later.start == 62


def test_many_windows_have_no_period():
    """Of 88 windows, distances of borders are spread over the range that they may have."""
    starts = torch.tensor([window.start for window in plan_windows(18750, 313, 62)[1:]])
    distances = starts.diff().float()
    assert distances.min() < 0.75 * 251 and distances.max() > 0.95 * 251
    # What recurs with the mean distance would add up to 1; these go astray.
    turns = torch.exp(2j * torch.pi * starts / distances.mean())
    assert turns.mean().abs() < 0.5


@pytest.mark.parametrize("overlap", [-1, 10, 11])
def test_overlaps_that_leave_nothing(overlap):
    with pytest.raises(ValueError, match=f"from 0 to less than a window of 10 frames, got {overlap}"):
        plan_windows(20, window=10, overlap=overlap)


def test_frames_around_the_end():
    latents = torch.arange(5.0)[None, None]
    assert read_frames(latents, 1, 3).flatten().tolist() == [1, 2]
    assert read_frames(latents, -2, 7).flatten().tolist() == [3, 4, 0, 1, 2, 3, 4, 0, 1]


@pytest.mark.parametrize("is_loop", [False, True])
def test_what_is_predicted_frame_by_frame_is_joined_to_itself(is_loop):
    """A network that knows no neighbours gives the same in windows as in one piece."""
    latents = torch.randn(2, 3, 100, generator=torch.Generator().manual_seed(0))
    windows = plan_windows(100, 40, 10, is_loop=is_loop)
    numbers = []

    def predict(part, number):
        numbers.append(number)
        return part.sin()

    torch.testing.assert_close(predict_in_windows(predict, latents, windows), latents.sin())
    assert numbers == list(range(len(windows)))


def test_a_loop_that_rolls_rolls_what_is_predicted():
    """A network that sees neighbours alone: around a loop, no place is the first one."""
    latents = torch.randn(1, 1, 24, generator=torch.Generator().manual_seed(0))
    windows = plan_windows(24, 40, 12, is_loop=True)

    def predict(part, number):
        return part.roll(1, dims=-1) + part.roll(-1, dims=-1)

    joined = predict_in_windows(predict, latents, windows)
    torch.testing.assert_close(joined, latents.roll(1, dims=-1) + latents.roll(-1, dims=-1))


def test_windows_that_show_something():
    marked = torch.zeros(20, dtype=torch.bool)
    marked[3] = True
    assert Window(2, torch.ones(4)).shows(marked)
    # What only surrounds the window's own part does not count.
    assert not Window(2, torch.tensor([1.0, 0.0, 1.0])).shows(marked)
    assert Window(18, torch.ones(8)).shows(marked)


def test_steady_noise_begins_alike_everywhere():
    noise = torch.randn(4, 16, 4000, generator=torch.Generator().manual_seed(0))
    steady = steady_noise(noise, 100)
    # As large as it was: the share of what is taken out, 1/50, comes back as the mean of a window, 1/100.
    assert float(steady.var()) == pytest.approx(1 - 1 / 50 + 1 / 100, abs=0.01)
    windows = steady.unflatten(-1, (40, 100)).mean(dim=-1)
    assert float(windows.var(dim=-1).mean()) < 0.3 / 100  # of noise: 1 / 100
    assert float(steady.mean(dim=-1).var()) == pytest.approx(1 / 100, rel=0.5)
    # Frequencies within a window are as they were.
    torch.testing.assert_close(torch.fft.rfft(steady)[..., 41:], torch.fft.rfft(noise)[..., 41:], atol=1e-3, rtol=1e-3)
