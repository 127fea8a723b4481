// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs until somebody stops it, and says so once. */
#include "lib.h"

void main(const struct start_info *info)
{
	(void)info;
	print("spinning\n");
	for (;;)
		__asm__ volatile("pause");
}
