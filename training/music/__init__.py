# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Rendered music with captions: what is played, what is said about it, and how it becomes sound."""
