# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import pickle
import subprocess
import sys

import diffusers
import pytest
from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES
from diffusers.pipelines.auto_pipeline import AUTO_TEXT2AUDIO_PIPELINES_MAPPING
from diffusers.pipelines.pipeline_loading_utils import LOADABLE_CLASSES

import audiolcm_diffusers
from audiolcm_diffusers import registration


def python(code: str) -> str:
    """Run code in a fresh interpreter; the imports of this one must not decide the result."""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def test_class_names_are_frozen():
    """Saved models name their classes: a name that is gone or changed breaks every one of them."""
    assert set(audiolcm_diffusers.PUBLIC_CLASSES) == {
        "AudioLCMAudio2AudioPipeline",
        "AudioLCMInpaintPipeline",
        "AudioLCMPipeline",
        "AutoencoderKLMel1D",
        "BigVGANVocoder",
        "CLAPProjection",
        "ConcatTransformer1DModel",
        "GriffinLimVocoder",
        "LCMAudioScheduler",
        "LLaMATransformer1DModel",
        "VocosVocoder",
    }


@pytest.mark.parametrize("name", sorted(audiolcm_diffusers.PUBLIC_CLASSES))
def test_classes_are_in_all_namespaces(name):
    public_class = getattr(audiolcm_diffusers, name)
    assert public_class.__name__ == name
    assert getattr(diffusers, name) is public_class
    assert getattr(diffusers.pipelines, name) is public_class
    assert name in dir(audiolcm_diffusers)
    assert name in dir(diffusers)


def test_public_names_are_all_there():
    for name in audiolcm_diffusers.__all__:
        assert getattr(audiolcm_diffusers, name) is not None
    with pytest.raises(AttributeError, match="module 'audiolcm_diffusers' has no attribute 'Missing'"):
        audiolcm_diffusers.Missing  # noqa: B018


def test_diffusers_itself_still_works():
    assert diffusers.UNet1DModel.__name__ == "UNet1DModel"
    with pytest.raises(AttributeError, match="module diffusers has no attribute Missing"):
        diffusers.Missing  # noqa: B018


def test_tables_of_diffusers_know_us():
    assert set(LOADABLE_CLASSES["audiolcm_diffusers"]) == {"ModelMixin", "SchedulerMixin"}
    for base_class in LOADABLE_CLASSES["audiolcm_diffusers"]:
        assert hasattr(audiolcm_diffusers, base_class)
    assert AUTO_TEXT2AUDIO_PIPELINES_MAPPING["audiolcm"] is audiolcm_diffusers.AudioLCMPipeline
    assert {"ConcatTransformer1DModel", "LLaMATransformer1DModel"} <= set(SINGLE_FILE_LOADABLE_CLASSES)


def test_importing_the_package_imports_nothing_heavy():
    heavy = {"torch", "diffusers", "transformers", "accelerate", "numpy", "scipy", "soundfile", "huggingface_hub"}
    code = "import sys, audiolcm_diffusers; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    assert heavy & set(python(code).split()) == set()


def test_importing_the_package_after_diffusers_imports_no_more_of_it():
    code = (
        "import sys, diffusers; before = set(sys.modules); import audiolcm_diffusers;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    assert set(python(code).split()) - sys.stdlib_module_names == {"audiolcm_diffusers"}


def test_tables_that_are_imported_already_are_extended_at_once():
    """In this process the package may have come first, which the other tests then show to work."""
    python(
        "from diffusers import AutoPipelineForText2Audio\n"
        "from diffusers.pipelines.auto_pipeline import AUTO_TEXT2AUDIO_PIPELINES_MAPPING as pipelines\n"
        "from diffusers.pipelines.pipeline_loading_utils import LOADABLE_CLASSES as loadable\n"
        "import diffusers, audiolcm_diffusers\n"
        "assert pipelines['audiolcm'] is audiolcm_diffusers.AudioLCMPipeline is diffusers.AudioLCMPipeline\n"
        "assert 'audiolcm_diffusers' in loadable\n"
    )


def test_when_diffusers_imports_all_of_its_parts_at_once():
    """Its own imports of onnxruntime's pipelines fail then, so that it is hidden."""
    code = (
        "import os, sys; os.environ['DIFFUSERS_SLOW_IMPORT'] = '1'; sys.modules['onnxruntime'] = None; "
        "import audiolcm_diffusers, diffusers; from diffusers.pipelines.auto_pipeline import *; "
        "print(AUTO_TEXT2AUDIO_PIPELINES_MAPPING['audiolcm'] is diffusers.AudioLCMPipeline)"
    )
    assert python(code) == "True"


def test_registering_again_changes_nothing():
    finders = list(sys.meta_path)
    diffusers_class = type(diffusers)
    registration.register_with_diffusers()
    assert sys.meta_path == finders
    assert type(diffusers) is diffusers_class


def test_diffusers_is_still_pickled_by_name():
    for namespace in (diffusers, diffusers.pipelines):
        assert pickle.loads(pickle.dumps(namespace)) is namespace


def test_a_table_that_is_gone_is_warned_about(monkeypatch, caplog):
    """A later diffusers may move a table: everything else goes on."""
    monkeypatch.delattr(diffusers.pipelines.pipeline_loading_utils, "LOADABLE_CLASSES")
    with caplog.at_level("WARNING", logger=registration.__name__):
        registration._register("diffusers.pipelines.pipeline_loading_utils")
    assert "could not register itself in diffusers.pipelines.pipeline_loading_utils" in caplog.text
    assert "LOADABLE_CLASSES" in caplog.text
    assert "cannot be saved and loaded" in caplog.text


def test_a_module_that_is_gone_is_warned_about(monkeypatch, caplog):
    monkeypatch.setitem(registration._REGISTRATIONS, "diffusers.gone", (lambda module: None, "nothing is lost"))
    with caplog.at_level("WARNING", logger=registration.__name__):
        registration.warn_of_missing_modules()
    assert "diffusers.gone (there is no such module): nothing is lost" in caplog.text
