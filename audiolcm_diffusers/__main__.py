# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Lets `python -m audiolcm_diffusers` be the `audiolcm` command."""

import sys

from .commands import main


if __name__ == "__main__":
    sys.exit(main())
