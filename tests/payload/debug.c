// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For debuggers: counts, in a function that can be stopped at, until somebody
 * sets `stop'.
 */
#include "lib.h"

volatile uint32_t counter;
volatile uint32_t stop;

__attribute__((noinline)) void tick(uint32_t by)
{
	counter += by;
}

void main(const struct start_info *info)
{
	(void)info;
	print("ready\n");
	while (!stop)
		tick(1);
	print("stopped\n");
}
