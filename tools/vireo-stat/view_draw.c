// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The screen: a line about all, a line about the VM or the list, the titles,
 * the rows, and a line of keys.
 */
#include <curses.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "view.h"

#define HEAD_LINES 3
#define FOOT_LINES 1

static const char *const help_lines[] = {
	"Keys of vireo-stat",
	"",
	"Up Down k j        select a line; PgUp PgDn Home End, too",
	"Enter Right l      look into the machine",
	"Esc Left Backspace back to the list",
	"Tab 1 2 3 4 5      regions, vCPUs, counters, latency, queues",
	"s S                sort by the next, the previous column",
	"r                  sort the other way",
	"t                  totals, or rates a second",
	"p Space            pause, go on",
	"+ -                longer, shorter interval",
	"h ?                this text",
	"q Ctrl-C           quit",
	"",
	"EXITS are all that KVM counts; SERVED and PASSED are accesses to vireo's",
	"regions, decided in the kernel or not; USER are exits to user space.",
	"",
	"Any key returns.",
};

/* A line, or what there is room for. */
static void put_line(int y, const char *text, attr_t attributes)
{
	if (y >= LINES)
		return;
	attrset(attributes);
	mvaddnstr(y, 0, text, COLS);
	/* A bar across the screen. */
	if (attributes & A_REVERSE)
		for (int x = (int)strlen(text); x < COLS; x++)
			mvaddch(y, x, ' ');
	attrset(A_NORMAL);
}

static void draw_help(void)
{
	for (size_t i = 0; i < sizeof(help_lines) / sizeof(*help_lines); i++)
		put_line((int)i, help_lines[i], i ? A_NORMAL : A_BOLD);
}

static void draw_summary(const struct view *v)
{
	const struct object *host = &v->now.host;
	const char *version = object_text(host, "version");
	const char *path = object_text(host, "exit_path");
	size_t vms = object_count(host, OBJECT_VM);
	char text[256];

	snprintf(text, sizeof(text),
		 "vireo-stat  %zu VM%s  %s%s%s%s  every %.1f s  %s%s", vms,
		 vms == 1 ? "" : "s", version ? "vireo.ko " : "no vireo.ko",
		 version ? version : "", path ? " by " : "", path ? path : "",
		 v->interval, v->unit == UNIT_RATE ? "rates" : "totals",
		 v->paused ? "  PAUSED" : "");
	put_line(0, text, A_BOLD);
}

static void draw_context(const struct view *v)
{
	static const char *const pages[NR_PAGES] = { NULL,	"regions",
						     "vCPUs",	"counters",
						     "latency", "queues" };
	const struct object *vm = view_vm(v);
	const struct column *c = &v->table.columns[v->sort[v->page].column];
	char text[256];
	size_t used = 0;

	*text = '\0';
	if (vm)
		used = (size_t)snprintf(text, sizeof(text), "%.64s  pid %ld ",
					vm->name, vm->pid);
	for (enum page p = PAGE_REGIONS; vm && p < NR_PAGES; p++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 p == v->page ? " [%d %s]" : "  %d %s ",
					 (int)p, pages[p]);
	if (v->page != PAGE_LATENCY)
		snprintf(text + used, sizeof(text) - used, "%ssorted by %s%s",
			 vm ? "  " : "", c->title,
			 v->sort[v->page].reverse ? " (reverse)" : "");
	put_line(1, text, A_NORMAL);
}

static int make_table(struct view *v)
{
	const struct object *vm = view_vm(v);
	const struct sort *sort = &v->sort[v->page];
	int ret = 0;

	table_clear(&v->table);
	switch (v->page) {
	case PAGE_VMS:
		ret = table_of_vms(&v->table, &v->now.host, v->unit);
		break;
	case PAGE_REGIONS:
		ret = table_of_regions(&v->table, vm, v->unit);
		break;
	case PAGE_VCPUS:
		ret = table_of_vcpus(&v->table, vm, v->unit);
		break;
	case PAGE_COUNTERS:
		ret = table_of_numbers(&v->table, vm, v->unit);
		break;
	case PAGE_QUEUES:
		ret = table_of_queues(&v->table, vm, v->unit);
		break;
	case PAGE_LATENCY:
		return table_of_latency(&v->table, vm, v->unit);
	}
	if (!ret)
		table_sort(&v->table, sort->column, sort->reverse);
	return ret;
}

/* The list's selection goes where its VM is, or becomes the VM that is there. */
static void select_vm(struct view *v)
{
	const struct table *t = &v->table;

	for (size_t i = 0; v->follow && i < t->nr_rows; i++) {
		if (!strcmp(t->rows[i].object->id, v->vm)) {
			v->selected = i;
			return;
		}
	}
	v->follow = false;
	if (t->nr_rows)
		snprintf(v->vm, sizeof(v->vm), "%s",
			 t->rows[v->selected].object->id);
}

/* What of the table is in sight. */
static void place(struct view *v)
{
	const struct table *t = &v->table;

	if (v->selected >= t->nr_rows)
		v->selected = t->nr_rows ? t->nr_rows - 1 : 0;
	if (v->page == PAGE_VMS)
		select_vm(v);

	v->rows = LINES > HEAD_LINES + FOOT_LINES ?
			  (size_t)(LINES - HEAD_LINES - FOOT_LINES) :
			  1;
	if (v->selected < v->top)
		v->top = v->selected;
	if (v->selected >= v->top + v->rows)
		v->top = v->selected - v->rows + 1;
	if (v->top + v->rows > t->nr_rows)
		v->top = t->nr_rows > v->rows ? t->nr_rows - v->rows : 0;
}

static int draw_row(const struct view *v, int y, const struct row *row,
		    attr_t attributes)
{
	char *line = table_line(&v->table, row);

	if (!line)
		return -ENOMEM;
	put_line(y, line, attributes);
	free(line);
	return 0;
}

static const char *nothing(const struct view *v)
{
	switch (v->page) {
	case PAGE_VMS:
		return "There is no virtual machine.";
	case PAGE_REGIONS:
		return "No regions: vireo.ko does not know this machine.";
	case PAGE_QUEUES:
		return "No queues: vireo.ko serves no disk of this machine.";
	case PAGE_LATENCY:
		return v->unit == UNIT_RATE ?
			       "Nothing in this interval; t shows totals." :
			       "No latencies are known.";
	default:
		return "Nothing is known.";
	}
}

static int draw_rows(const struct view *v)
{
	int ret = draw_row(v, 2, NULL, A_REVERSE);

	for (size_t i = 0; i < v->rows && v->top + i < v->table.nr_rows && !ret;
	     i++) {
		size_t n = v->top + i;

		ret = draw_row(v, HEAD_LINES + (int)i, &v->table.rows[n],
			       n == v->selected ? A_STANDOUT | A_BOLD :
						  A_NORMAL);
	}
	if (!v->table.nr_rows)
		put_line(HEAD_LINES + 1, nothing(v), A_NORMAL);
	return ret;
}

int view_draw(struct view *v)
{
	int ret;

	erase();
	if (v->help) {
		draw_help();
		refresh();
		return 0;
	}
	ret = make_table(v);
	if (ret)
		return ret;
	place(v);
	draw_summary(v);
	draw_context(v);
	ret = draw_rows(v);
	put_line(LINES - 1,
		 *v->message	     ? v->message :
		 v->page == PAGE_VMS ? "q quit  h help  Enter look into  s sort"
				       "  t totals  p pause" :
				       "q quit  h help  Esc back  Tab next page"
				       "  s sort  t totals  p pause",
		 A_DIM);
	refresh();
	return ret;
}
