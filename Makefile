# ringup: `make help` lists the targets.

GO ?= go
LINT := $(GO) tool -modfile=tools/go.mod golangci-lint

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## run everything in one process: embedded Redis, sandbox providers, the outbox
	@$(GO) run ./cmd/ringup dev

.PHONY: build
build: ## build the programs, static, into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/ ./cmd/...

.PHONY: image-rootfs
image-rootfs: ## build the contents of the images as directories in dist/rootfs, without a registry
	@hack/image-rootfs dist/rootfs

.PHONY: test
test: ## install the tools that the tests need, and run all tests with the race detector
	@hack/test

.PHONY: upgrade-test
upgrade-test: ## upgrade from the previous release under load, and roll back
	@hack/upgrade-test

.PHONY: lint
lint: ## check formatting, vet, golangci-lint, go.mod files and manifests
	$(GO) mod tidy -diff
	$(GO) mod tidy -C test/manifests -diff
	$(GO) mod tidy -C test/bench -diff
	$(GO) mod tidy -C test/browser -diff
	$(LINT) run --build-tags e2e ./...
	hack/lint-manifests
	cd test/bench && $(GO) tool -modfile=../../tools/go.mod golangci-lint run --config ../../.golangci.yml ./...
	cd test/browser && $(GO) tool -modfile=../../tools/go.mod golangci-lint run --config ../../.golangci.yml ./...
	cd test/manifests && $(GO) tool -modfile=../../tools/go.mod golangci-lint run --config ../../.golangci.yml ./...

.PHONY: vulnerabilities
vulnerabilities: ## look for known vulnerabilities in linked code (not part of lint, because it asks vuln.go.dev)
	$(GO) tool -modfile=tools/go.mod govulncheck ./...

.PHONY: alerts
alerts: ## test with promtool when each alert fires; the first run compiles for five minutes
	cd tools/prometheus && $(GO) tool promtool check rules ../../dashboards/alerts.yaml
	cd tools/prometheus && $(GO) tool promtool test rules ../../dashboards/alerts_test.yaml

.PHONY: chaos
chaos: ## inject faults under load for three minutes, and count every message (CHAOSFLAGS="-topology all -seed 1 -duration 1h")
	@hack/chaos $(CHAOSFLAGS)

.PHONY: chaos-broken
chaos-broken: ## the same with builds that are broken on purpose; the run has to notice each
	@hack/chaos -duration 40s -broken all $(CHAOSFLAGS)

.PHONY: fuzz
fuzz: ## run each fuzz target for ten seconds
	@hack/fuzz

.PHONY: bench
bench: ## measure the cost of a webhook, next to BullMQ, asynq and a bare handler, in a quarter of an hour
	@cd test/bench && $(GO) run . $(BENCHFLAGS)

.PHONY: growth
growth: ## measure how the cost grows with waiting jobs, replicas, shards, recipients and payloads; draws docs/pictures/growth.svg
	@cd test/bench && $(GO) run . -growth ../../docs/pictures/growth.svg $(BENCHFLAGS)

.PHONY: e2e
e2e: ## test on a real Kubernetes with KEDA: set KUBECONFIG, or see hack/e2e
	@hack/e2e
