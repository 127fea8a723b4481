// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists the functions of bus 0 with ids, class and the BARs it has sized. */
#include "pci.h"

static void bars(uint32_t devfn)
{
	uint32_t cmd = pci_read(devfn, 4);
	uint32_t off, old, size, is_io, is64;

	/* No BAR decodes while it holds all ones; status bits stay as is. */
	pci_write(devfn, 4, cmd & 0xfffc);
	for (off = 0x10; off < 0x28; off += 4) {
		old = pci_read(devfn, off);
		pci_write(devfn, off, 0xffffffff);
		size = pci_read(devfn, off);
		pci_write(devfn, off, old);
		if (!size)
			continue;
		is_io = size & 1;
		is64 = !is_io && (size & 6) == 4;
		size = ~(size & (is_io ? ~3U : ~15U)) + 1;
		if (is_io)
			size &= 0xffff;
		print("  bar");
		print_dec((off - 0x10) / 4);
		print(is_io ? " io" : is64 ? " mem64" : " mem32");
		print(" 0x");
		if (is64)
			print_hex(pci_read(devfn, off + 4), 8);
		print_hex(old & (is_io ? ~3U : ~15U), 8);
		print(" size 0x");
		print_hex(size, 8);
		print("\n");
		if (is64)
			off += 4;
	}
	pci_write(devfn, 4, cmd & 0xffff);
}

void main(const struct start_info *info)
{
	uint32_t slot, func, devfn, id, funcs, n = 0;

	(void)info;
	for (slot = 0; slot < 32; slot++) {
		funcs = 1;
		for (func = 0; func < funcs; func++) {
			devfn = DEVFN(slot, func);
			id = pci_read(devfn, 0);
			if ((id & 0xffff) == 0xffff)
				continue;
			if (pci_read(devfn, 12) & 0x800000)
				funcs = 8;
			print("00:");
			print_hex(slot, 2);
			print(".");
			print_hex(func, 1);
			print(" ");
			print_hex(id & 0xffff, 4);
			print(":");
			print_hex(id >> 16, 4);
			print(" class ");
			print_hex(pci_read(devfn, 8) >> 8, 6);
			print("\n");
			bars(devfn);
			n++;
		}
	}
	print_dec(n);
	print(" functions\n");
}
