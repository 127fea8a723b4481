# SPDX-License-Identifier: GPL-2.0
# Builds the kselftests of /dev/vireo into build/tests/kselftest/.  Included by
# the top Makefile; `make kselftest` builds them, tests/kselftest/run runs them.
#
# The harness is the kernel's own, out of Debian's linux-source package.

KSELFTEST_SOURCE ?= /usr/src/linux-source-6.1.tar.xz
KSELFTEST_OUT := build/tests/kselftest
KSELFTEST_HARNESS := $(KSELFTEST_OUT)/include/kselftest_harness.h

# The programs that tests/kselftest/run runs, in this order.
KSELFTEST_NAMES := info vm_create io serve registers conform vcpu run_loop \
	lifetime debugfs stats trace mem mem_use mem_life mem_log mem_io \
	mem_snapshot mem_begin mem_instant queue queue_hostile queue_life queue_disks queue_bell stress failslab
KSELFTESTS := $(KSELFTEST_NAMES:%=$(KSELFTEST_OUT)/%)
# Measures, tests nothing.
KSELFTEST_TOOLS := $(KSELFTEST_OUT)/cost $(KSELFTEST_OUT)/cost_memory \
	$(KSELFTEST_OUT)/cost_queue
KSELFTEST_LIB := $(KSELFTEST_OUT)/common.o $(KSELFTEST_OUT)/guest.o \
	$(KSELFTEST_OUT)/memory.o $(KSELFTEST_OUT)/disk.o $(KSELFTEST_OUT)/ring.o \
	$(KSELFTEST_OUT)/inject.o

KSELFTEST_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -MD -MP \
	-D_GNU_SOURCE -Iuapi -isystem $(KSELFTEST_OUT)/include -pthread

.PHONY: kselftest
kselftest: $(KSELFTESTS) $(KSELFTEST_TOOLS)

$(KSELFTEST_HARNESS): $(KSELFTEST_SOURCE)
	@mkdir -p $(@D)
	tar -xJf $< -C $(@D) --strip-components=4 --no-same-owner --touch \
		--wildcards '*/tools/testing/selftests/kselftest.h' \
		'*/tools/testing/selftests/kselftest_harness.h'

$(KSELFTEST_SOURCE):
	@test -e $@ || \
		{ echo "$@ is missing: apt-get install linux-source-6.1" >&2; false; }

$(KSELFTEST_OUT)/%.o: tests/kselftest/%.c | $(KSELFTEST_HARNESS)
	@mkdir -p $(@D)
	$(CC) $(KSELFTEST_CFLAGS) -c -o $@ $<

# What the kernel is compared with: the VMM's interpreter, and the generator.
KSELFTEST_CONFORM := $(patsubst %,$(KSELFTEST_OUT)/%.lib.o,tests/conform/conform \
	tests/conform/generate vmm/fast_rules)
$(KSELFTEST_OUT)/conform: $(KSELFTEST_CONFORM)

$(KSELFTEST_OUT)/%.lib.o: %.c
	@mkdir -p $(@D)
	$(CC) $(KSELFTEST_CFLAGS) -Ivmm -c -o $@ $<

$(KSELFTESTS) $(KSELFTEST_TOOLS): %: %.o $(KSELFTEST_LIB)
	$(CC) $(KSELFTEST_CFLAGS) -o $@ $^

.SECONDARY: $(KSELFTESTS:%=%.o) $(KSELFTEST_TOOLS:%=%.o) $(KSELFTEST_CONFORM)

-include $(wildcard $(KSELFTEST_OUT)/*.d) $(KSELFTEST_CONFORM:.o=.d)
