# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""What the README and its neighbours show is run, parsed or looked up."""

import dataclasses
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from diffusers import DDIMScheduler
from hub_stand_in import hub_stand_in
from huggingface_hub import ModelCard
from peft import LoraConfig, get_peft_model_state_dict
from serving import served

from audiolcm_diffusers import MINI_CHECKPOINT, AudioLCMPipeline
from audiolcm_diffusers.commands import build_parser, main
from audiolcm_diffusers.evaluation.sound_classifier import make_judge
from audiolcm_diffusers.trainer import parse_config
from audiolcm_diffusers.web.server import make_app
from audiolcm_diffusers.web.studio import Studio


ROOT = Path(__file__).parents[1]
# In the order in which their snippets are run, each after the README's.
GUIDES = ["docs/editing.md", "docs/teachers_and_adapters.md", "docs/evaluation.md"]
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "comfyui_audiolcm/README.md",
    *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md")),
    *(f"model_cards/{path.name}" for path in ROOT.glob("model_cards/*.md")),
]


def blocks(document, language):
    """The code blocks of a document that are in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / document).read_text(encoding="utf-8"), re.M | re.S)


def commands(program, document="README.md"):
    """The words of each command of a document that runs a program."""
    lines = [line for block in blocks(document, "bash") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith(program)]


def test_snippets_run(make_pipeline, make_llama_transformer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Where the README uses a teacher and a LoRA that its reader has trained, here are tiny ones.
    teacher = make_pipeline(transformer=make_llama_transformer(time_cond_proj_dim=None), scheduler=DDIMScheduler())
    teacher.save_pretrained("runs/teacher/model")
    teacher.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    teacher.save_lora_weights("runs/lcm_lora", get_peft_model_state_dict(teacher.transformer))

    # And where it has recordings and a judge of them, tones of two captions and one with random weights.
    Path("DATA/validation").mkdir(parents=True)
    lines = ["file_name,caption"]
    for index in range(4):
        tone = np.sin(2 * np.pi * (300 + 150 * index) * np.arange(24000) / 16000)
        soundfile.write(f"DATA/validation/{index}.wav", 0.3 * tone, 16000)
        lines.append(f"{index}.wav,{('a low tone', 'a high tone')[index // 2]}")
    Path("DATA/validation/metadata.csv").write_text("\n".join(lines))
    make_judge(["a low tone", "a high tone"], widths=(8, 8, 8, 8)).save_pretrained("runs/judge/model")

    names = {}
    for document in ["README.md", *GUIDES]:
        snippets = blocks(document, "python")
        assert len(snippets) >= 1
        for snippet in snippets:
            exec(compile(snippet, document, "exec"), names)

    info = soundfile.info("dog.wav")
    assert (info.samplerate, info.channels, info.frames) == (16000, 1, 80000)
    assert names["teacher"].scheduler.__class__.__name__ == "LCMAudioScheduler"
    assert names["teacher"].get_active_adapters() == ["lcm"]
    assert list(names["results"].metrics)[-1] == "model, 2 steps, scale 5"
    assert {path.name for path in Path("runs/evaluation").iterdir()} == {"table.md", "steps.png", "results.json"}


# Launched as a module, it is the same command.
LAUNCHED = "accelerate launch -m audiolcm_diffusers"


@pytest.mark.parametrize(
    "words",
    [
        words[len(start) :]
        for document in DOCUMENTS
        for start in (["audiolcm"], LAUNCHED.split())
        for words in commands(" ".join(start), document)
    ],
    ids=" ".join,
)
def test_commands_parse(words):
    parser, _ = build_parser(words[0])
    assert parser.parse_args(words).command == words[0]


@pytest.mark.parametrize(
    ("commands", "document", "title"),
    [
        (["generate", "edit"], "command_line", None),
        (["serve"], "serving", "Options"),
        (["export-hub", "export-onnx"], "sharing", None),
        (["evaluate"], "evaluation", "Evaluate"),
        (["inspect"], "evaluation", "Look closer"),
        (["benchmark generation"], "performance", "Making sound at the published size"),
    ],
)
def test_options_are_all_there(commands, document, title, capsys):
    for command in commands:
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
    help_text = capsys.readouterr().out
    section = (ROOT / f"docs/{document}.md").read_text(encoding="utf-8")
    if title is not None:
        section = section.split(f"\n## {title}\n")[1].split("\n## ")[0]
    options = re.compile(r"--[a-z][a-z-]*")
    assert set(options.findall(section)) == set(options.findall(help_text)) - {"--help"}


def script_and_options(words):
    """The script that a launcher's command names, and what follows it."""
    first = next(index for index, word in enumerate(words) if word.endswith(".py"))
    return words[first], words[first + 1 :]


@pytest.mark.parametrize(
    "words",
    [
        *(words for document in DOCUMENTS for words in commands("accelerate launch training", document)),
        *commands("accelerate launch", "training/README.md"),
    ],
    ids=lambda words: script_and_options(words)[0],
)
def test_training_commands_parse(words, monkeypatch):
    monkeypatch.chdir(ROOT)
    path, options = script_and_options(words)
    spec = importlib.util.spec_from_file_location(f"readme_{Path(path).stem}", ROOT / path)
    script = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    monkeypatch.setitem(sys.modules, spec.name, script)
    spec.loader.exec_module(script)
    (config_class,) = (
        value
        for value in vars(script).values()
        if dataclasses.is_dataclass(value) and value.__module__ == script.__name__
    )
    config = parse_config(config_class, options)
    assert config.output_dir.startswith("runs/")


def test_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("prompts.txt").write_text("a dog barking\nrain falling\n")
    lines = [words[1:] for words in commands("audiolcm") if words[1] != "serve"]
    assert len(lines) >= 8
    for words in lines:
        # The one that takes a minute is run, with fewer rounds of the vocoder, by tests/integration/test_onnx.py.
        if words[0] != "export-onnx":
            assert main(words) == 0, capsys.readouterr().err
    assert {"dog.wav", "sounds", "rain.flac", "cat.wav", "dog-edited.wav", "loop.wav", "rain-repository"} <= {
        path.name for path in Path().iterdir()
    }
    assert soundfile.info("rain.flac").frames == 60 * 16000


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_requests_are_answered(tmp_path):
    lines = list(
        dict.fromkeys(
            words for name in ("README.md", "docs/serving.md") for words in map(tuple, commands("curl", name))
        )
    )
    assert len(lines) >= 6
    pipe = AudioLCMPipeline.from_pretrained(MINI_CHECKPOINT)
    studio = Studio(pipe)
    origin = {"model": "mini", "model_hash": None, "licence": None}
    with served(make_app(studio, origin, with_page=False)) as address:
        for words in lines:
            words = [word.replace("http://127.0.0.1:7860", address) for word in words]
            done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, words
            if "-o" in words:
                path = tmp_path / words[words.index("-o") + 1]
                assert soundfile.info(path).frames > 0, path.read_text(errors="replace")[:300]
            else:
                assert '"status":"ok"' in done.stdout
    studio.close()
    assert soundfile.info(tmp_path / "rain.wav").frames == 20 * 16000
    assert soundfile.info(tmp_path / "mended.wav").frames == 7 * 16000


def test_models_are_shared(tmp_path):
    sharing = "\n".join(blocks("docs/sharing.md", "python"))
    start = blocks("README.md", "python")[0].replace('"a dog barking"', '"rain"')
    with hub_stand_in() as hub:
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.address,
            "HF_HUB_OFFLINE": "0",
            "HF_TOKEN": "hf_test",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(tmp_path / "hf"),
        }
        script = f"{start}\n{sharing}\nassert len(audio) == 80000\n"
        subprocess.run([sys.executable, "-c", script], env=environment, cwd=tmp_path, check=True, timeout=300)


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        named = re.findall(r"(?:^|`|/cpu )make ([a-z]+)", text, re.M)
        assert set(named) <= targets, document


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not link.startswith("https://"):
            assert (ROOT / document).parent.joinpath(link).exists(), link


@pytest.mark.parametrize("name", ["mini", "mini-teacher"])
def test_cards_of_the_embedded_models_come_with_their_weights(name):
    card = (ROOT / f"model_cards/audiolcm-{name}.md").read_text()
    assert (ROOT / f"audiolcm_diffusers/checkpoints/{name}/README.md").read_text() == card
    results = ModelCard(card).data.eval_results
    assert results and all(entry.metric_args["interval_95"][0] <= entry.metric_value for entry in results)
