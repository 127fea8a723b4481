/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table for people: columns as wide as they have to be. */
#ifndef VIREO_CLI_TABLE_H
#define VIREO_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS 8

struct table {
	/* Set by the caller: TABLE_COLUMNS titles at most, then NULL; no line
	 * of titles if the first is empty. */
	const char *titles[TABLE_COLUMNS + 1];
	bool right[TABLE_COLUMNS]; /* columns of numbers */
	const char *indent;	   /* before each line, or NULL */

	char **cells;
	size_t count;
	bool failed; /* out of memory: rows are missing */
};

/* The next cell, row by row. */
void table_add(struct table *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* On standard output; empties it.  -ENOMEM: it was not complete. */
int table_print(struct table *t);

#endif
