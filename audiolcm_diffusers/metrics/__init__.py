# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Metrics of generated sound behind one protocol. `audiolcm evaluate` runs it.

The protocol, recorded with every result:

- **References** are captioned recordings. A caption is the first of its clip's; of more clips than are wanted, a seed
  draws which are taken. Each clip's caption is the prompt of one sound, whose seed is a function of the run's seed and
  the clip's number alone, the same for every model, step count and guidance scale.
- **Sound** is mono at 16 kHz in 16 bits, resampled by scipy's polyphase filter where it comes in another rate. Its
  beginning counts, as long as the sounds that are made, and what is shorter is followed by digital silence.
  References, generated sounds and controls pass through the same door.
- **Networks** are transformers models in eval mode and float32: an audio classifier and a CLAP model. Sound is
  resampled to their rate, and what is longer than they can hear is cut at the end, never at random. They are told
  apart by a hash of weights, configuration and preprocessing, not by name.
- **FAD** is the Fréchet distance of the Gaussians fitted to a network's features of references and sounds, one vector
  a whole clip. It falls with the number of clips, and is refused where these are too few for a covariance of full
  rank. **KL** is the mean over clips of `KL(reference || generated)` of class posteriors: of a softmax over classes
  that exclude each other, or summed over classes that are present or not. **IS** is the inception score of the sounds.
  **CLAP** is the mean cosine of a sound's embedding and its caption's. **acc** is the share of sounds that the
  classifier names as their caption, of those whose caption is one of its classes.
- **Intervals** are bootstrap intervals: clips are drawn with replacement, a clip's reference and sound together, and
  the draws are centred on the value, as draws that repeat clips are biased.
- **Controls** stand in every report: real clips against real clips, silence, white noise at the references' level,
  references under each other's captions, and references through the model's autoencoder and vocoder. A metric that
  does not tell them apart says nothing about models either.

`audiolcm inspect` looks at what these metrics do not show, through the same door and networks: see
`audiolcm_diffusers.metrics.inspection`.

Results of different protocols are not compared: [`~audiolcm_diffusers.metrics.protocol.compare`] refuses them.
"""
