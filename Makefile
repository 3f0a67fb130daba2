# ringup: `make help` lists what there is.

GO ?= go
LINT := $(GO) tool -modfile=tools/go.mod golangci-lint

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## everything in one process: embedded Redis, sandbox providers, the outbox to look at
	@$(GO) run ./cmd/ringup dev

.PHONY: build
build: ## the programs, static, into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/ ./cmd/...

.PHONY: image-rootfs
image-rootfs: ## what the images hold, as folders in dist/rootfs, without a registry
	@hack/image-rootfs dist/rootfs

.PHONY: test
test: ## install what the tests need, and run all of them with the race detector
	@hack/test

.PHONY: upgrade-test
upgrade-test: ## the programs of the release before beside these, under load: upgrade, and roll back
	@hack/upgrade-test

.PHONY: lint
lint: ## formatting, vet, golangci-lint, tidy go.mods, the manifests
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
vulnerabilities: ## known vulnerabilities in what is linked (it asks vuln.go.dev, so it is not a part of lint)
	$(GO) tool -modfile=tools/go.mod govulncheck ./...

.PHONY: alerts
alerts: ## what makes each alert fire, by promtool; it takes five minutes to compile, once
	cd tools/prometheus && $(GO) tool promtool check rules ../../dashboards/alerts.yaml
	cd tools/prometheus && $(GO) tool promtool test rules ../../dashboards/alerts_test.yaml

.PHONY: chaos
chaos: ## break things under load for three minutes and count every message (CHAOSFLAGS="-topology all -seed 1 -duration 1h")
	@hack/chaos $(CHAOSFLAGS)

.PHONY: chaos-broken
chaos-broken: ## the same against builds that are broken on purpose: each has to be caught
	@hack/chaos -duration 40s -broken all $(CHAOSFLAGS)

.PHONY: fuzz
fuzz: ## each fuzz target for ten seconds
	@hack/fuzz

.PHONY: bench
bench: ## what a webhook costs, beside BullMQ, asynq and a bare handler: a table, in a quarter of an hour
	@cd test/bench && $(GO) run . $(BENCHFLAGS)

.PHONY: growth
growth: ## how the costs grow with what waits, replicas, shards, recipients and payloads; draws docs/pictures/growth.svg
	@cd test/bench && $(GO) run . -growth ../../docs/pictures/growth.svg $(BENCHFLAGS)

.PHONY: e2e
e2e: ## on a real Kubernetes with KEDA: KUBECONFIG, or see hack/e2e
	@hack/e2e
