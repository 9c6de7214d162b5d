# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Pipelines of diffusers' own families, of their real classes at sizes of nothing, with random weights."""

import torch
from diffusers import (
    AceStepPipeline,
    AceStepTransformer1DModel,
    AudioLDM2Pipeline,
    AudioLDM2ProjectionModel,
    AudioLDM2UNet2DConditionModel,
    AutoencoderKL,
    AutoencoderOobleck,
    AutoencoderSAME,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    LongCatAudioDiTPipeline,
    LongCatAudioDiTTransformer,
    LongCatAudioDiTVae,
    StableAudio3DiTModel,
    StableAudio3Pipeline,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableAudioProjectionModel,
)
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.pipelines.ace_step.modeling_ace_step import AceStepConditionEncoder
from diffusers.pipelines.stable_audio_3.modeling_stable_audio_3 import StableAudio3DurationEmbedder
from diffusers.schedulers.scheduling_utils import SchedulerMixin, SchedulerOutput
from transformers import (
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    GPT2Config,
    GPT2LMHeadModel,
    RobertaTokenizer,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

from audiolcm_diffusers.teachers.stable_audio import NUM_TIMESTEPS


TEXT_WIDTH = 12
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def seeded(build):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build().eval()
        for parameter in module.parameters():
            if not parameter.detach().any():
                torch.nn.init.normal_(parameter, std=0.1)
    return module


def umt5(tokenizer):
    config = UMT5Config(
        vocab_size=len(tokenizer), d_model=TEXT_WIDTH, d_kv=4, d_ff=16, num_layers=1, num_heads=2, dropout_rate=0.0
    )
    return UMT5EncoderModel(config)


def oobleck():
    return seeded(
        lambda: AutoencoderOobleck(
            encoder_hidden_size=16,
            downsampling_ratios=[2, 4],
            channel_multiples=[1, 2],
            decoder_channels=8,
            decoder_input_channels=8,
            audio_channels=2,
            sampling_rate=800,
        )
    )


def stable_audio_3(tokenizer):
    width = {"cond_token_dim": TEXT_WIDTH, "global_cond_dim": TEXT_WIDTH}
    transformer = seeded(
        lambda: StableAudio3DiTModel(
            io_channels=8,
            embed_dim=16,
            depth=2,
            num_heads=2,
            local_add_cond_dim=9,
            timestep_features_dim=8,
            num_memory_tokens=2,
            **width,
        )
    )
    vae = seeded(
        lambda: AutoencoderSAME(
            audio_channels=2,
            patch_size=4,
            encoder_channels=8,
            encoder_c_mults=[2],
            encoder_strides=[2],
            encoder_transformer_depths=[1],
            latent_dim=8,
            dim_heads=4,
            ff_mult=1,
            sampling_rate=16000,
        )
    )
    pipe = StableAudio3Pipeline(
        vae=vae,
        text_encoder=seeded(lambda: umt5(tokenizer)),  # in the place of T5Gemma
        tokenizer=tokenizer,
        duration_embedder=seeded(lambda: StableAudio3DurationEmbedder(output_dim=TEXT_WIDTH, fourier_dim=8)),
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def longcat(tokenizer):
    transformer = seeded(
        lambda: LongCatAudioDiTTransformer(
            dit_dim=16, dit_depth=2, dit_heads=2, dit_text_dim=TEXT_WIDTH, latent_dim=8, ff_mult=2.0
        )
    )
    vae = seeded(
        lambda: LongCatAudioDiTVae(
            channels=16,
            c_mults=[1, 2],
            strides=[2, 4],
            latent_dim=8,
            encoder_latent_dim=16,
            downsampling_ratio=8,
            sample_rate=8000,
        )
    )
    pipe = LongCatAudioDiTPipeline(
        vae=vae, text_encoder=seeded(lambda: umt5(tokenizer)), tokenizer=tokenizer, transformer=transformer
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def ace_step(tokenizer):
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 16}
    transformer = seeded(
        lambda: AceStepTransformer1DModel(
            hidden_size=16,
            num_hidden_layers=2,
            in_channels=24,
            audio_acoustic_hidden_dim=8,
            encoder_hidden_size=16,
            sliding_window=8,
            **heads,
        )
    )
    condition_encoder = seeded(
        lambda: AceStepConditionEncoder(
            hidden_size=16,
            text_hidden_dim=TEXT_WIDTH,
            timbre_hidden_dim=8,
            num_lyric_encoder_hidden_layers=1,
            num_timbre_encoder_hidden_layers=1,
            sliding_window=8,
            **heads,
        )
    )
    pipe = AceStepPipeline(
        vae=oobleck(),
        text_encoder=seeded(lambda: umt5(tokenizer)),
        tokenizer=tokenizer,
        transformer=transformer,
        condition_encoder=condition_encoder,
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


class EulerOfSigmas(SchedulerMixin, ConfigMixin):
    """
    Stable Audio's parametrisation (EDM with a data deviation of 1, told 2 / pi * atan(sigma)) by Euler's method,
    `x' = x + (sigma' - sigma) (x - x_0) / sigma`: diffusers' own scheduler for it draws noise in every step.
    """

    order = 1

    @register_to_config
    def __init__(self, num_train_timesteps=1000):
        self.timesteps = self.sigmas = None
        self.index = 0

    def set_timesteps(self, num_inference_steps, device=None):
        # Down from the noisiest timestep that our path has, in even steps of its own.
        indices = torch.linspace(NUM_TIMESTEPS - 1, 0, num_inference_steps + 1).round()[:-1]
        self.timesteps = indices / NUM_TIMESTEPS
        self.sigmas = torch.cat([(self.timesteps * torch.pi / 2).tan(), torch.zeros(1)])
        self.index = 0

    @property
    def init_noise_sigma(self):
        return float((self.sigmas[0] ** 2 + 1) ** 0.5)

    def scale_model_input(self, sample, timestep):
        return sample / (self.sigmas[self.index] ** 2 + 1) ** 0.5

    def step(self, model_output, timestep, sample):
        sigma, following = self.sigmas[self.index], self.sigmas[self.index + 1]
        scale = (sigma**2 + 1) ** 0.5
        clean = sample / scale**2 - sigma / scale * model_output
        self.index += 1
        return SchedulerOutput(sample + (following - sigma) * (sample - clean) / sigma)


def stable_audio(tokenizer):
    transformer = seeded(
        lambda: StableAudioDiTModel(
            sample_size=10,
            in_channels=8,
            out_channels=8,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            num_key_value_attention_heads=2,
            cross_attention_dim=TEXT_WIDTH,
            cross_attention_input_dim=TEXT_WIDTH,
            global_states_input_dim=2 * TEXT_WIDTH,
            time_proj_dim=8,
        )
    )
    projection = seeded(
        lambda: StableAudioProjectionModel(
            text_encoder_dim=TEXT_WIDTH, conditioning_dim=TEXT_WIDTH, min_value=0, max_value=32
        )
    )
    pipe = StableAudioPipeline(
        vae=oobleck(),
        text_encoder=seeded(lambda: umt5(tokenizer)),
        projection_model=projection,
        tokenizer=tokenizer,
        transformer=transformer,
        scheduler=EulerOfSigmas(),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def audioldm2(tokenizer=None):
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *LETTERS, "Ġ"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *((letter, -2.0) for letter in LETTERS)]
    clap = ClapConfig(
        text_config={
            "vocab_size": len(tokens),
            "hidden_size": 8,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        audio_config={
            "spec_size": 8,
            "window_size": 4,
            "num_mel_bins": 8,
            "patch_size": 2,
            "patch_stride": 2,
            "patch_embeds_hidden_size": 8,
            "hidden_size": 16,
            "depths": [1, 1],
            "num_attention_heads": [2, 2],
            "num_hidden_layers": 2,
            "projection_dim": 8,
        },
        projection_dim=8,
    )
    t5 = T5Config(
        vocab_size=len(pieces), d_model=TEXT_WIDTH, d_kv=4, d_ff=16, num_layers=1, num_heads=2, dropout_rate=0.0
    )
    gpt2 = GPT2Config(
        vocab_size=8, n_positions=64, n_embd=16, n_layer=1, n_head=2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0
    )
    gpt2.max_new_tokens = 4
    unet = seeded(
        lambda: AudioLDM2UNet2DConditionModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=8,
            sample_size=8,
            in_channels=4,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=[[None, 16, TEXT_WIDTH]] * 2,
            attention_head_dim=2,
        )
    )
    vae = seeded(
        lambda: AutoencoderKL(
            block_out_channels=[8, 16],
            in_channels=1,
            out_channels=1,
            norm_num_groups=8,
            down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2,
            latent_channels=4,
        )
    )
    hifigan = SpeechT5HifiGanConfig(
        model_in_dim=16,
        sampling_rate=8000,
        upsample_initial_channel=8,
        upsample_rates=[8, 8],
        upsample_kernel_sizes=[16, 16],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]],
        normalize_before=False,
    )
    pipe = AudioLDM2Pipeline(
        vae=vae,
        text_encoder=seeded(lambda: ClapModel(clap)),
        text_encoder_2=seeded(lambda: T5EncoderModel(t5)),
        projection_model=seeded(
            lambda: AudioLDM2ProjectionModel(text_encoder_dim=8, text_encoder_1_dim=TEXT_WIDTH, langauge_model_dim=16)
        ),
        language_model=seeded(lambda: GPT2LMHeadModel(gpt2)),
        tokenizer=RobertaTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[], model_max_length=24),
        tokenizer_2=T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=24),
        feature_extractor=ClapFeatureExtractor(feature_size=8, hop_length=32, sampling_rate=8000),
        unet=unet,
        scheduler=DDIMScheduler(
            beta_start=0.0015,
            beta_end=0.0195,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        vocoder=seeded(lambda: SpeechT5HifiGan(hifigan)),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
