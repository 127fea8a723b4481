// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo ps: the machines that run, by name. */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../error.h"
#include "../options_table.h"
#include "remote.h"
#include "commands.h"
#include "summary.h"
#include "table.h"

/* One that hangs is not to make the list of the others wait for long. */
#define LIMIT_MS 2000

struct ps_args {
	bool json;
	bool quiet;
};

static const struct opt ps_options[] = {
	{ .name = "json",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct ps_args, json) },
	{ .name = "quiet",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct ps_args, quiet) },
	{ 0 }
};

/* @s of machine @name; -ESRCH: it is no more; else @s is something to show. */
static int look_at(struct summary *s, const char *name, struct error *err)
{
	struct remote *c;
	int rc;

	*s = (struct summary){ .status = "unknown", .uptime = -1 };
	snprintf(s->name, sizeof(s->name), "%s", name);
	rc = remote_open(&c, name, LIMIT_MS, err);
	if (!rc) {
		rc = summary_read(s, c, err);
		remote_close(c);
	}
	if (rc == -ETIMEDOUT)
		strcpy(s->status, "no answer");
	/* It may end while it is looked at. */
	return rc == -EPIPE ? -ESRCH : rc;
}

static void add_number(struct table *t, long num)
{
	if (num)
		table_add(t, "%ld", num);
	else
		table_add(t, "-");
}

static void add_row(struct table *t, const struct summary *s)
{
	char memory[24], uptime[24];

	text_bytes(memory, s->memory);
	text_seconds(uptime, s->uptime);
	table_add(t, "%s", s->name);
	add_number(t, s->pid);
	table_add(t, "%s", s->status);
	add_number(t, s->cpus);
	table_add(t, "%s", s->memory ? memory : "-");
	table_add(t, "%s", uptime);
}

static int print_list(json_t *list, struct error *err)
{
	if (json_dumpf(list, stdout, JSON_INDENT(2)))
		return error_set(err, EIO, "cannot print the list");
	putchar('\n');
	return 0;
}

/* Tells of all that can be told of; the first error is the result. */
static int show(const struct machines *m, const struct ps_args *args,
		struct error *err)
{
	struct table t = {
		.titles = { "NAME", "PID", "STATUS", "CPUS", "MEMORY",
			    "UPTIME" },
		.right = { [1] = true, [3] = true, [4] = true, [5] = true },
	};
	json_t *list = json_array();
	struct error why;
	struct summary s;
	int ret = 0, rc;
	size_t i;

	for (i = 0; i < m->count; i++) {
		rc = look_at(&s, m->names[i], &why);
		if (rc == -ESRCH)
			continue;
		if (rc && !ret) {
			*err = why;
			ret = rc;
		}
		if (args->quiet) {
			puts(s.name);
		} else if (args->json) {
			json_array_append_new(list, summary_json(&s));
		} else {
			add_row(&t, &s);
		}
	}
	rc = args->json ? print_list(list, err) : 0;
	json_decref(list);
	if (!args->json && !args->quiet && table_print(&t))
		rc = error_set(err, ENOMEM, "cannot make the table");
	return rc ? rc : ret;
}

int cli_ps(int argc, char **argv, struct error *err)
{
	struct ps_args args = { 0 };
	struct machines m;
	int rc;

	if (cli_parse(argc, argv, ps_options, &args, NULL, 0, 0, err) < 0)
		return STATUS_USAGE;
	if (args.json && args.quiet) {
		error_set(err, EINVAL, "--json and --quiet exclude each other");
		return STATUS_USAGE;
	}
	rc = machines_list(&m, err);
	if (rc)
		return cli_status(rc);
	rc = show(&m, &args, err);
	machines_free(&m);
	return cli_status(rc);
}
