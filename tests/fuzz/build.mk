# SPDX-License-Identifier: GPL-2.0
# Builds the fuzzers of /dev/vireo into build/tests/fuzz/.  Included by the top
# Makefile, after tests/kselftest/build.mk, of which they use the library.

FUZZ_OUT := build/tests/fuzz
FUZZERS := $(FUZZ_OUT)/ioctl $(FUZZ_OUT)/access $(FUZZ_OUT)/mem
FUZZ_LIB := $(patsubst %,$(FUZZ_OUT)/%.o,fuzz pool tables vcpu) \
	$(KSELFTEST_LIB)

.PHONY: fuzz
fuzz: $(FUZZERS)

$(FUZZ_OUT)/%.o: tests/fuzz/%.c | $(KSELFTEST_HARNESS)
	@mkdir -p $(@D)
	$(CC) $(KSELFTEST_CFLAGS) -c -o $@ $<

$(FUZZERS): %: %.o $(FUZZ_LIB)
	$(CC) $(KSELFTEST_CFLAGS) -o $@ $^

.SECONDARY: $(FUZZERS:%=%.o)

-include $(wildcard $(FUZZ_OUT)/*.d)
