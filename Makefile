# What each target does is in README.md; the long ones print one line of figures at the end.
.PHONY: run build test generate clean
.SILENT:

# Started through setpriv, the suite also ends in order when make itself is killed.
LAUNCH := $(if $(wildcard /usr/bin/setpriv),setpriv --pdeathsig TERM)

run:
	Support/setup.sh run
	$(MAKE) --no-print-directory compile
	exec $(LAUNCH) .build/release/vigil run

build:
	Support/setup.sh build
	$(MAKE) --no-print-directory compile

.PHONY: compile
compile:
	swift build --configuration release --static-swift-stdlib

test:
	Support/setup.sh test
	swift build --build-tests
	Support/test.sh

# Our figures beside the peers' in the same run; AREA=rpc runs one area. See Tests/Benchmarks.
.PHONY: bench
bench:
	Support/setup.sh test
	Tests/Benchmarks/run.sh $(AREA)

# Kills gateway, feature store and PostgreSQL at random moments under load, and counts; TORTURE_ROUNDS=50 TORTURE_SEED=1 TORTURE_FEATURE_STORES=2.
.PHONY: torture
torture:
	Support/setup.sh test
	Tests/Benchmarks/ingestion/setup.sh
	VIGIL_BENCHMARKS=1 swift build --configuration release --static-swift-stdlib --product torture
	.build/release/torture

# The tests of RPC and Protobuf under the Thread and the Address Sanitizer; and every parser of foreign input, FUZZ_SECONDS each.
.PHONY: sanitize fuzz
sanitize:
	Support/setup.sh test
	Support/sanitize.sh

fuzz:
	Support/setup.sh test
	Tests/Fuzz/run.sh

# The Swift code of the contracts, from Protos/**/*.proto.
generate:
	Protos/generate.sh

clean:
	rm -rf .build
