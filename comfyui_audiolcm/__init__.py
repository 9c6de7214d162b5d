# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
AudioLCM in ComfyUI: put this folder into `ComfyUI/custom_nodes`, and `pip install audiolcm-diffusers` beside ComfyUI.
"""

from .nodes import AudioLCMEdit, AudioLCMGenerate, AudioLCMLoad


NODE_CLASS_MAPPINGS = {
    "AudioLCMLoad": AudioLCMLoad,
    "AudioLCMGenerate": AudioLCMGenerate,
    "AudioLCMEdit": AudioLCMEdit,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "AudioLCMLoad": "AudioLCM: load a model",
    "AudioLCMGenerate": "AudioLCM: text to sound",
    "AudioLCMEdit": "AudioLCM: change, mend or continue a sound",
}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
