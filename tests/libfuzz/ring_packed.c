// SPDX-License-Identifier: GPL-2.0-or-later
#include "ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ring_fuzz(data, size, true);
	return 0;
}
