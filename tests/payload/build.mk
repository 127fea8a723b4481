# SPDX-License-Identifier: GPL-2.0-or-later
# Included by the top Makefile: payload guests, build/tests/payload/*.elf.

PAYLOAD_NAMES := alive blk debug hello mmio msg nested net pciscan pio plug reset spin \
                 triple windows writer
PAYLOADS      := $(PAYLOAD_NAMES:%=$(B)/tests/payload/%.elf)
# A guest at CPL 0 that sets up nothing: no SSE, no x87, no stack protector.
PAYLOAD_FLAGS := -m32 -march=i686 -mgeneral-regs-only -ffreestanding \
                 -fno-pic -fno-stack-protector -fcf-protection=none \
                 -fno-asynchronous-unwind-tables -std=gnu11 -Os -Wall -Wextra \
                 -Werror -Wno-main
PAYLOAD_LINK  := -m32 -nostdlib -static -Wl,--build-id=none \
                 -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments

.PHONY: payload
payload: $(PAYLOADS) $(B)/tests/payload/watch $(B)/tests/payload/debugs

# It looks at the memory of a guest, from within the VMM.
$(B)/tests/payload/watch: $(B)/obj/tests/payload/watch.o \
                $(B)/obj/tests/unit/unit.o $(B)/libvmm.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -pthread -pie -o $@ $^ $(VMM_LIBS)

# A program of the host's, which asks KVM what of debugging it does.
$(B)/tests/payload/debugs: tests/payload/debugs.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -o $@ $<

$(B)/tests/payload/%.elf: tests/payload/%.c tests/payload/start.S \
                tests/payload/payload.ld tests/payload/build.mk
	@mkdir -p $(@D)
	@echo "  PAYLOAD $@"
	@$(CC) $(PAYLOAD_FLAGS) $(PAYLOAD_LINK) -MD -MP -MF $(@:.elf=.d) \
		-Wl,-T,tests/payload/payload.ld -o $@ tests/payload/start.S $<

-include $(PAYLOADS:.elf=.d) $(B)/obj/tests/payload/watch.d
