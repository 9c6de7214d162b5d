# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
import re
from pathlib import Path

from setuptools import find_packages, setup


ROOT = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "audiolcm_diffusers/__init__.py").read_text(), re.M)[1]

# To read the vocabulary of T5 where it comes in its original form.
CONVERT = ["sentencepiece", "protobuf"]
LORA = ["peft>=0.21"]
TRAIN = ["tensorboard", "pyyaml", "tqdm", "datasets", "matplotlib", *LORA]
# Plots, and datasets of the Hub.
EVAL = ["matplotlib", "datasets"]
# Another resampler than scipy's.
SOXR = ["soxr"]
# The page, and the API beside it: gradio brings fastapi and uvicorn, which are named because they are imported, too;
# fastapi-offline has the files of the API's own page, which fastapi takes from a server far away.
DEMO = ["gradio>=6", "fastapi", "uvicorn", "starlette", "pydantic", "fastapi-offline"]
# An outside ear for `audiolcm evaluate --tagger`, and `audiolcm export-onnx`.
ONNX = ["onnxruntime", "onnx", "onnxscript"]
# BigVGAN on CPUs: its activations as one compiled loop.
FAST = ["numba>=0.61"]
# playwright drives the browser that the machine has; it downloads none.
TEST = ["pytest", "pytest-xdist", "ruff", "import-linter", "playwright", *TRAIN, *EVAL, *SOXR, *ONNX, *DEMO, *FAST]

setup(
    name="audiolcm-diffusers",
    version=VERSION,
    description="AudioLCM for diffusers: text to sound in two steps",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",  # as diffusers 0.42
    packages=find_packages(include=["audiolcm_diffusers*"]),
    package_data={"audiolcm_diffusers": ["py.typed", "checkpoints/**/*"]},
    install_requires=[
        # Registration uses names that diffusers does not promise to keep (registration.py), hence the upper bound.
        "diffusers>=0.42,<0.43",
        # Lower bounds are those that `make test-oldest` was run with.
        "torch>=2.10",
        "transformers>=5.11",
        "accelerate>=1.13",
        "filelock>=3.13",
        "numpy>=2.0",
        "safetensors>=0.8",
        "scipy>=1.13",
        "soundfile>=0.13",
        "pillow>=10.1",
    ],
    extras_require={
        "train": TRAIN,
        "lora": LORA,
        "convert": CONVERT,
        "soxr": SOXR,
        "eval": EVAL,
        "onnx": ONNX,
        "demo": DEMO,
        "fast": FAST,
        "test": TEST,
    },
    entry_points={"console_scripts": ["audiolcm=audiolcm_diffusers.commands:main"]},
)
