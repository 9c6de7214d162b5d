# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Makes this package's classes known to diffusers, so that `DiffusionPipeline.from_pretrained`,
`AutoPipelineForText2Audio.from_pretrained`, `AutoModel.from_pretrained` and `from_single_file` load them, and saved
pipelines name `["audiolcm_diffusers", "<Class>"]`.

The tables to be extended live in modules of diffusers that take seconds to import. Each is therefore extended at the
moment when somebody imports it, or at once where it is imported already: a table is always complete before anyone can
read it, and importing this package alone costs nothing. The tables are no public API of diffusers; where one is
missing, a warning says what will not work, and everything else goes on.
"""

import importlib
import importlib.abc
import importlib.util
import logging
import sys
from collections.abc import Callable
from types import ModuleType


logger = logging.getLogger(__name__)

PACKAGE = __name__.partition(".")[0]


def _package() -> ModuleType:
    return importlib.import_module(PACKAGE)


def _add_classes_to_namespace(namespace: ModuleType) -> None:
    """
    Let `diffusers.<Class>` and `diffusers.pipelines.<Class>` find this package's classes, importing each when it is
    asked for: `DiffusionPipeline`, `AutoModel` and `compatibles` look names up there.
    """
    module_class = type(namespace)

    class DiffusersWithAudioLCM(module_class):
        def __getattr__(self, name: str):
            package = _package()
            if name in package.PUBLIC_CLASSES:
                return getattr(package, name)
            if hasattr(module_class, "__getattr__"):
                return super().__getattr__(name)
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

        def __dir__(self) -> list[str]:
            return [*super().__dir__(), *_package().PUBLIC_CLASSES]

        def __reduce__(self):
            return importlib.import_module, (self.__name__,)

    namespace.__class__ = DiffusersWithAudioLCM


def _add_loadable_library(pipeline_loading_utils: ModuleType) -> None:
    methods = ["save_pretrained", "from_pretrained"]
    pipeline_loading_utils.LOADABLE_CLASSES.setdefault(
        PACKAGE, {base_class: list(methods) for base_class in ("ModelMixin", "SchedulerMixin")}
    )


def _add_text_to_audio_pipeline(auto_pipeline: ModuleType) -> None:
    auto_pipeline.AUTO_TEXT2AUDIO_PIPELINES_MAPPING.setdefault("audiolcm", _package().AudioLCMPipeline)


def _add_single_file_models(single_file_model: ModuleType) -> None:
    def convert(function_name: str) -> Callable:
        # The converters are imported when a file is loaded. diffusers offers each the arguments in its signature.
        def call(**kwargs):
            return getattr(importlib.import_module(f"{PACKAGE}.conversion.single_file"), function_name)(**kwargs)

        return call

    for class_name, prefix in (
        ("ConcatTransformer1DModel", "concat_transformer"),
        ("LLaMATransformer1DModel", "llama_transformer"),
        ("AutoencoderKLMel1D", "mel_vae"),
        ("BigVGANVocoder", "bigvgan"),
    ):
        single_file_model.SINGLE_FILE_LOADABLE_CLASSES.setdefault(
            class_name,
            {
                "checkpoint_mapping_fn": convert(f"{prefix}_weights"),
                "config_mapping_fn": convert(f"{prefix}_config"),
            },
        )


# Modules of diffusers, what is added to each, and what a user loses where that fails.
_REGISTRATIONS: dict[str, tuple[Callable[[ModuleType], None], str]] = {
    "diffusers": (_add_classes_to_namespace, "`DiffusionPipeline` and `AutoModel` do not find this package's classes"),
    "diffusers.pipelines": (
        _add_classes_to_namespace,
        "tools that look for a pipeline's source in `diffusers.pipelines` do not find `AudioLCMPipeline`",
    ),
    "diffusers.pipelines.pipeline_loading_utils": (
        _add_loadable_library,
        "pipelines with this package's components cannot be saved and loaded",
    ),
    "diffusers.pipelines.auto_pipeline": (
        _add_text_to_audio_pipeline,
        "`AutoPipelineForText2Audio` does not know `AudioLCMPipeline`",
    ),
    "diffusers.loaders.single_file_model": (
        _add_single_file_models,
        "`from_single_file` does not read published weights",
    ),
}


def _warn(module_name: str, reason: str) -> None:
    logger.warning(
        f"{PACKAGE} could not register itself in {module_name} ({reason}): {_REGISTRATIONS[module_name][1]}. "
        f"Install a version of diffusers that {PACKAGE} was tested with."
    )


def _register(module_name: str) -> None:
    try:
        # diffusers replaces its own entry in `sys.modules` while it is being imported.
        _REGISTRATIONS[module_name][0](sys.modules[module_name])
    except (AttributeError, TypeError) as error:
        _warn(module_name, str(error))


def warn_of_missing_modules() -> None:
    """
    Log a warning for every module of diffusers that ought to be extended and that the installed version does not have.
    """
    for module_name in _REGISTRATIONS:
        try:
            found = module_name in sys.modules or importlib.util.find_spec(module_name) is not None
        except ModuleNotFoundError:
            found = False
        if not found:
            _warn(module_name, "there is no such module")


# Modules that were imported while diffusers was.
_WAITING: list[str] = []


def _is_being_imported(module_name: str) -> bool:
    spec = getattr(sys.modules.get(module_name), "__spec__", None)
    return getattr(spec, "_initializing", False)


class _RegisterAfterImport(importlib.abc.MetaPathFinder):
    """
    Finds nothing itself: lets the other finders find a module of `_REGISTRATIONS` and extends it once it has run.
    """

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in _REGISTRATIONS:
            return None
        finders = [finder for finder in sys.meta_path if finder is not self]
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in finders)), None)
        if spec is None:
            return None
        run = spec.loader.exec_module

        def run_and_register(module: ModuleType) -> None:
            run(module)
            # With DIFFUSERS_SLOW_IMPORT, diffusers imports all of its parts while it is itself being imported; ours
            # need the whole of it.
            _WAITING.append(fullname)
            if fullname == "diffusers" or not _is_being_imported("diffusers"):
                while _WAITING:
                    _register(_WAITING.pop())

        spec.loader.exec_module = run_and_register
        return spec


def register_with_diffusers() -> None:
    """
    Register this package's classes with diffusers, now or as soon as the part of diffusers concerned is imported.
    Runs once, when the package is imported.
    """
    if any(isinstance(finder, _RegisterAfterImport) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _RegisterAfterImport())
    for module_name in _REGISTRATIONS:
        if module_name in sys.modules:
            _register(module_name)
