// SPDX-License-Identifier: GPL-2.0-or-later
#include "table.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whatever a guest's or a file's name has in it, it cannot drive a terminal. */
static void clean(char *text)
{
	for (; *text; text++)
		if (!isascii((unsigned char)*text) ||
		    !isprint((unsigned char)*text))
			*text = '?';
}

void table_add(struct table *t, const char *fmt, ...)
{
	char **more, *text;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (rc < 0) {
		t->failed = true;
		return;
	}
	more = realloc(t->cells, (t->count + 1) * sizeof(*more));
	if (!more) {
		free(text);
		t->failed = true;
		return;
	}
	clean(text);
	t->cells = more;
	t->cells[t->count++] = text;
}

static void print_row(const struct table *t, const char *const *cells,
		      const int *widths, size_t columns)
{
	size_t i;

	fputs(t->indent ? t->indent : "", stdout);
	for (i = 0; i < columns; i++) {
		if (t->right[i])
			printf("%*s", widths[i], cells[i]);
		else if (i + 1 == columns) /* no blanks at the end */
			fputs(cells[i], stdout);
		else
			printf("%-*s", widths[i], cells[i]);
		fputs(i + 1 == columns ? "\n" : "  ", stdout);
	}
}

int table_print(struct table *t)
{
	int widths[TABLE_COLUMNS] = { 0 }, rc = t->failed ? -ENOMEM : 0;
	size_t i, columns = 0;

	while (t->titles[columns]) {
		widths[columns] = (int)strlen(t->titles[columns]);
		columns++;
	}
	for (i = 0; i < t->count; i++)
		if ((int)strlen(t->cells[i]) > widths[i % columns])
			widths[i % columns] = (int)strlen(t->cells[i]);
	if (*t->titles[0] && !rc)
		print_row(t, t->titles, widths, columns);
	for (i = 0; i + columns <= t->count && !rc; i += columns)
		print_row(t, (const char *const *)&t->cells[i], widths,
			  columns);
	for (i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->count = 0;
	return rc;
}
