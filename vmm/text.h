/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A text that grows in a buffer of its owner's; what does not fit is cut. */
#ifndef VIREO_TEXT_H
#define VIREO_TEXT_H

#include <stddef.h>

struct text {
	char *buf;
	size_t size;
	size_t used; /* without the 0 that ends it */
};

/* @size is at least 1. */
void text_init(struct text *t, char *buf, size_t size);
void text_add(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
