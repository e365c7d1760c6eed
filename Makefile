# Needs python3 (3.11 or newer), pip and make, and installs everything else. Start with `make run` and `make test`.
.DEFAULT_GOAL := help
.PHONY: help install run test test-all check fmt lock sbom audit images bench soak clean
PYTHON ?= python3
LOCK := requirements.lock
UV_VERSION := 0.13.8
UV := .tools/bin/uv
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := 1
export UV_LINK_MODE := copy

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

install: .venv/.installed ## set up .venv from requirements.lock

$(UV):
	@echo "Installing uv $(UV_VERSION) …"
	@$(PYTHON) -m pip install --quiet --no-warn-script-location --disable-pip-version-check --root-user-action ignore --upgrade --target .tools uv==$(UV_VERSION)

# Compile once: a run starts a dozen Python processes, and some machines do not let them save compiled files.
.venv/.installed: requirements.lock pyproject.toml Makefile | $(UV)
	@echo "Setting up .venv …"
	@test -x .venv/bin/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	@.venv/bin/python -m compileall -q core worker webui
	@touch $@

run: install ## start everything on this machine and print the addresses
	@exec .venv/bin/settle up $(ARGS)

# Read rewritten tests again even on a machine that saves no compiled files.
test test-all: export PYTHONDONTWRITEBYTECODE :=

test: install ## run the tests, but skip slow ones that are not in tests/promises.py
	@.venv/bin/pytest -m "not slow" $(ARGS)

test-all: install ## run all tests, including those with killed processes, cut networks, containers and a browser
	@.venv/bin/pytest $(ARGS)

check: install ## run ruff, mypy and the import contracts; check the compose file and whether the lock file is current
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@cp requirements.lock .venv/requirements.check && $(MAKE) --silent lock LOCK=.venv/requirements.check >/dev/null
	@grep -v '^#' requirements.lock | grep -E '^[a-z0-9]' > .venv/lock.committed; grep -E '^[a-z0-9]' .venv/requirements.check > .venv/lock.fresh; diff .venv/lock.committed .venv/lock.fresh || { echo "requirements.lock is stale: run make lock"; exit 1; }

fmt: install ## format and fix with ruff
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

lock: $(UV) ## resolve pyproject.toml into requirements.lock; keep pinned versions that still fit
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --extra local --extra dev --no-emit-index-url --custom-compile-command "make lock" pyproject.toml -o $(LOCK)
	@test $(LOCK) != requirements.lock || printf 'cyclonedx-bom\npip-audit\n' | $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" - -o .ci/tools.lock

.tools/tools: .ci/tools.lock | $(UV)
	@$(UV) venv --quiet --clear --python $(PYTHON) $@
	@$(UV) pip sync --quiet --python $@/bin/python --require-hashes .ci/tools.lock
	@touch $@

sbom: .tools/tools ## write sbom.cdx.json, a CycloneDX list of everything in the image
	@$(UV) venv --quiet --clear --python $(PYTHON) .tools/image
	@$(UV) pip install --quiet --python .tools/image/bin/python --require-hashes --constraint requirements.lock --requirement pyproject.toml
	@.ci/sbom .tools/tools .tools/image sbom.cdx.json

# Without --strict, pip-audit succeeds if it finds nothing about a package, even if it finds nothing about all of them.
audit: .tools/tools ## look up known vulnerabilities of the locked packages; fail if one cannot be looked up
	@.tools/tools/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock $(ARGS) || { echo "make audit: a package has a known vulnerability, or could not be looked up (see above)."; exit 1; }

images: ## print the newest base images with their digests, for .env; needs Docker and its registry
	@for image in POSTGRES_IMAGE=postgres:17 REDIS_IMAGE=redis:8 PYTHON_IMAGE=python:3.11-slim; do \
		digest=$$(docker buildx imagetools inspect "$${image#*=}" --format '{{.Manifest.Digest}}') || exit 1; \
		echo "$$image@$$digest"; done

bench: install ## compare with hand-written SQL and naive baselines
	@.venv/bin/python -m tests.benchmarks $(ARGS)

soak: install ## cause random failures for MINUTES=10, then check that the books balance
	@.venv/bin/python -m tests.soak --minutes $(or $(MINUTES),10) $(ARGS)

clean: ## remove the environment, but not your data in var/
	rm -rf .venv .tools
