# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Evaluation of models by their sounds. `evaluate` makes a table of metrics beside controls, `inspect` looks at what such
a table does not show; both return results that print, save, draw and compare themselves. `audiolcm evaluate` and
`audiolcm inspect` run them.

```python
>>> from audiolcm_diffusers.evaluation import evaluate, load_classifier, read_references
>>> clips = read_references("DATA/validation")
>>> results = evaluate(pipe, clips, load_classifier("runs/judge/model", pipe.device), num_inference_steps=[1, 2])
>>> results.save("runs/evaluation")
```

The protocol, recorded with every result:

- **References** are captioned recordings. A caption is the first of its clip's; of more clips than are wanted, a seed
  draws which are taken. Each clip's caption is the prompt of one sound, whose seed is a function of the run's seed and
  the clip's number alone, the same for every model, step count and guidance scale.
- **Sound** is mono at 16 kHz in 16 bits, resampled by scipy's polyphase filter where it comes in another rate. Its
  beginning counts, as long as the sounds that are made, and what is shorter is followed by digital silence.
  References, generated sounds and controls pass through the same door.
- **Networks** are transformers models in eval mode and float32: an audio classifier and a CLAP model. Sound is
  resampled to their rate, and what is longer than they can hear is cut at the end, never at random. They are told
  apart by a hash of weights, configuration and preprocessing, not by name. A tagger is an outside ear, an ONNX
  network that knows many labels and did not hear the training clips. It hears a sound up to the last sample above
  -60 dB of full scale, and says the mean of its probabilities over time.
- **FAD** is the Fréchet distance of the Gaussians fitted to a network's features of references and sounds, one vector
  a whole clip. It falls with the number of clips, and is refused where these are too few for a covariance of full
  rank. **KAD**, the kernel audio distance, is an unbiased estimate of the squared maximum mean discrepancy of the same
  features, times 100, with a Gaussian kernel as wide as the median distance of the references; it needs fewer clips.
  **KL** is the mean over clips of `KL(reference || generated)` of class posteriors: of a softmax over classes
  that exclude each other, or summed over classes that are present or not. **IS** is the inception score of the sounds.
  **CLAP** is the mean cosine of a sound's embedding and its caption's. **acc** is the share of sounds that the
  classifier names as their caption, of those whose caption is one of its classes. **named** is the share of sounds of
  which one of their class's labels is among the tagger's five likeliest; a class is a clip's `sound_class` or else its
  caption, a class map says which labels stand for it, and clips whose class is not in it are left out and counted.
  **tempo** is the share of sounds whose onset autocorrelation peaks within 8 % of their `tempo_bpm`; half and double
  are errors, and told apart. **diversity** is the mean Euclidean
  distance of the features of two sounds of one caption, averaged over captions with two sounds or more: with one sound
  a clip, those that occur twice; further takes, which no other metric sees, fill up the others where they are wanted.
- **Intervals** are bootstrap intervals: clips are drawn with replacement, a clip's reference and sound together, and
  the draws are centred on the value, as draws that repeat clips are biased. Of diversity, captions are drawn.
- **Controls** stand in every report: real clips against real clips, silence, white noise at the references' level,
  references under each other's captions, and references through the model's autoencoder and vocoder. A metric that
  does not tell them apart says nothing about models either.

`inspect` looks through the same door and networks, at takes of a prompt whose seeds count up as those of `audiolcm
generate` do.

Results of different protocols are not compared: [`~audiolcm_diffusers.evaluation.protocol.compare`] refuses them.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names


if TYPE_CHECKING:
    from .evaluation import evaluate
    from .inspection import inspect, read_training_clips
    from .networks import load_clap, load_classifier
    from .options import EvaluationOptions, InspectionOptions
    from .prompts import Prompts, evaluate_prompts, read_prompts
    from .references import MadeBefore, References, read_references
    from .results import Comparison, EvaluationResults, InspectionResults
    from .tagger import load_tagger

# Imported when they are first used: commands that only parse their options need not wait for torch.
_LAZY_NAMES = {
    "evaluate": ".evaluation",
    "inspect": ".inspection",
    "read_training_clips": ".inspection",
    "load_clap": ".networks",
    "load_classifier": ".networks",
    "EvaluationOptions": ".options",
    "InspectionOptions": ".options",
    "Prompts": ".prompts",
    "evaluate_prompts": ".prompts",
    "read_prompts": ".prompts",
    "MadeBefore": ".references",
    "References": ".references",
    "read_references": ".references",
    "Comparison": ".results",
    "EvaluationResults": ".results",
    "InspectionResults": ".results",
    "load_tagger": ".tagger",
}

__all__ = [*_LAZY_NAMES]

__getattr__, __dir__ = lazy_names(__name__, _LAZY_NAMES)
