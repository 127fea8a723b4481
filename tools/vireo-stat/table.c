// SPDX-License-Identifier: GPL-2.0-or-later
/* Tables: sorting, aligning, printing.  tables.c fills them. */
#include "table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void table_clear(struct table *t)
{
	for (size_t i = 0; i < t->nr_rows; i++)
		for (size_t j = 0; j < t->nr_columns; j++)
			free(t->rows[i].cells[j].text);
	free(t->rows);
	memset(t, 0, sizeof(*t));
}

void table_column(struct table *t, const char *title, bool is_text)
{
	struct column *c = &t->columns[t->nr_columns++];

	c->title = title;
	c->is_text = is_text;
	c->width = (int)strlen(title);
}

struct row *table_row(struct table *t, const struct object *about)
{
	size_t n = t->nr_rows;
	struct row *bigger;

	/* Full at powers of two. */
	if (!(n & (n - 1))) {
		bigger = reallocarray(t->rows, n ? n * 2 : 1, sizeof(*bigger));
		if (!bigger)
			return NULL;
		t->rows = bigger;
	}
	memset(&t->rows[n], 0, sizeof(t->rows[n]));
	t->rows[n].object = about;
	t->nr_rows++;
	return &t->rows[n];
}

int table_cell(struct table *t, struct row *row, size_t column,
	       const char *text, double key)
{
	struct cell *c = &row->cells[column];
	int width = (int)strlen(text);

	c->key = key;
	c->text = strdup(text);
	if (!c->text)
		return -ENOMEM;
	if (width > t->columns[column].width)
		t->columns[column].width = width;
	return 0;
}

struct order {
	const struct table *table;
	size_t column;
	bool reverse;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct row *x = a, *y = b;
	const struct order *by = arg;
	const struct cell *p = &x->cells[by->column];
	const struct cell *q = &y->cells[by->column];
	int sign = by->reverse ? -1 : 1;

	if (by->table->columns[by->column].is_text)
		return sign * strcmp(p->text, q->text);
	/* The unknown comes last, whichever way. */
	if (isnan(p->key) || isnan(q->key))
		return isnan(p->key) - isnan(q->key);
	if (p->key == q->key)
		return 0;
	return p->key > q->key ? -sign : sign;
}

void table_sort(struct table *t, size_t column, bool reverse)
{
	struct order by = { .table = t, .column = column, .reverse = reverse };

	/* glibc's is a merge sort, which is stable, as long as memory lasts. */
	if (column < t->nr_columns && t->nr_rows)
		qsort_r(t->rows, t->nr_rows, sizeof(*t->rows), compare, &by);
}

char *table_line(const struct table *t, const struct row *row)
{
	size_t len, i;
	char *line;
	FILE *out = open_memstream(&line, &len);

	if (!out)
		return NULL;
	for (i = 0; i < t->nr_columns; i++) {
		const struct column *c = &t->columns[i];
		fprintf(out, "%s%*s", i ? "  " : "",
			c->is_text ? -c->width : c->width,
			row ? row->cells[i].text : c->title);
	}
	if (fclose(out))
		return NULL;
	while (len && line[len - 1] == ' ')
		line[--len] = '\0';
	return line;
}

static int print_line(const struct table *t, const struct row *row, FILE *out)
{
	char *line = table_line(t, row);

	if (!line)
		return -ENOMEM;
	fprintf(out, "%s\n", line);
	free(line);
	return 0;
}

int table_print(const struct table *t, FILE *out)
{
	int ret = print_line(t, NULL, out);

	for (size_t i = 0; i < t->nr_rows && !ret; i++)
		ret = print_line(t, &t->rows[i], out);
	return ret;
}
