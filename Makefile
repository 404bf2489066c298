# Everything that a newcomer runs. Needs Python 3.11 or newer and make; the rest is installed into .venv from the lock file.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEV    := $(VENV)/.ready-dev
# checkov's own: what it needs and what we need exclude each other.
POLICIES := $(VENV)-policies
# python-terraform is published as source alone; requirements-build.lock has what builds it.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes \
  --only-binary :all: --no-binary python-terraform --no-build-isolation -r
# Test processes: one a core.
JOBS   ?= auto

COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q
# The images' lock files: one an image, and one for what makes the wheel in them.
IMAGES = proxy admin job

.PHONY: up down test test-full lint format docs bench lock clean debian help
.DEFAULT_GOAL := help

help: ## Say what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

up: $(READY) ## Run the local tenant: Postgres, Redis, proxy, admin, a simulated upstream, a key to try
	@$(BIN)/aduana up $(ARGS)

down: $(READY) ## Stop a local tenant that was started with ARGS=--detach
	@$(BIN)/aduana down $(ARGS)

test: $(DEV) debian ## Pass the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not full" $(ARGS)

test-full: $(DEV) debian ## The tests, and every seeded round of what `make test` samples
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --timeout 1800 $(ARGS)

lint: $(DEV) $(POLICIES)/.ready ## Style, types, the import contracts, the licences of what is shipped, the images, the release workflow and the Terraform stack
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m release.licences
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --quiet --offline --persona pedantic --no-progress .github
	$(POLICIES)/bin/python tests/terraform/policies

format: $(DEV) ## Put the code into the house's style
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: $(DEV) ## Write what is generated of the Terraform stack's documents
	$(BIN)/python -m tests.terraform.readmes
	$(BIN)/python -m tests.terraform.state_keys

bench: $(DEV) debian ## Measure the gateway beside its baselines (bench/README.md)
	$(BIN)/python -m bench $(ARGS)

lock: $(DEV) ## Resolve the dependencies anew into the hashed lock files
	$(COMPILE) pyproject.toml --extra dev --group build --upgrade -o requirements-dev.lock
	$(COMPILE) pyproject.toml --extra local -c requirements-dev.lock -o requirements.lock
	$(COMPILE) --group build -c requirements-dev.lock -o requirements-build.lock
	$(COMPILE) --group policies --upgrade -o requirements-policies.lock
	for image in $(IMAGES); do \
	  $(COMPILE) pyproject.toml --extra $$image -c requirements-dev.lock -o requirements-$$image.lock || exit 1; \
	done

clean: ## Remove what make made (a local tenant's data stay)
	rm -rf $(VENV) $(POLICIES) .mypy_cache .ruff_cache .pytest_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian's programs that a test or the bench wants, as program=package; elsewhere those say why they are skipped.
PROGRAMS = nginx=nginx-light
test-full: PROGRAMS += buildah=buildah debootstrap=debootstrap
debian:
	@missing=$$(for program in $(PROGRAMS); do command -v "$${program%=*}" >/dev/null || echo "$${program#*=}"; done); \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing" $$missing "for the tests"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null \
	    || echo "not all could be installed; what needs them will be skipped"; \
	fi

$(READY): requirements.lock requirements-build.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none was found; name one with make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed, this is $$($(PYTHON) -V); name one with make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "installing the pinned packages into $(VENV) (once; half a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) requirements-build.lock
	@$(INSTALL) requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

$(DEV): $(READY) requirements-dev.lock
	@echo "installing what the tests and checks need into $(VENV)"
	@$(INSTALL) requirements-dev.lock
	@touch $(DEV)

$(POLICIES)/.ready: requirements-policies.lock | $(READY)
	@echo "installing checkov into $(POLICIES) (once; a minute)"
	@test -x $(POLICIES)/bin/python || $(PYTHON) -m venv $(POLICIES)
	@$(POLICIES)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes --only-binary :all: -r $<
	@touch $@
