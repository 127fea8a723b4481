// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs until somebody stops it, and shows that it does: a dot now and then. */
#include "lib.h"

void main(const struct start_info *info)
{
	unsigned int i;

	(void)info;
	print("spinning\n");
	for (;;) {
		for (i = 0; i < 2000; i++)
			__asm__ volatile("pause");
		put('.');
	}
}
