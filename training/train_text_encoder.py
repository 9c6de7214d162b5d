# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Train a text encoder that knows English: a small T5 encoder and its tokenizer, distilled from a sentence encoder,

    accelerate launch training/train_text_encoder.py --data_dir DATA/train --teacher_dir MINILM \\
        --wordnet_dir /usr/share/wordnet --output_dir runs/text_encoder

whose `model` is what `train_text_to_audio.py --text_encoder_dir` takes. The data's captions are read, no sound.

Words that stand in no caption are WordNet's, whose meaning is taken from their glosses. What a pipeline's transformer
reads is what learns: the mean of all tokens, its pooled caption, is to lie where the teacher puts the whole, and the
mean of the tokens of each event where the teacher puts that event.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import T5Config, T5EncoderModel

from audiolcm_diffusers.data.captions import Wordings
from audiolcm_diffusers.data.metadata import captions_of, lines_of, read_metadata, read_text
from audiolcm_diffusers.data.wordnet import everyday_words, read_wordnet
from audiolcm_diffusers.files import replacing
from audiolcm_diffusers.pipelines.prompt_events import EVENT_ORDERS, structured_caption
from audiolcm_diffusers.trainer import (
    PhraseDrawer,
    RunConfig,
    SentenceEncoder,
    TrainingRun,
    cached_embeddings,
    caption_phrases,
    deed_phrases,
    event_masks,
    gloss_phrases,
    option,
    parse_config,
    tokenize_prompts,
    train_tokenizer,
    verbs_of,
    word_phrases,
)


MAX_EVENTS = 3
NUM_CAPTION_WORDINGS = 30


@dataclass(frozen=True, kw_only=True)
class TextEncoderConfig(RunConfig):
    teacher_dir: str | None = option(
        None, "Sentence encoder to learn from: any BERT-like model that transformers loads, whose tokens' mean counts."
    )
    teacher_prompt: str = option(
        "the sound of {}", "What the teacher reads of a phrase; with sounds asked for, their words lie further apart."
    )
    embeddings_dir: str | None = option(
        None, "Where the teacher's embeddings are kept; `embeddings` in the output folder by default."
    )
    wordnet_dir: str | None = option(None, "Folder of WordNet's data files; without, captions alone are learnt.")
    phrases: str | None = option(
        None,
        "Text files of further captions, one a line, with semicolons between; each is drawn as often as the data.",
    )
    wordings: str | None = option(None, "JSON file of other ways to write captions, which are to mean the same.")
    synonyms: str | None = option(
        None, "JSON file of captions and words for them that are not learnt; how many are understood is measured."
    )
    caption_share: float = option(0.5, "How often a caption is drawn.")
    word_share: float = option(0.25, "How often a word of WordNet is drawn, in any of its forms.")
    gloss_share: float = option(0.1, "How often a gloss of WordNet is drawn.")
    deed_share: float = option(0.15, "How often a thing of WordNet is drawn with a verb of the captions.")
    num_deeds: int = option(40000, "Phrases of things with verbs.")
    max_train_steps: int = option(6000, "Optimisation steps in all.")
    batch_size: int = option(256, "Phrases in a batch, on each process.")
    learning_rate: float = option(1e-3, "Highest learning rate.")
    temperature: float = option(0.05, "Softness of the similarities within a batch.")
    order_weight: float = option(0.05, "Weight of the loss of telling each event's place from its tokens.")
    token_dropout: float = option(0.05, "Chance that a token is cut in two, as BPE-dropout would do.")
    num_text_tokens: int = option(24, "Length of the text stream.")
    vocab_size: int = option(16000, "Tokens of the tokenizer.")
    text_encoder_config: str = option(
        '{"d_model": 256, "d_kv": 64, "d_ff": 512, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0, '
        '"feed_forward_proj": "gated-gelu"}',
        "Arguments of `T5Config` as JSON.",
    )

    def __post_init__(self):
        super().__post_init__()
        if self.teacher_dir is None:
            raise ValueError("Expected teacher_dir, a sentence encoder to learn from, got None.")
        if self.teacher_prompt.count("{}") != 1:
            raise ValueError(f"Expected teacher_prompt to have one {{}}, got {self.teacher_prompt!r}.")
        for name in ("batch_size", "num_text_tokens", "vocab_size"):
            if getattr(self, name) < 2:
                raise ValueError(f"Expected {name} >= 2, got {getattr(self, name)}.")
        if not self.caption_share > 0:
            raise ValueError(f"Expected caption_share > 0, got {self.caption_share}.")
        for name in ("word_share", "gloss_share", "deed_share", "num_deeds", "order_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"Expected {name} >= 0, got {getattr(self, name)}.")
        if not self.temperature > 0:
            raise ValueError(f"Expected temperature > 0, got {self.temperature}.")
        if not 0.0 <= self.token_dropout <= 1.0:
            raise ValueError(f"Expected 0 <= token_dropout <= 1, got {self.token_dropout}.")
        without = {"no sound is read": ("max_clips", "resampler", "max_bad_fraction")}
        if self.wordnet_dir is None:
            without["there is no wordnet_dir"] = ("word_share", "gloss_share", "deed_share", "num_deeds")
        for reason, names in without.items():
            for name in names:
                if getattr(self, name) != getattr(TextEncoderConfig, name):
                    raise ValueError(f"{name}={getattr(self, name)!r} has no use: {reason}.")
        for path in self.phrase_files:
            if not path.is_file():
                raise ValueError(f"There is no file of phrases {str(path)!r}.")

    @classmethod
    def sources(cls):
        # Captions of a dataset of the Hub cannot be read without its sound; they can be given as `phrases`.
        return ("data_dir",)

    @property
    def phrase_files(self):
        """`list[Path]`: Files of further captions."""
        return [] if self.phrases is None else [Path(path) for path in self.phrases.split(";")]


class TextStudent(torch.nn.Module):
    """A text encoder, and what its tokens say of the events of a caption."""

    def __init__(self, text_encoder):
        super().__init__()
        self.text_encoder = text_encoder
        self.order_head = torch.nn.Linear(text_encoder.config.d_model, len(EVENT_ORDERS))
        self._no_split_modules = text_encoder._no_split_modules

    def forward(self, input_ids, masks):
        """Means of all tokens `(batch_size, d_model)` and of events' `(num_events, d_model)`, and orders' logits."""
        states = self.text_encoder(input_ids)[0]
        weights = masks.to(states.dtype) / masks.sum(dim=-1, keepdim=True).clamp(min=1)
        events = (weights @ states)[masks.any(dim=-1)]
        return states.mean(dim=1), events, self.order_head(events)


class Meanings:
    """
    Where phrases are to lie: the teacher's embeddings without what all phrases have in common, in their principal
    components, as many as the text encoder is wide, of length 1.
    """

    def __init__(self, phrases_by_kind, shares, rows, embeddings, width):
        whole = {
            kind: F.normalize(torch.stack([self._of(phrase, rows, embeddings) for phrase in phrases]), dim=-1)
            for kind, phrases in phrases_by_kind.items()
            if phrases and shares[kind] > 0
        }
        total = sum(shares[kind] for kind in whole)
        # As often as they are drawn, so that captions, of which there are few, count.
        self.mean = sum(shares[kind] / total * vectors.mean(dim=0) for kind, vectors in whole.items())
        centred = {kind: vectors - self.mean for kind, vectors in whole.items()}
        moments = sum(shares[kind] / total * vectors.T @ vectors / len(vectors) for kind, vectors in centred.items())
        variances, axes = torch.linalg.eigh(moments)
        self.axes = axes.flip(1)[:, :width]
        self.explained = float(variances.flip(0)[:width].sum() / variances.sum())
        self.width = width
        self.of_kind = {kind: self._project(vectors) for kind, vectors in centred.items()}

    @staticmethod
    def _of(phrase, rows, embeddings):
        return sum(weight * embeddings[rows[text]] for text, weight in phrase.meaning)

    def _project(self, centred):
        vectors = F.normalize(centred @ self.axes, dim=-1)
        return F.pad(vectors, (0, self.width - vectors.shape[1]))

    def of(self, embeddings):
        """Where texts lie that no phrase has, by their embeddings."""
        return self._project(F.normalize(embeddings, dim=-1) - self.mean)

    def of_phrases(self, phrases):
        """Where several phrases at once lie, in the middle of them."""
        return F.normalize(sum(self.of_kind[kind][index] for kind, index in phrases), dim=-1)


def read_phrases(config):
    """Phrases by kind, how often each kind is drawn, and in which wordings."""
    rows = read_metadata(config.data_dir, config.excluded_licences or ())
    captions = [text for name, caption, _ in rows for text in captions_of(caption, name)]
    sources = [captions, *(lines_of(read_text(path)) for path in config.phrase_files)]
    own = Wordings() if config.wordings is None else Wordings.from_json(config.wordings)
    words = [] if config.wordnet_dir is None else everyday_words(read_wordnet(config.wordnet_dir))
    generator = torch.Generator().manual_seed(config.seed)
    groups = {
        f"captions {index}": caption_phrases(filter(None, map(str.strip, texts)), config.teacher_prompt)
        for index, texts in enumerate(sources)
    }
    shares = {kind: config.caption_share / len(groups) for kind in groups}
    wordings = dict.fromkeys(groups, own)
    groups["words"] = word_phrases(words, config.teacher_prompt)
    groups["glosses"] = gloss_phrases(words, config.teacher_prompt)
    groups["deeds"] = deed_phrases(words, verbs_of(captions), config.num_deeds, generator, config.teacher_prompt)
    shares |= {"words": config.word_share, "glosses": config.gloss_share, "deeds": config.deed_share}
    return groups, shares, wordings | dict.fromkeys(("words", "glosses", "deeds"), Wordings())


def tokenizer_texts(groups, wordings, seed):
    """All words and glosses once, and captions in many wordings, whose words are to be tokens of their own."""
    generator = torch.Generator().manual_seed(seed)
    for kind, phrases in groups.items():
        repeats = NUM_CAPTION_WORDINGS if kind.startswith("captions") else 1
        for phrase in phrases if kind != "deeds" else ():
            for text in phrase.texts * repeats:
                yield structured_caption(wordings[kind].draw(text, generator) if repeats > 1 else text)


def start_text_encoder(config, tokenizer, token_meanings):
    """
    An encoder whose tokens mean what the teacher makes of each, and those without a letter nothing. The first layer
    adds what all say on average, of which the tokens after a caption consist; other layers add nothing yet.
    """
    text_encoder = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **json.loads(config.text_encoder_config),
        )
    )
    with torch.no_grad():
        says = [any(map(str.isalnum, name)) for name in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))]
        says = torch.tensor(says) & ~torch.isin(torch.arange(len(says)), torch.tensor(tokenizer.all_special_ids))
        text_encoder.shared.weight.copy_(token_meanings * says[:, None] * text_encoder.config.d_model**0.5)
        for index, block in enumerate(text_encoder.encoder.block):
            attention = block.layer[0].SelfAttention
            torch.nn.init.orthogonal_(attention.v.weight)
            attention.o.weight.copy_(attention.v.weight.T * (index == 0))
            torch.nn.init.zeros_(block.layer[1].DenseReluDense.wo.weight)
    return text_encoder


def similarity_loss(states, meanings, temperature):
    """
    How far states lie from their meanings, and how differently they lie among the others of the batch: one minus the
    cosine, and the divergence of the softmax of similarities from that of the meanings themselves.
    """
    states = F.normalize(states.float(), dim=-1)
    wanted = (meanings @ meanings.T / temperature).log_softmax(dim=-1)
    found = (states @ meanings.T / temperature).log_softmax(dim=-1)
    distance = 1 - (states * meanings).sum(dim=-1).mean()
    return distance, F.kl_div(found, wanted, reduction="batchmean", log_target=True)


def orders_of(examples, masks):
    """Number of the order of each event whose tokens are there."""
    there = masks.any(dim=-1).cpu()
    orders = [
        EVENT_ORDERS.index(order)
        for example, row in zip(examples, there)
        for order, is_there in zip(example.orders, row.tolist())
        if is_there
    ]
    return torch.tensor(orders, device=masks.device)


@torch.no_grad()
def understood(vectors, labels, caption_vectors):
    """Share of the vectors whose nearest caption is the right one, and whose five nearest have it."""
    similarities = F.normalize(vectors, dim=-1) @ F.normalize(caption_vectors, dim=-1).T
    ranks = (similarities > similarities.gather(1, labels[:, None])).sum(dim=1)
    return {
        "nearest": round(float((ranks == 0).float().mean()), 4),
        "five": round(float((ranks < 5).float().mean()), 4),
    }


@torch.no_grad()
def measure_synonyms(path, text_encoder, tokenizer, teacher, teacher_prompt):
    """How many words that were not learnt lie nearest to the caption that they stand for, by teacher and student."""
    synonyms = json.loads(Path(path).read_text(encoding="utf-8"))
    captions = list(synonyms)
    texts = [text for caption in captions for text in synonyms[caption]]
    labels = torch.tensor([index for index, caption in enumerate(captions) for _ in synonyms[caption]])
    input_ids = tokenize_prompts(tokenizer, [*captions, *texts])
    states = text_encoder(input_ids.to(text_encoder.device))[0].float().cpu()
    masks = event_masks(tokenizer, input_ids, 1).float()
    asked = [teacher_prompt.format(text) for text in (*captions, *texts)]
    readings = {
        "teacher": teacher.encode([*captions, *texts]),
        "teacher, prompted": teacher.encode(asked),
        "student, all tokens": states.mean(dim=1),
        "student, words' tokens": (masks @ states)[:, 0],
    }
    return {
        name: understood(vectors[len(captions) :], labels, vectors[: len(captions)])
        for name, vectors in readings.items()
    }


def main(config):
    run = TrainingRun(config)
    accelerator = run.accelerator
    groups, shares, wordings = read_phrases(config)
    drawer = PhraseDrawer(groups, shares, wordings)
    texts = tokenizer_texts(groups, wordings, config.seed)
    tokenizer = train_tokenizer(texts, config.vocab_size, config.num_text_tokens, words_alike=True)
    teacher = SentenceEncoder(config.teacher_dir, accelerator.device)
    names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    tokens = [config.teacher_prompt.format(name.replace("▁", "")) for name in names]
    texts = [text for phrases in groups.values() for phrase in phrases for text, _ in phrase.meaning]
    embeddings_dir = config.embeddings_dir or run.output_dir / "embeddings"
    with accelerator.main_process_first():
        rows, embeddings = cached_embeddings(teacher, [*texts, *tokens], embeddings_dir)
    width = json.loads(config.text_encoder_config).get("d_model", T5Config().d_model)
    meanings = Meanings(groups, shares, rows, embeddings, width)
    token_meanings = meanings.of(embeddings[[rows[token] for token in tokens]])
    del embeddings, rows

    student = TextStudent(start_text_encoder(config, tokenizer, token_meanings))
    if config.compile:
        student.text_encoder.compile()
    optimizer = run.optimizer(student.parameters(), betas=(0.9, 0.98))
    averaged = run.averaged(student)
    student, optimizer = accelerator.prepare(student, optimizer)
    run.resume()
    student.train()

    while run.step < config.max_train_steps:
        generators = run.example_generators(config.batch_size)
        examples = [drawer.draw(generator) for generator in generators]
        prompts = [example.prompt for example in examples]
        input_ids = tokenize_prompts(tokenizer, prompts, config.token_dropout, generators)
        masks = event_masks(tokenizer, input_ids, MAX_EVENTS)
        there = masks.any(dim=-1).tolist()
        wholes = [meanings.of_phrases(example.phrases) for example in examples]
        events = [
            meanings.of_phrases(event)
            for example, row in zip(examples, there)
            for event, is_there in zip(example.events, row)
            if is_there
        ]
        wanted = torch.stack([*wholes, *events]).to(accelerator.device)
        input_ids, masks = input_ids.to(accelerator.device), masks.to(accelerator.device)
        with accelerator.accumulate(student):
            with accelerator.autocast():
                pooled, pooled_events, orders = student(input_ids, masks)
            distance, divergence = similarity_loss(torch.cat([pooled, pooled_events]), wanted, config.temperature)
            order = F.cross_entropy(orders.float(), orders_of(examples, masks))
            loss = distance + divergence + config.order_weight * order
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(student.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        run.after_step(loss=loss, distance=distance, divergence=divergence, order=order)

    text_encoder = run.whole(averaged).text_encoder
    run.save_model(text_encoder, tokenizer)
    if config.synonyms is not None and accelerator.is_main_process:
        report = measure_synonyms(config.synonyms, text_encoder, tokenizer, teacher, config.teacher_prompt)
        print(json.dumps(report, indent=2), flush=True)
        with replacing(run.output_dir / "model/synonyms.json") as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main(parse_config(TextEncoderConfig))
