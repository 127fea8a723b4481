// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configuration space by ECAM against the same by ports, in all widths, and
 * what a read costs (TSC ticks per access; n=N accesses, 200).
 */
#include "pci.h"

#define LPC DEVFN(31, 0)
#define INTERRUPT_LINE 0x3c

static volatile uint8_t *ecam(uint32_t devfn, uint32_t off)
{
	return ECAM + (devfn << 12) + off;
}

static uint32_t read32(uint32_t devfn, uint32_t off)
{
	return *(volatile uint32_t *)ecam(devfn, off);
}

static uint32_t read16(uint32_t devfn, uint32_t off)
{
	return *(volatile uint16_t *)ecam(devfn, off);
}

static int same(const char *what, uint32_t got, uint32_t want)
{
	print(got == want ? "ok   " : "FAIL ");
	print(what);
	print(" ");
	print_hex(got, 8);
	if (got != want) {
		print(", wanted ");
		print_hex(want, 8);
	}
	print("\n");
	return got != want;
}

void main(const struct start_info *info)
{
	uint32_t n = option(info, "n", 200), left = n, fails = 0, id, line;
	uint64_t t;

	id = pci_read(LPC, 0);
	fails += same("dword", read32(LPC, 0), id);
	fails += same("word", read16(LPC, 2), id >> 16);
	fails += same("byte", *ecam(LPC, 1), id >> 8 & 0xff);
	fails += same("absent", read32(DEVFN(30, 7), 0), 0xffffffff);

	line = pci_read(LPC, INTERRUPT_LINE) & 0xff;
	*ecam(LPC, INTERRUPT_LINE) = 0x5a;
	fails += same("byte-write", pci_read(LPC, INTERRUPT_LINE) & 0xff, 0x5a);
	*ecam(LPC, INTERRUPT_LINE) = (uint8_t)line;
	/* Ids are read-only. */
	*(volatile uint32_t *)ecam(LPC, 0) = 0;
	fails += same("id-write", read32(LPC, 0), id);

	t = rdtsc();
	while (left--)
		read32(LPC, 0);
	print("ecam-read ");
	print_dec(n ? div64(rdtsc() - t, n) : 0);
	print(fails ? "\nFAIL\n" : "\nPASS\n");
}
