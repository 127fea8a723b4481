// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a port access costs, in TSC ticks per access, loop included; "loop" is
 * the loop without an access.  n=N accesses of each kind (1000).
 */
#include "lib.h"

#define UNCLAIMED 0x2f0

#define MEASURE(name, n, access)                           \
	do {                                               \
		uint64_t t = rdtsc();                      \
		uint32_t left = (n);                       \
                                                           \
		do {                                       \
			access;                            \
			__asm__ volatile("" : "+r"(left)); \
		} while (--left);                          \
		report((name), div64(rdtsc() - t, (n)));   \
	} while (0)

static void report(const char *name, uint32_t ticks)
{
	print(name);
	print(" ");
	print_dec(ticks);
	print("\n");
}

void main(const struct start_info *info)
{
	uint32_t n = option(info, "n", 1000);

	if (!n)
		n = 1;
	outb(CMOS_INDEX, 0x0d);
	MEASURE("loop", n, (void)0);
	MEASURE("lsr-read", n, inb(UART_LSR));
	MEASURE("cmos-read", n, inb(CMOS_DATA));
	MEASURE("pmtimer-read", n, inl(PM_TMR));
	MEASURE("unclaimed-read", n, inb(UNCLAIMED));
	MEASURE("scr-write", n, outb(UART_SCR, 0x55));
	MEASURE("cmos-index-write", n, outb(CMOS_INDEX, 0x0d));
	MEASURE("unclaimed-write", n, outb(UNCLAIMED, 0));
	print("done\n");
}
