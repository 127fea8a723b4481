/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VIREO_MKFILTERS_COMPILE_H
#define VIREO_MKFILTERS_COMPILE_H

#include <linux/filter.h>

struct sandbox_call;

/*
 * The filter of @calls without the one at @without (-1: of all), whose refusals
 * carry @kind.  Returns its length, at most @max, or -errno.
 */
int sandbox_compile(const struct sandbox_call *calls, int without,
		    unsigned int kind, struct sock_filter *code, int max);

#endif
