# SPDX-License-Identifier: GPL-2.0-or-later
# Included by the top Makefile: what tests/vm/run runs in guests.

.PHONY: vm-guest
vm-guest: $(B)/tests/vm/diskio $(B)/tests/vm/vsock

# The guest has no libraries.
$(B)/tests/vm/%: tests/vm/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -s \
		-o $@ $<
