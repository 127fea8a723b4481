// SPDX-License-Identifier: GPL-2.0-or-later
/* Ends in a triple fault. */
#include "lib.h"

void main(const struct start_info *info)
{
	(void)info;
	print("triple fault\n");
	triple_fault();
}
