# make demo | test | interop | lint | bench | soak | conformance | docs | changelog | constraints | clean

# The first Python from 3.10 on that can make an environment (Debian's own comes without ensurepip).
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.10 python3 python \
	"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.11.*/bin/python "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[0-3].*/bin/python; do \
	"$$python" -c 'import sys, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { echo "$$python"; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED := pyproject.toml constraints/newest.txt
LOCK := UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.10 $(UPGRADE) --no-header --no-annotate
# What moves with `make constraints`; `make constraints UPGRADE=` only adds what is missing.
UPGRADE ?= --upgrade

KAFKA := aiokafka confluent-kafka kafka-python
CLIENTS := $(KAFKA) aio-pika aiobotocore boto3 instrument pika
FRAMEWORKS := celery dramatiq faststream taskiq
comma := ,
space := $(subst ,, )
listed = $(subst $(space),$(comma),$(strip $(1)))

.PHONY: demo test interop lint bench soak conformance docs changelog constraints clean
.DELETE_ON_ERROR:

demo: .venv/demo-installed
	$(BIN)/python -m unbroken demo

test: .venv/dev-installed
	$(BIN)/python -m tests.matrix

interop: .venv/dev-installed
	$(BIN)/python -m interop $(ARGS)  # ARGS=--keep to look at the traces, ARGS=--broken for stock OpenTelemetry code

lint: .venv/dev-installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m tests.companions lint
	$(BIN)/towncrier build --draft --version next > build/changelog.md
	@# What only one machine has: folders of its owner, addresses of registries.
	@! git grep --untracked -nE '(^|[^[:alnum:]._])/(work|root|home/[a-z]+|tmp/[a-z]+)/|pypi[.]org|pythonhosted[.]org|maven[.]org|npmjs[.](org|com)|proxy[.]golang' \
		|| { echo 'a machine path or a registry host is tracked'; exit 1; }
	$(if $(wildcard docs/conf.py),$(MAKE) docs)

docs: .venv/dev-installed
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs

bench: .venv/dev-installed
	$(BIN)/python -m bench
	$(BIN)/python -m bench.companions

soak: .venv/dev-installed
	$(BIN)/python -m bench.soak

conformance: .venv/dev-installed  # the table of docs/conformance.md, from the last runs of each language
	UNBROKEN_CONFORMANCE=$(CURDIR)/build/conformance/python.json $(BIN)/pytest -q tests/conformance/test_vectors.py
	$(BIN)/python -m tests.conformance.results --update
	$(BIN)/python docs/tables.py

changelog: .venv/dev-installed
	$(BIN)/towncrier build --draft --version next

constraints: .venv/dev-installed
	$(LOCK) $(addprefix --extra ,demo testing $(CLIENTS) $(FRAMEWORKS)) --group dev --output-file constraints/newest.txt
	$(LOCK) $(addprefix --extra ,demo testing $(CLIENTS)) --group test \
		--constraint constraints/oldest.in --output-file constraints/oldest.txt
	$(LOCK) $(addprefix --extra ,testing $(CLIENTS)) --group test --group contrib --output-file constraints/contrib.txt
	$(LOCK) --extra testing --extra faust --extra confluent-kafka --group test --output-file constraints/faust.txt
	$(LOCK) --extra testing --extra quixstreams --group test --output-file constraints/quixstreams.txt

clean:
	rm -rf .venv .tox build dist .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf java/*/target node/build node/dist node/node_modules node/bench/node_modules node/confluent/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo 'unbroken needs Python 3.10 to 3.13 with venv (Debian: apt-get install python3-venv)'; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade --constraint constraints/newest.txt pip  # older ones do not know dependency groups

.venv/demo-installed: .venv/bin/python $(LOCKED)
	$(PIP) --constraint constraints/newest.txt --editable '.[$(call listed,demo $(KAFKA))]'
	@touch $@

.venv/dev-installed: .venv/bin/python $(LOCKED)
	$(PIP) --constraint constraints/newest.txt --editable '.[$(call listed,demo testing $(CLIENTS) $(FRAMEWORKS))]' --group dev
	@mkdir -p build && touch $@
