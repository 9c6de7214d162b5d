# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
