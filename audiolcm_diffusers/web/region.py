# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A picture of a sound's waveform, on which regions are picked by dragging."""

from typing import Any

import gradio as gr
import torch


NUM_BARS = 200

# Drawn anew whenever a property changes; what listens to the pointer is the element around it.
TEMPLATE = """
<svg class="wave" viewBox="0 0 200 40" preserveAspectRatio="none" role="img" aria-label="waveform">
  <rect x="0" y="0" width="200" height="40" class="ground"/>
  ${(peaks || []).map((peak, index) => `<rect x="${index}" y="${20 - 19 * peak}" width="0.8"
    height="${Math.max(38 * peak, 0.3)}" class="bar"/>`).join("")}
  ${seconds ? (value || "").split(",").map((part) => part.split(":").map(Number))
    .filter((part) => part.length === 2 && part.every(Number.isFinite) && part[1] > part[0])
    .map(([start, end]) => `<rect x="${200 * start / seconds}" y="0" width="${200 * (end - start) / seconds}"
      height="40" class="region"/>`).join("") : ""}
</svg>
<div class="told">${seconds ? `0 to ${seconds.toFixed(2)} s. Drag to add a region, double click to begin anew.`
  : "The waveform of the sound is shown here."}</div>
"""

CSS = """
.wave { width: 100%; height: 110px; touch-action: none; cursor: crosshair; display: block; }
.ground { fill: var(--background-fill-secondary); }
.bar { fill: var(--color-accent); }
.region { fill: var(--color-accent); fill-opacity: 0.3; }
.told { font-size: 0.85em; opacity: 0.8; }
"""

# Regions are kept apart and within the sound; what is shorter than 20 ms was a click.
SCRIPT = """
let from = null;
let before = "";
const at = (event) => {
  const box = element.querySelector(".wave").getBoundingClientRect();
  return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * props.seconds;
};
const joined = (start, end) => [...before.split(",").map((part) => part.trim()).filter(Boolean),
  `${Math.min(start, end).toFixed(2)}:${Math.max(start, end).toFixed(2)}`].join(", ");
element.addEventListener("pointerdown", (event) => {
  if (!props.seconds || !event.target.closest(".wave")) return;
  event.preventDefault();
  from = at(event);
  before = props.value || "";
});
window.addEventListener("pointermove", (event) => {
  if (from !== null && Math.abs(at(event) - from) >= 0.02) props.value = joined(from, at(event));
});
window.addEventListener("pointerup", (event) => {
  if (from === null) return;
  props.value = Math.abs(at(event) - from) >= 0.02 ? joined(from, at(event)) : before;
  from = null;
  trigger("input");
});
element.addEventListener("dblclick", () => { props.value = ""; trigger("input"); });
"""


def region_picker(**kwargs: Any) -> gr.HTML:
    r"""
    A picker; its value are the regions, as `1:1.5, 3:4` lists them. Arguments as of `gradio.HTML`; the waveform
    comes from [`peaks_of`].
    """
    return gr.HTML(
        value="",
        html_template=TEMPLATE,
        css_template=CSS,
        js_on_load=SCRIPT,
        show_label=True,
        container=True,
        padding=True,
        peaks=[],
        seconds=0,
        **kwargs,
    )


def peaks_of(sound: torch.Tensor | None, sampling_rate: int) -> dict[str, Any]:
    r"""
    What a picker shows.

    Args:
        sound (`torch.Tensor` of shape `(samples,)`, *optional*): The sound; nothing is shown without one.
        sampling_rate (`int`): In Hz.

    Returns:
        `dict`: `peaks`, the highest sample of each of 200 parts, of the loudest; and `seconds`.
    """
    if sound is None:
        return {"peaks": [], "seconds": 0}
    size = -(-len(sound) // NUM_BARS)
    parts = torch.nn.functional.pad(sound.abs(), (0, size * NUM_BARS - len(sound))).view(NUM_BARS, size)
    peaks = parts.amax(dim=1) / parts.max().clamp(min=1e-6)
    return {"peaks": [round(float(peak), 3) for peak in peaks], "seconds": len(sound) / sampling_rate}
