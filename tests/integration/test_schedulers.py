# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
r"""
Every scheduler that diffusers exports is either refused by name, or makes what a network stands for whose answers are
known: clean latents are normally distributed, with mean 0.3 and standard deviation 0.6, in each element.

With `x_t = alpha x_0 + sigma eps`, `x_t` has mean `0.3 alpha` and variance `var = 0.36 alpha^2 + sigma^2`. The exact
denoiser is `E[x_0 | x_t] = 0.3 + 0.36 alpha (x_t - 0.3 alpha) / var`; the probability flow keeps the quantile, so that
it leads from `x_t` to `0.3 + 0.6 (x_t - 0.3 alpha) / sqrt(var)`.
"""

import diffusers
import numpy as np
import pytest
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.cache_utils import CacheMixin

from audiolcm_diffusers import AudioLCMPipeline, LCMAudioScheduler
from audiolcm_diffusers.paths import training_target
from audiolcm_diffusers.pipelines.schedules import SCHEDULERS


# diffusers' own, of numpy; and numbers that a scheduler divides by zero to, before it is refused.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")

MEAN, STD = 0.3, 0.6
PLAIN = ("epsilon", "sample", "v_prediction")

# Other scales of noise, other times, other predictions, arguments that no step has, or no generator.
REFUSED = {
    "AmusedScheduler",
    "BlockRefinementScheduler",
    "CMStochasticIterativeScheduler",
    "CogVideoXDDIMScheduler",
    "CogVideoXDPMScheduler",
    "ConsistencyDecoderScheduler",
    "CosineDPMSolverMultistepScheduler",
    "DDIMInverseScheduler",
    "DDPMWuerstchenScheduler",
    "DPMSolverMultistepInverseScheduler",
    "DPMSolverSDEScheduler",
    "DiscreteDDIMScheduler",
    "EDMDPMSolverMultistepScheduler",
    "EDMEulerScheduler",
    "EntropyBoundScheduler",
    "HeliosDMDScheduler",
    "HeliosScheduler",
    "IPNDMScheduler",
    "KarrasVeScheduler",
    "LTXEulerAncestralRFScheduler",
    "MiniMaxH3Scheduler",
    "PiflowScheduler",
    "RFD4ProteinaScheduler",
    "RePaintScheduler",
    "SCMScheduler",
    "ScoreSdeVeScheduler",
    "ScoreSdeVpScheduler",
    "UnCLIPScheduler",
    "VQDiffusionScheduler",
}

# Class, options, and the call's own.
FLOW_SOLVERS = [
    ("FlowMatchEulerDiscreteScheduler", {}, {}),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, {}),
    ("FlowMatchEulerDiscreteScheduler", {"use_karras_sigmas": True}, {}),
    ("FlowMatchEulerDiscreteScheduler", {"use_exponential_sigmas": True}, {}),
    ("FlowMatchEulerDiscreteScheduler", {"use_beta_sigmas": True}, {}),
    ("FlowMatchEulerDiscreteScheduler", {"shift_terminal": 0.02}, {}),
    ("FlowMatchHeunDiscreteScheduler", {"shift": 3.0}, {}),
    ("FlowMapEulerDiscreteScheduler", {"shift": 3.0}, {}),
    ("DEISMultistepScheduler", {"use_flow_sigmas": True}, {}),
    ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True, "flow_shift": 3.0}, {}),
    ("DPMSolverSinglestepScheduler", {"use_flow_sigmas": True, "flow_shift": 3.0}, {}),
    ("UniPCMultistepScheduler", {"use_flow_sigmas": True, "flow_shift": 3.0}, {}),
    ("UniPCMultistepScheduler", {"use_flow_sigmas": True, "use_karras_sigmas": True}, {}),
]
SOLVERS = [
    ("DDIMScheduler", {"clip_sample": False}, {}),
    ("DDIMParallelScheduler", {"clip_sample": False}, {}),
    ("DEISMultistepScheduler", {}, {}),
    ("DPMSolverMultistepScheduler", {}, {}),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}, {}),
    ("DPMSolverSinglestepScheduler", {}, {}),
    ("EulerDiscreteScheduler", {}, {}),
    ("HeunDiscreteScheduler", {}, {}),
    ("KDPM2DiscreteScheduler", {}, {}),
    ("LMSDiscreteScheduler", {}, {}),
    ("PNDMScheduler", {}, {}),
    ("TCDScheduler", {"original_inference_steps": 60}, {"eta": 0.0}),
    ("UniPCMultistepScheduler", {}, {}),
]
# They draw noise in every step: what they make has the right distribution.
SAMPLERS = [
    ("DDPMScheduler", {"clip_sample": False}),
    ("DDPMParallelScheduler", {"clip_sample": False}),
    ("EulerAncestralDiscreteScheduler", {}),
    ("KDPM2AncestralDiscreteScheduler", {}),
    ("SASolverScheduler", {}),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
]
FLOW_SAMPLERS = [
    ("SASolverScheduler", {"use_flow_sigmas": True}),
    ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True, "algorithm_type": "sde-dpmsolver++"}),
]
# They take the network's clean latents for those at the end of the flow, which a student's are.
CONSISTENCY_SAMPLERS = [("LCMScheduler", {}), ("LCMAudioScheduler", {})]
FLOW_CONSISTENCY_SAMPLERS = [
    ("FlowMatchLCMScheduler", {"shift": 3.0}),
    ("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}),
    ("LCMAudioScheduler", {"shift": 3.0}),
]


class NormalModel(ModelMixin, ConfigMixin, CacheMixin):
    """A network that knows the distribution: the exact denoiser, or the end of the exact flow."""

    @register_to_config
    def __init__(
        self,
        prediction_type: str,
        knows_the_end: bool = False,
        in_channels: int = 4,
        cross_attention_dim: int = 8,
        time_cond_proj_dim: int | None = None,
        sigmas: list | None = None,
    ):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.told = []

    def numbers(self, timestep):
        if self.config.prediction_type == "flow_prediction":
            return 1 - timestep / 1000, timestep / 1000
        # Between two timesteps of the noise schedule, sigma / alpha is linear, as schedulers have it.
        ratio = np.interp(timestep, np.arange(1000), self.config.sigmas)
        alpha = 1 / (1 + ratio**2) ** 0.5
        return alpha, ratio * alpha

    def forward(self, hidden_states, timestep, **_):
        assert (timestep == timestep[0]).all()
        self.told.append(timestep[0].item())
        alpha, sigma = self.numbers(self.told[-1])
        x = hidden_states.double()
        var = (STD * alpha) ** 2 + sigma**2
        if self.config.knows_the_end:
            x0 = MEAN + STD * (x - alpha * MEAN) / var**0.5
        else:
            x0 = MEAN + STD**2 * alpha * (x - alpha * MEAN) / var
        # At the end of its way a scheduler may ask at no noise, where the noise is anyone's guess.
        eps = (x - alpha * x0) / max(sigma, 1e-6)
        return (training_target(x0, eps, alpha, sigma, self.config.prediction_type).to(hidden_states.dtype),)


def make_scheduler(name, prediction_type, options):
    cls = LCMAudioScheduler if name == "LCMAudioScheduler" else getattr(diffusers, name)
    if not name.startswith("Flow"):
        options = {"prediction_type": prediction_type, **options}
        if prediction_type != "flow_prediction":
            options = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", **options}
    return cls(**options)


def sample(scheduler, prediction_type, num_inference_steps, knows_the_end=False, **call):
    """Latents made from noise, the noise, and the alpha and sigma that the network stood at first."""
    alphas_cumprod = getattr(scheduler, "alphas_cumprod", None)
    sigmas = None if alphas_cumprod is None else ((1 - alphas_cumprod) / alphas_cumprod).sqrt().tolist()
    transformer = NormalModel(prediction_type, knows_the_end=knows_the_end, sigmas=sigmas)
    text = dict.fromkeys(["text_encoder", "projection_model", "text_encoder_2", "tokenizer", "tokenizer_2"])
    # All of it is seen at once: what is told is told once a step.
    options = {"window_length_in_s": 100.0}
    pipe = AudioLCMPipeline(vae=None, **text, transformer=transformer, scheduler=scheduler, vocoder=None, **options)
    pipe.set_progress_bar_config(disable=True)
    noise = torch.randn(2, 4, 1024, generator=torch.Generator().manual_seed(0))
    latents = pipe(
        prompt_embeds=torch.zeros(2, 2, 8),
        latents=noise,
        num_inference_steps=num_inference_steps,
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(1),
        output_type="latent",
        **call,
    ).audios
    return latents, noise, transformer


def predictions_of(cases, flow_cases):
    """A case for each prediction type that its scheduler steps."""
    every = [(prediction, case) for case in cases for prediction in SCHEDULERS[case[0]] if prediction in PLAIN]
    every += [("flow_prediction", case) for case in flow_cases]
    return [
        pytest.param(name, prediction, *rest, id=f"{name}-{prediction}-{rest[0]}")
        for prediction, (name, *rest) in every
    ]


@pytest.mark.parametrize(("name", "prediction_type", "options", "call"), predictions_of(SOLVERS, FLOW_SOLVERS))
def test_a_solver_arrives_where_the_flow_leads(name, prediction_type, options, call):
    scheduler = make_scheduler(name, prediction_type, options)
    latents, noise, transformer = sample(scheduler, prediction_type, 60, **call)
    alpha, sigma = transformer.numbers(999 if prediction_type != "flow_prediction" else 1000)
    expected = MEAN + STD * (noise - alpha * MEAN) / ((STD * alpha) ** 2 + sigma**2) ** 0.5
    assert (latents - expected).abs().mean() < 0.035


@pytest.mark.parametrize(("name", "prediction_type", "options"), predictions_of(SAMPLERS, FLOW_SAMPLERS))
def test_a_sampler_makes_the_distribution(name, prediction_type, options):
    scheduler = make_scheduler(name, prediction_type, options)
    latents, _, _ = sample(scheduler, prediction_type, 150)
    assert latents.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert latents.std().item() == pytest.approx(STD, rel=0.05)


@pytest.mark.parametrize(
    ("name", "prediction_type", "options"), predictions_of(CONSISTENCY_SAMPLERS, FLOW_CONSISTENCY_SAMPLERS)
)
@pytest.mark.parametrize("num_inference_steps", [1, 4])
def test_a_consistency_sampler_makes_the_distribution_in_few_steps(
    name, prediction_type, options, num_inference_steps
):
    scheduler = make_scheduler(name, prediction_type, options)
    latents, _, _ = sample(scheduler, prediction_type, num_inference_steps, knows_the_end=True)
    assert latents.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert latents.std().item() == pytest.approx(STD, rel=0.04)


def test_every_scheduler_that_runs_is_tried_with_all_that_it_is_said_to_step():
    tried = {
        (case.values[0], case.values[1])
        for cases in (
            (SOLVERS, FLOW_SOLVERS),
            (SAMPLERS, FLOW_SAMPLERS),
            (CONSISTENCY_SAMPLERS, FLOW_CONSISTENCY_SAMPLERS),
        )
        for case in predictions_of(*cases)
    }
    assert tried == {(name, prediction) for name, predictions in SCHEDULERS.items() for prediction in predictions}


def test_every_scheduler_of_diffusers_is_known():
    """A new one in a later version is to be tried, and added to one of the two lists."""
    exported = {name for name in dir(diffusers.schedulers) if name.endswith("Scheduler")}
    assert exported | {"LCMAudioScheduler"} == set(SCHEDULERS) | REFUSED
    assert not set(SCHEDULERS) & REFUSED


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_the_others_are_refused_by_name(name):
    cls = getattr(diffusers.schedulers, name)
    with pytest.raises(ValueError, match=f"one of DDIMParallelScheduler, .*UniPCMultistepScheduler, got {name}"):
        sample(cls.__new__(cls), "epsilon", 2)


def test_a_subclass_counts_as_what_it_is_made_from():
    class Mine(diffusers.DDIMScheduler):
        pass

    latents, _, _ = sample(Mine(clip_sample=False), "epsilon", 10)
    expected, _, _ = sample(diffusers.DDIMScheduler(clip_sample=False), "epsilon", 10)
    assert torch.equal(latents, expected)


def test_no_step_is_left_out_where_rounding_makes_the_first_two_times_alike():
    options = {"use_flow_sigmas": True, "flow_shift": 3.0}
    scheduler = make_scheduler("UniPCMultistepScheduler", "flow_prediction", options)
    _, _, transformer = sample(scheduler, "flow_prediction", 500)
    assert transformer.told[0] == transformer.told[1]
    assert transformer.told == scheduler.timesteps.tolist()
    assert scheduler.step_index == 500


class TestTimes:
    """What the network is told of a flow is 1000 tau."""

    def test_of_an_euler_solver_with_a_shift(self):
        """tau = 1, 2/3, 1/3 before the shift, nearly: diffusers begins at 1 and ends at 0.001. 3 tau / (1 + 2 tau)."""
        _, _, transformer = sample(diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0), "flow_prediction", 3)
        smallest = 3 * 0.001 / 1.002
        middle = (1 + smallest) / 2
        expected = [1000 * 3 * tau / (1 + 2 * tau) for tau in (1, middle, smallest)]
        assert transformer.told == pytest.approx(expected, rel=1e-4)

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
            ("FlowMatchLCMScheduler", {"shift": 3.0}),
            ("FlowMapEulerDiscreteScheduler", {"shift": 3.0}),
            ("LCMAudioScheduler", {"shift": 3.0}),
        ],
    )
    def test_given_ones_are_not_shifted_again(self, name, options):
        scheduler = make_scheduler(name, "flow_prediction", options)
        _, _, transformer = sample(scheduler, "flow_prediction", 2, timesteps=[1000, 750.5, 300])
        assert transformer.told == pytest.approx([1000, 750.5, 300], abs=0.01)

    def test_an_euler_step_goes_from_one_given_time_to_the_next(self):
        scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
        latents, noise, transformer = sample(scheduler, "flow_prediction", 2, timesteps=[1000, 400])
        x = noise
        for tau, tau_next in ((1.0, 0.4), (0.4, 0.0)):
            x = x - (tau - tau_next) * transformer(x, torch.tensor([1000 * tau]))[0]
        torch.testing.assert_close(latents, x, atol=1e-5, rtol=1e-5)

    def test_multistep_solvers_cut_them_to_whole_numbers(self):
        scheduler = make_scheduler("UniPCMultistepScheduler", "flow_prediction", {"use_flow_sigmas": True})
        _, _, transformer = sample(scheduler, "flow_prediction", 2, timesteps=[900, 400.5])
        assert transformer.told == pytest.approx([900, 400.5], abs=1)

    @pytest.mark.parametrize(
        ("name", "options", "timesteps", "message"),
        [
            ("FlowMatchHeunDiscreteScheduler", {}, [1000, 500], "takes no custom `timesteps`"),
            ("FlowMatchEulerDiscreteScheduler", {"use_karras_sigmas": True}, [1000, 500, 200], "does not take"),
            ("FlowMatchEulerDiscreteScheduler", {"shift_terminal": 0.1}, [1000, 500], "does not take `timesteps`"),
            ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True}, [1000, 500], "takes no custom `timesteps`"),
            ("FlowMatchEulerDiscreteScheduler", {}, [1000.5, 500], r"up to 1000, pure noise, got \[1000.5, 500\]"),
            ("FlowMatchEulerDiscreteScheduler", {}, [1000, 0], r"a flow above 0 and up to 1000, .* got \[1000, 0\]"),
            ("FlowMatchEulerDiscreteScheduler", {}, [500, 1000], r"to be descending, got \[500, 1000\]"),
        ],
    )
    def test_others_than_given_are_refused(self, name, options, timesteps, message):
        scheduler = make_scheduler(name, "flow_prediction", options)
        with pytest.raises(ValueError, match=message):
            sample(scheduler, "flow_prediction", 2, timesteps=timesteps)


class TestOptions:
    @pytest.mark.parametrize(
        ("name", "options", "message"),
        [
            ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True}, "use_dynamic_shifting=True"),
            ("FlowMatchEulerDiscreteScheduler", {"invert_sigmas": True}, "invert_sigmas=True"),
            ("FlowMatchLCMScheduler", {"invert_sigmas": True}, "invert_sigmas=True"),
            ("FlowMatchLCMScheduler", {"scale_factors": [0.5]}, r"no scale_factors, got \[0.5\]"),
            (
                "DPMSolverMultistepScheduler",
                {"use_flow_sigmas": True, "use_karras_sigmas": True},
                "DPMSolverMultistepScheduler would tell the network other times",
            ),
            ("DPMSolverMultistepScheduler", {}, "use_flow_sigmas=True, got False"),
            ("DDIMScheduler", {}, "DDIMScheduler is for networks .* got prediction_type='flow_prediction'"),
        ],
    )
    def test_that_would_go_wrong_with_a_flow(self, name, options, message):
        with pytest.raises(ValueError, match=message):
            sample(make_scheduler(name, "flow_prediction", options), "flow_prediction", 4)

    def test_one_step_to_a_terminal_shift_is_no_number(self):
        scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift_terminal=0.1)
        with pytest.raises(ValueError, match="FlowMatchEulerDiscreteScheduler would tell the network other times"):
            sample(scheduler, "flow_prediction", 1)

    @pytest.mark.parametrize(
        ("name", "prediction_type", "options", "message"),
        [
            ("PNDMScheduler", "sample", {}, "PNDMScheduler is for .* 'epsilon' or 'v_prediction', got .*'sample'"),
            ("EulerAncestralDiscreteScheduler", "sample", {}, "got prediction_type='sample'"),
            ("EulerDiscreteScheduler", "v_prediction", {"timestep_type": "continuous"}, "timestep_type='continuous'"),
            ("DDPMScheduler", "epsilon", {"variance_type": "learned"}, "variance_type='learned'"),
            ("UniPCMultistepScheduler", "epsilon", {"use_flow_sigmas": True}, "'flow_prediction' .* got 'epsilon'"),
        ],
    )
    def test_that_would_go_wrong_on_the_variance_preserving_path(self, name, prediction_type, options, message):
        with pytest.raises(ValueError, match=message):
            sample(make_scheduler(name, prediction_type, options), prediction_type, 4)


class TestConfigsOfTheOtherKind:
    """`from_config` takes any scheduler's config, and a network does not change with its scheduler."""

    @pytest.mark.parametrize("prediction_type", PLAIN)
    @pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"])
    def test_a_flow_scheduler_of_a_variance_preserving_one(self, name, prediction_type, tmp_path):
        LCMAudioScheduler(prediction_type=prediction_type).save_pretrained(tmp_path)
        config = LCMAudioScheduler.load_config(tmp_path)
        scheduler = getattr(diffusers, name).from_config(config)
        with pytest.raises(ValueError, match=f"{name} is for .*'flow_prediction', got .*{prediction_type!r}"):
            sample(scheduler, prediction_type, 2)

    @pytest.mark.parametrize("name", ["DDIMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler"])
    @pytest.mark.parametrize(
        "source",
        ["FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "FlowMatchLCMScheduler"],
    )
    def test_a_variance_preserving_one_of_a_flow_scheduler(self, source, name, tmp_path):
        getattr(diffusers, source)(shift=3.0).save_pretrained(tmp_path)
        scheduler = getattr(diffusers, name).from_pretrained(tmp_path)
        with pytest.raises(ValueError, match=f"{name} was made from the config of a flow-matching scheduler"):
            sample(scheduler, "flow_prediction", 2)

    @pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler"])
    def test_a_variance_preserving_one_of_a_multistep_flow_scheduler(self, name):
        source = make_scheduler("DPMSolverMultistepScheduler", "flow_prediction", {"use_flow_sigmas": True})
        scheduler = getattr(diffusers, name).from_config(source.config)
        with pytest.raises(ValueError, match=f"{name} is for networks .* got prediction_type='flow_prediction'"):
            sample(scheduler, "flow_prediction", 2)

    @pytest.mark.parametrize("name", [*SCHEDULERS])
    def test_ours_goes_to_all_of_its_kind(self, name, tmp_path):
        """A saved config names every option, and none of them keeps a scheduler of the same kind from running."""
        prediction_type = SCHEDULERS[name][0]
        LCMAudioScheduler(prediction_type=prediction_type).save_pretrained(tmp_path)
        config = LCMAudioScheduler.load_config(tmp_path)
        cls = LCMAudioScheduler if name == "LCMAudioScheduler" else getattr(diffusers, name)
        latents, _, _ = sample(cls.from_config(config), prediction_type, 4)
        assert latents.isfinite().all()
