# What a newcomer, a developer and CI run. `make` alone lists it.
#
# Needs Python 3.11 or newer with venv, and a package index that pip can reach; nothing else.
#   make demo PYTHON=python3.12      another interpreter
#   make demo VENV=/tmp/sweep-venv   another place for the environment

PYTHON ?= python3
VENV ?= .venv
# Test processes; each file's tests stay in one. Files go out in the order that tests/conftest.py
# gives them, for pytest-xdist would leave those of one long test for the end.
JOBS ?= 2

BIN := $(VENV)/bin
QUICK_TESTS := tests/catalogue tests/datasets tests/findings tests/search tests/studyfile tests/test_codec.py tests/test_config.py tests/test_enums.py tests/test_names.py tests/test_support.py
LOOK_TESTS := tests/api tests/cli tests/dashboard/test_overview.py tests/figures tests/findings tests/report -m 'not torch'
GPU_TESTS = $(shell grep -rl --include='test_*.py' '^@pytest.mark.gpu' tests)

DEMO_DB := demo/sweep.db
DEMO_REPORT := demo/report.html
demo report: export SWEEP_STORAGE = sqlite:///$(DEMO_DB)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo report dashboard quick test test-look test-gpu check format answer docs secrets venv clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## install, run studies/quickstart.toml, show the best and write a report
	@rm -rf $(DEMO_DB) $(DEMO_DB)-wal $(DEMO_DB)-shm $(DEMO_DB).artifacts $(DEMO_REPORT)
	@mkdir -p demo
	$(BIN)/sweep start studies/quickstart.toml
	@echo
	$(BIN)/sweep report quickstart -o $(DEMO_REPORT)
	@echo "Report:    $(CURDIR)/$(DEMO_REPORT)"
	@echo "Database:  $(CURDIR)/$(DEMO_DB)"
	@echo "Dashboard: make dashboard"
	@echo "Look on:   export SWEEP_STORAGE=$$SWEEP_STORAGE; $(BIN)/sweep show quickstart 0"

report: $(VENV)/.installed ## write the demo's report again
	$(BIN)/sweep report quickstart -o $(DEMO_REPORT)

dashboard: $(VENV)/.installed ## open the demo's dashboard in the browser
	SWEEP_STORAGE=sqlite:///$(DEMO_DB) $(BIN)/sweep dashboard --study quickstart --open

test: $(VENV)/.installed-test ## run the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

quick: $(VENV)/.installed-test ## run, in a minute, the tests that need no process, browser or database server
	$(BIN)/python -m pytest -n $(JOBS) $(QUICK_TESTS)

test-look: $(VENV)-look/.installed ## run the tests of what looks at studies, in an environment without PyTorch
	$(VENV)-look/bin/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(LOOK_TESTS)

# Not in the environment above: a machine with a GPU has a torch and a Triton of its own.
test-gpu: ## run the tests that need a GPU, by PYTHON, which has torch, Triton and pytest
	TRITON_INTERPRET=0 $(PYTHON) -m pytest -c tests/gpu.ini -m gpu $(GPU_TESTS)

check: $(VENV)/.installed-dev ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed-dev ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

answer: $(VENV)/.installed-test ## train what docs/answer.md says (GPU: minutes; CPU, reduced: hours), write it
	$(BIN)/python -m docs.answer

docs: $(VENV)/.installed ## write the generated pages and tables from the code
	$(BIN)/python docs/generate_api.py
	$(BIN)/python docs/generate_cli.py
	$(BIN)/python docs/generate_dashboard.py
	$(BIN)/python docs/generate_messages.py
	$(BIN)/python docs/generate_study_file.py

venv: $(VENV)/.installed-dev ## make the environment for development in .venv

clean: ## remove the environment, caches and the demo's files
	rm -rf $(VENV) $(VENV)-look demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

secrets: secrets/postgres_password secrets/dashboard_password ## make the passwords that docker-compose.yml hands out

secrets/%_password:
	@umask 077 && mkdir -p secrets && $(PYTHON) -c 'import secrets; print(secrets.token_hex(16))' > $@
	@chmod 644 $@ # containers read it under other user ids; the folder keeps other people out

$(BIN)/python $(VENV)-look/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "sweep needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one: make PYTHON=python3.12 …" >&2; \
		exit 2; \
	}
	$(PYTHON) -m venv $(@D)/..

# A stamp for each set of extras, out of date when the files that say what to install are newer.
# A larger set holds the smaller ones, so it brings their stamps up to date too.
$(VENV)/.installed: EXTRAS := [train]
$(VENV)/.installed-test: EXTRAS := [test]
$(VENV)/.installed-test: SMALLER := $(VENV)/.installed
$(VENV)/.installed-dev: EXTRAS := [dev]
$(VENV)/.installed-dev: SMALLER := $(VENV)/.installed $(VENV)/.installed-test
$(VENV)/.installed $(VENV)/.installed-test $(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing sweep$(EXTRAS) and what it needs into $(VENV); the first time takes minutes …"
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.$(EXTRAS)'
	@touch $@ $(SMALLER)

$(VENV)-look/.installed: pyproject.toml constraints.txt | $(VENV)-look/bin/python
	$(VENV)-look/bin/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[test-look]'
	@touch $@
