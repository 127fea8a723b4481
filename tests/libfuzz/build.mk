# SPDX-License-Identifier: GPL-2.0-or-later
# libFuzzer targets: parts of the VMM that read what a guest, or a file from
# somebody else, says.  tests/libfuzz/NAME.c defines LLVMFuzzerTestOneInput,
# tests/libfuzz/corpus/NAME/ has what to begin with.  Included by the top
# Makefile.

# One more target is one more name here, and a directory in corpus/.
LIBFUZZ_TARGETS := ring_split ring_packed blk net scsi qcow2
# What several of them share.
LIBFUZZ_LIB := ring

LIBFUZZ_SAN := address,undefined
LIBFUZZ_BIN := $(LIBFUZZ_TARGETS:%=$(B)/tests/libfuzz/%)
LIBFUZZ_OBJ := $(LIBFUZZ_LIB:%=$(B)/obj/tests/libfuzz/%.o)

.PHONY: libfuzz libfuzz-bin

# All of the VMM once more, by clang, into build/libfuzz.
libfuzz:
	@$(MAKE) --no-print-directory B=$(B)/libfuzz CC=clang libfuzz-bin \
		CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,$(LIBFUZZ_SAN) \
		-fno-sanitize-recover=undefined"

libfuzz-bin: $(LIBFUZZ_BIN)

$(LIBFUZZ_BIN): $(B)/tests/libfuzz/%: $(B)/obj/tests/libfuzz/%.o \
		$(LIBFUZZ_OBJ) $(B)/obj/tests/unit/unit.o $(B)/libvmm.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) -fsanitize=fuzzer,$(LIBFUZZ_SAN) -pthread -o $@ $(filter %.o,$^) \
		$(filter %.a,$^) -lcmocka $(VMM_LIBS)

.SECONDARY: $(LIBFUZZ_OBJ) $(LIBFUZZ_TARGETS:%=$(B)/obj/tests/libfuzz/%.o)

-include $(wildcard $(B)/obj/tests/libfuzz/*.d)
