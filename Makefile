# Everything a developer runs. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# The short form of the chaos; `make test-all` runs all of it.
SHORT_CHAOS := tests/chaos/test_pulls.py tests/chaos/test_moving_end.py tests/chaos/test_ends.py \
	tests/chaos/test_lists.py tests/chaos/test_children.py
SHORT_CHAOS_WITH_AIRFLOW := \
	'tests/chaos/test_kills.py::test_a_run_killed_three_times_ends_as_an_undisturbed_one[one]' \
	tests/chaos/test_two_runs.py::test_a_snapshot_older_than_the_published_one_is_skipped_with_a_note
TESTS := tests/unit tests/integration tests/vendors tests/foreign tests/dag tests/deploy $(SHORT_CHAOS)
# They keep an Airflow running to the end of a worker, so they run apart from the rest.
WITH_AIRFLOW := tests/matrix tests/e2e/test_neighbours.py tests/e2e/test_scheduled_runs.py \
	tests/e2e/test_airflow_api.py tests/e2e/test_groups.py tests/e2e/test_lineage.py tests/browser \
	$(SHORT_CHAOS_WITH_AIRFLOW)
# What PostgreSQL is tried with beside tests/integration/test_postgres.py; `make test-all` tries it with all.
ON_POSTGRES := tests/integration/test_cycle.py \
	tests/integration/test_interruptions.py::test_a_publication_killed_between_packages_is_rolled_forward \
	tests/integration/test_decisions.py::test_an_approval_removes_exactly_what_was_held \
	tests/integration/test_replay.py::test_an_emptied_warehouse_is_rebuilt_without_the_api \
	tests/integration/test_interval.py::test_a_full_difference_leaves_alone_what_was_fetched_after_its_first_request
PYTEST := $(BIN)/python -m pytest
# A worker a core, four at most. Files stay together, and so do the tests that share an Airflow.
PARALLEL := -n logical --maxprocesses 4 --dist loadgroup --no-loadscope-reorder
# npm's packages: eslint alone. The page's JavaScript needs none.
MODULES := node_modules/.package-lock.json

# A shell's own settings must not reach what is tested.
unexport AIRFLOW_HOME AIRFLOW_CONFIG PYTHONPATH PYTHONHOME VIRTUAL_ENV
# Keeps compiled modules: without them every Airflow process starts three times slower.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test test-unit test-integration test-postgres test-dag test-e2e test-browser test-all \
	test-ui chaos bench up down test-compose check lint types contracts ui browser node clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## the environment, in .venv, from the pinned files

$(STAMP): requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo 'Python 3.11 or newer is needed; "$(PYTHON) --version" says' \
			"\"$$($(PYTHON) --version 2>&1 || true)\". Nothing was installed." \
			'Name another one: make install PYTHON=python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		echo '"$(PYTHON)" cannot make environments: its module ensurepip is missing. Nothing was' \
			'installed. On Debian: apt-get install python3-venv' >&2; exit 1; }
	@echo 'Making $(VENV); this takes a minute or two.'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check \
		-c constraints.txt -r requirements.txt -r requirements-dev.txt
	@# A few packages hold templates that are no Python; what fails to compile is compiled by nobody.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@

demo: install ## sandbox, Airflow and one run of the Dag, until Ctrl-C; ONCE=1 ends by itself
	@$(BIN)/python -m demo $(if $(filter-out 0 no false,$(ONCE)),--once)

up: ## Airflow, PostgreSQL and the sandbox in containers; waits until they are healthy (docs/compose.md)
	@$(PYTHON) -m compose up

down: ## ends the containers and keeps their data; VOLUMES=1 removes it
	@$(PYTHON) -m compose down $(if $(filter-out 0 no false,$(VOLUMES)),--volumes)

# Asked or installed first: what is missing stops before the first test. tests/programs.py says how.
browser node: install
	@$(BIN)/python -m tests.programs $@

test: browser check test-ui ## all checks and tests, on all cores
	@$(PYTEST) $(PARALLEL) --cov --cov-report=term:skip-covered $(TESTS)
	@$(PYTEST) $(PARALLEL) $(WITH_AIRFLOW)
	@$(PYTEST) $(PARALLEL) --warehouse postgres $(ON_POSTGRES)

test-unit: install ## what needs neither Airflow's database nor a server
	@$(PYTEST) tests/unit

test-integration: install ## the stages against the sandbox and a warehouse
	@$(PYTEST) tests/integration

test-postgres: install ## the stages against the sandbox and a PostgreSQL server, and a sample of the chaos
	@$(PYTEST) --warehouse postgres tests/integration tests/chaos/test_publication.py

test-dag: install ## the Dag as declared: no scheduler, no network
	@$(PYTEST) tests/dag

test-e2e: install ## the Dag under the real scheduler
	@$(PYTEST) tests/e2e/test_scheduled_runs.py tests/e2e/test_airflow_api.py tests/e2e/test_groups.py

PULLS ?= 5000
ENDS ?= 2000
chaos: install ## thousands of seeded pulls of a moving directory beside dlt's paginator, dozens by the Dag
	@PYTHONPATH=plugins $(BIN)/python -m tests.chaos --pulls $(PULLS) --ends $(ENDS)
	@CHAOS_PUBLICATIONS=60 CHAOS_DAG_PULLS=36 $(PYTEST) tests/chaos/test_publication.py \
		tests/chaos/test_dag_under_churn.py

test-browser: browser ## the page in Airflow's interface, in a real browser
	@$(PYTEST) tests/browser

# Silent unless something is wrong, as the other checks are.
test-ui: node ## the page's pure functions, in node
	@said=$$(node --test tests/ui/*.test.js 2>&1) || { echo "$$said"; exit 1; }

# Half a gigabyte of packages, in `.foreign`; hence no part of `test-all`.
.PHONY: test-installed
test-installed: install node ## json-server, Directus, pygeoapi and Mailman: installed, and synced on two nights each
	@$(BIN)/python -m tests.installed.install
	@$(PYTEST) tests/installed

# Needs a checkout of the official chart, `chart/` of Airflow's repository, and 250 MB of packages in `.deploy`.
.PHONY: test-deploy
test-deploy: install ## what docs/deploy says, with the official Helm chart: make test-deploy CHART=<its folder>
	@test -f '$(CHART)/Chart.yaml' || { echo 'CHART must name the folder of the official Helm chart,' \
		'chart/ of a checkout of Airflow, 1.20 or newer. Nothing was tested.' >&2; exit 1; }
	@for program in git systemd-analyze; do command -v $$program >/dev/null || { echo "The program \"$$program\"" \
		'is missing. Nothing was tested. On Debian: apt-get install git systemd' >&2; exit 1; }; done
	@$(BIN)/python -m tests.deployed.install
	@$(PYTEST) tests/deployed --chart '$(CHART)'

# Gigabytes of packages, in `.environments`, and half an hour; hence no part of `test-all`. ROWS="..." chooses rows.
.PHONY: test-matrix
test-matrix: install browser ## this package in each Airflow from 3.0 to 3.3, for real (docs/compatibility.md)
	@$(BIN)/python -m tests.matrix $(if $(ROWS),$(ROWS),--write)

.PHONY: test-newest
test-newest: install browser ## the same with the newest of everything that PyPI has today, to be run every night
	@$(BIN)/python -m tests.matrix --newest

# Asked first: the test that needs it comes late.
.PHONY: redis-server
redis-server:
	@command -v $@ >/dev/null || { echo 'The program "$@" is missing, the broker of the test with Celery.' \
		'Nothing was tested. On Debian: apt-get install $@' >&2; exit 1; }

test-all: export HYPOTHESIS_PROFILE = thorough
test-all: redis-server test ## what is longer: more generated examples, kills, full disks, Celery workers (needs redis-server)
	@$(PYTEST) tests/chaos tests/e2e/test_secrets.py tests/e2e/test_two_directories.py \
		tests/e2e/test_secrets_backends.py
	@$(PYTEST) --warehouse postgres tests/integration tests/chaos/test_publication.py
	@$(PYTEST) --landing bucket tests/integration/test_cycle.py tests/integration/test_replay.py

BENCH_LONG := --sizes 1000,10000,100000 --latencies 0,20,50,200 --rounds 1 --airflow-rounds 1 \
	--rates 5,20,100 --parses 9
BENCH_SHORT := --sizes 100000 --rounds 3 --airflow-rounds 3 --slow-rounds 1 --rates 20 --parses 3
BENCH_RESULTS ?= bench-results.json
bench: install ## ours beside dlt, two other tools and a floor, twenty minutes; FULL=1: over an hour; SCALE=1000000
	@PYTHONPATH=plugins $(BIN)/python -m bench --json $(BENCH_RESULTS) $(if $(SCALE),--scale $(SCALE), \
		$(if $(filter-out 0 no false,$(FULL)),$(BENCH_LONG),$(BENCH_SHORT)))

COMPOSE_LAB ?= ../shared/compose-lab
test-compose: install ## the containers, for real: two executors, the data kept and removed (docs/compose.md)
	@$(BIN)/python -m tests.compose --lab '$(COMPOSE_LAB)'

check: node lint types contracts ui ## what needs no run: lint, types, import contracts

lint: install ## ruff, codespell, deptry (requirements), the Compose file's schema
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/codespell
	@$(BIN)/deptry plugins dags docs/examples
	@$(BIN)/deptry --config tests/deptry.toml bench compose demo sandbox tests
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yaml
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

types: install ## mypy, strict
	@$(BIN)/mypy

contracts: install ## who may import whom
	@PYTHONPATH=plugins $(BIN)/lint-imports

$(MODULES): package.json package-lock.json
	@npm ci --silent --no-audit --no-fund
	@touch $@

ui: node $(MODULES) ## eslint, on the page's JavaScript
	@node node_modules/eslint/bin/eslint.js --max-warnings 0 .

# In an environment of its own: what builds and checks is no part of the tests'. The list is of what was tested.
RELEASE := .release
.PHONY: release
release: ## the wheel and the source archive in dist/, checked and installed, with the list of their parts (SBOM)
	@rm -rf dist && $(PYTHON) -m venv --clear $(RELEASE) && $(PYTHON) -m venv --clear $(RELEASE)/installed
	@$(RELEASE)/bin/python -m pip install -qq --disable-pip-version-check -r requirements-release.txt
	@$(RELEASE)/bin/python -m build
	@$(RELEASE)/bin/twine check --strict dist/*
	@$(RELEASE)/installed/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt dist/*.whl
	@$(RELEASE)/installed/bin/python -m pip check
	@$(RELEASE)/bin/cyclonedx-py environment --output-reproducible -o dist/sbom.cdx.json \
		$(RELEASE)/installed/bin/python

clean: ## removes the environment, the demo's state and all caches
	@rm -rf $(VENV) node_modules .demo .deploy .environments .foreign .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@rm -rf dist $(RELEASE)
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
