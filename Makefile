# SPDX-License-Identifier: GPL-2.0-or-later
# Everything a person types.  `make help` lists it.

# ---- settings, all of which the command line can override -----------------

CROSS    ?=
ifeq ($(origin CC),default)
CC       := $(CROSS)gcc
endif
HOSTCC   ?= gcc
ifeq ($(origin AR),default)
AR       := $(CROSS)ar
endif
# Headers to build the module for: the running kernel's, else the lab's.
LAB_KERNEL ?= 6.1
# Kernels on which `make check' tests the module, and `make check-kernels'.
LAB_KERNELS ?= 6.1 6.12
ALL_KERNELS ?= 6.1 6.12 7
KDIR     ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
              $(wildcard build/kernels/$(LAB_KERNEL)/kdir) \
              $(wildcard /lib/modules/*-amd64/build))
DESTDIR  ?=
prefix   ?= /usr/local
CFLAGS   ?= -O2 -g
LDFLAGS  ?=

VERSION  := $(shell sed -n 's/^\#define VIREO_VERSION "\(.*\)"/\1/p' kmod/vireo.h)
B        := build

WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
            -Wmissing-prototypes -Wpointer-arith -Wvla -Wundef
VMM_CFLAGS := -std=gnu11 -pthread -D_GNU_SOURCE -DVIREO_VERSION='"$(VERSION)"' \
            -fstack-protector-strong -fno-strict-aliasing \
            $(WARN) -Iuapi -Ivmm $(CFLAGS)
# Linked in, as is the C library: the loader takes longer for a library than most
# take for their work.  PIE=-pie links the C library at run time, as ASan needs.
PIE       = -static-pie
VMM_LIBS := -l:libjansson.a -l:libcap.a -l:libaio.a -l:libz.a -l:libzstd.a

VMM_SRC  := $(sort $(wildcard vmm/*.c vmm/*/*.c))
# Optional: URING= builds without.
URING    ?= $(shell pkg-config --exists liburing 2>/dev/null && echo 1)
ifneq ($(URING),)
VMM_CFLAGS += -DHAVE_LIBURING
VMM_LIBS += -l:liburing.a
else
VMM_SRC  := $(filter-out vmm/block/aio_uring.c,$(VMM_SRC))
endif
VMM_OBJ  := $(VMM_SRC:%.c=$(B)/obj/%.o) $(B)/obj/filters.o

.PHONY: all vmm module tools run check bench lint install uninstall clean help \
        unit schema setup guest lab-module tests checked check-debug \
        check-kernels check-paths
.DELETE_ON_ERROR:

all: vmm tools module

# ---- the VMM ---------------------------------------------------------------

vmm: $(B)/vireo $(if $(CROSS),,$(B)/schema-checked)

$(B)/vireo: $(VMM_OBJ)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -pthread $(PIE) -Wl,-z,relro,-z,now -o $@ $^ $(VMM_LIBS)

# The schema that ships is that of the option table.
$(B)/schema-checked: $(B)/vireo vmm/vm.schema.json
	@$(B)/vireo config --schema | cmp -s - vmm/vm.schema.json || { \
		echo "vmm/vm.schema.json is not what the options are: make schema" >&2; \
		exit 1; }
	@touch $@

schema: $(B)/vireo
	@$(B)/vireo config --schema >vmm/vm.schema.json

# All of it but main(), for the unit tests.
$(B)/libvmm.a: $(filter-out $(B)/obj/vmm/main.o,$(VMM_OBJ))
	@rm -f $@
	@$(AR) rcs $@ $^

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(VMM_CFLAGS) -fPIE -MD -MP -c -o $@ $<

# ---- the filters of system calls, made of vmm/sandbox/lists.c ----------------

MKFILTERS_SRC := $(wildcard tools/mkfilters/*.c) vmm/sandbox/lists.c

$(B)/mkfilters: $(MKFILTERS_SRC) tools/mkfilters/compile.h \
                vmm/sandbox/lists.h vmm/sandbox/filters.h \
                $(wildcard uapi/linux/*.h)
	@mkdir -p $(@D)
	@echo "  HOSTCC  $@"
	@$(HOSTCC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O1 -Iuapi -Ivmm -o $@ \
		$(MKFILTERS_SRC) -lseccomp

$(B)/filters.c: $(B)/mkfilters
	@$(B)/mkfilters >$@

$(B)/obj/filters.o: $(B)/filters.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(VMM_CFLAGS) -fPIE -MD -MP -c -o $@ $<

# ---- vireo-stat --------------------------------------------------------------

STAT_SRC := $(sort $(wildcard tools/vireo-stat/*.c))
STAT_OBJ := $(STAT_SRC:%.c=$(B)/obj/%.o)
STAT_LIBS := -ljansson -lncurses -ltinfo

tools: $(B)/vireo-stat

$(B)/vireo-stat: $(STAT_OBJ)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -pie -Wl,-z,relro,-z,now -o $@ $^ $(STAT_LIBS)

# ---- vireo-slirp ----------------------------------------------------------------

SLIRP_SRC := $(sort $(wildcard tools/vireo-slirp/*.c))
SLIRP_OBJ := $(SLIRP_SRC:%.c=$(B)/obj/%.o)

vmm: $(B)/vireo-slirp

$(B)/vireo-slirp: $(SLIRP_OBJ)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -pie -Wl,-z,relro,-z,now -o $@ $^ \
		-lslirp -lseccomp -lcap

# ---- unit tests ------------------------------------------------------------

UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT     := $(filter-out $(B)/tests/unit/test_hostile%, \
                         $(UNIT_SRC:tests/unit/%.c=$(B)/tests/unit/%))

# Of vireo-stat, what does not need a terminal.
$(B)/tests/unit/test_stat: $(filter-out %/main.o %/view.o %/view_draw.o, \
	$(STAT_OBJ))

$(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(B)/obj/tests/unit/unit.o $(B)/libvmm.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -pthread -pie -o $@ $(filter %.o,$^) \
		$(filter %.a,$^) -lcmocka $(VMM_LIBS)

# The interpreters' conformance test, shared with the kselftests.
$(B)/tests/unit/test_rules: $(B)/obj/tests/conform/conform.o \
                            $(B)/obj/tests/conform/generate.o

# Of hostile guests: tests/unit/run takes them from build/asan.
UNIT_HOSTILE := $(notdir $(filter tests/unit/test_hostile%,$(UNIT_SRC:.c=)))

# What the driver does to them.
$(UNIT_HOSTILE:%=$(B)/tests/unit/%): $(B)/obj/tests/unit/hostile_run.o \
                                     $(B)/obj/tests/unit/hostile_ring.o \
                                     $(B)/obj/tests/unit/hostile_registers.o
$(B)/tests/unit/test_hostile_scsi: $(B)/obj/tests/unit/hostile_scsi.o \
                                   $(B)/obj/tests/unit/hostile_scsi_tasks.o

unit: $(UNIT) checked
	@tests/unit/run

# ---- the module ------------------------------------------------------------

# The kernel's build system writes beside its sources, so it gets a tree of
# links for each kernel.
release   = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' \
              $(1)/include/generated/utsrelease.h 2>/dev/null)
MODULE_SRC := Kbuild $(wildcard kmod/*.[ch] debugfs/*.[ch] uapi/linux/*.h)

module:
ifeq ($(KDIR),)
	@echo "  SKIP    vireo.ko: no kernel headers" \
		"(apt-get install linux-headers-amd64, or KDIR=DIR)"
else
	@$(MAKE) --no-print-directory module-for KDIR=$(abspath $(KDIR))
	@cmp -s $(B)/module/$(call release,$(KDIR))/vireo.ko $(B)/vireo.ko || \
		cp $(B)/module/$(call release,$(KDIR))/vireo.ko $(B)/vireo.ko
endif

# build/module/RELEASE/vireo.ko, for the headers in KDIR.  Kernels since 6.6
# want pahole for debug information that nobody needs here.
module-for: M := $(B)/module/$(call release,$(KDIR))
module-for:
	@test -n "$(call release,$(KDIR))" || \
		{ echo "$(KDIR): not a tree of kernel headers" >&2; exit 1; }
	@mkdir -p $(M)
	@cp -as --remove-destination $(abspath Kbuild kmod debugfs uapi) $(M)/
	@$(MAKE) --no-print-directory -C $(KDIR) M=$(abspath $(M)) \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules $(if $(V),V=1,-s)

# For the lab's kernel, whatever this machine's is.
lab-module:
ifeq ($(LAB_KERNEL),7)
	@tools/sid-module $(if $(KCFLAGS),KCFLAGS=$(KCFLAGS))
else
	@tools/fetch-kernel $(LAB_KERNEL) >/dev/null
	@$(MAKE) --no-print-directory module-for \
		KDIR="$$(tools/fetch-kernel --kdir $(LAB_KERNEL))" \
		$(if $(filter debug,$(LAB_KERNEL)),UBSAN_SANITIZE=y)
endif

# ---- tests, tools, guests --------------------------------------------------

include tests/payload/build.mk
include tests/kselftest/build.mk
include tests/fuzz/build.mk
include tests/bench/build.mk
include tests/sandbox/build.mk
include tests/vm/build.mk
include tests/img/build.mk
include tests/libfuzz/build.mk

setup:
	@tools/setup

guest: setup
	@tools/mkguest all

tests: $(UNIT) payload sandbox-tests kselftest fuzz vm-guest imgtest checked \
       $(if $(shell command -v clang),libfuzz)

# The VMM with ASan and UBSan, build/asan/vireo, for tests of hostile clients,
# and the tests of hostile guests.
CHECKED := $(B)/asan/vireo $(UNIT_HOSTILE:%=$(B)/asan/tests/unit/%)
checked:
	@$(MAKE) --no-print-directory B=$(B)/asan PIE=-pie $(CHECKED) CFLAGS="-O1 -g \
		-fsanitize=address,undefined -fno-sanitize-recover=undefined"

run: setup
	@tools/mkguest initramfs
	@$(MAKE) --no-print-directory vmm
	@tools/run

check: setup
	@tools/mkguest all
	@$(MAKE) --no-print-directory vmm tools tests
	@for k in $(LAB_KERNELS); do \
		$(MAKE) --no-print-directory lab-module LAB_KERNEL=$$k || exit 1; done
	@$(MAKE) --no-print-directory module
	@LAB_KERNELS="$(LAB_KERNELS)" tests/check $(SUITES)

# On a kernel with all checkers; see tests/debug/run.
check-debug: setup
	@$(MAKE) --no-print-directory vmm tests
	@$(MAKE) --no-print-directory lab-module LAB_KERNEL=debug
	@tests/check debug

# The module on every kernel that it is for.
check-kernels: setup
	@$(MAKE) --no-print-directory kselftest
	@LAB=1 LAB_KERNELS="$(ALL_KERNELS)" tests/check module kselftest

# The stock guests once more, with each other exit path.
check-paths: setup
	@tools/mkguest all
	@$(MAKE) --no-print-directory vmm tools payload module lab-module
	@tests/check paths

bench: setup
	@tools/mkguest initramfs
	@$(MAKE) --no-print-directory vmm payload kselftest bench-guest lab-module
	@tests/bench/run

lint: setup
	@tests/lint

# ---- installation ----------------------------------------------------------

DKMS     := $(DESTDIR)/usr/src/vireo-$(VERSION)

install: vmm tools
	install -D -m 755 $(B)/vireo $(DESTDIR)$(prefix)/bin/vireo
	install -D -m 755 $(B)/vireo-stat $(DESTDIR)$(prefix)/bin/vireo-stat
	install -D -m 755 $(B)/vireo-slirp $(DESTDIR)$(prefix)/bin/vireo-slirp
	install -D -m 644 vmm/vireo.1 $(DESTDIR)$(prefix)/share/man/man1/vireo.1
	for page in config disk gdb hotplug memory net sandbox snapshot vhost; do \
		install -D -m 644 vmm/vireo-$$page.7 \
			$(DESTDIR)$(prefix)/share/man/man7/vireo-$$page.7 || exit 1; \
	done
	install -D -m 644 vmm/vireo-img.1 \
		$(DESTDIR)$(prefix)/share/man/man1/vireo-img.1
	install -D -m 644 tools/vireo-stat/vireo-stat.1 \
		$(DESTDIR)$(prefix)/share/man/man1/vireo-stat.1
	install -D -m 644 vmm/vm.schema.json \
		$(DESTDIR)$(prefix)/share/vireo/vm.schema.json
	install -D -m 644 kmod/vireo.4 $(DESTDIR)$(prefix)/share/man/man4/vireo.4
	install -D -m 644 -t $(DESTDIR)$(prefix)/include/linux uapi/linux/*.h
	install -D -m 644 tools/completion/vireo.bash \
		$(DESTDIR)$(prefix)/share/bash-completion/completions/vireo
	install -D -m 644 tools/completion/vireo-stat.bash \
		$(DESTDIR)$(prefix)/share/bash-completion/completions/vireo-stat
	for f in $(MODULE_SRC); do \
		install -D -m 644 $$f $(DKMS)/$$f || exit 1; done
	sed 's/@VERSION@/$(VERSION)/' tools/dkms.conf.in >$(DKMS)/dkms.conf
	@echo "The module: dkms install vireo/$(VERSION)"

uninstall:
	rm -f $(DESTDIR)$(prefix)/bin/vireo $(DESTDIR)$(prefix)/bin/vireo-stat \
		$(DESTDIR)$(prefix)/bin/vireo-slirp \
		$(DESTDIR)$(prefix)/share/man/man1/vireo.1 \
		$(DESTDIR)$(prefix)/share/man/man1/vireo-img.1 \
		$(DESTDIR)$(prefix)/share/man/man1/vireo-stat.1 \
		$(DESTDIR)$(prefix)/share/man/man7/vireo-config.7 \
		$(DESTDIR)$(prefix)/share/man/man7/vireo-disk.7 \
		$(DESTDIR)$(prefix)/share/man/man7/vireo-gdb.7 \
		$(DESTDIR)$(prefix)/share/man/man7/vireo-hotplug.7 \
		$(DESTDIR)$(prefix)/share/man/man7/vireo-memory.7 \
		$(DESTDIR)$(prefix)/share/man/man7/vireo-net.7 \
		$(DESTDIR)$(prefix)/share/man/man7/vireo-sandbox.7 \
		$(DESTDIR)$(prefix)/share/man/man7/vireo-snapshot.7 \
		$(DESTDIR)$(prefix)/share/man/man7/vireo-vhost.7 \
		$(DESTDIR)$(prefix)/share/man/man4/vireo.4 \
		$(DESTDIR)$(prefix)/share/vireo/vm.schema.json \
		$(patsubst uapi/%,$(DESTDIR)$(prefix)/include/%,$(wildcard uapi/linux/*.h)) \
		$(DESTDIR)$(prefix)/share/bash-completion/completions/vireo \
		$(DESTDIR)$(prefix)/share/bash-completion/completions/vireo-stat
	rm -rf $(DKMS)

# What was fetched or takes long to make (build/kernels, build/guest) stays;
# rm -rf build removes that, too.
clean:
	rm -rf $(B)/obj $(B)/asan $(B)/libfuzz $(B)/tests $(B)/module $(B)/lint-* \
		$(B)/vireo $(B)/vireo-stat $(B)/vireo-slirp $(B)/vireo.ko $(B)/libvmm.a \
		$(B)/mkfilters $(B)/filters.c \
		$(B)/schema-checked $(B)/lab-out

help:
	@sed -n 's/^	//; /^define HELP/,/^endef/{/define\|endef/!p}' Makefile

define HELP
make            the VMM (build/vireo), vireo-stat and the module (build/vireo.ko)
make vmm        only the VMM
make tools      only vireo-stat
make module     only the module; KDIR=DIR for other kernel headers
make run        end at a shell in a Linux guest; does all set-up
make check      all tests; SUITES="unit vm" for some; LAB=1 in the lab;
                FUZZ_SECONDS=600 SUITES=fuzz to fuzz the module for long
make check-debug    kselftests, fuzzers and failing allocations on a kernel with
                    KASAN, lockdep and kmemleak, which it builds (minutes)
make check-paths    all of SUITES=vm with exit_path=run, then with off (long)
make check-kernels  the module built for 6.1, 6.12 and 7 and tested there
make bench      the table of measurements, side by side with QEMU
make schema     vmm/vm.schema.json anew, after a change of the options
make lint       style, warnings of gcc and clang, sparse, cppcheck
make install    below DESTDIR and prefix (/usr/local); uninstall undoes it
make clean      all but what was fetched
Settings: CC, CROSS, CFLAGS, KDIR, DESTDIR, prefix, LAB_KERNEL, V=1
endef

-include $(VMM_OBJ:.o=.d) $(STAT_OBJ:.o=.d) $(SLIRP_OBJ:.o=.d) \
	$(patsubst %.c,$(B)/obj/%.d,$(wildcard tests/unit/*.c))
