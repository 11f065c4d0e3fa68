# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
JOBS ?= 2
MINUTES ?= 10

# .venv brings its own ROS. A sourced distribution would lend it half of another one, and the guard
# of the ROS wheels would keep them from finding their libraries.
unexport PYTHONPATH PYTHONHOME LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH
unexport COLCON_PREFIX_PATH ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION RMW_IMPLEMENTATION
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

# rclpy does not start where it cannot write a log, and HOME may be missing or read-only.
export ROS_LOG_DIR ?= $(CURDIR)/$(VENV)/ros_log

.PHONY: help venv lint test fuzz storm load demo clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' Makefile

venv: $(VENV)/.package  ## build .venv from requirements.lock

demo: venv  ## run the sample clip through the model and show the result (ARGS="..." is passed on)
	@$(BIN)/mila demo $(ARGS)

# What talks to other processes or measures time comes after, alone; pytest says 5 for no such test.
test: lint  ## lint, then run the tests (ARGS="..." is passed on to pytest)
	@failed=0; \
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not alone" $(ARGS) \
		|| [ $$? = 5 ] || failed=1; \
	$(BIN)/python -m pytest -m alone $(ARGS) || [ $$? = 5 ] || failed=1; \
	exit $$failed

fuzz: venv  ## try random inputs for MINUTES (10): conversions, bundles, parameters
	@MILA_FUZZ_MINUTES=$(MINUTES) $(BIN)/python -m pytest test/fuzz $(ARGS)

storm: venv  ## send 10 000 malformed images of 40 kinds, and as many compressed ones, to the node
	@MILA_STORM=10000 $(BIN)/python -m pytest test/ros/test_storm.py $(ARGS)

load: venv  ## load the node with four cameras for MINUTES, and check every answer
	@$(BIN)/python benchmarks/load.py --minutes $(MINUTES) --json out/load.json $(ARGS)

lint: venv  ## check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy mila_ros/networks mila_ros/streaming

clean:  ## remove .venv and everything else that can be made again
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find mila_ros test launch -name __pycache__ -prune -exec rm -rf {} +

define CHECK_PYTHON
import platform, sys
version = sys.version_info
if not (3, 11) <= version < (3, 15):
    sys.exit(f"mila_ros: the pinned numpy and ROS wheels need Python 3.11 to 3.14 and this is "
             f"{version[0]}.{version[1]}; name another one: make PYTHON=/path/to/python3.12")
if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
    sys.exit(f"mila_ros: the pinned ROS wheels are for Linux on x86_64 and this is "
             f"{platform.system()} on {platform.machine()}; build with colcon, as the README says")
endef
export CHECK_PYTHON

$(VENV)/.lock: requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "mila_ros: there is no $(PYTHON) here;" \
		"name a Python from 3.11 to 3.14: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c "$$CHECK_PYTHON"
	@echo "mila_ros: building $(VENV) from requirements.lock, a few minutes the first time"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip --disable-pip-version-check install $$([ -t 1 ] || echo -qq) \
		-r requirements.lock
	@touch $@

$(VENV)/.package: $(VENV)/.lock setup.py setup.cfg pyproject.toml mila_ros/__init__.py
	@$(BIN)/python -m pip --disable-pip-version-check install -qq \
		--no-deps --no-build-isolation --editable .
	@touch $@
