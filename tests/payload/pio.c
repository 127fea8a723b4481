// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a port access costs, in TSC ticks per access, loop included; "loop" is
 * the loop without an access.  n=N accesses of each kind (1000); of rounds=R
 * such loops (1) the quickest counts, which no interrupt of the host delayed.
 */
#include "pci.h"

#define UNCLAIMED 0x2f0
#define CMOS_RAM 0x40

#define MEASURE(name, access)                                      \
	do {                                                       \
		uint32_t least = UINT32_MAX, ticks, left, round;   \
		uint64_t start;                                    \
                                                                   \
		for (round = 0; round < rounds; round++) {         \
			left = n;                                  \
			start = rdtsc();                           \
			do {                                       \
				access;                            \
				__asm__ volatile("" : "+r"(left)); \
			} while (--left);                          \
			ticks = div64(rdtsc() - start, n);         \
			least = ticks < least ? ticks : least;     \
		}                                                  \
		report((name), least);                             \
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
	uint32_t rounds = option(info, "rounds", 1);

	if (!n)
		n = 1;
	outb(CMOS_INDEX, CMOS_RAM);
	MEASURE("loop", (void)0);
	MEASURE("lsr-read", inb(UART_LSR));
	MEASURE("cmos-read", inb(CMOS_DATA));
	pci_select(DEVFN(0, 0), 0);
	MEASURE("pci-read", inl(PCI_DATA));
	MEASURE("pmtimer-read", inl(PM_TMR));
	MEASURE("unclaimed-read", inb(UNCLAIMED));
	MEASURE("scr-write", outb(UART_SCR, 0x55));
	MEASURE("cmos-index-write", outb(CMOS_INDEX, CMOS_RAM));
	MEASURE("unclaimed-write", outb(UNCLAIMED, 0));
	print("done\n");
}
