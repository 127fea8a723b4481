/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LIBFUZZ_RING_H
#define LIBFUZZ_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A driver's life by @data, with a split or a packed ring. */
void ring_fuzz(const uint8_t *data, size_t size, bool packed);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
