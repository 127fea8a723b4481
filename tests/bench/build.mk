# SPDX-License-Identifier: GPL-2.0-or-later
# Included by the top Makefile: what tests/bench/run runs in guests.

.PHONY: bench-guest
bench-guest: $(B)/tests/bench/blockio $(B)/tests/bench/netio

# The guest has no libraries.
$(B)/tests/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -s \
		-o $@ $<
