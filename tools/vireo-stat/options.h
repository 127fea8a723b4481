/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VIREO_STAT_OPTIONS_H
#define VIREO_STAT_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

enum output {
	OUTPUT_VIEW,
	OUTPUT_TABLE,
	OUTPUT_JSON,
	OUTPUT_CSV,
	OUTPUT_PROMETHEUS
};

#define MIN_INTERVAL 0.1
#define MAX_INTERVAL 86400.0

struct options {
	enum output output;
	double interval; /* seconds */
	bool once;
	bool has_interval;   /* it was given */
	unsigned long count; /* samples to show, 0: until told to end */
	const char *vm;	     /* NULL: all */
	const char *root;    /* NULL: the real one */
};

/*
 * Returns 0, 1 (--help or --version has been printed) or -EINVAL: @why says
 * what is wrong.
 */
int options_parse(struct options *o, int argc, char **argv, char *why,
		  size_t room);

#endif
