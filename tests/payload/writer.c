// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes to memory without end: in each pass its number, from 1 on, to the
 * start of each page from 4 MiB on (n=N pages, 512).  So at any instant
 * the numbers fall once at most, and by one.  tests/payload/watch.c looks.
 */
#include "lib.h"

#define FIRST 0x400000
#define PAGE 4096

void main(const struct start_info *info)
{
	uint32_t n = option(info, "n", 512), pass, i;

	for (pass = 1;; pass++)
		for (i = 0; i < n; i++)
			*(volatile uint32_t *)(FIRST + i * PAGE) = pass;
}
