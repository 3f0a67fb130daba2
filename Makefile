# ringup: `make help` lists the targets.

GO ?= go

# The modules with code of ringup. The last three keep the dependencies of benchmarks and tests out of ringup's own.
MODULES := . test/bench test/browser test/manifests

# --allow-parallel-runners: another checkout on the same machine may be linted at the same time.
LINT       := $(GO) tool -modfile=$(CURDIR)/tools/go.mod golangci-lint run --allow-parallel-runners
ACTIONLINT := $(GO) tool -modfile=$(CURDIR)/tools/actionlint/go.mod actionlint

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Run and build

.PHONY: run
run: ## run everything in one process: an embedded Redis, sandbox providers, and the outbox page
	@$(GO) build -o bin/ ./cmd/ringup
	@bin/ringup dev

.PHONY: build
build: ## build the programs, static, into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/ ./cmd/...

.PHONY: image-rootfs
image-rootfs: ## build the root file systems of the images into dist/rootfs, without a registry
	@hack/image-rootfs dist/rootfs

##@ Check a change (.ci/run runs these four)

.PHONY: test
test: ## run all tests with the race detector, after installing the programs they need
	@hack/test

.PHONY: upgrade-test
upgrade-test: ## run the programs of the last release beside these, under load: upgrade and roll back
	@hack/upgrade-test

.PHONY: lint
lint: ## check formatting, code, go.mod files, scripts and workflows
	@set -e; for module in $(MODULES); do \
	  echo "lint: $$module"; \
	  $(GO) mod tidy -C "$$module" -diff; \
	  (cd "$$module" && $(LINT) --config $(CURDIR)/.golangci.yml --build-tags e2e ./...); \
	done
	@hack/install-tools shellcheck
	shellcheck .ci/run $$(grep -rlE '^#!.*\b(ba)?sh$$' hack)
	$(ACTIONLINT)

.PHONY: chart
chart: ## test the chart and the kustomize overlays, and lint what they render
	@$(GO) test -C test/manifests ./...
	@hack/lint-manifests

##@ Check in depth

.PHONY: test-redis
test-redis: ## run the tests on the server of an image: REDIS_IMAGE=redis:6.2, or valkey/valkey:8 (needs Docker)
	@hack/redis-from-image "$(REDIS_IMAGE)" dist/redis
	@REDIS_SERVER=$(CURDIR)/dist/redis/redis-server hack/test ./...

.PHONY: test-browser
test-browser: ## run the tests of the dashboard in a browser
	@hack/install-tools redis-server chromium fonts
	@$(GO) test -C test/browser ./...

.PHONY: fuzz
fuzz: ## run each fuzz target for ten seconds (FUZZTIME=1m)
	@hack/fuzz

.PHONY: alerts
alerts: ## test the alerts with promtool, which takes five minutes to compile once
	cd tools/prometheus && $(GO) tool promtool check rules ../../dashboards/alerts.yaml
	cd tools/prometheus && $(GO) tool promtool test rules ../../dashboards/alerts_test.yaml

.PHONY: vulnerabilities
vulnerabilities: ## look for known vulnerabilities in linked code (asks the Go vulnerability database, so not in lint)
	$(GO) tool -modfile=tools/go.mod govulncheck ./...

.PHONY: vulnerabilities-binary
vulnerabilities-binary: ## the same in the linked programs, with the list of the module proxy (where vuln.go.dev cannot be reached)
	@hack/vulnerabilities

.PHONY: chaos
chaos: ## inject faults for three minutes and account for every message (CHAOSFLAGS="-topology all -seed 1 -duration 1h")
	@hack/chaos $(CHAOSFLAGS)

.PHONY: chaos-broken
chaos-broken: ## run chaos on builds that are broken on purpose: it has to catch each
	@hack/chaos -duration 40s -broken all $(CHAOSFLAGS)

.PHONY: e2e
e2e: ## test on a Kubernetes cluster with KEDA: KUBECONFIG, or a kind cluster that it starts (see hack/e2e)
	@hack/e2e

##@ Measure

.PHONY: bench
bench: ## measure the cost of a webhook beside BullMQ, asynq and a bare handler, in a quarter of an hour
	@cd test/bench && $(GO) run . $(BENCHFLAGS)

.PHONY: growth
growth: ## measure how costs grow with backlog, replicas, shards, recipients and payloads; draws docs/pictures/growth.svg
	@cd test/bench && $(GO) run . -growth ../../docs/pictures/growth.svg $(BENCHFLAGS)
