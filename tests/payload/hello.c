// SPDX-License-Identifier: GPL-2.0-or-later
/* Says that it runs, with its command line, and powers off. */
#include "lib.h"

void main(const struct start_info *info)
{
	print("hello from the guest");
	if (info->cmdline && *(const char *)(uintptr_t)info->cmdline) {
		print(": ");
		print((const char *)(uintptr_t)info->cmdline);
	}
	print("\n");
}
