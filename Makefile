# Targets; `make help` prints them.
#   make             build/sigmad
#   make test        what a commit must pass: gcc and clang builds, checks, every test; installs what is missing
#   make test-unit   the unit tests alone         make test-e2e    the end-to-end tests alone
#   make test-asan   every test with address and undefined-behaviour sanitizers, own build folder
#   make test-tsan   every test with the thread sanitizer, own build folder
#   make test-crash  the daemon killed 1,000 times under load and compared with what its clients were told
#   make check       layers, formatting, static analysis, scripts; reports files and functions over the limits
#   make demo        handwritten digits, from nothing to answers, by curl      make demo-mnist   the real MNIST
#   make fuzz        clang's fuzzer on the readers, FUZZ_SECONDS=10 each, beginning from tests/fuzz/corpus/
#   make bench       what tests/bench/ measures           make bench-mnist   accuracy on MNIST, with Nielsen's beside it
#   make bench-nielsen   every figure that Nielsen publishes for MNIST and such networks, at his settings
#   make bench-parsers   data sets' readers, and numpy's, pandas' and Python's beside them
#   make bench-peers training by PyTorch, OpenBLAS, oneDNN, scikit-learn, FANN, numpy and sigmad, compared; 10 minutes
#   make bench-optimizers each optimiser's rows a second beside PyTorch's; 5 minutes
#   make bench-serve sigmad beside a bare epoll loop, fastify and FastAPI: Markdown, in 5 minutes
#   make soak        predict, learn, train, create, delete at once for SOAK_SECONDS=600: nothing may grow
#   make setup       installs what building and testing need (apt-get, with sudo when not root)
#   make install     PREFIX=/usr/local DESTDIR=       make format   clang-format      make clean
#   make dist        the source tarball               make deb      the Debian package
#   make test-deb    builds it, looks into it, and installs, upgrades, removes and purges it in a Debian of its own
VERSION = 0.1.0

BUILD  ?= build
PREFIX ?= /usr/local
DESTDIR ?=
ifeq ($(origin CC),default)
CC = gcc
endif
export CC

# WERROR= builds with a compiler that warns about more than ours do.
WERROR ?= -Werror
WARN    = -Wall -Wextra -Wconversion -Wshadow -Wcast-qual -Wvla -Wstrict-prototypes -Wmissing-prototypes $(WERROR)
OPT    ?= -O2
HARDEN ?= -fstack-protector-strong -D_FORTIFY_SOURCE=2
SAN    ?=
# -ffp-contract=off: results are defined operation by operation; fused ones are written as such.
CFLAGS  = -std=gnu11 $(OPT) -g $(WARN) -ffp-contract=off -fno-math-errno -pthread $(HARDEN) $(SAN)
LDFLAGS ?= -Wl,-z,relro,-z,now
PKGS    = libmicrohttpd jansson libuv gnutls zlib
PKG_LIBS = $(shell pkg-config --libs $(PKGS))
PROTO_LIBS = -ljansson -lz -lm # what proto/ and core/ stand on

CORE   = $(patsubst %.c,$(BUILD)/%.o,$(wildcard core/*.c))
PROTO  = $(patsubst %.c,$(BUILD)/%.o,$(wildcard proto/*.c))
SERVER = $(patsubst %.c,$(BUILD)/%.o,$(wildcard server/*.c))
T_CORE   = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/core/test_*.c))
T_PROTO  = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/proto/test_*.c))
T_SERVER = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/server/test_*.c))
UNIT   = $(T_CORE) $(T_PROTO) $(T_SERVER)
FUZZ   = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
SERVE  = $(BUILD)/tests/bench/serve/bare $(BUILD)/tests/bench/serve/pace
BENCH  = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/bench/bench_*.c))
C_FILES = $(wildcard core/*.[ch] proto/*.[ch] server/*.[ch] tests/*.[ch] tests/*/*.[ch])

all: $(BUILD)/needs
	@$(MAKE) --no-print-directory $(BUILD)/sigmad

# Tells once a build folder, and by its apt package, what is not there.
$(BUILD)/needs: tests/setup.sh
	@tests/setup.sh check build
	@mkdir -p $(@D) && touch $@

# V=1 shows whole commands.
say = $(if $(V),,@echo '$(1) $@';)

$(BUILD)/sigmad: $(SERVER) $(PROTO) $(CORE) $(BUILD)/files $(BUILD)/openapi-checked
	$(call say,link)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(PKG_LIBS) -lm

# The include path is the layer rule: a file can include only what lies at or below it.
$(BUILD)/core/%.o:   CPPFLAGS = -Icore
$(BUILD)/proto/%.o:  CPPFLAGS = -Icore -Iproto
$(BUILD)/server/%.o: CPPFLAGS = -Icore -Iproto -Iserver -D_GNU_SOURCE -DSIGMAD_VERSION='"$(VERSION)"'
$(BUILD)/tests/core/%.o:   CPPFLAGS = -Icore -Itests
$(BUILD)/tests/proto/%.o:  CPPFLAGS = -Icore -Iproto -Itests
$(BUILD)/tests/server/%.o: CPPFLAGS = -Icore -Iproto -Iserver -Itests -D_GNU_SOURCE -DSIGMAD_VERSION='"$(VERSION)"'
$(BUILD)/tests/bench/%.o:  CPPFLAGS = -Icore -Iproto -Iserver -Itests -D_GNU_SOURCE
$(BUILD)/tests/fuzz/%.o:   CPPFLAGS = -Icore -Iproto -Itests

# Flags of one file alone are set above this rule. A change here, or of the flags below, rebuilds.
$(BUILD)/%.o: %.c $(BUILD)/flags Makefile
	@mkdir -p $(@D)
	$(call say,cc)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# One kernel source, compiled for each instruction set; on other machines these units are empty.
# -O3 and no assumption about what the machine that runs it has: kernel.c chooses.
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine)),)
$(BUILD)/core/kernel_avx2.o:   ISA = -mavx2 -mfma
$(BUILD)/core/kernel_amx.o:    ISA = -mamx-tile -mamx-bf16
$(BUILD)/core/kernel_avx512.o: ISA = -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mavx2 -mprefer-vector-width=512
endif
# gcc 12 stores whole vectors to stack frames that the address sanitizer's use-after-return check has
# moved to where they are not aligned.
$(BUILD)/core/kernel_%.o: CFLAGS += $(if $(findstring address,$(SAN)),$(if $(findstring clang,$(CC)),,--param asan-use-after-return=0))
# The fuzzer is for readers: kernels full of its checks take clang 14 a quarter of an hour.
ifneq ($(findstring fuzzer,$(SAN)),)
$(BUILD)/core/kernel_%.o: override private SAN =
endif
$(BUILD)/core/kernel_%.o: core/kernel_%.c $(BUILD)/flags Makefile
	@mkdir -p $(@D)
	$(call say,cc)$(CC) $(CPPFLAGS) $(CFLAGS) -O3 $(ISA) -MMD -MP -c -o $@ $<

# So is the link line: a core test gets core's objects and libm, and nothing else.
$(T_CORE): $(BUILD)/tests/core/%: $(BUILD)/tests/core/%.o $(CORE) $(BUILD)/files
	$(call say,link)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) -lcmocka -lm
$(T_PROTO): $(BUILD)/tests/proto/%: $(BUILD)/tests/proto/%.o $(PROTO) $(CORE) $(BUILD)/files
	$(call say,link)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) -lcmocka $(PROTO_LIBS)
$(T_SERVER): $(BUILD)/tests/server/%: $(BUILD)/tests/server/%.o $(BUILD)/server.a $(PROTO) $(CORE) $(BUILD)/files
	$(call say,link)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) -lcmocka $(PKG_LIBS) -lm
# Of the server a test gets what it uses: what main.c defines is not there.
$(BUILD)/server.a: $(filter-out $(BUILD)/server/main.o,$(SERVER)) $(BUILD)/files
	@rm -f $@; ar rcs $@ $(filter %.o,$^)
$(FUZZ): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(PROTO) $(CORE) $(BUILD)/files
	$(call say,link)$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(PROTO_LIBS)
$(BENCH): $(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(PROTO) $(CORE) $(BUILD)/files
	$(call say,link)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(PROTO_LIBS)
# Training is measured on the daemon's own workers.
ON_WORKERS = $(BUILD)/tests/bench/nets.o $(BUILD)/server/workers.o $(BUILD)/server/trial.o
$(BUILD)/tests/bench/bench_train: $(ON_WORKERS)
$(BUILD)/tests/bench/peer_sigmad: $(BUILD)/tests/bench/peer_sigmad.o $(ON_WORKERS) $(CORE) $(BUILD)/files
	$(call say,link)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) -lm
# What is compared with is as fast as the compiler can make it.
PEERS = $(patsubst %,$(BUILD)/tests/bench/peer_%,openblas onednn fann)
# private: $(BUILD)/flags must not see it.
$(PEERS:=.o) $(BUILD)/tests/bench/peer.o: private OPT = -O3 -march=native -ffast-math -fopenmp
$(BUILD)/tests/bench/peer_openblas: PEER_LIBS = -lopenblas
$(BUILD)/tests/bench/peer_onednn: PEER_LIBS = -ldnnl
$(BUILD)/tests/bench/peer_fann: PEER_LIBS = -lfloatfann
$(PEERS): %: %.o $(BUILD)/tests/bench/peer.o
	$(call say,link)$(CC) $(CFLAGS) -fopenmp $(LDFLAGS) -o $@ $^ $(PEER_LIBS) -lm
$(SERVE): $(BUILD)/tests/bench/serve/%: $(BUILD)/tests/bench/serve/%.o $(PROTO) $(CORE) $(BUILD)/files
	$(call say,link)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(PROTO_LIBS)
# Without cmocka, so that it runs on machines that have none: see tests/core/bits.sh.
$(BUILD)/tests/core/bits: $(BUILD)/tests/core/bits.o $(CORE) $(BUILD)/files
	$(call say,link)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) -lm

# openapi.json goes into the executable, and has to have what route.c has. A program that was built for
# another machine is not run.
$(BUILD)/server/openapi.o: server/openapi.json
$(BUILD)/tests/server/openapi: $(BUILD)/tests/server/openapi.o $(BUILD)/server.a $(PROTO) $(CORE) $(BUILD)/files
	$(call say,link)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(PKG_LIBS) -lm
$(BUILD)/openapi-checked: $(BUILD)/tests/server/openapi server/openapi.json
	@case $$($(CC) -dumpmachine) in $$(uname -m)-*) $< server/openapi.json ;; esac && touch $@

# Tests that include tests/fail_malloc.h. private: $(BUILD)/files must not see it.
WRAP_MALLOC = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=aligned_alloc
STARVED = $(shell grep -l '"fail_malloc.h"' $(wildcard tests/core/test_*.c tests/proto/test_*.c))
$(STARVED:tests/%.c=$(BUILD)/tests/%): private LDFLAGS += $(WRAP_MALLOC)

# Files that change only when what they say does: the compiler and its flags, and what there is to link.
FORCE:
write_if_new = @mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(1))' >$@
$(BUILD)/flags: FORCE
	$(call write_if_new,$(shell $(CC) --version 2>/dev/null | head -n 1) $(CC) $(CFLAGS) $(VERSION))
$(BUILD)/files: FORCE
	$(call write_if_new,$(LDFLAGS) $(CORE) $(PROTO) $(SERVER))

# ---- tests ----

# $(1): the things to look for. Installs only when one is missing, so apt is left alone otherwise.
need = @tests/setup.sh check -q $(1) || tests/setup.sh install $(1)
RUN  = /usr/bin/python3 tests/run.py --build $(BUILD)

test:
	$(call need,build test check)
	@$(MAKE) --no-print-directory all clang check
	@$(MAKE) --no-print-directory suite KINDS='scripts bits e2e unit'

test-unit:
	$(call need,build test)
	@$(MAKE) --no-print-directory unit
	@$(RUN) unit

test-e2e:
	$(call need,build test)
	@$(MAKE) --no-print-directory $(BUILD)/sigmad
	@$(RUN) e2e scripts

test-crash:
	$(call need,build test)
	@$(MAKE) --no-print-directory $(BUILD)/sigmad
	@SIGMAD=$(BUILD)/sigmad tests/crash.py --kills 1000 --seed $(or $(SEED),$$(date +%s))

# Every test there is, with whatever is in $(BUILD), the long ones first. The same bits from every
# compiler and kernel are tried without sanitizers only.
KINDS = scripts e2e unit
suite: unit $(BUILD)/sigmad
	@$(RUN) $(KINDS)

unit: $(UNIT)

# gcc sees truncations that cannot be once the sanitizers' checks stand in between.
SAN_FLAGS = -fno-omit-frame-pointer -Wno-format-truncation

# Sanitized daemons are slower: the tests' own patience is stretched by SLOW.
test-asan:
	$(call need,build test)
	@SLOW=4 ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0 \
	UBSAN_OPTIONS=print_stacktrace=1 $(MAKE) --no-print-directory BUILD=build-asan HARDEN= OPT=-O1 \
	SAN='-fsanitize=address,undefined -fno-sanitize-recover=all $(SAN_FLAGS)' suite

# The thread sanitizer's shadow memory needs addresses that are not too random: setarch -R.
test-tsan:
	$(call need,build test)
	@SLOW=10 TSAN_OPTIONS=second_deadlock_stack=1:suppressions=$(CURDIR)/tests/tsan.supp $$(setarch -R true 2>/dev/null && echo setarch -R) \
	$(MAKE) --no-print-directory BUILD=build-tsan HARDEN= OPT=-O1 SAN='-fsanitize=thread $(SAN_FLAGS)' suite

# What the fuzzer finds new goes to build-fuzz/corpus, what breaks a reader to build-fuzz/NAME-crash-...
FUZZ_SECONDS ?= 10
fuzz:
	$(call need,build fuzz)
	@$(MAKE) --no-print-directory BUILD=build-fuzz CC=clang HARDEN= OPT=-O1 \
	SAN='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer' fuzz-run
fuzz-run: $(FUZZ)
	@tests/fuzz/run.py --build $(BUILD) --seconds $(FUZZ_SECONDS)

# The second compiler, for its warnings.
clang:
	@$(MAKE) --no-print-directory CC=clang BUILD=build-clang build-clang/sigmad unit

check:
	$(call need,check)
	@tests/layers.sh
	@clang-format --dry-run -Werror $(C_FILES)
	@cppcheck --quiet -j 2 --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppress=missingIncludeSystem --error-exitcode=1 -Icore -Iproto -Iserver $(wildcard core proto server)
	@shellcheck -x -e SC2119,SC2317 $(wildcard .ci/run tests/*.sh systemd/*.sh systemd/sigmad.bash-completion)
	@mandoc -T lint -W warning systemd/sigmad.8
	@pyflakes3 $(wildcard tests/*.py tests/*/*.py tests/*/*/*.py)
	@tests/limits.sh $(C_FILES)

format:
	clang-format -i $(C_FILES)

# ---- showing and measuring ----

demo:
	$(call need,build demo)
	@$(MAKE) --no-print-directory all
	@SIGMAD=$(BUILD)/sigmad tests/demo.sh

demo-mnist:
	$(call need,build demo mnist)
	@$(MAKE) --no-print-directory all
	@SIGMAD=$(BUILD)/sigmad tests/demo-mnist.sh

# SECONDS a figure, ROUNDS of which the median is shown. Nothing else should run meanwhile.
bench-serve: $(SERVE) $(BUILD)/sigmad
	$(call need,bench-serve)
	@NODE_CACHE=$$(tests/bench/serve/peers.sh) BUILD=$(BUILD) /usr/bin/python3 tests/bench/serve/serve.py

bench: $(BENCH) $(BUILD)/tests/bench/peer_sigmad $(BUILD)/sigmad
	@for b in $(filter-out %/bench_parsers,$(BENCH)) tests/bench/bench_jobs.py tests/bench/bench_start.py $(wildcard tests/bench/*.sh); do \
	  echo "== $$b"; SIGMAD=$(BUILD)/sigmad BUILD=$(BUILD) $$b || exit 1; done
	@$(MAKE) --no-print-directory bench-parsers

bench-parsers: $(BUILD)/tests/bench/bench_parsers
	$(call need,parsers)
	@tests/bench/parsers.py --build $(BUILD)

# The same work by what else does it; PEERS_FLAGS as tests/bench/peers.py has them.
bench-peers:
	$(call need,build peers)
	@$(MAKE) --no-print-directory $(BUILD)/tests/bench/peer_sigmad $(PEERS)
	@BUILD=$(BUILD) tests/bench/peers.py $(PEERS_FLAGS)

# Each optimiser beside PyTorch's.
bench-optimizers: $(BUILD)/sigmad
	$(call need,build test peers bench-serve)
	@SIGMAD=$(abspath $(BUILD)/sigmad) tests/bench/optimizers.py

# SOAK_SECONDS of everything at once; memory and descriptors have to stay flat.
SOAK_SECONDS ?= 600
soak: $(BUILD)/sigmad
	@SIGMAD=$(BUILD)/sigmad tests/soak.py $(SOAK_SECONDS)

# Nielsen's networks at his settings, three seeds each. The demo sees to the download.
bench-mnist: demo-mnist
	@SIGMAD=$(abspath $(BUILD)/sigmad) tests/bench/mnist.py

# Every figure he publishes for such networks, at his settings and on his split; fails below them.
bench-nielsen: demo-mnist
	@SIGMAD=$(abspath $(BUILD)/sigmad) tests/bench/nielsen.py

# ---- installing ----

setup:
	@tests/setup.sh install build test check demo

# The units look for their settings in /etc/sigmad, whatever PREFIX is.
DOC = $(DESTDIR)$(PREFIX)/share/doc/sigmad
UNITS ?= $(PREFIX)/lib/systemd/system
install: all
	install -D -m 755 $(BUILD)/sigmad $(DESTDIR)$(PREFIX)/bin/sigmad
	install -d $(DESTDIR)$(UNITS)
	for unit in sigmad.service sigmad@.service sigmad.socket; do \
	  sed 's|@BIN@|$(PREFIX)/bin/sigmad|' systemd/$$unit >$(DESTDIR)$(UNITS)/$$unit && \
	  chmod 644 $(DESTDIR)$(UNITS)/$$unit || exit 1; done
	install -D -m 644 systemd/sigmad.8 $(DESTDIR)$(PREFIX)/share/man/man8/sigmad.8
	install -D -m 644 systemd/sigmad.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sigmad
	install -D -m 644 README.md $(DOC)/README.md
	install -d $(DOC)/examples/tests/data
	install -m 644 systemd/sigmad.env systemd/alerts.yml systemd/grafana.json $(DOC)/examples
	install -m 755 tests/demo.sh $(DOC)/examples/tests
	install -m 644 tests/demo-lib.sh $(DOC)/examples/tests
	install -m 644 tests/data/digits-train.csv tests/data/digits-test.csv tests/data/README.md $(DOC)/examples/tests/data

# The source tarball; the Debian package, $(BUILD)/sigmad_VERSION_ARCH.deb.
dist:
	systemd/dist.sh $(VERSION) $(BUILD)/sigmad-$(VERSION).tar.gz
	@sha256sum $(BUILD)/sigmad-$(VERSION).tar.gz

DEB = $(BUILD)/sigmad_$(VERSION)_$(shell dpkg --print-architecture 2>/dev/null).deb
deb:
	$(call need,build deb)
	systemd/deb.sh $(VERSION) $(BUILD)

test-deb: deb
	$(call need,test test-deb)
	@DEB=$(DEB) $(RUN) package

help:
	@sed -n 's/^#   //p;/^VERSION/q' Makefile

clean:
	rm -rf build build-asan build-tsan build-clang build-arm build-fuzz $(BUILD)

.PHONY: all test test-unit test-e2e test-asan test-tsan test-crash suite unit fuzz fuzz-run clang check format demo demo-mnist bench \
	bench-parsers bench-peers bench-optimizers bench-mnist bench-nielsen bench-serve soak setup install dist deb test-deb help clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
