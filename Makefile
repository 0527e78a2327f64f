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
EPOCHS ?=
DEVICES ?= 1
WEIGHTS ?= none
BACKBONE ?=
RUNS ?= runs
TENSORBOARD ?=
CLASSES ?= 5 4
EXTERNAL ?=
LAST_BLOCK ?=
TTA ?=
AUGMENT_FROZEN ?=
SOURCE ?=
PREPARE ?=
ENGINE ?= keras
SEEDS ?= 0 1 2
GRID ?= auto
WORKERS ?=
ADDRESS ?=
NAME ?=
MODEL ?=
BENCH ?=
TRAINED_ON ?=
FOLDER ?= screening
PORT ?= 8000
ROLE ?= clinician
OPTIONS = --data $(DATA) --protocol $(PROTOCOL) --profile $(PROFILE) --models $(MODELS) --seed $(SEED) \
	$(if $(EPOCHS),--epochs $(EPOCHS)) --devices $(DEVICES) --runs $(RUNS) $(if $(TENSORBOARD),--tensorboard)
# What one experiment has besides: named after its folder under experiments/.
PRETRAINED = --weights $(WEIGHTS) $(if $(BACKBONE),--backbone $(BACKBONE))
chexnet_cbam = $(PRETRAINED)
multiscale_attention = --classes $(CLASSES) $(if $(EXTERNAL),--external $(EXTERNAL))
smote_transfer = $(PRETRAINED) --engine $(ENGINE)
canine_rbc_focal = --seeds $(SEEDS) --engine $(GRID) $(if $(WORKERS),--workers $(WORKERS)) \
	$(if $(ADDRESS),--address $(ADDRESS))
blood_cells = $(PRETRAINED) $(if $(LAST_BLOCK),--last-block $(LAST_BLOCK)) $(if $(TTA),--tta) \
	$(if $(AUGMENT_FROZEN),--augment-frozen)
EXPERIMENTS = chexnet_cbam multiscale_attention smote_transfer canine_rbc_focal blood_cells
experiment = $(or $(filter $(subst -,_,$(1)),$(EXPERIMENTS)),$(error no paper '$(1)'; expected one of $(subst _,-,$(EXPERIMENTS))))

# The modules of data_prep that prepare a published data set.
DATA_SETS = aptos2019 eyepacs2015 ddr brain_tumor_mri blood_cells canine_rbc
data_set = $(or $(filter $(subst -,_,$(1)),$(DATA_SETS)),$(error no data set '$(1)'; expected one of $(subst _,-,$(DATA_SETS)) chula-rbc))
source = $(or $(SOURCE),$(error make data-$(1) needs SOURCE=, the zip or folder of the images, or kaggle))

export TF_CPP_MIN_LOG_LEVEL ?= 2

.DEFAULT_GOAL := help
.PHONY: help install audit results reproduce-canine-rbc report-canine-rbc data-chula-rbc serve account test test-slow sweep lint bench reference clean clean-runs

help: ## list the targets
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 28

install: $(VENV)/.installed ## build .venv from the lock (TensorFlow for the GPU where an NVIDIA driver answers)

$(VENV)/.installed: setup.cfg requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "drcls needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c requirements.lock -e '.[$(ACCELERATOR),export,explain,app,dicom]'
	touch $@

$(VENV)/.developing: $(VENV)/.installed
	$(BIN)/pip install --quiet -c requirements.lock -e '.[$(ACCELERATOR),export,explain,app,dicom,check,kaggle,dev]'
	touch $@

# Reading what is committed needs no TensorFlow and no Keras.
$(VENV)/.reading: setup.cfg requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c requirements.lock numpy scipy scikit-learn pandas mlscorecheck \
		matplotlib jinja2 pillow
	$(BIN)/pip install --quiet --no-deps -e .
	touch $@

audit: $(VENV)/.reading ## check the papers' numbers and renew the ledger of verdicts, in seconds, without TensorFlow
	$(BIN)/python -m experiments.results.ledger --check

results: $(VENV)/.reading ## one page over all five papers, results.html, in seconds, without TensorFlow
	$(BIN)/python -m experiments.results.page

reproduce-%: install ## run a paper; without DATA= on drawn images (chexnet-cbam, multiscale-attention, smote-transfer) or a sample of real cells (canine-rbc-focal, blood-cells)
	$(BIN)/python -m experiments.$(call experiment,$*) $(OPTIONS) $($(call experiment,$*))

report-%: install ## rebuild a paper's report from its run folders, without training
	$(BIN)/python -m experiments.$(call experiment,$*) $(OPTIONS) $($(call experiment,$*)) --report-only

reproduce-canine-rbc: reproduce-canine-rbc-focal ;
report-canine-rbc: report-canine-rbc-focal ;

# One module cuts the cells of both sets of smears.
data-chula-rbc: data-canine-rbc ;

data-%: install ## prepare a data set: make data-brain-tumor-mri SOURCE=archive.zip PREPARE="--size 224"
	$(BIN)/python -m data_prep.$(call data_set,$*) --source $(call source,$*) $(PREPARE)

serve: install ## the screening application, on 127.0.0.1: MODEL= TRAINED_ON= FOLDER= PORT=
	$(BIN)/python -m drcls.app serve --folder $(FOLDER) --port $(PORT) $(if $(MODEL),--model $(MODEL)) \
		$(if $(TRAINED_ON),--trained-on $(TRAINED_ON))

account: install ## an account for it, asks for a password: NAME= ROLE=clinician|admin FOLDER=
	$(BIN)/python -m drcls.app add-account $(or $(NAME),$(error make account needs NAME=, the name to log in by)) --role $(ROLE) --folder $(FOLDER)

# What reads the code alone needs none of the packages that it imports.
$(VENV)/.linting: requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c requirements.lock ruff import-linter
	touch $@

lint: $(VENV)/.linting ## ruff and the contract of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

test: lint $(VENV)/.developing ## lint and the fast tests
	$(BIN)/python -m pytest

test-slow: $(VENV)/.developing ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

sweep: $(VENV)/.developing ## kill, tamper, damage and fill disks, many times each; counts in tests/sweeps.json
	$(BIN)/python -m pytest -m sweep -s

bench: $(VENV)/.developing ## speed against named peers, into benchmarks/RESULTS.md: BENCH="augment embed"
	$(BIN)/pip install --quiet -c requirements.lock -e '.[bench]'
	$(BIN)/python -m benchmarks $(BENCH)

reference: ## rebuild tests/reference/tfa_0_23.json from tensorflow-addons, in an environment of its own
	tests/reference/build.sh

clean: ## remove the environment and caches; data, runs and screening records stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-runs: ## remove the run folders below RUNS, after asking
	@test -d "$(RUNS)" || { echo "$(RUNS) does not exist"; exit 1; }
	@du -sh "$(RUNS)"; printf 'Delete all trained models and results in $(RUNS)? Type yes: '; read answer; \
		[ "$$answer" = yes ] && rm -rf "$(RUNS)" || { echo "nothing deleted"; exit 1; }
