# touchpoint: the two commands for a newcomer are `make demo` and `make test`.
# Everything that the machine lacks is installed into $(CACHE) or from Debian's packages.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
CACHE       ?= $(HOME)/.cache/touchpoint
TOOLS       := $(CACHE)/tools
export TOUCHPOINT_CACHE := $(CACHE)
export PATH := $(TOOLS):$(PATH)

ARGS ?=
PKGS ?= ./...

BUF_VERSION         := v1.75.0
PROTOC_GEN_GO       := v1.36.12
PROTOC_GEN_GO_GRPC  := v1.6.2
STATICCHECK_VERSION := v0.8.2

.PHONY: help demo build test lint verify bench fuzz mutate year chaos clean servers tools generate

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: build ## the whole product with a simulated fleet; ARGS="--for 60s --json out.json"
	@bin/touchpoint demo $(ARGS)

build: ## bin/touchpoint
	@go build -trimpath -o bin/touchpoint ./cmd/touchpoint

# Random tests draw the same cases every time here, so that a red run can be
# repeated; `make fuzz` draws new ones.
test: servers build ## all tests, against real servers
	@RAPID_SEED=$${RAPID_SEED:-1} TOUCHPOINT_TEST_INFLUXD="$$(tools/servers/influxd.sh)" go test -timeout 30m $(PKGS)

servers: ## what the tests talk to: Mosquitto, Chromium, strace, InfluxDB
	@tools/servers/debian.sh mosquitto mosquitto-clients chromium fonts-liberation strace
	@tools/servers/influxd.sh >/dev/null

tools: $(TOOLS)/buf $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc $(TOOLS)/staticcheck

$(TOOLS)/buf:
	@GOBIN=$(TOOLS) go install github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION)
$(TOOLS)/protoc-gen-go:
	@GOBIN=$(TOOLS) go install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO)
$(TOOLS)/protoc-gen-go-grpc:
	@GOBIN=$(TOOLS) go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(PROTOC_GEN_GO_GRPC)
$(TOOLS)/staticcheck:
	@GOBIN=$(TOOLS) go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)

lint: tools ## formatting, vet, staticcheck, buf
	@unformatted="$$(gofmt -l $$(git ls-files '*.go'))"; test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	@go vet ./...
	@go vet -tags failpoints ./...
	@staticcheck ./...
	@cd proto && buf lint

generate: tools ## generated code from proto/
	@cd proto && buf generate

verify: tools ## generated code and go.mod are up to date
	@go mod tidy -diff
	@tools/verify-generated.sh

bench: build ## benchmarks and the comparison with peers; writes docs/performance.md
	@tools/bench/run.sh $(ARGS)

fuzz: ## every fuzz target for a while; FUZZTIME=1m
	@tools/fuzz.sh

mutate: ## change the journey core in small ways: do the tests notice? ARGS="--max 400"
	@go run ./tools/mutate $(ARGS)

year: ## a simulated year of 10,000 customers through the journey core, and days of it in real time; ARGS="-customers 1000"
	@go test ./gateway/journey/reference -run TestYear -v -timeout 60m -customers 10000 -days 365 $(ARGS)
	@go test ./internal/e2e -run TestVirtualTimeIsRealTime -v -timeout 60m -real.customers 100 -real.days 3 -real.pace 3600 | grep -v level=
	@go test ./internal/e2e -run TestVirtualTimeIsRealTime -v -timeout 60m -real.examples -real.step 2h -real.days 3 | grep -v level=

chaos: build servers ## kill -9 for longer; CHAOS=10m
	@TOUCHPOINT_TEST_INFLUXD="$$(tools/servers/influxd.sh)" TOUCHPOINT_CHAOS=$${CHAOS:-10m} go test -timeout 120m -run Crash -v ./internal/crashtest

clean: ## what the build made
	@rm -rf bin out
