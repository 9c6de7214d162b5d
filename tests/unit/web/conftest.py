# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pytest


ORIGIN = {"model": "tiny", "variant": None, "revision": None, "model_hash": "0123456789abcdef", "licence": "cc0-1.0"}


@pytest.fixture
def make_studio(make_pipeline):
    """`make_studio(num_workers=1, pipe=None, **limits)`: a studio of a tiny model, closed after the test."""
    from audiolcm_diffusers.web.limits import Limits
    from audiolcm_diffusers.web.studio import Studio

    studios = []

    def make(num_workers=1, pipe=None, **limits):
        studios.append(Studio(pipe or make_pipeline(), Limits(**limits), num_workers))
        return studios[-1]

    yield make
    for studio in studios:
        studio.close()
