# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Tiny real components with random weights, shared by all tests.

Every `make_…` fixture is a function: each call gives the same weights anew, whatever was drawn before, and leaves the
global random state as it was. Text is tokenized byte by byte, so the length of an ASCII text is its number of tokens.
"""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import audiolcm_diffusers
from audiolcm_diffusers.consistency import guidance_embedding


REFERENCES = Path(__file__).parent / "references"

TEXT_WIDTH = 16
NUM_TOKENS = 40


@pytest.fixture(autouse=True)
def attention_backend_of_the_process():
    """
    A model's backend becomes that of the process, too, and stays so: sums of other tests would be rounded otherwise,
    and some backends change settings of the process for as long as they run, which threads notice.
    """
    yield
    module = sys.modules.get("diffusers.models.attention_dispatch")
    if module is not None:  # else nobody can have changed it
        module._AttentionBackendRegistry._active_backend = module.AttentionBackendName(module.DIFFUSERS_ATTN_BACKEND)


def seeded(build):
    """Build a module from a fixed seed, in eval mode, with no parameter left at zero: a zero would hide mistakes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build().eval()
        for parameter in module.parameters():
            if not parameter.detach().any():
                torch.nn.init.normal_(parameter, std=0.1)
    return module


def maker(name, **defaults):
    """`make(**config)`: builds a class of this package as [`seeded`] does, of these arguments and those given then."""

    def make(**config) -> torch.nn.Module:
        return seeded(lambda: getattr(audiolcm_diffusers, name)(**{**defaults, **config}))

    return make


@pytest.fixture(scope="session")
def references() -> Path:
    """Folder of the numbers to agree with."""
    return REFERENCES


def draw_reference_weights(shapes: dict[str, list[int]], seed: int) -> dict[str, torch.Tensor]:
    """
    The random weights that reference outputs were computed with, drawn anew in the order of `shapes`: of variance 1
    over the fan-in; vectors of standard deviation 0.1, around 1 where they scale a normalised value.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for key, shape in shapes.items():
        weight = torch.randn(shape, generator=generator)
        if weight.ndim == 1:
            weight = weight * 0.1 + (1.0 if "norm" in key and key.endswith("weight") else 0.0)
        else:
            weight = weight / weight[0].numel() ** 0.5
        weights[f"weights.{key}"] = weight
    return weights


@pytest.fixture(scope="session")
def load_reference(references):
    """
    `load_reference(name)`: the tensors of a reference file, and the `config` that it was made with. Weights that the
    file only names, with the seed that they were drawn from, are drawn again.
    """

    def load(name: str) -> tuple[dict[str, torch.Tensor], dict]:
        with safe_open(references / f"{name}.safetensors", framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            metadata = file.metadata()
        for drawn in json.loads(metadata.get("weights", "[]")):
            tensors |= draw_reference_weights(**drawn)
        return tensors, json.loads(metadata["config"])

    return load


@pytest.fixture(scope="session")
def load_weights(load_reference):
    """`load_weights(name, prefix="")`: the published weights of a reference file, and the `config` beside them."""

    def load(name: str, prefix: str = "") -> tuple[dict[str, torch.Tensor], dict]:
        tensors, config = load_reference(name)
        own = {key.removeprefix("weights."): tensor for key, tensor in tensors.items() if key.startswith("weights.")}
        return {prefix + key: tensor for key, tensor in own.items()}, config

    return load


@pytest.fixture(scope="session")
def relative_error():
    """`relative_error(output, expected)`: `|output - expected| / |expected|`, L2 norms over all elements."""
    return lambda output, expected: (torch.linalg.vector_norm(output - expected) / expected.norm()).item()


@pytest.fixture
def make_tokenizer():
    """`make_tokenizer(model_max_length=40, bert=False)`: bytes between `[CLS]` and `[SEP]`, or before `</s>`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    def make(model_max_length: int | None = NUM_TOKENS, bert: bool = False) -> PreTrainedTokenizerFast:
        special = ["<pad>", "[CLS]", "[SEP]", "</s>", "<unk>"]
        tokens = special + sorted(pre_tokenizers.ByteLevel.alphabet())
        backend = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[]))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        template = "[CLS] $A [SEP]" if bert else "$A </s>"
        backend.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[(token, tokens.index(token)) for token in ("[CLS]", "[SEP]", "</s>")]
        )
        length = {} if model_max_length is None else {"model_max_length": model_max_length}
        return PreTrainedTokenizerFast(
            tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", **length
        )

    return make


@pytest.fixture
def make_bert():
    """`make_bert()`: a `BertModel` of width 12."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=261,
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    return lambda: seeded(lambda: BertModel(config))


@pytest.fixture
def make_t5():
    """`make_t5()`: a `T5EncoderModel` of width 16."""
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=261, d_model=TEXT_WIDTH, d_kv=8, d_ff=24, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu"
    )
    return lambda: seeded(lambda: T5EncoderModel(config))


@pytest.fixture
def make_projection():
    """`make_projection()`: a `CLAPProjection` from width 12 to 16."""
    return maker("CLAPProjection", in_features=12, out_features=TEXT_WIDTH)


@pytest.fixture
def make_llama_transformer():
    """`make_llama_transformer(**config)`: a `LLaMATransformer1DModel`, a student by default."""
    return maker(
        "LLaMATransformer1DModel",
        in_channels=4,
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=TEXT_WIDTH,
        time_cond_proj_dim=256,
        multiple_of=8,
    )


@pytest.fixture
def make_concat_transformer():
    """`make_concat_transformer(**config)`: a `ConcatTransformer1DModel`, a student by default."""
    return maker(
        "ConcatTransformer1DModel",
        in_channels=4,
        num_layers=2,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=TEXT_WIDTH,
        time_cond_proj_dim=256,
        max_position_embeddings=200,
    )


@pytest.fixture
def transformer_inputs():
    """What either transformer is given for two sounds of 13 latent frames, with 6 text tokens."""
    generator = torch.Generator().manual_seed(1)
    return {
        "hidden_states": torch.randn(2, 4, 13, generator=generator),
        "timestep": torch.tensor([19, 999]),
        "encoder_hidden_states": torch.randn(2, 6, TEXT_WIDTH, generator=generator),
        "timestep_cond": guidance_embedding(torch.tensor([0.0, 4.0])),
    }


@pytest.fixture
def make_vae():
    """`make_vae(**config)`: an `AutoencoderKLMel1D` of 80 mel bins, 4 latent channels and half the frame rate."""
    return maker(
        "AutoencoderKLMel1D",
        latent_channels=4,
        base_channels=8,
        channel_multipliers=(1, 2),
        layers_per_block=1,
        norm_num_groups=4,
        scaling_factor=0.5,
    )


@pytest.fixture
def make_vocoder():
    """`make_vocoder(**config)`: a `BigVGANVocoder` of hop length 256."""
    return maker(
        "BigVGANVocoder",
        upsample_initial_channel=16,
        upsample_rates=(16, 16),
        upsample_kernel_sizes=(16, 16),
        resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1,),),
    )


@pytest.fixture
def make_vocos():
    """`make_vocos(**config)`: a `VocosVocoder` of hop length 256."""
    return maker("VocosVocoder", hidden_channels=8, intermediate_channels=12, num_layers=2)


@pytest.fixture
def make_components(
    make_tokenizer, make_bert, make_t5, make_projection, make_llama_transformer, make_vae, make_vocoder
):
    """`make_components(**replacements)`: all components of a tiny `AudioLCMPipeline`, a student with both streams."""
    from audiolcm_diffusers import LCMAudioScheduler

    def make(**replacements) -> dict:
        components = {
            "vae": make_vae(),
            "text_encoder": make_bert(),
            "projection_model": make_projection(),
            "text_encoder_2": make_t5(),
            "tokenizer": make_tokenizer(bert=True),
            "tokenizer_2": make_tokenizer(),
            "transformer": make_llama_transformer(),
            "scheduler": LCMAudioScheduler(),
            "vocoder": make_vocoder(),
        }
        return {**components, **replacements}

    return make


@pytest.fixture
def make_pipeline(make_components):
    """`make_pipeline(**replacements)`: a tiny `AudioLCMPipeline` without a progress bar."""
    from audiolcm_diffusers import AudioLCMPipeline

    def make(**replacements) -> AudioLCMPipeline:
        pipe = AudioLCMPipeline(**make_components(**replacements))
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return make


@pytest.fixture
def make_classifier():
    """`make_classifier(**config)`: an `ASTForAudioClassification` of width 16 and 5 classes, and its extractor."""
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    def make(**config) -> tuple:
        defaults = {
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "num_mel_bins": 32,
            "max_length": 56,
            "num_labels": 5,
            "problem_type": "single_label_classification",
        }
        model = seeded(lambda: ASTForAudioClassification(ASTConfig(**{**defaults, **config})))
        # So that sounds matter beside positions, and classes differ.
        with torch.no_grad():
            model.audio_spectrogram_transformer.embeddings.patch_embeddings.projection.weight.mul_(20.0)
            model.classifier.dense.weight.mul_(20.0)
        return model, ASTFeatureExtractor(num_mel_bins=32, max_length=56)

    return make


@pytest.fixture
def make_clap(make_tokenizer):
    """`make_clap(**audio_config)`: a `ClapModel` of width 8, which hears 1 s at 8 kHz, and its processor."""
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor

    def make(**audio_config) -> tuple:
        audio_config = {
            "num_mel_bins": 16,
            "spec_size": 32,
            "window_size": 4,
            "depths": [1, 1],
            "num_attention_heads": [1, 2],
            "num_hidden_layers": 2,
            "patch_embeds_hidden_size": 8,
            "hidden_size": 16,
            **audio_config,
        }
        text_config = {
            "vocab_size": 261,
            "hidden_size": 12,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "max_position_embeddings": 64,
            "pad_token_id": 0,
        }
        config = ClapConfig(text_config=text_config, audio_config=audio_config, projection_dim=8)
        extractor = ClapFeatureExtractor(
            feature_size=16,
            sampling_rate=8000,
            hop_length=160,
            max_length_s=1,
            fft_window_size=256,
            frequency_max=4000,
            truncation="fusion" if audio_config.get("enable_fusion") else "rand_trunc",
        )
        return seeded(lambda: ClapModel(config)), ClapProcessor(extractor, make_tokenizer())

    return make


def protobuf(*fields) -> bytes:
    """A protobuf message of `(number, value)` pairs: whole numbers, texts, bytes or messages."""
    message = b""
    for number, value in fields:
        if isinstance(value, int):
            message += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            message += varint(number << 3 | 2) + varint(len(value)) + value
    return message


def varint(value: int) -> bytes:
    """A whole number in groups of seven bits, the lowest first."""
    rest = value >> 7
    return bytes([value & 127 | 128]) + varint(rest) if rest else bytes([value])


@pytest.fixture
def write_tagger():
    """
    `write_tagger(path, num_bands, num_frames)`: a tagger as ONNX, without the package onnx, whose logit of label `k`
    is the mean of mel band `k` over a patch. It takes patches as uint8, of scale 0.125 and zero point 128.
    """

    def write(path: Path, num_bands: int, num_frames: int) -> None:
        def tensor(name, kind, values, *dims):  # onnx.proto: TensorProto
            return protobuf(*((1, dim) for dim in dims), (2, kind), (8, name), (9, values))

        def value(name, kind, *dims):  # ValueInfoProto
            shape = protobuf(*((1, protobuf((1, dim))) for dim in dims))
            return protobuf((1, name), (2, protobuf((1, protobuf((1, kind), (2, shape))))))

        def node(operator, output, *inputs):  # NodeProto
            return protobuf(*((1, name) for name in inputs), (2, output), (4, operator))

        means = torch.eye(num_bands).repeat(num_frames, 1) / num_frames
        graph = protobuf(
            (1, node("DequantizeLinear", "mels", "patch", "scale", "zero_point")),
            (1, node("Flatten", "flat", "mels")),
            (1, node("MatMul", "logits", "flat", "weights")),
            (2, "tagger"),
            (5, tensor("scale", 1, torch.tensor(0.125).numpy().tobytes())),
            (5, tensor("zero_point", 2, bytes([128]))),
            (5, tensor("weights", 1, means.numpy().tobytes(), *means.shape)),
            (11, value("patch", 2, 1, 1, num_frames, num_bands)),
            (12, value("logits", 1, 1, num_bands)),
        )
        path.write_bytes(protobuf((1, 8), (7, graph), (8, protobuf((2, 13)))))

    return write
