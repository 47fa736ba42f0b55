# Builds, installs and tests annex. `make help` lists the targets.
#
# PGXS does the PostgreSQL part (set PG_CONFIG to choose the installation); the engine is a static library that CMake
# builds under build/engine. Objects go under build/, so that only annex.so appears beside the sources.

BUILD = build
MODULE_big = annex
EXTENSION = control/annex control/annex_pgvector
DATA = $(wildcard control/annex--*.sql)
# made of annex's script
ANNEX_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" control/annex.control)
DATA_built = $(BUILD)/annex_pgvector--$(ANNEX_VERSION).sql
PGFILEDESC = "annex - vector type and approximate nearest neighbour indexes"

SOURCES = $(shell find src/pg -name '*.cc' | LC_ALL=C sort)
OBJS = $(SOURCES:src/%.cc=$(BUILD)/%.o)
ENGINE_DIR = $(BUILD)/engine
ENGINE_LIB = $(ENGINE_DIR)/libannex_engine.a

# ------------------------------------------------------------------------------------------------ compiling, linking

PG_CPPFLAGS = -Iinclude -Isrc '-DPGDLLEXPORT=__attribute__((visibility("default")))'
# PostgreSQL's structs grow from version to version, so an initialiser may leave out members.
PG_CXXFLAGS = -std=c++20 -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -fno-math-errno \
	-Wno-register -Wall -Wextra -Wno-missing-field-initializers -Werror
# Only PostgreSQL must see anything of ours: the engine's symbols stay inside.
SHLIB_LINK = @$(ENGINE_DIR)/link.rsp -Wl,--exclude-libs,ALL
# Bitcode for inlining is of no use for code that dispatches by CPU.
override with_llvm = no
# The library is linked as C++.
override COMPILER = $(CXX) $(CXXFLAGS)

# ---------------------------------------------------------------------------------------------- tests by installcheck

REGRESS := $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
ISOLATION := $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
REGRESS_OPTS = --inputdir=. --load-extension=annex
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=annex

EXTRA_CLEAN = $(BUILD)/pg $(BUILD)/check $(BUILD)/engine $(BUILD)/release $(BUILD)/debug $(BUILD)/asan $(BUILD)/tsan $(BUILD)/testing $(BUILD)/clients

PG_CONFIG ?= pg_config

# Goals that need nothing from PGXS: their scripts call make again for what they need, once they have seen to it that
# everything is installed. (PGXS has a rule for `check` that refuses; ours cannot stand beside it without a warning.)
OWN_GOALS = help engine check check-% demo demo-clean bench bench-figures format lint wall
ifneq ($(filter-out $(OWN_GOALS),$(or $(MAKECMDGOALS),all)),)
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error $(PG_CONFIG) names no PGXS: install PostgreSQL's development files, or set PG_CONFIG (scripts/packages.sh build))
endif
include $(PGXS)
endif

# ------------------------------------------------------------------------------------------------------- our own rules

# PostgreSQL's headers are system headers here, so that warnings in them do not stop the build.
GLUE_CPPFLAGS = $(patsubst -I$(includedir_server),-isystem $(includedir_server),$(patsubst \
	-I$(includedir_internal),-isystem $(includedir_internal),$(CPPFLAGS)))

$(BUILD)/pg/%.o: src/pg/%.cc $(BUILD)/pg/flags
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(GLUE_CPPFLAGS) -MMD -MP -c $< -o $@

# Loops over elements are worth vectorising, which GCC leaves out below this level.
$(BUILD)/pg/types/%.o: private override CXXFLAGS += -O3

ifneq ($(MAKECMDGOALS),clean)
-include $(OBJS:.o=.d)
endif

# Another PostgreSQL or other flags: everything is compiled again.
GLUE_CONFIG = $(VERSION) $(includedir_server) $(CXX) $(CXXFLAGS) $(GLUE_CPPFLAGS)
$(BUILD)/pg/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(call shell_quote,$(GLUE_CONFIG)) | cmp -s - $@ || \
		printf '%s\n' $(call shell_quote,$(GLUE_CONFIG)) > $@
shell_quote = '$(subst ','\'',$(1))'

$(MODULE_big)$(DLSUFFIX): $(ENGINE_LIB)

# The library that tests of crashes load: with stop points and allocations that fail (src/pg/index/stop_point.h). Only the
# files that know of them are compiled once more.
TESTING_SOURCES := $(shell grep -l 'stop_point\.h"' $(SOURCES))
TESTING_OBJS = $(TESTING_SOURCES:src/%.cc=$(BUILD)/testing/%.o)
TESTING_LIB = $(BUILD)/testing/annex$(DLSUFFIX)
WRAPPED = _Znwm _Znam _ZnwmSt11align_val_t _ZnamSt11align_val_t malloc calloc realloc aligned_alloc palloc palloc0 \
	palloc_extended repalloc repalloc_huge MemoryContextAlloc MemoryContextAllocZero \
	MemoryContextAllocExtended AllocSetContextCreateInternal GenericXLogStart

$(BUILD)/testing/pg/%.o: src/pg/%.cc $(BUILD)/pg/flags
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(GLUE_CPPFLAGS) -DANNEX_TESTING -MMD -MP -c $< -o $@

ifneq ($(MAKECMDGOALS),clean)
-include $(TESTING_OBJS:.o=.d)
endif

testing: $(TESTING_LIB)
$(TESTING_LIB): $(TESTING_OBJS) $(OBJS) $(ENGINE_LIB)
	$(LINK.shared) -o $@ $(TESTING_OBJS) $(filter-out $(TESTING_SOURCES:src/%.cc=$(BUILD)/%.o),$(OBJS)) \
		$(LDFLAGS) $(LDFLAGS_SL) $(SHLIB_LINK) $(addprefix -Wl$(comma)--wrap=,$(WRAPPED))
comma = ,

$(DATA_built): control/annex--$(ANNEX_VERSION).sql control/annex_pgvector.head.sql control/annex_pgvector.tail.sql scripts/extension-script.sh
	@mkdir -p $(@D)
	@scripts/extension-script.sh annex_pgvector >$@.new && mv $@.new $@

# Never a part of `install`: it is for servers without pgvector.
.PHONY: install-vector-shim uninstall-vector-shim
install-vector-shim: install
	@scripts/vector-shim.sh install '$(DESTDIR)$(datadir)/extension'
uninstall-vector-shim:
	@scripts/vector-shim.sh uninstall '$(DESTDIR)$(datadir)/extension'

$(ENGINE_LIB): FORCE
	@scripts/build-engine.sh $(ENGINE_DIR)

.PHONY: FORCE
FORCE:

# ------------------------------------------------------------------------------------------------- targets for people

.PHONY: help engine testing check check-lint check-unit check-exports check-packaging check-asan check-tsan \
	check-regress check-isolation check-tap check-crash check-versions check-pg-asan check-clients demo demo-clean \
	bench bench-figures format lint wall

help:
	@sed -n 's/^##@ //p' $(firstword $(MAKEFILE_LIST))

##@ make                 build the extension (PG_CONFIG=... chooses the PostgreSQL)
##@ make install         install it (DESTDIR is honoured)
##@ make uninstall       remove it
##@ make install-vector-shim    install it also by the name of pgvector's extension, vector, where pgvector is not installed
##@ make uninstall-vector-shim  remove that
##@ make installcheck    run the regression and isolation tests on a running server that has it installed
##@ make check           everything: lint, unit tests, exports, regression, isolation and TAP tests on a private cluster
##@ make testing         the library with stop points and failing allocations that tests of crashes load
##@ make check-NAME      one part of it: lint unit exports packaging regress isolation tap; or asan, tsan: unit tests
##@                      with sanitizers. TESTS="a b" selects by name: make check-regress TESTS=vector_type
##@ make check-crash     the tests of crashes and failures at length
##@ make check-versions  all tests on other releases of PostgreSQL
##@ make check-pg-asan   the tests on a PostgreSQL with assertions and sanitizers
##@ make check-clients   clients of pgvector, as PyPI has them, with annex in its place (pip fetches them into build/clients)
##@ make demo            a private PostgreSQL with data and an index to play with
##@ make demo-clean      remove it
##@ make bench           measure on data files (test/bench/run.sh says what can be chosen)
##@ make bench-figures   measure everything and renew the tables in README.md and doc/performance.md
##@ make format          format the C++ sources
##@ make lint            formatting, clang-tidy, shellcheck
##@ make wall            the rules between the engine and PostgreSQL
##@ make clean           remove what was built

engine: $(ENGINE_LIB)

ifneq ($(filter check,$(MAKECMDGOALS)),)
check:
	@PG_CONFIG='$(PG_CONFIG)' scripts/check.sh all
endif
check-lint check-unit check-exports check-packaging check-asan check-tsan check-regress check-isolation check-tap \
	check-crash check-versions check-pg-asan:
	@PG_CONFIG='$(PG_CONFIG)' TESTS='$(TESTS)' scripts/check.sh $(@:check-%=%)

check-clients:
	@PG_CONFIG='$(PG_CONFIG)' TESTS='$(TESTS)' scripts/check-clients.sh

demo:
	@PG_CONFIG='$(PG_CONFIG)' scripts/demo.sh
demo-clean:
	@PG_CONFIG='$(PG_CONFIG)' scripts/demo.sh clean
bench:
	@PG_CONFIG='$(PG_CONFIG)' test/bench/run.sh
bench-figures:
	@PG_CONFIG='$(PG_CONFIG)' test/bench/figures.sh

format:
	@scripts/lint.sh format
lint:
	@PG_CONFIG='$(PG_CONFIG)' scripts/lint.sh
wall:
	@scripts/wall.sh
