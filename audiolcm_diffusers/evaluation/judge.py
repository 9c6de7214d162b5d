# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""Computes the metrics of what networks hear, with their intervals."""

import torch

from .asked import ASKED, Asked, hear_tempos
from .bootstrap import bootstrap, mean_over_prompts
from .controls import halves, other_captions
from .diversity import distances_by_caption
from .frechet import check_num_clips, frechet_distance_of_features
from .kernel_distance import SCALE, KernelAudioDistance, median_distance
from .listening import Listeners
from .metric_choice import pick_metrics
from .protocol import CONFIDENCE, NETWORKS
from .scores import clap_scores, inception_score, kl_divergences


class Judge(Listeners):
    r"""
    Judges sounds by the metrics that its networks allow.

    Args:
        classifier ([`~audiolcm_diffusers.evaluation.networks.Classifier`], *optional*): For `kl`, `is` and `acc`.
        clap ([`~audiolcm_diffusers.evaluation.networks.Clap`], *optional*): For `clap`.
        cache ([`~audiolcm_diffusers.evaluation.listening.FeatureCache`], *optional*): Where outputs are kept.
        metrics (`Sequence[str]`, *optional*): Some of `METRICS`; by default all that the networks allow.
        fad_network (`str`, *optional*):
            `"classifier"` or `"clap"`: whose features the two distances and diversity are of. By default the
            classifier's if there is one.
        allow_singular (`bool`, defaults to `False`): Whether the distance is computed of too few clips, too.
        num_splits (`int`, defaults to 1): See [`~audiolcm_diffusers.evaluation.scores.inception_score`].
        num_resamples (`int`, defaults to 200): See [`~audiolcm_diffusers.evaluation.bootstrap.bootstrap`].
        seed (`int`, defaults to 0): Of the bootstrap.
        batch_size (`int`, defaults to 8): Sounds that a network hears at a time.
        captions (`Sequence[str]`): Of the references, for `acc`, which needs some that are classes of the classifier,
            and for `diversity`, which needs some that occur twice or several takes.
        takes (`int`, defaults to 1): Sounds of each caption that there are at least, for `diversity`.
        tagger ([`~audiolcm_diffusers.evaluation.tagger.Tagger`], *optional*): For `named`.
        sound_classes (`Sequence[str]`, *optional*): Of the references, for `named`.
        tempos_bpm (`Sequence[float]`, *optional*): Of the references, for `tempo`.

    Raises:
        ValueError: If there is no network, or one is missing for a metric.
    """

    def __init__(
        self,
        classifier,
        clap,
        cache=None,
        metrics=None,
        fad_network=None,
        allow_singular=False,
        num_splits=1,
        num_resamples=200,
        seed=0,
        batch_size=8,
        captions=(),
        takes=1,
        tagger=None,
        sound_classes=None,
        tempos_bpm=None,
    ):
        super().__init__(classifier, clap, cache, batch_size, tagger)
        self.fad_network = fad_network or next((kind for kind in NETWORKS if kind in self.networks), None)
        labels = [] if classifier is None else classifier.labels
        self._class_of = {index: labels.index(caption) for index, caption in enumerate(captions) if caption in labels}
        self.captions, self.takes = list(captions), takes
        self.asked = Asked.of(self.captions, tagger, sound_classes, tempos_bpm)
        self.metrics, self.left_out = pick_metrics(
            self.networks,
            metrics,
            self.fad_network,
            captions_are_classes=bool(self._class_of),
            several_sounds=bool(captions) and (takes > 1 or len(set(captions)) < len(captions)),
            classes_are_mapped=self.asked.num_classes_known > 0,
            tempos_are_known=self.asked.num_tempos_known > 0,
        )
        self.allow_singular, self.num_splits = allow_singular, num_splits
        self.num_resamples, self.seed = num_resamples, seed

    def describe(self):
        r"""`dict`: What the protocol records: the networks, the metrics' settings and the bootstrap's."""
        settings = {
            "fad": {"features": self.fad_network, "allow_singular": self.allow_singular},
            "kad": {
                "features": self.fad_network,
                "estimator": "unbiased MMD^2",
                "kernel": "gaussian",
                "bandwidth": "median distance of the references",
                "scale": SCALE,
            },
            "kl": {"direction": "KL(reference || generated)", "pairs": "each sound and the clip whose caption it has"},
            "is": {"num_splits": self.num_splits},
            "clap": {"measure": "cosine"},
            "acc": {"num_clips": len(self._class_of)},
            **self.asked.describe(),
            "diversity": {
                "features": self.fad_network,
                "measure": "mean Euclidean distance of two sounds of one caption",
                "takes": self.takes,
            },
        }
        return {
            "networks": {kind: network.describe() for kind, network in self.networks.items()},
            "metrics": {name: settings[name] for name in self.metrics},
            "bootstrap": {"num_resamples": self.num_resamples, "confidence": CONFIDENCE, "seed": self.seed},
        }

    def check(self, num_clips):
        r"""
        Refuse what the metrics cannot be computed of, before any sound is made.

        Args:
            num_clips (`int`): References.

        Raises:
            ValueError: If they are too few.
        """
        if num_clips < 4:
            raise ValueError(f"Expected at least 4 clips, two in each half of the references, got {num_clips}.")
        if "is" in self.metrics and num_clips < self.num_splits:
            raise ValueError(
                f"Expected no more splits of the inception score than clips, {num_clips}, got {self.num_splits}."
            )
        if "fad" in self.metrics and not self.allow_singular:
            # The control of real clips against real ones has half of them on either side.
            dim = self.networks[self.fad_network].dim
            if num_clips // 2 <= dim:
                raise ValueError(
                    f"FAD of features of {dim} dimensions needs at least {2 * (dim + 1)} clips, {dim + 1} in each "
                    f"half of the references, for covariances of full rank; got {num_clips}. `allow_singular` "
                    "computes it nevertheless; KAD needs two clips in each half."
                )

    def listen(self, waveforms):
        r"""See [`~audiolcm_diffusers.evaluation.listening.Listeners.listen`]; and `tempo`, where it is judged."""
        heard = super().listen(waveforms)
        return heard | ({"tempo": hear_tempos(waveforms)} if "tempo" in self.metrics else {})

    def estimates(self, references=None, sounds=None, texts=None, further=None, further_captions=()):
        r"""
        All metrics for which there is what they need.

        Args:
            references (`dict`, *optional*): What the networks say of the references, for `fad`, `kad` and `kl`.
            sounds (`dict`, *optional*): What they say of the sounds; row `i` belongs to reference `i`.
            texts (`torch.Tensor` of shape `(num_clips, dim)`, *optional*): Embedded captions, for `clap`.
            further (`dict`, *optional*): What the networks say of further takes, which count for `diversity` alone.
            further_captions (`Sequence[str]`): Of these.

        Returns:
            `dict[str, dict]`: `value`, `low` and `high` end of its interval, and `num_clips` of each metric;
            `num_prompts` of `diversity`, whose interval is over captions.

        Raises:
            ValueError: If FAD has too few clips.
        """
        found = {}
        if "fad" in self.metrics and references is not None:
            found["fad"] = self._fad(references[self.fad_network]["features"], sounds[self.fad_network]["features"])
        if "kad" in self.metrics and references is not None:
            found["kad"] = self._kad(references[self.fad_network]["features"], sounds[self.fad_network]["features"])
        if "kl" in self.metrics and references is not None:
            found["kl"] = self._kl(references["classifier"]["logits"], sounds["classifier"]["logits"])
        if "is" in self.metrics:
            logits, head = sounds["classifier"]["logits"], self.networks["classifier"].head
            found["is"] = self._estimate(
                lambda indices: inception_score(logits[indices], head, self.num_splits), logits.shape[0]
            )
        if "clap" in self.metrics and texts is not None:
            found["clap"] = self._mean(clap_scores(sounds["clap"]["features"], texts))
        if "acc" in self.metrics:
            found["acc"] = self._acc(sounds["classifier"]["logits"])
        found |= self._as_asked(sounds)
        if "diversity" in self.metrics:
            features, captions = sounds[self.fad_network]["features"], self.captions
            if further is not None:
                features = torch.cat([features, further[self.fad_network]["features"]])
                captions = [*captions, *further_captions]
            distances = list(distances_by_caption(features, captions).values())
            if distances:
                found["diversity"] = mean_over_prompts(distances, self.num_resamples, self.seed, CONFIDENCE)
        return found

    def real_against_real(self, references, texts, captions):
        r"""
        The metrics of the references themselves: `fad` and `kad` of one half against the other, `kl` of pairs of clips
        of one caption, from both halves; the others of all.

        Args:
            references (`dict`): What the networks say of the references.
            texts (`torch.Tensor` of shape `(num_clips, dim)`, *optional*): Their embedded captions.
            captions (`Sequence[str]`): Their captions.

        Returns:
            `dict[str, dict]`: As [`Judge.estimates`]; without `kl` and `diversity` where no caption occurs twice.
        """
        first, second, pairs = halves(captions, self.seed)
        found = self.estimates(sounds=references, texts=texts)
        size = min(len(first), len(second))
        if "fad" in self.metrics:
            features = references[self.fad_network]["features"]
            found["fad"] = self._fad(features[first[:size]], features[second[:size]])
        if "kad" in self.metrics:
            features = references[self.fad_network]["features"]
            # One kernel for the whole table: that of all references, not of a half.
            bandwidth = median_distance(features)
            found["kad"] = self._kad(features[first[:size]], features[second[:size]], bandwidth)
        if "kl" in self.metrics and pairs:
            logits = references["classifier"]["logits"]
            found["kl"] = self._kl(logits[[pair[0] for pair in pairs]], logits[[pair[1] for pair in pairs]])
        return {name: found[name] for name in self.metrics if name in found}

    def shuffled(self, references, texts, captions):
        r"""
        `kl`, `clap`, `acc`, `named` and `tempo` of references that stand in for sounds of each other's captions; the
        other metrics do not see captions.

        Args:
            references, texts, captions: As for [`Judge.real_against_real`].

        Returns:
            `dict[str, dict]`: As [`Judge.estimates`]; empty where more than half of the captions are the same.
        """
        others = other_captions(captions, self.seed)
        found = {}
        if others is not None and "kl" in self.metrics:
            logits = references["classifier"]["logits"]
            found["kl"] = self._kl(logits, logits[others])
        if others is not None and "clap" in self.metrics:
            found["clap"] = self._mean(clap_scores(references["clap"]["features"][others], texts))
        if others is not None and "acc" in self.metrics:
            found["acc"] = self._acc(references["classifier"]["logits"][others])
        if others is not None:
            found |= self._as_asked(
                {
                    kind: {name: value[others] for name, value in outputs.items()}
                    for kind, outputs in references.items()
                }
            )
        return found

    def facts(self, sounds):
        r"""See [`~audiolcm_diffusers.evaluation.asked.Asked.facts`]."""
        return self.asked.facts(self.metrics, sounds)

    def _as_asked(self, sounds):
        hits = {name: self.asked.hits(name, sounds) for name in ASKED if name in self.metrics}
        return {name: self._mean(torch.from_numpy(values[values == values])) for name, values in hits.items()}

    def _acc(self, logits):
        named = logits[list(self._class_of)].argmax(dim=1)
        return self._mean((named == torch.tensor(list(self._class_of.values()))).double())

    def _kl(self, references, sounds):
        return self._mean(kl_divergences(references, sounds, self.networks["classifier"].head))

    def _fad(self, references, sounds):
        if not self.allow_singular:
            check_num_clips(references.shape[0], references.shape[1])
        return self._estimate(
            lambda indices: frechet_distance_of_features(references[indices], sounds[indices]), references.shape[0]
        )

    def _kad(self, references, sounds, bandwidth=None):
        # Of draws, too, the kernel is that of all references.
        return self._estimate(KernelAudioDistance(references, sounds, bandwidth), references.shape[0])

    def _mean(self, scores):
        return self._estimate(lambda indices: float(scores[indices].mean()), scores.shape[0])

    def _estimate(self, statistic, num_clips):
        def of(indices):
            return statistic(torch.from_numpy(indices))

        value, low, high = bootstrap(of, num_clips, self.num_resamples, self.seed, CONFIDENCE)
        return {"value": value, "low": low, "high": high, "num_clips": num_clips}
