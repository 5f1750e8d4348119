#   make             build/sigmad
#   make test        builds everything and passes every test (installs nothing: make setup does)
BUILD ?= build
CC    ?= gcc
WARN   = -Wall -Wextra -Wconversion -Wshadow -Wcast-qual -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror
OPT   ?= -O2
# -ffp-contract=off: results are defined operation by operation; fused ones are written as such.
CFLAGS = -std=gnu11 $(OPT) -g $(WARN) -ffp-contract=off -fno-math-errno -pthread $(SAN)
PKGS   = libmicrohttpd jansson libuv gnutls

CORE   = $(patsubst %.c,$(BUILD)/%.o,$(wildcard core/*.c))
PROTO  = $(patsubst %.c,$(BUILD)/%.o,$(wildcard proto/*.c))
SERVER = $(patsubst %.c,$(BUILD)/%.o,$(wildcard server/*.c))
T_CORE   = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/core/test_*.c))
T_PROTO  = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/proto/test_*.c))
T_SERVER = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/server/test_*.c))

all: $(BUILD)/sigmad

$(BUILD)/sigmad: $(SERVER) $(PROTO) $(CORE)
	$(CC) $(CFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS)) -lm

# The include path is the layer rule: a file can include only what lies at or below it.
$(BUILD)/core/%.o:   CPPFLAGS = -Icore
$(BUILD)/proto/%.o:  CPPFLAGS = -Icore -Iproto
$(BUILD)/server/%.o: CPPFLAGS = -Icore -Iproto -Iserver -D_GNU_SOURCE
$(BUILD)/tests/core/%.o:   CPPFLAGS = -Icore -Itests
$(BUILD)/tests/proto/%.o:  CPPFLAGS = -Icore -Iproto -Itests
$(BUILD)/tests/server/%.o: CPPFLAGS = -Icore -Iproto -Iserver -Itests -D_GNU_SOURCE

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# One kernel source, compiled for each instruction set; on other machines these units are empty.
# -O3 and no assumption about what the machine that runs it has: kernel.c chooses.
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine)),)
$(BUILD)/core/kernel_avx2.o:   ISA = -mavx2 -mfma
$(BUILD)/core/kernel_avx512.o: ISA = -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mavx2 -mprefer-vector-width=512
endif
$(BUILD)/core/kernel_%.o: core/kernel_%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -O3 $(ISA) -MMD -MP -c -o $@ $<

# So is the link line: a core test gets core's objects and libm, and nothing else.
$(T_CORE): $(BUILD)/tests/core/%: $(BUILD)/tests/core/%.o $(CORE)
	$(CC) $(CFLAGS) -o $@ $^ -lcmocka -lm
$(BUILD)/tests/core/bits: $(BUILD)/tests/core/bits.o $(CORE)
	$(CC) $(CFLAGS) -o $@ $^ -lm
$(T_PROTO): $(BUILD)/tests/proto/%: $(BUILD)/tests/proto/%.o $(PROTO) $(CORE)
	$(CC) $(CFLAGS) -o $@ $^ -lcmocka -ljansson -lm
$(T_SERVER): $(BUILD)/tests/server/%: $(BUILD)/tests/server/%.o $(filter-out $(BUILD)/server/main.o,$(SERVER)) $(PROTO) $(CORE)
	$(CC) $(CFLAGS) -o $@ $^ -lcmocka $(shell pkg-config --libs $(PKGS)) -lm

test: $(T_CORE) $(T_PROTO) $(T_SERVER)
	@for t in $^; do $$t || exit 1; done

clean:
	rm -rf $(BUILD)

.PHONY: all test clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
