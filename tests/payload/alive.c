// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that stays alive until somebody ends it: by its power button or a
 * key.  It sends back what it receives, and with "ticks=1" counts on.
 *
 *   q  powers off   r  resets   c  crashes   l  prints 5,000 characters
 */
#include "lib.h"

#define PM1_STS 0x600
#define PM1_PWRBTN 0x100
#define TICK (3579545 / 10) /* of the PM timer */

static void print_long(void)
{
	unsigned int i;

	for (i = 0; i < 5000 / 50; i++) {
		print_hex(i, 8);
		print(" a long line to fill what is between us.\n");
	}
	print("long end\n");
}

static void key(char c)
{
	put(c);
	switch (c) {
	case 'q':
		print("\nbye\n");
		power_off();
		break;
	case 'r':
		outb(RESET_PORT, 6);
		break;
	case 'c':
		triple_fault();
		break;
	case 'l':
		print_long();
		break;
	}
}

void main(const struct start_info *info)
{
	uint32_t ticks = option(info, "ticks", 0), count = 0;
	uint32_t last = inl(PM_TMR);

	outb(UART_FCR, 0x07); /* FIFOs on and empty */
	outb(UART_MCR, 0x03); /* DTR, RTS: send */
	print("ready\n");
	while (!(inw(PM1_STS) & PM1_PWRBTN)) {
		if (inb(UART_LSR) & LSR_DR)
			key((char)inb(UART));
		if (ticks && ((inl(PM_TMR) - last) & 0xffffff) > TICK) {
			last = inl(PM_TMR);
			print("tick ");
			print_dec(count++);
			print("\n");
		}
	}
	print("power button\n");
}
