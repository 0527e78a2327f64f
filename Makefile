# Every target builds what it needs; `make` alone lists them.
# A value ends where its comment begins: a space between them would be part of it.
PYTHON ?= python3# what makes the environment, 3.11 or newer
VENV ?= .venv# folder of the environment
# The NVIDIA driver decides which TensorFlow is installed.
ACCELERATOR := $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)
BIN := $(VENV)/bin

DATA ?= auto# a prepared data set under data/; auto: the paper's where it is there, else drawn or sampled images
PROTOCOL ?= both# paper, clean or both
PROFILE ?= auto# quick, short, full, or long for canine-rbc-focal; auto: quick on CPUs, full on GPUs
MODELS ?= all# all, or names of rows, parted by commas
SEED ?= 0# of the initial weights and the order of images
EPOCHS ?= # instead of the profile's
DEVICES ?= 1# that train a network together, or all
WEIGHTS ?= none# of the backbones: none or imagenet; of chexnet-cbam also a file with CheXNet's
BACKBONE ?= # a saved Keras feature extractor, instead of the profile's
RUNS ?= runs# folder of the run folders
TENSORBOARD ?= # 1: log to RUN/tensorboard while training
CLASSES ?= 5 4# of multiscale-attention: five grades, four, or both
EXTERNAL ?= # of multiscale-attention: a further prepared data set to test on
LAST_BLOCK ?= # of blood-cells: name of the layer from which on a backbone is fine-tuned
TTA ?= # of blood-cells: 1: test-time augmentation too, under corruptions; eight times as long
AUGMENT_FROZEN ?= # of blood-cells: 1: train heads on augmented images, not on embeddings
SOURCE ?= # of data-%: the zip or folder of the images, or kaggle
PREPARE ?= # of data-%: options of the preparation
ENGINE ?= keras# of smote-transfer: what computes embeddings, keras or onnx
SEEDS ?= 0 1 2# of canine-rbc-focal: of Table 1; the first for the rest
GRID ?= auto# of canine-rbc-focal: what runs the trials, sequential, processes, ray or auto
WORKERS ?= # of canine-rbc-focal: processes, or workers of a local Ray
ADDRESS ?= # of canine-rbc-focal: of an existing Ray cluster
NAME ?= # of account: the name to log in by
MODEL ?= # of serve: a .keras file, instead of the demonstration
BENCH ?= # of bench: names of comparisons, instead of all
TRAINED_ON ?= # of serve: the data set that the model was trained on
FOLDER ?= screening# of serve and account: the records
PORT ?= 8000# of serve
ROLE ?= clinician# of account: clinician or admin
# A value with blanks is one word of a command; the shell still reads a leading ~.
word_of = $(if $(filter ~%,$(1)),$(1),'$(subst ','\'',$(1))')
OPTIONS = --data $(call word_of,$(DATA)) --protocol $(PROTOCOL) --profile $(PROFILE) \
	--models $(call word_of,$(MODELS)) --seed $(SEED) $(if $(EPOCHS),--epochs $(EPOCHS)) --devices $(DEVICES) \
	--runs $(call word_of,$(RUNS)) $(if $(TENSORBOARD),--tensorboard)
# What one experiment has besides: named after its folder under experiments/.
PRETRAINED = --weights $(call word_of,$(WEIGHTS)) $(if $(BACKBONE),--backbone $(call word_of,$(BACKBONE)))
chexnet_cbam = $(PRETRAINED)
multiscale_attention = --classes $(CLASSES) $(if $(EXTERNAL),--external $(call word_of,$(EXTERNAL)))
smote_transfer = $(PRETRAINED) --engine $(ENGINE)
canine_rbc_focal = --seeds $(SEEDS) --engine $(GRID) $(if $(WORKERS),--workers $(WORKERS)) \
	$(if $(ADDRESS),--address $(call word_of,$(ADDRESS)))
blood_cells = $(PRETRAINED) $(if $(LAST_BLOCK),--last-block $(call word_of,$(LAST_BLOCK))) $(if $(TTA),--tta) \
	$(if $(AUGMENT_FROZEN),--augment-frozen)
# What may stand on the command line: a variable that does nothing there is an error. Of several targets each may
# have variables of its own.
EVERY = DATA PROTOCOL PROFILE MODELS SEED EPOCHS DEVICES RUNS TENSORBOARD
chexnet_cbam_takes = $(EVERY) WEIGHTS BACKBONE
multiscale_attention_takes = $(EVERY) CLASSES EXTERNAL
smote_transfer_takes = $(EVERY) WEIGHTS BACKBONE ENGINE
canine_rbc_focal_takes = $(EVERY) SEEDS GRID WORKERS ADDRESS
blood_cells_takes = $(EVERY) WEIGHTS BACKBONE LAST_BLOCK TTA AUGMENT_FROZEN
given = $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
useless = $(sort $(filter-out $(1) PYTHON VENV MAKE%,$(given)))
only = $(if $(word 2,$(MAKECMDGOALS)),,$(call refuse,$(1)))
refuse = $(if $(call useless,$(1)),$(error make $@ does not take $(call useless,$(1)); it takes $(1)))
EXPERIMENTS = chexnet_cbam multiscale_attention smote_transfer canine_rbc_focal blood_cells
experiment = $(or $(filter $(subst -,_,$(1)),$(EXPERIMENTS)),$(error no paper '$(1)'; expected one of $(subst _,-,$(EXPERIMENTS))))

# The modules of data_prep that prepare a published data set.
DATA_SETS = aptos2019 eyepacs2015 ddr brain_tumor_mri blood_cells canine_rbc
data_set = $(or $(filter $(subst -,_,$(1)),$(DATA_SETS)),$(error no data set '$(1)'; expected one of $(subst _,-,$(DATA_SETS)) chula-rbc))
source = $(or $(SOURCE),$(error make data-$(1) needs SOURCE=, the zip or folder of the images, or kaggle))

export TF_CPP_MIN_LOG_LEVEL ?= 2

.DEFAULT_GOAL := help
.PHONY: help install audit results reproduce-canine-rbc report-canine-rbc data-chula-rbc serve account test test-slow sweep lint bench reference clean clean-runs

help: ## list the targets and the variables
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 28
	@echo; echo 'Variables, as in make reproduce-blood-cells DATA=blood_cells PROFILE=short:'
	@sed -nE 's/^([A-Z_]+) \?= ?([^#]*)# (.*)/\1=\2\t\3/p' $(MAKEFILE_LIST) | expand -t 28

install: $(VENV)/.installed ## build .venv from the lock (TensorFlow for the GPU where an NVIDIA driver answers)

$(VENV)/.installed: setup.cfg requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "drcls needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c requirements.lock -e '.[$(ACCELERATOR),app,dicom]'
	touch $@

$(VENV)/.developing: $(VENV)/.installed
	$(BIN)/pip install --quiet -c requirements.lock -e '.[$(ACCELERATOR),app,dicom,check,kaggle,dev]'
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
	$(call only,$($(call experiment,$*)_takes))
	$(BIN)/python -m experiments.$(call experiment,$*) $(OPTIONS) $($(call experiment,$*))

report-%: install ## rebuild a paper's report from its run folders, without training
	$(call only,$($(call experiment,$*)_takes))
	$(BIN)/python -m experiments.$(call experiment,$*) $(OPTIONS) $($(call experiment,$*)) --report-only

reproduce-canine-rbc: reproduce-canine-rbc-focal ;
report-canine-rbc: report-canine-rbc-focal ;

# One module cuts the cells of both sets of smears.
data-chula-rbc: data-canine-rbc ;

data-%: install ## prepare a data set: make data-brain-tumor-mri SOURCE=archive.zip PREPARE="--size 224"
	$(call only,SOURCE PREPARE)
	$(BIN)/python -m data_prep.$(call data_set,$*) --source $(call word_of,$(call source,$*)) $(PREPARE)

serve: install ## the screening application, on 127.0.0.1: MODEL= TRAINED_ON= FOLDER= PORT=
	$(call only,MODEL TRAINED_ON FOLDER PORT)
	$(BIN)/python -m drcls.app serve --folder $(call word_of,$(FOLDER)) --port $(PORT) $(if $(MODEL),--model $(call word_of,$(MODEL))) \
		$(if $(TRAINED_ON),--trained-on $(call word_of,$(TRAINED_ON)))

account: install ## an account for it, asks for a password: NAME= ROLE=clinician|admin FOLDER=
	$(call only,NAME ROLE FOLDER)
	$(BIN)/python -m drcls.app add-account $(call word_of,$(or $(NAME),$(error make account needs NAME=, the name to log in by))) --role $(ROLE) --folder $(call word_of,$(FOLDER))

# What reads the code alone needs none of the packages that it imports.
$(VENV)/.linting: requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c requirements.lock ruff import-linter
	touch $@

lint: $(VENV)/.linting ## ruff and the contract of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

# Two processes, each with a TensorFlow of its own, about 3 GB. The tests of a file share what they set up.
test: lint $(VENV)/.developing ## lint and the fast tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-slow: $(VENV)/.developing ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

sweep: $(VENV)/.developing ## kill, tamper, damage and fill disks, many times each; counts in tests/sweeps.json
	$(BIN)/python -m pytest -m sweep -s

bench: $(VENV)/.developing ## speed against named peers, into benchmarks/RESULTS.md: BENCH="augment embed"
	$(call only,BENCH)
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
