# Every target is one script, so that it can be read, and run, by itself.

.DEFAULT_GOAL := help
.PHONY: help run build test check bench soak

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build what is needed and start the demo on http://127.0.0.1:8080
	@scripts/run.sh

build: ## build target/release/fieldwatch, the web page inside
	@scripts/build.sh

test: ## install what the tests need, run all of them, end with a summary line
	@scripts/test.sh

check: ## format, lints, documentation, licences, advisories, spelling
	@scripts/check.sh

bench: ## measure, and write docs/benchmarks.md
	@scripts/bench.sh

soak: ## the fault tests and the fuzz targets in their long form
	@scripts/soak.sh
