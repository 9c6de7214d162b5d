# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""
Ablations: short trainings of equal budget, each of which differs from a baseline in one choice, judged alike.

    python training/ablations.py --data_dir DATA/train --eval_dir DATA/validation --classifier runs/judge/model \\
        --output_dir runs/ablations

A recipe names groups of rows. Each row is a run of a training script, in `runs/ablations/GROUP/ROW`. Given again after
it was stopped, the command trains and judges what is missing. `runs/ablations/ablations.md` has a table a group,
`ablations.json` the same for programs, and two rows' folders are what `audiolcm evaluate --compare` reads.
"""

import dataclasses
import importlib.util
import json
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from audiolcm_diffusers.evaluation import (
    EvaluationOptions,
    EvaluationResults,
    evaluate,
    load_classifier,
    read_references,
)
from audiolcm_diffusers.evaluation.evaluation import describe_protocol, make_judge, notes_on
from audiolcm_diffusers.evaluation.protocol import RESULTS, SAMPLING_RATE, differences, software_versions
from audiolcm_diffusers.evaluation.report import table_lines
from audiolcm_diffusers.evaluation.sounds import describe_pipeline
from audiolcm_diffusers.files import replacing
from audiolcm_diffusers.pipelines.loading import find_model, load_pipeline, no_loading_bars, pick_device, pick_dtype
from audiolcm_diffusers.trainer import ExampleConfig, flags_of, option, options_of_file, parse_config


TABLE, SUMMARY, CACHE = "ablations.md", "ablations.json", "cache"
# What this script says of every run.
OWN_OPTIONS = ("data_dir", "dataset_name", "cache_dir", "output_dir", "resume_from_checkpoint")
# What the rows of a group have in common, so that they can be compared.
BUDGET = ("max_train_steps", "seconds_per_batch", "gradient_accumulation_steps")
GROUP_KEYS = ("script", "recipe", "options", "evaluation", "rows")
ROW_KEYS = ("label", "options")
# Arguments of the pipeline.
EVALUATION_KEYS = ("num_inference_steps", "guidance_scale", "audio_length_in_s")


@dataclass(frozen=True, kw_only=True)
class AblationsConfig:
    eval_dir: str = field(metadata={"help": "Held-out clips: their captions are the prompts, they the references."})
    classifier: str = field(metadata={"help": "Folder of the judge of all rows, of train_judge.py for one."})
    output_dir: str = field(metadata={"help": "Where runs, the cache, features and the tables go."})
    data_dir: str | None = option(None, "Captioned clips to train on, as the training scripts take them.")
    recipe: str = option("training/recipes/mini/ablations.json", "JSON file of what is trained.")
    only: list[str] | None = field(
        default=None, metadata={"help": "Train these alone, GROUP or GROUP/ROW; whatever is finished is judged."}
    )
    evaluate_only: bool = option(False, "Train nothing; judge what is finished.")
    seed: int = option(0, "Seed of sounds and resamples; that of a training is an option of its script.")
    batch_size: int = option(8, "Sounds that are made and judged at a time.")
    num_resamples: int = option(200, "Bootstrap resamples of the intervals.")
    allow_singular: bool = option(False, "Compute FAD of fewer clips than its covariances need, too.")

    def __post_init__(self):
        if self.data_dir is None and not self.evaluate_only:
            raise ValueError("Expected data_dir, to train on, or evaluate_only; got neither.")
        if self.only is not None and self.evaluate_only:
            raise ValueError(f"only={self.only} says what is trained; with evaluate_only there is nothing to train.")
        if self.data_dir is not None and not Path(self.data_dir).exists():
            raise ValueError(f"There are no clips to train on in {self.data_dir!r}.")
        for name in ("batch_size", "num_resamples"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} >= 1, got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training: `options` are those in which it differs from its group's baseline, `flags` all of them."""

    group: str
    name: str
    label: str
    options: dict
    script: Path
    flags: list[str]
    training: object  # the script's own config
    evaluation: dict
    folder: Path

    def __str__(self):
        return f"{self.group}/{self.name}"

    @property
    def is_finished(self):
        """`bool`: Whether the trained model is there, which is put in place at the end of a run."""
        return (self.folder / "model").is_dir()


def checked(where, value):
    """An object of a recipe, which is refused where it is something else or empty."""
    if not isinstance(value, dict) or not value:
        raise ValueError(f"Expected {where} to be an object with something in it, got {value!r}.")
    return value


def check_keys(where, value, keys):
    """Refuse what is no object of these keys, all of them."""
    if checked(where, value).keys() != set(keys):
        raise ValueError(f"Expected {where} to have {', '.join(keys)}; got {', '.join(value) or 'nothing'}.")


def config_of(script):
    """The dataclass of a training script's options, the one that the script itself defines."""
    if not script.is_file():
        raise ValueError(f"There is no training script {str(script)!r}.")
    spec = importlib.util.spec_from_file_location(script.stem, script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (config_class,) = (
        value
        for value in vars(module).values()
        if dataclasses.is_dataclass(value) and value.__module__ == module.__name__
    )
    return config_class


def read_options(where, config_class, options):
    """
    What a training script will make of options.

    Raises:
        ValueError: If it has no such option, or refuses a value.
    """
    known = [field.name for field in fields(config_class)]
    for name in options:
        # argparse would take the beginning of a name for the name.
        if name not in known:
            raise ValueError(f"{where}: {config_class.__name__} has no option {name!r}; it has {', '.join(known)}.")
    try:
        return parse_config(config_class, flags_of(options))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    except SystemExit as error:
        # argparse has written what is wrong.
        raise ValueError(f"{where}: {config_class.__name__} does not take {options}.") from error


def check_evaluation(where, evaluation):
    """Refuse settings that no pipeline takes."""
    check_keys(where, evaluation, EVALUATION_KEYS)
    for name, value in evaluation.items():
        kinds = (int,) if name == "num_inference_steps" else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or value <= 0:
            wanted = "a whole number" if name == "num_inference_steps" else "a number"
            raise ValueError(f"Expected {name} of {where} to be {wanted} above 0, got {value!r}.")


def read_recipe(config):
    r"""
    Read a recipe, and let every training script read its options.

    A group's options override those of its recipe file, and a row's those of its group; `null` leaves one out.

    Args:
        config ([`AblationsConfig`]): The options.

    Returns:
        `tuple[dict | None, list[Row]]`: Options of `cache_latents.py`, where one is made for all rows, and the rows.

    Raises:
        ValueError: If the file is missing or says something else, or a script refuses an option; naming the row.
    """
    recipe = options_of_file(config.recipe)
    check_keys(repr(config.recipe), {"cache": None, **recipe}, ("cache", "groups"))
    training, output = Path(__file__).parent, Path(config.output_dir)
    cache = recipe.get("cache")
    # With evaluate_only nobody reads the data that the options have to name.
    data = {"data_dir": config.data_dir or config.eval_dir}
    if cache is not None:
        read_options("cache", config_of(training / "cache_latents.py"), {**cache, **data, "output_dir": "cache"})
        data = {"cache_dir": str(output / CACHE)}
    decided = {} if cache is None else {field.name for field in fields(ExampleConfig)}

    rows = []
    for group, described in checked(f"the groups of {config.recipe!r}", recipe["groups"]).items():
        check_keys(f"the group {group!r}", described, GROUP_KEYS)
        check_evaluation(f"the evaluation of {group!r}", described["evaluation"])
        script = training / described["script"]
        config_class = config_of(script)
        common = {**options_of_file(described["recipe"]), **described["options"]}
        for index, (name, row) in enumerate(checked(f"the rows of {group!r}", described["rows"]).items()):
            where = f"{group}/{name}"
            check_keys(f"the row {where!r}", row, ROW_KEYS)
            if (index == 0) != (row["options"] == {}):
                raise ValueError(
                    f"Expected the first row of {group!r}, its baseline, and no other to have no options of its own; "
                    f"got {row['options']} in {where!r}."
                )
            options = {**common, **row["options"]}
            given = {option_name for option_name, value in options.items() if value is not None}
            for option_name in sorted(given & {*OWN_OPTIONS, *decided}):
                owner = "the cache" if option_name in decided else "the command"
                raise ValueError(
                    f"{where}: {option_name} is decided by {owner}, got {options[option_name]!r}; null leaves it out."
                )
            for option_name in BUDGET:
                if option_name in row["options"]:
                    raise ValueError(
                        f"{where}: all rows of a group have one budget, got {option_name}="
                        f"{row['options'][option_name]!r} in a row."
                    )
            folder = output / group / name
            options |= {**data, "output_dir": str(folder), "resume_from_checkpoint": "latest"}
            training_options = read_options(where, config_class, options)
            # A teacher has none, and may be asked for any number of steps.
            points = getattr(training_options, "num_solver_timesteps", None)
            steps = described["evaluation"]["num_inference_steps"]
            if points is not None and steps > points:
                raise ValueError(
                    f"{where}: a student of num_solver_timesteps={points} cannot take num_inference_steps={steps}."
                )
            rows.append(
                Row(
                    group=group,
                    name=name,
                    label=row["label"],
                    options=row["options"],
                    script=script,
                    flags=flags_of(options),
                    training=training_options,
                    evaluation=described["evaluation"],
                    folder=folder,
                )
            )
    return cache, rows


def check_held(row):
    """
    Refuse a folder in which a row was trained, or begun, with other options. Paths may differ.

    Raises:
        ValueError: Naming an option and both its values.
    """
    path = row.folder / "config.json"
    if not path.is_file():
        if row.is_finished:
            raise ValueError(f"{row}: {str(row.folder)!r} has a model, but no config.json that tells its options.")
        return
    held = json.loads(path.read_text(encoding="utf-8"))
    wanted = json.loads(json.dumps(asdict(row.training)))
    # An option that came after a run had its default in it.
    defaults = {field.name: field.default for field in fields(row.training)}
    for name, value in wanted.items():
        if name in OWN_OPTIONS:
            continue
        before = held.get(name, defaults[name])
        if name.endswith("_dir") and before is not None and value is not None:
            # The same folder may be named in several ways.
            before, value = Path(before).name, Path(value).name
        if before != value:
            raise ValueError(
                f"{row}: {str(row.folder)!r} was trained with {name}={before!r}, and the "
                f"recipe says {value!r}. Remove the folder to train anew, or name another output_dir."
            )


def chosen_rows(rows, only):
    """The rows that a list of GROUP and GROUP/ROW names; all without a list."""
    known = {name for row in rows for name in (row.group, str(row))}
    for name in only or ():
        if name not in known:
            raise ValueError(f"Expected only to name groups and rows of {', '.join(map(str, rows))}; got {name!r}.")
    return [row for row in rows if only is None or row.group in only or str(row) in only]


def run_script(script, flags, what):
    """
    Run a training script in a process of its own: nothing of one row reaches the next. Where this process is asked to
    stop, so is the script, which saves a checkpoint.

    Raises:
        RuntimeError: If it fails.
        SystemExit: With status 143, if SIGTERM arrives.
    """
    process = subprocess.Popen([sys.executable, str(script), *flags])
    handler_before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        status = process.wait()
    finally:
        process.terminate()
        process.wait()
        signal.signal(signal.SIGTERM, handler_before)
    if status != 0:
        raise RuntimeError(f"{what} ended with status {status}; what it wrote stands above. Rows before it are kept.")


def train(rows, cache, config):
    """Train rows that are not finished, in their order, on a cache that is made or completed before."""
    missing = [row for row in rows if not row.is_finished]
    if cache is not None and missing:
        options = {**cache, "data_dir": config.data_dir, "output_dir": Path(config.output_dir) / CACHE}
        run_script(Path(__file__).with_name("cache_latents.py"), flags_of(options), "The cache")
    for index, row in enumerate(missing, start=1):
        print(f"{row}: training {index} of {len(missing)}", flush=True)
        run_script(row.script, row.flags, f"The training of {row}")


class Evaluation:
    r"""
    The clips and the judge that all rows share.

    Args:
        config ([`AblationsConfig`]): The options.

    Raises:
        ValueError: If clips or judge cannot be read, or the clips are too few.
    """

    def __init__(self, config):
        self.config = config
        self.device = pick_device(None)
        self.dtype = pick_dtype(None, self.device)
        self.references = read_references(Path(config.eval_dir))
        with no_loading_bars(downloads=False):
            self.classifier = load_classifier(config.classifier, self.device)
        self.options = EvaluationOptions(
            allow_singular=config.allow_singular,
            num_resamples=config.num_resamples,
            seed=config.seed,
            batch_size=config.batch_size,
            controls=False,
        )
        self.judge = make_judge(self.classifier, None, self.references, self.options)
        self.judge.check(len(self.references.clips))

    def results(self, row):
        r"""
        What `audiolcm evaluate` would write of a row's model, without controls, in the row's folder. It is read where
        it was written before of the same model by the same protocol.

        Args:
            row ([`Row`]): Finished.

        Returns:
            `dict`: See [`~audiolcm_diffusers.evaluation.protocol.read_results`]; of one row.
        """
        steps, scale, duration_s = (row.evaluation[name] for name in EVALUATION_KEYS)
        pipe = load_pipeline(find_model(str(row.folder / "model")), self.device, self.dtype)
        if (row.folder / RESULTS).is_file():
            held = EvaluationResults.load(row.folder).data
            num_samples = round(duration_s * SAMPLING_RATE)
            protocol = describe_protocol(self.references, self.judge, self.config.seed, num_samples)
            generation = {
                **describe_pipeline(row, pipe),
                "num_inference_steps": steps,
                "guidance_scale": scale,
            }
            same = {**held["rows"][0]["generation"], **generation} == held["rows"][0]["generation"]
            if same and not differences(held, {"protocol": protocol, "software": software_versions()}):
                return held
        results = evaluate(
            pipe,
            self.references,
            self.classifier,
            options=self.options,
            num_inference_steps=steps,
            guidance_scales=scale,
            audio_length_in_s=duration_s,
            cache_dir=Path(self.config.output_dir) / "features",
            model_name=str(row),
        )
        results.save(row.folder, overwrite=True, plot=False)
        print(f"{row}: judged", flush=True)
        return results.data


def summary_of(rows, judged, config):
    r"""
    Gather what is known.

    Args:
        rows (`list[Row]`): All rows of the recipe.
        judged (`dict[str, dict]`): Results by the rows' names.
        config ([`AblationsConfig`]): The options.

    Returns:
        `dict`: For each group with a row that is judged: script, budget, evaluation, rows, protocol, software, and
        `missing`, the names of the rows that are not finished.
    """
    groups = {}
    for row in rows:
        if not row.is_finished:
            groups.setdefault(row.group, {"rows": []}).setdefault("missing", []).append(row.name)
        if str(row) not in judged:
            continue
        results = judged[str(row)]
        (found,) = results["rows"]
        group = groups.setdefault(row.group, {"rows": []})
        group |= {
            "script": row.script.name,
            "budget": {name: getattr(row.training, name) for name in BUDGET},
            "seed": row.training.seed,
            "evaluation": row.evaluation,
            "protocol": results["protocol"],
            "software": results["software"],
        }
        facts = {name: found[name] for name in ("metrics", "generation", "num_silent")}
        group["rows"].append({"name": row.name, "label": row.label, "options": row.options, **facts})
    return {"recipe": config.recipe, "groups": {name: group for name, group in groups.items() if group["rows"]}}


def report_lines(summary, judge):
    r"""
    The summary for people, in Markdown.

    Args:
        summary (`dict`): From [`summary_of`].
        judge ([`~audiolcm_diffusers.evaluation.judge.Judge`]): Of all rows.

    Returns:
        `list[str]`: Lines: for each group its budget, the table, and what it is of.
    """
    lines = [f"# Ablations of `{summary['recipe']}`"]
    for name, group in summary["groups"].items():
        budget, evaluation = group["budget"], group["evaluation"]
        batches = budget["gradient_accumulation_steps"]
        steps = evaluation["num_inference_steps"]
        several = f" {batches} batches of" if batches > 1 else ""
        remarks = notes_on(group["protocol"], judge)
        remarks += [
            f"{row['name']}: {row['num_silent']} sounds are silent, below -60 dB."
            for row in group["rows"]
            if row["num_silent"]
        ]
        if group.get("missing"):
            remarks.append(f"Not trained yet: {', '.join(group['missing'])}.")
        lines += [
            "",
            f"## {name}",
            "",
            f"`{group['script']}`, {budget['max_train_steps']} steps of{several} {budget['seconds_per_batch']:g} s of "
            f"sound for every row, seed {group['seed']}. Judged with {steps} step{'s' if steps != 1 else ''}, "
            f"guidance scale {evaluation['guidance_scale']:g}. Rows differ from the first in what they name.",
            "",
        ]
        rows = [{"name": f"{row['name']}: {row['label']}", "metrics": row["metrics"]} for row in group["rows"]]
        lines += table_lines({"protocol": group["protocol"], "rows": rows, "notes": remarks})
    return lines


def main(config):
    cache, rows = read_recipe(config)
    for row in rows:
        check_held(row)
    chosen = [] if config.evaluate_only else chosen_rows(rows, config.only)
    # What can be refused is refused before hours of training.
    evaluation = Evaluation(config)
    Path(config.output_dir).mkdir(parents=True, exist_ok=True)
    train(chosen, cache, config)

    judged, failed = {}, {}
    for row in rows:
        if row.is_finished:
            try:
                judged[str(row)] = evaluation.results(row)
            except ValueError as error:
                # The others are judged all the same.
                failed[str(row)] = f"{row} cannot be judged: {error}"
    if not judged and not failed:
        raise ValueError(
            f"No row of {config.recipe!r} is finished in {config.output_dir!r}: there is nothing to judge."
        )
    summary = summary_of(rows, judged, config)
    lines = report_lines(summary, evaluation.judge)
    if failed:
        lines += ["", *failed.values()]
    with replacing(Path(config.output_dir) / TABLE) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with replacing(Path(config.output_dir) / SUMMARY) as temporary:
        temporary.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print("\n".join(["", *lines]), flush=True)
    if failed:
        raise RuntimeError(" ".join(failed.values()))


if __name__ == "__main__":
    main(parse_config(AblationsConfig))
