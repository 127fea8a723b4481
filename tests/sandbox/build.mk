# SPDX-License-Identifier: GPL-2.0-or-later
# Included by the top Makefile: the programs of tests/sandbox/run.

SANDBOX := $(B)/tests/sandbox/hostile $(B)/tests/sandbox/minimal

.PHONY: sandbox-tests
sandbox-tests: $(SANDBOX) $(B)/tests/sandbox/sieve

$(SANDBOX): $(B)/tests/sandbox/%: $(B)/obj/tests/sandbox/%.o \
                $(B)/obj/tests/sandbox/rig.o $(B)/obj/tests/unit/unit.o \
                $(B)/libvmm.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -pthread -pie -o $@ $^ $(VMM_LIBS) \
		$(SANDBOX_LIBS)

# Its filters are its own, without one entry or another.
$(B)/tests/sandbox/minimal: $(B)/obj/tools/mkfilters/compile.o
$(B)/tests/sandbox/minimal: SANDBOX_LIBS := -lseccomp
$(B)/obj/tools/mkfilters/%.o: VMM_CFLAGS += -Itools/mkfilters
$(B)/obj/tests/sandbox/minimal.o: VMM_CFLAGS += -Itools/mkfilters

# The whole program, but for how it loads filters.
$(B)/tests/sandbox/sieve: $(B)/obj/tests/sandbox/sieve.o \
                $(B)/obj/tools/mkfilters/compile.o $(B)/obj/vmm/main.o \
                $(B)/libvmm.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -pthread -pie \
		-Wl,--wrap=seccomp_load_filter -o $@ $^ $(VMM_LIBS) -lseccomp

$(B)/obj/tests/sandbox/sieve.o: VMM_CFLAGS += -Itools/mkfilters

-include $(SANDBOX:$(B)/tests/%=$(B)/obj/tests/%.d) \
	$(B)/obj/tests/sandbox/rig.d $(B)/obj/tests/sandbox/sieve.d $(B)/obj/tools/mkfilters/compile.d
