// SPDX-License-Identifier: GPL-2.0-or-later
/* Sends back what it receives, up to a 'q'. */
#include "lib.h"

void main(const struct start_info *info)
{
	char c;

	(void)info;
	outb(UART_FCR, 0x07); /* FIFOs on and empty */
	outb(UART_MCR, 0x03); /* DTR, RTS: send */
	print("ready\n");
	do {
		while (!(inb(UART_LSR) & LSR_DR))
			__asm__ volatile("pause");
		c = (char)inb(UART);
		put(c);
	} while (c != 'q');
	print("\nbye\n");
}
