# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Train a teacher: a latent diffusion transformer, from scratch together with a T5 encoder and a tokenizer of its own,

    accelerate launch training/train_text_to_audio.py --data_dir DATA/train --vae_dir runs/vae/model \\
        --wordings training/recipes/mini/wordings.json --output_dir runs/teacher

with a text encoder that knows more words than the captions have, of `train_text_encoder.py`, which learns on slowly or
stays as it is (`--text_encoder_dir runs/text_encoder/model --freeze_text_encoder True`), or from a pipeline on: all
weights, or an adapter.

    accelerate launch training/train_text_to_audio.py --data_dir DATA/train --pipeline_dir runs/student/model \\
        --lora_rank 8 --output_dir runs/adapter

The pipeline may also be one of diffusers' own, `AudioLDM2Pipeline`, `StableAudioPipeline`, `StableAudio3Pipeline`,
`AceStepPipeline` or `LongCatAudioDiTPipeline`: its network, or an adapter of it, is fine-tuned by its family's loss.

`runs/teacher/model` is then a pipeline folder for `AudioLCMPipeline`, which guides it with and without caption.
Its vocoder is `--vocoder_dir`, without it Griffin-Lim. `runs/adapter/model` is for `load_lora_weights`. An adapter of
a student is trained as a consistency model (arXiv:2303.01469), so that the student still needs two steps; a student
whose weights are all trained becomes a teacher and is distilled again.
"""

import json
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from transformers import T5Config, T5EncoderModel

from audiolcm_diffusers import AudioLCMPipeline, AutoencoderKLMel1D, GriffinLimVocoder, LLaMATransformer1DModel
from audiolcm_diffusers.diffusion import diffusion_errors, draw_points
from audiolcm_diffusers.distillation import SolverSchedule, distillation_loss, draw_step
from audiolcm_diffusers.paths import (
    PREDICTION_TYPES,
    NoisePath,
    min_snr_weights,
    prediction_type_of,
    shift_time,
)
from audiolcm_diffusers.pipelines.model_options import trained_lengths
from audiolcm_diffusers.pipelines.prompt_events import structured_caption
from audiolcm_diffusers.teachers.audiolcm import AudioLCMTeacher
from audiolcm_diffusers.teachers.families import family_of, family_of_folder, load_family
from audiolcm_diffusers.trainer import (
    CaptionedRunConfig,
    LoraOptions,
    TrainingRun,
    load_text_encoder,
    load_vocoder,
    option,
    parse_config,
    tokenize_prompts,
    train_tokenizer,
)


# Examples are cut out of longer sounds, and so is what is learnt of them.
FADE_S = 0.01

TEXT_ENCODER_CONFIG = (
    '{"d_model": 256, "d_kv": 64, "d_ff": 512, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0, '
    '"feed_forward_proj": "gated-gelu"}'
)
# Of a tokenizer from scratch.
NUM_TEXT_TOKENS, VOCAB_SIZE = 24, 2000


# Options that only pipelines of ours have a use for.
OWN_OPTIONS = (
    "vae_dir",
    "vocoder_dir",
    "text_learning_rate",
    "text_gate",
    "token_dropout",
    "w_min",
    "w_max",
    "huber_c",
    "transformer_config",
)


@dataclass(frozen=True, kw_only=True)
class TextToAudioConfig(LoraOptions, CaptionedRunConfig):
    vae_dir: str | None = option(None, "Trained autoencoder; that of `pipeline_dir` by default.")
    vocoder_dir: str | None = option(
        None, "Vocoder to be saved with the pipeline; by default its own, of a new pipeline Griffin-Lim."
    )
    pipeline_dir: str | None = option(
        None,
        "Pipeline to go on from: a folder or an id of the Hub, of AudioLCMPipeline or of one of diffusers' own "
        "classes. A student of ours whose weights are all trained loses its guidance embedding.",
    )
    text_encoder_dir: str | None = option(
        None, "Text encoder and tokenizer to go on from, of train_text_encoder.py for one, instead of new ones."
    )
    freeze_text_encoder: bool = option(False, "Train the transformer alone, as an adapter always does.")
    text_learning_rate: float = option(3e-4, "Highest learning rate of the text encoder.")
    text_gate: float = option(0.5, "What the gates of the text attention start from; at 0 they open very slowly.")
    num_text_tokens: int | None = option(None, "Length of the text stream of a new tokenizer, 24 by default.")
    vocab_size: int | None = option(None, "Tokens of a new tokenizer, 2000 by default.")
    prediction_type: str | None = option(
        None,
        'What a teacher from scratch predicts: "v_prediction" (the default), "epsilon" or "sample" on the '
        'variance-preserving path, "flow_prediction" on the straight one (flow matching).',
    )
    shift: float | None = option(
        None, "Of flow_prediction: above 1, more of training and sampling has much noise; 1 by default."
    )
    snr_gamma: float | None = option(None, "Weigh timesteps by Min-SNR (arXiv:2303.09556), 5 in its paper.")
    validation_inference_steps: int = option(
        25,
        "Steps in which a teacher makes validation's sounds, and with which it is saved, for calls that name none; a "
        "student that is adapted takes its own.",
    )
    token_dropout: float = option(0.1, "Chance that a token is cut in two in training, as BPE-dropout would do.")
    w_min: float = option(4.0, "Lowest guidance strength of a student that is adapted (guidance_scale - 1).")
    w_max: float = option(12.0, "Highest guidance strength of a student that is adapted.")
    huber_c: float = option(0.001, "Where the pseudo-Huber loss of a student that is adapted turns linear.")
    transformer_config: str = option(
        '{"num_layers": 6, "num_attention_heads": 4, "attention_head_dim": 64, "qk_norm": "layer_norm"}',
        "Arguments of `LLaMATransformer1DModel` as JSON.",
    )
    text_encoder_config: str | None = option(
        None, f"Arguments of `T5Config` for a new text encoder as JSON, by default {TEXT_ENCODER_CONFIG}."
    )

    def __post_init__(self):
        super().__post_init__()
        self.check_lora()
        if self.vae_dir is None and self.pipeline_dir is None:
            raise ValueError("Expected vae_dir, to train from scratch, or pipeline_dir, to go on from; got neither.")
        if self.lora_rank is not None and self.pipeline_dir is None:
            raise ValueError(f"lora_rank={self.lora_rank} needs pipeline_dir, got None.")
        if self.freeze_text_encoder and self.pipeline_dir is None and self.text_encoder_dir is None:
            raise ValueError("freeze_text_encoder=True needs pipeline_dir or text_encoder_dir, got neither.")
        if self.text_encoder_dir is not None and self.pipeline_dir is not None:
            raise ValueError(
                f"{self.pipeline_dir!r} has a text encoder of its own: leave out text_encoder_dir, got "
                f"{self.text_encoder_dir!r}."
            )
        trained = self.pipeline_dir or self.text_encoder_dir
        for name in ("num_text_tokens", "vocab_size", "text_encoder_config"):
            value = getattr(self, name)
            if value is not None and trained is not None:
                raise ValueError(f"{name} is that of the text encoder in {trained!r}: leave it out, got {value!r}.")
            if isinstance(value, int) and value < 2:
                raise ValueError(f"Expected {name} >= 2, got {value}.")
        for name in ("in_channels", "cross_attention_dim"):
            if name in json.loads(self.transformer_config):
                raise ValueError(
                    f"{name} is that of the autoencoder or text encoder: leave it out of transformer_config, got "
                    f"{self.transformer_config!r}."
                )
        for name in ("prediction_type", "shift"):
            if getattr(self, name) is not None and self.pipeline_dir is not None:
                raise ValueError(
                    f"The scheduler of {self.pipeline_dir!r} says what is predicted: leave out {name}, got "
                    f"{getattr(self, name)!r}."
                )
        if self.prediction_type not in (None, *PREDICTION_TYPES):
            raise ValueError(
                f"Expected prediction_type to be one of {PREDICTION_TYPES}, got {self.prediction_type!r}."
            )
        if self.shift is not None:
            if self.prediction_type != "flow_prediction":
                raise ValueError(
                    f"shift={self.shift} needs prediction_type='flow_prediction', got {self.prediction_type!r}."
                )
            shift_time(1.0, self.shift)
        if self.snr_gamma is not None and not self.snr_gamma > 0:
            raise ValueError(f"Expected snr_gamma > 0, got {self.snr_gamma}.")
        if self.validation_inference_steps < 1:
            raise ValueError(f"Expected validation_inference_steps >= 1, got {self.validation_inference_steps}.")
        if not 0.0 <= self.token_dropout <= 1.0:
            raise ValueError(f"Expected 0 <= token_dropout <= 1, got {self.token_dropout}.")
        if not 0 <= self.w_min < self.w_max:
            raise ValueError(f"Expected 0 <= w_min < w_max, got w_min={self.w_min}, w_max={self.w_max}.")

        if self.pipeline_dir is not None:
            family = family_of_folder(self.pipeline_dir, is_taught=False)
            if family is not None:
                self.check_family(family)

    def check_family(self, family):
        """Refuse what a pipeline of diffusers' own has no use for."""
        if family is not AudioLCMTeacher:
            self.check_family_options(family, OWN_OPTIONS)

    @property
    def family(self):
        """`type[Teacher]`: Of the pipeline that training goes on from; ours from scratch."""
        return AudioLCMTeacher if self.pipeline_dir is None else family_of(self.pipeline_dir)

    @property
    def base_dir(self):
        """`str`: What an adapter of this script adapts."""
        return self.pipeline_dir

    @property
    def trains_text_encoder(self):
        """`bool`: Whether the text encoder learns, too."""
        return not self.freeze_text_encoder and self.lora_rank is None


class TextToAudio(torch.nn.Module):
    """Transformer and text encoder as one network, because they are trained as one."""

    def __init__(self, transformer, text_encoder):
        super().__init__()
        self.transformer, self.text_encoder = transformer, text_encoder
        # What FSDP shards as one.
        self._no_split_modules = [*transformer._no_split_modules, *text_encoder._no_split_modules]

    def forward(self, noisy_latents, timesteps, input_ids, return_dict=False):
        """The transformer's output `(batch_size, channels, frames)` under tokenized captions, in a tuple."""
        return self.transformer(noisy_latents, timesteps, self.text_encoder(input_ids)[0], return_dict=return_dict)


def start_scheduler(config):
    """The scheduler of a teacher from scratch, which also says on which path it is trained."""
    if config.prediction_type == "flow_prediction":
        return FlowMatchEulerDiscreteScheduler(shift=1.0 if config.shift is None else config.shift)
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type=config.prediction_type or "v_prediction",
        timestep_spacing="trailing",
    )


def start_text(config, captions):
    """A tokenizer that knows the words of captions, and a text encoder to train from scratch."""
    # All ways to write the captions, so that the tokenizer knows the words of every paraphrase.
    texts = [structured_caption(caption) for caption in captions]
    tokenizer = train_tokenizer(texts, config.vocab_size or VOCAB_SIZE, config.num_text_tokens or NUM_TEXT_TOKENS)
    arguments = json.loads(config.text_encoder_config or TEXT_ENCODER_CONFIG)
    text_encoder = T5EncoderModel(T5Config(vocab_size=len(tokenizer), pad_token_id=0, eos_token_id=1, **arguments))
    return text_encoder, tokenizer


def start_pipeline(config, vae, text_encoder, tokenizer):
    """A pipeline with a transformer to train from scratch, which reads what the text encoder says."""
    transformer = LLaMATransformer1DModel(
        in_channels=vae.config.latent_channels,
        cross_attention_dim=text_encoder.config.d_model,
        **json.loads(config.transformer_config),
    )
    transformer.initialize_weights()
    with torch.no_grad():
        for block in transformer.transformer_blocks:
            block.attn.gate.fill_(config.text_gate)
    return AudioLCMPipeline(
        vae=vae,
        text_encoder=None,
        projection_model=None,
        text_encoder_2=text_encoder,
        tokenizer=None,
        tokenizer_2=tokenizer,
        transformer=transformer,
        scheduler=start_scheduler(config),
        vocoder=GriffinLimVocoder(),
        fade_s=FADE_S,
        default_num_inference_steps=config.validation_inference_steps,
    )


def load_pipeline(config):
    """
    A trained pipeline in float32. Where all weights are to be trained, a student loses its guidance embedding, because
    a teacher has none, and takes a teacher's scheduler.
    """
    replaced = {}
    if config.vae_dir is not None:
        replaced["vae"] = AutoencoderKLMel1D.from_pretrained(config.vae_dir)
    if AudioLCMPipeline.load_config(config.pipeline_dir)["vocoder"][0] is None:
        replaced["vocoder"] = None
    pipe = AudioLCMPipeline.from_pretrained(config.pipeline_dir, dtype=torch.float32, **replaced)
    if pipe.transformer.config.in_channels != pipe.vae.config.latent_channels:
        raise ValueError(
            f"The transformer of {config.pipeline_dir!r} takes {pipe.transformer.config.in_channels} latent channels, "
            f"the autoencoder of {config.vae_dir!r} has {pipe.vae.config.latent_channels}."
        )
    if config.trains_text_encoder and pipe.text_encoder is not None:
        raise ValueError(
            f"{config.pipeline_dir!r} has two text encoders, which are never trained: pass freeze_text_encoder or "
            "lora_rank."
        )
    if pipe.is_student and config.lora_rank is not None and pipe.transformer.config.time_cond_type == "interval":
        raise ValueError(
            f"{config.pipeline_dir!r} holds a student of average velocities, which adapters are not trained for: "
            f"leave out lora_rank, got {config.lora_rank}."
        )
    if pipe.is_student and config.lora_rank is None:
        teachers = {"time_cond_proj_dim": None, "time_cond_type": "guidance"}
        transformer = type(pipe.transformer).from_config({**pipe.transformer.config, **teachers})
        weights = pipe.transformer.state_dict()
        del weights["time_embedding.cond_proj.weight"]
        transformer.load_state_dict(weights)
        pipe.transformer = transformer
        pipe.register_to_config(default_num_inference_steps=config.validation_inference_steps)
        path = NoisePath.from_scheduler(pipe.scheduler)
        if path.is_straight:
            pipe.scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=len(path), shift=path.shift)
        else:
            pipe.scheduler = DDIMScheduler.from_config(
                pipe.scheduler.config, clip_sample=False, set_alpha_to_one=False, timestep_spacing="trailing"
            )
    return pipe


def teachers_loss(config, network, latents, conditions, path, prediction_type, generators):
    """The loss of a network that predicts one thing everywhere on its path, and what is logged beside it."""
    draw = draw_points(latents, path, generators)
    # Told before they are on a device, which a step does not wait for.
    noisy = (draw.indices > 0.7 * len(path)).nonzero()[:, 0].tolist()
    squared_error, levels = diffusion_errors(network, latents, conditions, draw, path, prediction_type)
    if config.snr_gamma is None:
        loss = squared_error.mean()
    else:
        weights = min_snr_weights(*levels, config.snr_gamma, prediction_type)
        loss = (weights * squared_error).mean()
    return loss, {"loss_noisy": squared_error[noisy].mean()} if noisy else {}


def fine_tune_family(config):
    """Train the network of one of diffusers' own pipelines, or an adapter of it, by the loss of its family."""
    run = TrainingRun(config)
    accelerator = run.accelerator
    family = load_family(config.pipeline_dir)
    config.check_family(type(family))
    for part in family.pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.requires_grad_(False)
    family.pipe.to(accelerator.device)
    path = family.path.to(accelerator.device)
    examples = config.family_examples(run, family)
    denoiser = family.denoiser
    denoiser = config.with_adapter(denoiser) if config.lora_rank is not None else family.trainable(denoiser)
    config.set_up(denoiser, family)
    network = family.network(denoiser)
    if config.compile:
        network.compile()
    optimizer = run.optimizer([parameter for parameter in network.parameters() if parameter.requires_grad])
    averaged = run.averaged(network)
    network, optimizer = accelerator.prepare(network, optimizer)

    def pipeline():
        return family.with_parts(run.whole(averaged).denoiser)

    run.validation_pipeline, run.validation_teacher = pipeline, family
    run.validation_options = {
        "num_inference_steps": config.validation_inference_steps,
        "duration_s": examples.longest_s,
    }
    run.resume()
    network.train()
    while run.step < config.max_train_steps:
        length = examples.draw_length(run.step_generator())
        generators = run.example_generators(examples.batch_sizes[length])
        batch = examples.draw(length, generators)
        with accelerator.accumulate(network):
            loss, logs = teachers_loss(
                config, network, batch.latents, batch.prompt_embeds, path, family.prediction_type, generators
            )
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(network.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        run.after_step(names=batch.names, loss=loss, **logs)

    if config.lora_rank is None:
        run.save_family_model(pipeline(), family.usage())
    else:
        run.save_family_adapter(family, run.whole(averaged).denoiser, family.usage())


def main(config):
    if config.family is not AudioLCMTeacher:
        fine_tune_family(config)
        return
    run = TrainingRun(config)
    accelerator = run.accelerator
    if config.pipeline_dir is None:
        vae = AutoencoderKLMel1D.from_pretrained(config.vae_dir).requires_grad_(False)
        if config.text_encoder_dir is None:
            examples = config.examples(run, vae)
            pipe = start_pipeline(config, vae, *start_text(config, examples.prompts()))
        else:
            text_encoder, tokenizer = load_text_encoder(config.text_encoder_dir)
            text_encoder.requires_grad_(False).to(accelerator.device)
            pipe = start_pipeline(config, vae, text_encoder, tokenizer)
            examples = config.examples(run, vae, None if config.trains_text_encoder else pipe)
    else:
        pipe = load_pipeline(config)
        for part in (pipe.vae, pipe.text_encoder, pipe.text_encoder_2):
            if part is not None:
                part.requires_grad_(False)
        if config.cache_dir is None:
            pipe.to(accelerator.device)
        examples = config.examples(run, pipe.vae, None if config.trains_text_encoder else pipe)
    if config.vocoder_dir is not None:
        pipe.vocoder = load_vocoder(config.vocoder_dir)
    path = NoisePath.from_scheduler(pipe.scheduler).to(accelerator.device)
    prediction_type = prediction_type_of(pipe.scheduler)

    transformer, text_encoder, tokenizer = pipe.transformer, pipe.text_encoder_2, pipe.tokenizer_2
    if config.lora_rank is not None:
        transformer = config.with_adapter(transformer.requires_grad_(False))
    config.set_up(transformer)
    if config.compile:
        transformer.compile()
    groups = [{"params": [parameter for parameter in transformer.parameters() if parameter.requires_grad]}]
    network = transformer
    if config.trains_text_encoder:
        network = TextToAudio(transformer, text_encoder.requires_grad_(True))
        # A text encoder that learns as fast as the transformer ends in one answer to every caption.
        groups.append({"params": list(text_encoder.parameters()), "lr": config.text_learning_rate})
    optimizer = run.optimizer(groups, betas=(0.9, 0.98))
    averaged = run.averaged(network)
    network, optimizer = accelerator.prepare(network, optimizer)

    def pipeline():
        components = dict(pipe.components)
        whole = run.whole(averaged)
        if config.trains_text_encoder:
            components["transformer"], components["text_encoder_2"] = whole.transformer, whole.text_encoder
        else:
            components["transformer"] = whole
        return AudioLCMPipeline(**components, **{**pipe.options, **trained_lengths(examples.longest_s)})

    run.validation_pipeline = pipeline
    if not pipe.is_student:
        run.validation_options = {"num_inference_steps": config.validation_inference_steps}
    else:
        num_solver_timesteps = pipe.scheduler.config.original_inference_steps
        schedule = SolverSchedule.from_scheduler(
            pipe.scheduler, num_solver_timesteps, pipe.scheduler.config.timestep_scaling, accelerator.device
        )
    run.resume()
    network.train()

    while run.step < config.max_train_steps:
        length = examples.draw_length(run.step_generator())
        generators = run.example_generators(examples.batch_sizes[length])
        batch = examples.draw(length, generators)
        latents, text = batch.latents, batch.prompt_embeds
        if config.trains_text_encoder:
            text = tokenize_prompts(tokenizer, batch.prompts, config.token_dropout, generators).to(accelerator.device)

        logs = {}
        with accelerator.accumulate(network):
            if pipe.is_student:
                draw = draw_step(latents, num_solver_timesteps, config.w_min, config.w_max, generators)
                with accelerator.autocast():
                    loss = distillation_loss(
                        network,
                        accelerator.unwrap_model(network),
                        None,
                        latents,
                        text,
                        None,
                        draw,
                        schedule,
                        huber_c=config.huber_c,
                        guidance_embedding_dim=transformer.config.time_cond_proj_dim,
                    ).loss
            else:
                loss, logs = teachers_loss(config, network, latents, text, path, prediction_type, generators)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(network.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        run.after_step(names=batch.names, loss=loss, **logs)

    if config.lora_rank is None:
        run.save_model(pipeline())
    else:
        run.save_adapter(run.whole(averaged), config.pipeline_dir, 'audio = pipe("a dog barking").audios[0]')


if __name__ == "__main__":
    main(parse_config(TextToAudioConfig))
