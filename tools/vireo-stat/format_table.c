// SPDX-License-Identifier: GPL-2.0-or-later
/* --once: the tables of the live view, on paper. */
#include <inttypes.h>

#include "format.h"
#include "table.h"

typedef int make_table(struct table *t, const struct object *o, enum unit unit);

static int print(make_table *make, const struct object *o, enum unit unit,
		 size_t column, bool heading, FILE *out)
{
	struct table t;
	int ret = make(&t, o, unit);

	if (!ret && column)
		table_sort(&t, column, false);
	if (!ret && heading && t.nr_rows)
		fprintf(out, "\n");
	if (!ret && (t.nr_rows || !heading))
		ret = table_print(&t, out);
	table_clear(&t);
	return ret;
}

int format_table(const struct sample *s, FILE *out)
{
	enum unit unit = s->interval > 0 ? UNIT_RATE : UNIT_TOTAL;
	const struct object *vm = s->host.children;
	int ret;

	ret = print(table_of_vms, &s->host, unit, 3, false, out);
	if (ret || s->host.nr_children != 1)
		return ret;
	ret = print(table_of_regions, vm, unit, 4, true, out);
	ret = ret ? ret : print(table_of_queues, vm, unit, 3, true, out);
	ret = ret ? ret : print(table_of_vcpus, vm, unit, 0, true, out);
	ret = ret ? ret :
		    print(table_of_numbers, vm, unit, unit == UNIT_RATE ? 3 : 2,
			  true, out);
	return ret ? ret : print(table_of_latency, vm, unit, 0, true, out);
}
