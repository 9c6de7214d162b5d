# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import importlib
import json
import subprocess
import sys

import pytest

from audiolcm_diffusers import remote_code
from audiolcm_diffusers.carried import MARGIN, CarriedPackage, import_or_carry


def carried(source):
    """Lines as a carrying file has them."""
    return "".join(f"{MARGIN}{line}".rstrip() + "\n" for line in source.splitlines())


def test_sources_are_the_package_s_own():
    namespace = {"__name__": "x", "__file__": "x.py"}
    text, _, _ = remote_code.pipeline_source().partition("\n_package = ")
    exec(compile(text, "pipeline.py", "exec"), namespace)
    package = namespace["CarriedPackage"]("audiolcm_diffusers", namespace["SOURCES"], "0", "pipeline.py")
    assert set(namespace["SOURCES"]) == set(remote_code.carried_modules())
    for module in namespace["SOURCES"]:
        name = f"audiolcm_diffusers.{module}" if module else "audiolcm_diffusers"
        assert package.get_source(name).split() == remote_code.source_of(module).split()
        # But for spaces at the ends of lines, which no line of the package has.
        assert package.get_source(name) == remote_code.source_of(module), module


def test_what_is_carried():
    modules = remote_code.carried_modules()
    assert {"", "lazy", "registration", "pipelines.base", "models", "models.vocoder_vocos", "hub"} <= set(modules)
    tops = {module.partition(".")[0] for module in modules}
    assert not tops & {"commands", "web", "trainer", "evaluation", "benchmark", "generation", "conversion"}


def test_imports_of_modules(monkeypatch):
    source = """
from typing import TYPE_CHECKING
import audiolcm_diffusers.paths
from . import files
from .audio import io, nothing
from .lazy import lazy_names
from audiolcm_diffusers.audio.mel import log_mel_spectrogram
if TYPE_CHECKING:
    from .web import page
def f():
    from .models.tiling import x
"""
    monkeypatch.setattr(remote_code, "source_of", lambda module: source)
    found = set(remote_code._imported(""))
    assert {"paths", "files", "audio.io", "audio", "lazy", "audio.mel", "models.tiling"} <= found
    assert not {"web.page", "web", "audio.nothing"} & found


@pytest.fixture
def packages():
    before, paths = set(sys.modules), list(sys.meta_path)
    yield
    sys.meta_path[:] = paths
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_package_in_a_variable(packages):
    sources = {
        "": "__version__ = '1'\n\nfrom .inner.deep import VALUE\n",
        "inner": "",
        "inner.deep": 'VALUE = """a\n\n  b"""\n',
    }
    sources = {name: carried(source) for name, source in sources.items()}
    package = import_or_carry("carried_for_a_test", sources, "1", "here.py")
    assert package.VALUE == "a\n\n  b"
    assert package.__file__ == "<here.py>/carried_for_a_test/__init__.py"
    assert importlib.import_module("carried_for_a_test.inner.deep").VALUE == package.VALUE
    with pytest.raises(ModuleNotFoundError, match="carried_for_a_test.other is not among .* here.py carries"):
        importlib.import_module("carried_for_a_test.other")
    # Its lines are shown.
    import inspect

    assert "VALUE" in inspect.getsource(importlib.import_module("carried_for_a_test.inner.deep"))


def test_another_version_is_told(packages, caplog):
    sources = {"": carried("__version__ = '1'")}
    import_or_carry("carried_for_a_test", sources, "1", "here.py")
    again = import_or_carry("carried_for_a_test", {"": carried("__version__ = '2'")}, "2", "there.py")
    assert again.__version__ == "1"
    assert "there.py carries carried_for_a_test 2, and 1 is imported already" in caplog.text


def test_the_installed_package_comes_first():
    script = remote_code.pipeline_source().replace('"' + remote_code.__version__ + '"', '"0.0.0"')
    check = "import audiolcm_diffusers\nassert 'pipeline.py' not in audiolcm_diffusers.__file__"
    done = subprocess.run([sys.executable, "-"], input=f"__file__ = 'pipeline.py'\n{script}\n{check}", text=True)
    assert done.returncode == 0


def test_indices_without_code():
    plain = {"_class_name": "AudioLCMPipeline", "vae": ["audiolcm_diffusers", "AutoencoderKLMel1D"], "fade_s": 0.1}
    with_code = {
        "_class_name": ["pipeline", "AudioLCMPipeline"],
        "vae": ["audiolcm_hub", "AutoencoderKLMel1D"],
        "fade_s": 0.1,
    }
    assert remote_code.without_code(with_code) == plain
    assert remote_code.without_code(plain) == plain
    for other in (
        None,
        [],
        {"_class_name": ["pipeline", "OtherPipeline"]},
        {"_class_name": ["x", "AudioLCMPipeline"]},
    ):
        assert remote_code.without_code(other) == other


def test_saving_with_code(make_pipeline, tmp_path):
    pipe = make_pipeline()
    pipe.save_pretrained(tmp_path / "with", with_code=True)
    index = json.loads((tmp_path / "with/model_index.json").read_text())
    assert index["_class_name"] == ["pipeline", "AudioLCMPipeline"]
    assert index["transformer"] == ["audiolcm_hub", type(pipe.transformer).__name__]
    assert (tmp_path / "with/transformer/audiolcm_hub.py").is_file()
    assert not (tmp_path / "with/tokenizer/audiolcm_hub.py").exists()
    card = (tmp_path / "with/README.md").read_text()
    assert card.count("## With diffusers alone") == 1
    # Once more, the same.
    remote_code.add_code(tmp_path / "with")
    assert (tmp_path / "with/README.md").read_text() == card
    assert json.loads((tmp_path / "with/model_index.json").read_text()) == index
    modular = json.loads((tmp_path / "with/modular_model_index.json").read_text())
    assert modular["vae"][2]["subfolder"] == "vae"
    assert modular["default_num_inference_steps"] == 2

    with pytest.raises(ValueError, match="at the top of a repository alone, got subfolder='deep'"):
        pipe.push_to_hub("me/tiny", subfolder="deep", with_code=True)


def test_weights_of_a_variant_alone(make_pipeline, tmp_path):
    pipe = make_pipeline()
    pipe.save_pretrained(tmp_path, variant="fp16", with_code=True)
    modular = json.loads((tmp_path / "modular_model_index.json").read_text())
    assert (modular["transformer"][2]["variant"], modular["scheduler"][2]["variant"]) == ("fp16", None)
    pipe.save_pretrained(tmp_path, with_code=True)
    modular = json.loads((tmp_path / "modular_model_index.json").read_text())
    assert modular["transformer"][2]["variant"] is None


def test_parts_that_are_missing(make_pipeline, tmp_path):
    make_pipeline().save_pretrained(tmp_path)
    (tmp_path / "vae").rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="has no 'vae'"):
        remote_code.add_code(tmp_path)
    assert not (tmp_path / "pipeline.py").exists()


def test_carried_package_is_a_loader():
    loader = CarriedPackage("p", {"": "", "a": "", "a.b": ""}, "1", "f.py")
    assert loader.is_package("p") and loader.is_package("p.a") and not loader.is_package("p.a.b")
    assert loader.find_spec("other") is None
