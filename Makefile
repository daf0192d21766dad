# Everything on a bare machine: Python 3.10-3.13, a C++ compiler, cmake, make. Neither ROS nor a GPU is needed.
PYTHON ?= python3
VENV ?= .venv
PYTHON_OLDEST ?= python3.10
VENV_OLDEST ?= .venv-oldest
PYTHON_JAZZY ?= python3.12
VENV_JAZZY ?= .venv-jazzy
BAG ?=
OUT ?= output/demo
DRIVE := output/drive

# Nodes of demos and tests stay on this machine.
export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST

.PHONY: help setup setup-dev demo test test-oldest test-jazzy lint docs release clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 13

setup:  ## .venv with ROS 2 from PyPI and this package
	@$(PYTHON) pypi_ros/setup.py --venv $(VENV)

setup-dev:  ## the same, with test tools
	@$(PYTHON) pypi_ros/setup.py --venv $(VENV) --dev

demo: setup  ## a drive through the real node over DDS: a page to look at, trajectory, plots, bag (BAG=... for a bag of yours)
	@test -n '$(BAG)' -o -d '$(DRIVE)' || echo 'demo: rendering a drive of 250 m'
	@test -n '$(BAG)' -o -d '$(DRIVE)' || $(VENV)/bin/atvio synthesize --out '$(DRIVE)' --seed 7 --length 250
	@echo 'demo: playing it to atvio_node over DDS, in real time'
	@$(VENV)/bin/atvio replay '$(or $(BAG),$(DRIVE))' --out '$(OUT)'

test: setup-dev  ## all tests
	@$(VENV)/bin/python -m pytest

test-oldest:  ## all tests on the libraries of Ubuntu 22.04 (ROS 2 Humble), from PyPI; needs Python 3.10
	@$(PYTHON_OLDEST) pypi_ros/setup.py --venv $(VENV_OLDEST) --pins oldest --dev
	@$(VENV_OLDEST)/bin/python -m pytest

test-jazzy:  ## all tests on ROS 2 Jazzy and the libraries of Ubuntu 24.04, from PyPI; needs Python 3.12
	@$(PYTHON_JAZZY) pypi_ros/setup.py --venv $(VENV_JAZZY) --pins jazzy --dev
	@$(VENV_JAZZY)/bin/python -m pytest

lint: setup-dev  ## ruff and mypy
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

docs: setup-dev  ## the manual as a site, in site/; fails on a broken link
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict

release: setup-dev  ## check versions, changelog and wheel, and run it from an empty environment
	@$(VENV)/bin/python scripts/release.py

clean:  ## remove the set-up and all output
	rm -rf $(VENV) $(VENV_OLDEST) $(VENV_JAZZY) output site dist build
