/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lists as the kernel takes them: made by tools/mkfilters when vireo is
 * built, as making them takes longer than all else that starting does.
 */
#ifndef VIREO_SANDBOX_FILTERS_H
#define VIREO_SANDBOX_FILTERS_H

#include <linux/filter.h>

#include "../sandbox.h"

#define SANDBOX_CALL_NAME_MAX 24

struct sandbox_filter {
	const struct sock_filter *code;
	unsigned short len;
};

extern const struct sandbox_filter sandbox_filters[SANDBOX_NR_THREADS];

/* By number; those that nobody had heard of when it was built are empty. */
extern const char sandbox_call_names[][SANDBOX_CALL_NAME_MAX];
extern const unsigned int sandbox_nr_call_names;

#endif
