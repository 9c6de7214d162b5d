# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Train a teacher: a latent diffusion transformer, together with a T5 encoder and a tokenizer of its own.

    accelerate launch training/train_text_to_audio.py --data_dir DATA/train --vae_dir runs/vae/model \\
        --wordings training/recipes/mini/wordings.json --output_dir runs/teacher

`runs/teacher/model` is then a pipeline folder for `AudioLCMPipeline`, which guides it with and without caption.
Without `--vocoder_dir` it is loaded with `vocoder=None` and gives latents and mels.
"""

import copy
import json
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler
from diffusers.utils.torch_utils import randn_tensor
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from audiolcm_diffusers import (
    AudioLCMPipeline,
    AutoencoderKLMel1D,
    BigVGANVocoder,
    LLaMATransformer1DModel,
    log_mel_spectrogram,
)
from audiolcm_diffusers.consistency import add_noise, min_snr_weights, velocity
from audiolcm_diffusers.pipelines.prompt_events import structured_caption
from audiolcm_diffusers.training_utils import (
    CaptionedRunConfig,
    TrainingRun,
    clip_names,
    option,
    parse_config,
    tokenize_examples,
)


SPECIAL_TOKENS = ("<pad>", "</s>", "<unk>")


@dataclass(frozen=True)
class TextToAudioConfig(CaptionedRunConfig):
    vae_dir: str = option("runs/vae/model", "Trained autoencoder.")
    vocoder_dir: str | None = option(None, "Trained vocoder, to be saved with the pipeline.")
    pipeline_dir: str | None = option(
        None,
        "Pipeline to go on from: transformer, text encoder, tokenizer; a student loses its guidance embedding.",
    )
    text_learning_rate: float = option(3e-4, "Highest learning rate of the text encoder.")
    text_gate: float = option(0.5, "What the gates of the text attention start from; at 0 they open very slowly.")
    num_text_tokens: int = option(24, "Length of the text stream.")
    vocab_size: int = option(2000, "Tokens of the tokenizer.")
    snr_gamma: float | None = option(None, "Weigh timesteps by Min-SNR (arXiv:2303.09556), 5 in its paper.")
    token_dropout: float = option(0.05, "BPE-dropout (arXiv:1910.13267): chance that a merge is left out in training.")
    transformer_config: str = option(
        '{"num_layers": 6, "num_attention_heads": 4, "attention_head_dim": 64, "qk_norm": "layer_norm"}',
        "Arguments of `LLaMATransformer1DModel` as JSON.",
    )
    text_encoder_config: str = option(
        '{"d_model": 256, "d_kv": 64, "d_ff": 512, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0, '
        '"feed_forward_proj": "gated-gelu"}',
        "Arguments of `T5Config` as JSON.",
    )

    def __post_init__(self):
        super().__post_init__()
        if self.snr_gamma is not None and not self.snr_gamma > 0:
            raise ValueError(f"Expected snr_gamma > 0, got {self.snr_gamma}.")
        if not 0.0 <= self.token_dropout <= 1.0:
            raise ValueError(f"Expected 0 <= token_dropout <= 1, got {self.token_dropout}.")


def train_tokenizer(captions, vocab_size, num_text_tokens):
    """A lower-case byte-pair tokenizer trained on captions, which ends every text with `</s>`."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    backend.decoder = decoders.Metaspace()
    alphabet = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    backend.train_from_iterator(
        captions,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=alphabet,
            min_frequency=2,
            show_progress=False,
        ),
    )
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=num_text_tokens,
    )


class TextToAudio(torch.nn.Module):
    """Transformer and text encoder as one network, because they are trained as one."""

    def __init__(self, transformer, text_encoder):
        super().__init__()
        self.transformer, self.text_encoder = transformer, text_encoder

    def forward(self, noisy_latents, timesteps, input_ids):
        """Velocity `(batch_size, channels, frames)` that the transformer predicts under tokenized captions."""
        return self.transformer(noisy_latents, timesteps, self.text_encoder(input_ids)[0], return_dict=False)[0]


def start_networks(config, drawer, latent_channels):
    """Tokenizer, text encoder and transformer to train from scratch."""
    # All ways to write the captions, so that the tokenizer knows the words of every paraphrase.
    generator = torch.Generator().manual_seed(config.seed)
    captions = [
        structured_caption(drawer.wordings.draw(clip.draw_caption(generator), generator))
        for clip in drawer.clips
        for _ in range(20)
    ]
    tokenizer = train_tokenizer(captions, config.vocab_size, config.num_text_tokens)
    text_encoder = T5EncoderModel(
        T5Config(vocab_size=len(tokenizer), pad_token_id=0, eos_token_id=1, **json.loads(config.text_encoder_config))
    )
    transformer = LLaMATransformer1DModel(
        in_channels=latent_channels,
        cross_attention_dim=text_encoder.config.d_model,
        **json.loads(config.transformer_config),
    )
    transformer.initialize_weights()
    with torch.no_grad():
        for block in transformer.transformer_blocks:
            block.attn.gate.fill_(config.text_gate)
    return tokenizer, text_encoder, transformer


def load_networks(config, drawer, latent_channels):
    """Tokenizer, text encoder and transformer of a trained pipeline. A teacher has no guidance embedding."""
    pipe = AudioLCMPipeline.from_pretrained(config.pipeline_dir, vocoder=None, dtype=torch.float32)
    transformer = LLaMATransformer1DModel.from_config({**pipe.transformer.config, "time_cond_proj_dim": None})
    if transformer.config.in_channels != latent_channels:
        raise ValueError(
            f"The transformer of {config.pipeline_dir!r} takes {transformer.config.in_channels} latent channels, "
            f"the autoencoder of {config.vae_dir!r} has {latent_channels}."
        )
    weights = pipe.transformer.state_dict()
    weights.pop("time_embedding.cond_proj.weight", None)
    transformer.load_state_dict(weights)
    return pipe.tokenizer_2, pipe.text_encoder_2, transformer


def main(config):
    run = TrainingRun(config)
    accelerator = run.accelerator
    vae = AutoencoderKLMel1D.from_pretrained(config.vae_dir).requires_grad_(False).to(accelerator.device)
    samples_per_latent = 256 * vae.temporal_compression_ratio
    clips = run.load_clips(vae.config.sampling_rate)
    drawer = config.example_drawer(clips, samples_per_latent, vae.config.sampling_rate)
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )
    alphas_cumprod = scheduler.alphas_cumprod.to(accelerator.device)
    num_train_timesteps = len(alphas_cumprod)

    make = start_networks if config.pipeline_dir is None else load_networks
    tokenizer, text_encoder, transformer = make(config, drawer, vae.config.latent_channels)
    config.set_up(transformer)
    if config.compile:
        transformer.compile()
    network = accelerator.prepare(TextToAudio(transformer, text_encoder))
    trained = accelerator.unwrap_model(network)
    # A text encoder that learns as fast as the transformer ends in one answer to every caption.
    groups = [
        {"params": list(trained.transformer.parameters())},
        {"params": list(trained.text_encoder.parameters()), "lr": config.text_learning_rate},
    ]
    optimizer = run.optimizer(groups, betas=(0.9, 0.98))
    averaged = run.averaged(network)
    vocoder = None if config.vocoder_dir is None else BigVGANVocoder.from_pretrained(config.vocoder_dir)

    def pipeline():
        whole_words = copy.deepcopy(tokenizer)
        whole_words.backend_tokenizer.model.dropout = None
        return AudioLCMPipeline(
            vae=vae,
            text_encoder=None,
            projection_model=None,
            text_encoder_2=averaged.text_encoder,
            tokenizer=None,
            tokenizer_2=whole_words,
            transformer=averaged.transformer,
            scheduler=scheduler,
            vocoder=None if vocoder is None else vocoder.to(accelerator.device),
            default_audio_length_in_s=config.longest_s,
        )

    run.validation_pipeline = pipeline
    tokenizer.backend_tokenizer.model.dropout = config.token_dropout
    run.resume()
    network.train()

    while run.step < config.max_train_steps:
        length = drawer.draw_length(run.step_generator())
        generators = run.example_generators(drawer.batch_sizes[length])
        waveforms, examples = drawer.draw(length, generators)
        shape = (len(examples), vae.config.latent_channels, waveforms.shape[-1] // samples_per_latent)
        timesteps = torch.stack([torch.randint(num_train_timesteps, (), generator=own) for own in generators])
        timesteps = timesteps.to(accelerator.device)
        noise = randn_tensor(shape, generators).to(accelerator.device)

        with torch.no_grad():
            mel = log_mel_spectrogram(waveforms.to(accelerator.device))
            latents = vae.encode(mel).latent_dist.mean * vae.config.scaling_factor
        input_ids = tokenize_examples(tokenizer, examples).to(accelerator.device)

        alpha_prod_t = alphas_cumprod[timesteps]
        noisy_latents, target = add_noise(latents, noise, alpha_prod_t), velocity(latents, noise, alpha_prod_t)
        with accelerator.accumulate(network):
            prediction = network(noisy_latents, timesteps, input_ids)
            squared_error = (prediction - target).square().mean(dim=(1, 2))
            if config.snr_gamma is None:
                loss = squared_error.mean()
            else:
                weights = min_snr_weights(alpha_prod_t, config.snr_gamma, scheduler.config.prediction_type)
                loss = (weights * squared_error).mean()
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(network.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        noisy = timesteps > 700
        logs = {"loss_noisy": squared_error[noisy].mean()} if noisy.any() else {}
        run.after_step(names=clip_names(examples), loss=loss, **logs)

    run.save_model(pipeline())


if __name__ == "__main__":
    main(parse_config(TextToAudioConfig))
