# Every target builds what it needs; `make` alone lists them.
PYTHON ?= python3
VENV ?= .venv
# The NVIDIA driver decides which TensorFlow is installed.
ACCELERATOR := $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)
BIN := $(VENV)/bin

DATA ?= auto
PROTOCOL ?= both
PROFILE ?= auto
MODELS ?= all
SEED ?= 0
WEIGHTS ?= none
BACKBONE ?=
RUNS ?= runs
TENSORBOARD ?=
CLASSES ?= 5 4
EXTERNAL ?=
LAST_BLOCK ?=
AVERAGED ?=
AUGMENT_FROZEN ?=
PREPARE ?=
ENGINE ?= keras
SEEDS ?= 0 1 2
GRID ?= auto
WORKERS ?=
ADDRESS ?=
MODEL ?=
TRAINED_ON ?=
FOLDER ?= screening
PORT ?= 8000
ROLE ?= clinician
OPTIONS = --data $(DATA) --protocol $(PROTOCOL) --profile $(PROFILE) --models $(MODELS) --seed $(SEED) \
	--runs $(RUNS) $(if $(TENSORBOARD),--tensorboard)
CHEXNET_CBAM = $(OPTIONS) --weights $(WEIGHTS) $(if $(BACKBONE),--backbone $(BACKBONE))
SMOTE_TRANSFER = $(OPTIONS) --weights $(WEIGHTS) $(if $(BACKBONE),--backbone $(BACKBONE)) --engine $(ENGINE)
CANINE_RBC = $(OPTIONS) --seeds $(SEEDS) --engine $(GRID) $(if $(WORKERS),--workers $(WORKERS)) \
	$(if $(ADDRESS),--address $(ADDRESS))
MULTISCALE_ATTENTION = $(OPTIONS) --classes $(CLASSES) $(if $(EXTERNAL),--external $(EXTERNAL))
BLOOD_CELLS = $(OPTIONS) --weights $(WEIGHTS) $(if $(BACKBONE),--backbone $(BACKBONE)) \
	$(if $(LAST_BLOCK),--last-block $(LAST_BLOCK)) $(if $(AVERAGED),--averaged) \
	$(if $(AUGMENT_FROZEN),--augment-frozen)

export TF_CPP_MIN_LOG_LEVEL ?= 2

.DEFAULT_GOAL := help
.PHONY: help install serve account test test-slow lint bench reference clean

help: ## list the targets
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 28

install: $(VENV)/.installed ## build .venv from the lock (TensorFlow for the GPU where an NVIDIA driver answers)

$(VENV)/.installed: setup.cfg requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "drcls needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c requirements.lock -e '.[$(ACCELERATOR),export,explain,app,dicom]'
	touch $@

$(VENV)/.developing: $(VENV)/.installed
	$(BIN)/pip install --quiet -c requirements.lock -e '.[$(ACCELERATOR),export,explain,app,dicom,kaggle,dev]'
	touch $@

reproduce-chexnet-cbam: install ## CheXNet-CBAM: DATA= PROTOCOL= PROFILE= MODELS= SEED= WEIGHTS= BACKBONE=
	$(BIN)/python -m experiments.chexnet_cbam $(CHEXNET_CBAM)

reproduce-multiscale-attention: install ## Multi-scale attention: DATA= PROTOCOL= PROFILE= MODELS= SEED= CLASSES= EXTERNAL=
	$(BIN)/python -m experiments.multiscale_attention $(MULTISCALE_ATTENTION)

reproduce-smote-transfer: install ## SMOTE on embeddings: DATA= PROTOCOL= PROFILE= MODELS= SEED= WEIGHTS= BACKBONE= ENGINE=
	$(BIN)/python -m experiments.smote_transfer $(SMOTE_TRANSFER)

reproduce-canine-rbc: install ## Focal loss on red cells: DATA= PROTOCOL= PROFILE= SEEDS= GRID=processes|ray WORKERS= ADDRESS=
	$(BIN)/python -m experiments.canine_rbc_focal $(CANINE_RBC)

reproduce-blood-cells: install ## Blood cells: DATA= PROTOCOL= PROFILE= MODELS= SEED= WEIGHTS= BACKBONE= LAST_BLOCK= AVERAGED= AUGMENT_FROZEN=
	$(BIN)/python -m experiments.blood_cells $(BLOOD_CELLS)

report-chexnet-cbam: install ## rebuild the report from the run folders, without training
	$(BIN)/python -m experiments.chexnet_cbam $(CHEXNET_CBAM) --report-only

report-multiscale-attention: install ## the same for multi-scale attention
	$(BIN)/python -m experiments.multiscale_attention $(MULTISCALE_ATTENTION) --report-only

report-blood-cells: install ## the same for blood cells
	$(BIN)/python -m experiments.blood_cells $(BLOOD_CELLS) --report-only

data-%: install ## prepare a data set: make data-aptos2019 SOURCE=archive.zip PREPARE="--size 224"
	$(BIN)/python -m data_prep.$* --source $(SOURCE) $(PREPARE)

report-smote-transfer: install ## the same for SMOTE on embeddings
	$(BIN)/python -m experiments.smote_transfer $(SMOTE_TRANSFER) --report-only

report-canine-rbc: install ## the same for focal loss on red cells
	$(BIN)/python -m experiments.canine_rbc_focal $(CANINE_RBC) --report-only

serve: install ## the screening application, on 127.0.0.1: MODEL= TRAINED_ON= FOLDER= PORT=
	$(BIN)/python -m drcls.app serve --folder $(FOLDER) --port $(PORT) $(if $(MODEL),--model $(MODEL)) \
		$(if $(TRAINED_ON),--trained-on $(TRAINED_ON))

account: install ## an account for it, asks for a password: NAME= ROLE=clinician|admin FOLDER=
	$(BIN)/python -m drcls.app add-account $(NAME) --role $(ROLE) --folder $(FOLDER)

lint: $(VENV)/.developing ## ruff and the contract of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

test: lint ## lint and the fast tests
	$(BIN)/python -m pytest

test-slow: $(VENV)/.developing ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

bench: $(VENV)/.developing ## speed against named peers, both sides in one run
	$(BIN)/python -m pytest benchmarks --benchmark-columns=min,median,rounds

reference: ## rebuild tests/reference/tfa_0_23.json from tensorflow-addons, in an environment of its own
	tests/reference/build.sh

clean: ## remove the environment, caches and run folders, not the data
	rm -rf $(VENV) runs .pytest_cache .ruff_cache .hypothesis .benchmarks build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
