// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Resets the machine once, by port CF9h; a byte of CMOS RAM, which survives,
 * tells the second boot from the first.
 */
#include "lib.h"

#define INDEX 0x60
#define MARK 0xa5

static uint32_t counter = 41; /* initialized data: is it loaded again? */
static uint32_t zero;	      /* and is .bss cleared again? */

void main(const struct start_info *info)
{
	uint8_t mark;

	(void)info;
	outb(CMOS_INDEX, INDEX);
	mark = inb(CMOS_DATA);
	if (++counter != 42 || zero++) {
		print("FAIL: memory was not loaded again\n");
		return;
	}
	if (mark == MARK) {
		print("second boot\n");
		outb(CMOS_INDEX, INDEX);
		outb(CMOS_DATA, 0);
		return;
	}
	print("first boot\n");
	outb(CMOS_INDEX, INDEX);
	outb(CMOS_DATA, MARK);
	outb(RESET_PORT, 6);
	for (;;)
		__asm__ volatile("hlt");
}
