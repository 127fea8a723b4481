/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables for people: what --once prints and the live view draws.  A cell that
 * is a number sorts by it, one that is not known is "-" and sorts last.
 */
#ifndef VIREO_STAT_TABLE_H
#define VIREO_STAT_TABLE_H

#include <stdio.h>

#include "object.h"

#define MAX_CELLS 16

struct cell {
	char *text;
	double key; /* NAN: not known; of no use in a column of text */
};

struct column {
	const char *title;
	bool is_text; /* left-aligned and sorted by text */
	int width;    /* of the title and the cells */
};

struct row {
	struct cell cells[MAX_CELLS];
	const struct object
		*object; /* that it is about; borrowed from the sample */
};

struct table {
	struct column columns[MAX_CELLS];
	size_t nr_columns;
	struct row *rows;
	size_t nr_rows;
};

/* Whether numbers are shown as counted, or a second. */
enum unit { UNIT_TOTAL, UNIT_RATE };

/*
 * The tables there are.  In a number's column of UNIT_RATE what has no rate is
 * not known.  0 or -ENOMEM; the caller clears in either case.
 */
int table_of_vms(struct table *t, const struct object *host, enum unit unit);
int table_of_regions(struct table *t, const struct object *vm, enum unit unit);
int table_of_queues(struct table *t, const struct object *vm, enum unit unit);
int table_of_vcpus(struct table *t, const struct object *vm, enum unit unit);
/* All numbers that are not 0. */
int table_of_numbers(struct table *t, const struct object *o, enum unit unit);
/* Lines of bars, one histogram after the other, of all of a VM. */
int table_of_latency(struct table *t, const struct object *vm, enum unit unit);
void table_clear(struct table *t);

/* For tables.c: the next column, the next row, and its cells in their order. */
void table_column(struct table *t, const char *title, bool is_text);
struct row *table_row(struct table *t, const struct object *about);
int table_cell(struct table *t, struct row *row, size_t column,
	       const char *text, double key);

/*
 * By a column: texts ascend, numbers descend, or with @reverse the other way.
 * What is equal keeps its order.
 */
void table_sort(struct table *t, size_t column, bool reverse);

/* One row, or with @row NULL the titles, as wide as it is; the caller frees. */
char *table_line(const struct table *t, const struct row *row);
/* The titles and all rows; 0 or -ENOMEM. */
int table_print(const struct table *t, FILE *out);

#endif
