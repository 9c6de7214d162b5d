# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Many sounds in one process: in threads, and one after the other while memory is watched."""

import os
import threading
from pathlib import Path

import numpy as np
import torch
from trial import attempt
from writers import Tally


PROMPTS = ("a dog barking", "rain", "a clock ticking", "sea waves", "a door slams, then a baby cries", "wind")


def load():
    from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMPipeline

    pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def sound(pipe, index):
    generator = torch.Generator().manual_seed(index)
    return pipe(PROMPTS[index % len(PROMPTS)], audio_length_in_s=0.3 + 0.1 * (index % 5), generator=generator).audios[
        0
    ]


def threads(number, num_threads=8):
    """Sounds of threads, each with a pipeline of its own that shares the weights, are those made alone."""
    tally = Tally("threads, a pipeline each")

    def run():
        from audiolcm_diffusers import AudioLCMPipeline, LCMAudioScheduler

        pipe = load()
        alone = [sound(pipe, index) for index in range(number)]
        made = {}

        def work(first):
            scheduler = LCMAudioScheduler.from_config(pipe.scheduler.config)
            own = AudioLCMPipeline(**{**pipe.components, "scheduler": scheduler})
            own.set_progress_bar_config(disable=True)
            for index in range(first, number, num_threads):
                made[index] = sound(own, index)

        run_all([threading.Thread(target=work, args=(first,)) for first in range(num_threads)])
        assert len(made) == number, f"{len(made)} of {number} sounds were made"
        wrong = [index for index in range(number) if not np.array_equal(made[index], alone[index])]
        assert not wrong, f"sounds {wrong} are others than alone"

    tally.add(attempt(run, timeout_s=300))
    return tally


def one_pipeline(number, num_threads=8):
    """Threads that share one pipeline get the sound that they asked for, or are told that it is busy."""
    tally = Tally("threads, one pipeline")

    def run():
        pipe = load()
        alone = [sound(pipe, index) for index in range(len(PROMPTS))]
        told, wrong = [], []

        def work(first):
            for index in range(first, number, num_threads):
                try:
                    made = sound(pipe, index % len(PROMPTS))
                except RuntimeError as error:
                    told.append(str(error))
                    continue
                if not np.array_equal(made, alone[index % len(PROMPTS)]):
                    wrong.append(index)

        run_all([threading.Thread(target=work, args=(first,)) for first in range(num_threads)])
        assert not wrong, f"sounds {wrong} are others than alone"
        assert all("call" in text for text in told), told
        # What was refused leaves nothing behind.
        assert np.array_equal(sound(pipe, 0), alone[0])

    tally.add(attempt(run, timeout_s=300))
    return tally


def run_all(workers):
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def many_sounds(folder, number):
    """Sounds one after the other in one process, written as files; what its memory grows by after the first fifth."""
    tally = Tally(f"{number} sounds in one process")

    def resident_mb():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def run():
        from audiolcm_diffusers.audio.io import write_audio

        pipe = load()
        for index in range(number):
            write_audio(folder / f"{index % 10}.wav", sound(pipe, index), pipe.sampling_rate)
            if index == number // 5:
                start = resident_mb()
        return f"{resident_mb() - start:.1f}"

    folder.mkdir(parents=True)
    outcome = attempt(run, timeout_s=600)
    tally.add(outcome)
    if outcome.how == "survived":
        tally.growth = f"{outcome.words} MB"
        # A sound of 0.7 s takes 45 kB: were one in ten kept, 500 of them would be felt.
        if float(outcome.words) > 50:
            tally.broke += 1
            tally.notes.append(f"broke: memory grew by {tally.growth}")
    return tally
