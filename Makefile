# Builds grid and libgrid, installs them, and runs their tests.
#   make [V=1] [WERROR=1] [SAN=address,undefined]     V=1 shows the commands
# A sanitizer build goes to a folder of its own, build/san-address-undefined.

CC ?= cc
AR ?= ar
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
DESTDIR ?=
V ?= 0
WERROR ?= $(if $(CI),1,0)
SAN ?=

quiet = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' '$(1)' '$(2)';)
comma := ,
folder = build$(if $(1),/san-$(subst $(comma),-,$(1)))

B := $(call folder,$(SAN))
CHECK_SAN := address,undefined
SANB := $(call folder,$(CHECK_SAN))

# --- what is there --------------------------------------------------------------------------

LIB_SOURCES := $(filter-out src/cmd/% src/module/%,$(wildcard src/*/*.c))
CMD_SOURCES := $(wildcard src/cmd/*.c)
UNIT_SOURCES := $(wildcard tests/unit/test_*.c tests/store/*.c tests/support/*.c)
CLI_SOURCES := $(wildcard tests/cli/*.c tests/support/*.c)
FAULT_SOURCES := $(wildcard tests/fault/*.c)
FAULT_LIB := $(wildcard tests/fault/lib/*.c)
FAULT_SHIMS := $(wildcard tests/fault/shim/*.c)
FAULT_PROGRAMS := $(FAULT_SOURCES:%.c=build/%) $(FAULT_SHIMS:%.c=build/%.so)
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(filter-out %/replay.c,$(wildcard tests/fuzz/*.c)))

# --- how it is built ------------------------------------------------------------------------

optimized = $(filter-out -O0,$(filter -O%,$(CFLAGS)))
CPPFLAGS_ALL = -D_GNU_SOURCE -Iinclude -Isrc -MMD -MP $(CPPFLAGS)
CFLAGS_ALL = -std=gnu17 -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla \
	$(if $(filter 1,$(WERROR)),-Werror) -fvisibility=hidden -fPIE -fstack-protector-strong $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-O1,--hash-style=gnu,--as-needed,-z,relro,-z,now,-z,noexecstack \
	-Wl,-z,pack-relative-relocs $(CFLAGS) $(LDFLAGS)
# libc first: the loader then looks for nearly every symbol where it is, a tenth of a short run.
LDLIBS_ALL = -lc -lcjson -lm $(LDLIBS)
# The sanitizers bring their own checks of what _FORTIFY_SOURCE checks, and it needs an optimizer.
fortify = $(if $(optimized),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
sanitize = -fsanitize=$(1) -fno-sanitize-recover=all -fno-omit-frame-pointer
checks = $(if $(1),$(call sanitize,$(1)),$(fortify))
# For a compiler that only looks; make lint asks clang, too.
LOOK = $(filter-out -MMD -MP -Werror,$(CPPFLAGS_ALL) -Itests $(CFLAGS_ALL)) -Werror -fsyntax-only

.PHONY: all deps quickstart lint bench coverage fuzz torture model install uninstall clean FORCE
.PHONY: check check-unit check-cli check-san check-valgrind check-fault check-man check-fuzz
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/grid $(B)/libgrid.a

# Writes $(1) to the target if it holds something else: what depends on it is then made anew.
stamp = @mkdir -p $(@D); text='$(subst ','\'',$(1))'; \
	[ "$$(cat $@ 2>/dev/null)" = "$$text" ] || printf '%s\n' "$$text" >$@

# One kind of build: $(1) its folder, $(2) its sanitizers.
define flavour
$(1)/grid: $(CMD_SOURCES:%.c=$(1)/obj/%.o) $(1)/libgrid.a
$(1)/tests/unit: $(UNIT_SOURCES:%.c=$(1)/obj/%.o) $(1)/libgrid.a
$(1)/tests/cli: $(CLI_SOURCES:%.c=$(1)/obj/%.o) $(1)/libgrid.a
$(1)/tests/unit $(1)/tests/cli: LDLIBS_ALL := -lcriterion $(LDLIBS_ALL)
$(1)/grid $(1)/tests/unit $(1)/tests/cli: $(1)/sources
	$$(call quiet,LD,$$@)mkdir -p $$(@D) && \
	$$(CC) $$(call checks,$(2)) $$(LDFLAGS_ALL) -o $$@ $$(filter %.o %.a,$$^) $$(LDLIBS_ALL)

$(1)/libgrid.a: $(LIB_SOURCES:%.c=$(1)/obj/%.o) $(1)/sources
	$$(call quiet,AR,$$@)rm -f $$@ && $$(AR) rcs $$@ $$(filter %.o,$$^)

$(1)/obj/%.o: %.c $(1)/flags | build/.have-build
	$$(call quiet,CC,$$<)mkdir -p $$(@D) && \
	$$(CC) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) $$(call checks,$(2)) -c -o $$@ $$<
$(1)/obj/tests/%.o: tests/%.c $(1)/flags | build/.have-tests
	$$(call quiet,CC,$$<)mkdir -p $$(@D) && \
	$$(CC) $$(CPPFLAGS_ALL) -Itests $$(CFLAGS_ALL) $$(call checks,$(2)) -c -o $$@ $$<

$(1)/flags: FORCE
	$$(call stamp,$$(CC) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) $$(LDFLAGS_ALL) $$(LDLIBS_ALL))
$(1)/sources: FORCE
	$$(call stamp,$(LIB_SOURCES) $(CMD_SOURCES) $(UNIT_SOURCES) $(CLI_SOURCES))

-include $(patsubst %.c,$(1)/obj/%.d,$(LIB_SOURCES) $(CMD_SOURCES) $(UNIT_SOURCES) $(CLI_SOURCES))
endef
$(foreach san,none $(sort $(CHECK_SAN) $(SAN)),$(eval \
	$(call flavour,$(call folder,$(san:none=)),$(san:none=))))

ifneq ($(filter coverage build/coverage/%,$(MAKECMDGOALS)),)
$(eval $(call flavour,build/coverage,))
endif
build/coverage/%: CFLAGS := -O0 -g --coverage
build/coverage/obj/tests/%: CFLAGS := -O0 -g
coverage_runners := build/coverage/grid build/coverage/tests/unit build/coverage/tests/cli
$(coverage_runners): build/coverage/obj/tests/support/coverage/exit.o
$(coverage_runners): LDFLAGS += -Wl,--wrap=_exit

build/tests/fault/%: build/obj/tests/fault/%.o $(FAULT_LIB:%.c=build/obj/%.o) build/libgrid.a
	$(call quiet,LD,$@)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)
build/tests/fault/shim/%.so: tests/fault/shim/%.c build/flags | build/.have-tests
	$(call quiet,LD,$@)mkdir -p $(@D) && \
	$(CC) $(filter-out -fPIE,$(CPPFLAGS_ALL) -Itests $(CFLAGS_ALL)) -fPIC -shared -o $@ $<
-include $(patsubst %.c,build/obj/%.d,$(FAULT_SOURCES) $(FAULT_LIB)) \
	$(FAULT_SHIMS:%.c=build/%.d)

# A target of fuzzing twice: with libFuzzer, and with a main that replays files.
FUZZ_CC := clang-14
fuzz_replays := $(FUZZERS:%=$(SANB)/tests/fuzz/%)
ifneq ($(filter fuzz build/fuzz/%,$(MAKECMDGOALS)),)
$(eval $(call flavour,build/fuzz,fuzzer-no-link$(comma)address$(comma)undefined))
endif
build/fuzz/%: CC := $(FUZZ_CC)
build/fuzz/%: CFLAGS := -O1 -g
called = $(patsubst %.c,$(1)/obj/%.o,$(filter-out src/cmd/main.c,$(CMD_SOURCES))) $(1)/libgrid.a
build/fuzz/tests/fuzz/%: build/fuzz/obj/tests/fuzz/%.o $(call called,build/fuzz)
	$(call quiet,LD,$@)mkdir -p $(@D) && \
	$(CC) $(call sanitize,fuzzer$(comma)address$(comma)undefined) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)
$(SANB)/tests/fuzz/%: $(SANB)/obj/tests/fuzz/%.o $(SANB)/obj/tests/fuzz/replay.o \
		$(call called,$(SANB))
	$(call quiet,LD,$@)mkdir -p $(@D) && \
	$(CC) $(call sanitize,$(CHECK_SAN)) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)
-include $(foreach name,$(FUZZERS) replay,$(SANB)/obj/tests/fuzz/$(name).d \
	build/fuzz/obj/tests/fuzz/$(name).d)

# --- packages: a plain `make` only says what is missing; these goals install it ---------------

installing := $(filter deps quickstart fuzz torture model check%,$(MAKECMDGOALS))
how := $(if $(installing),install,need)
ifneq ($(installing),)
.PHONY: build/.have-build build/.have-tests build/.have-fuzz build/.have-model
endif
build/.have-build build/.have-tests build/.have-fuzz build/.have-model: build/.have-%:
	@mkdir -p build && CC='$(CC)' tests/support/deps $(how) $* && touch $@
build/.have-tests: | build/.have-build

deps: build/.have-build build/.have-tests

quickstart: all
	@GRID_BIN=$(B)/grid tests/support/quickstart

# --- tests ------------------------------------------------------------------------------------

runners := build/grid build/tests/unit build/tests/cli
san_runners := $(SANB)/grid $(SANB)/tests/unit $(SANB)/tests/cli
steps = LOOK='$(LOOK)' SANB=$(SANB) tests/support/check

check: build/.have-tests $(runners) $(san_runners) $(FAULT_PROGRAMS) $(fuzz_replays)
	@$(steps) unit cli san valgrind fault fuzz man lint

check-unit: build/tests/unit
check-cli check-valgrind: build/grid build/tests/cli
check-san: $(san_runners)
check-fault: build/grid $(FAULT_PROGRAMS)
check-fuzz: $(fuzz_replays)
check-man: build/.have-tests
check-unit check-cli check-san check-valgrind check-fault check-man check-fuzz: check-%:
	@$(steps) $*

lint:
	@LOOK='$(LOOK)' tests/support/lint

# T seconds for each.
T ?= 60
fuzz: build/.have-fuzz $(FUZZERS:%=build/fuzz/tests/fuzz/%)
	@tests/support/fuzz run build/fuzz/tests/fuzz $(T)

model: build/.have-build build/.have-model
	@CC='$(CC)' tests/model/run

coverage: build/.have-tests $(coverage_runners) $(FAULT_PROGRAMS)
	@tests/support/coverage/run build/coverage

torture: build/.have-tests build/grid $(FAULT_PROGRAMS)
	@tests/fault/torture

bench: build/grid
	@CC='$(CC)' GRID_BIN=build/grid tests/bench/run

# --- installing -------------------------------------------------------------------------------

bindir = $(DESTDIR)$(PREFIX)/bin
libdir = $(DESTDIR)$(PREFIX)/lib
includedir = $(DESTDIR)$(PREFIX)/include/grid
sharedir = $(DESTDIR)$(PREFIX)/share
bash_file = $(sharedir)/bash-completion/completions/grid
zsh_file = $(sharedir)/zsh/site-functions/_grid
fish_file = $(sharedir)/fish/vendor_completions.d/grid.fish
HEADERS := $(wildcard include/grid/*.h)
MAN1 := $(wildcard man/*.1)
MAN5 := $(wildcard man/*.5)

install: all
	install -d $(bindir) $(libdir) $(includedir) $(sharedir)/man/man1 $(sharedir)/man/man5
	install -m 755 $(B)/grid $(bindir)/grid
	install -m 644 $(B)/libgrid.a $(libdir)/libgrid.a
	install -m 644 $(HEADERS) $(includedir)
	install -m 644 $(MAN1) $(sharedir)/man/man1
	install -m 644 $(MAN5) $(sharedir)/man/man5
	install -D -m 644 completions/grid.bash $(bash_file)
	install -D -m 644 completions/_grid $(zsh_file)
	install -D -m 644 completions/grid.fish $(fish_file)

uninstall:
	rm -f $(bindir)/grid $(libdir)/libgrid.a $(bash_file) $(zsh_file) $(fish_file)
	rm -f $(MAN1:man/%=$(sharedir)/man/man1/%) $(MAN5:man/%=$(sharedir)/man/man5/%)
	rm -rf $(includedir)

clean:
	rm -rf build
