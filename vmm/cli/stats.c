// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vireo stats: how often a machine's processors left the guest, and why, in an
 * interval: the difference of two answers to query-stats.
 */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../error.h"
#include "../loop.h"
#include "../options_table.h"
#include "remote.h"
#include "commands.h"
#include "table.h"

struct stats_args {
	bool json;
	unsigned int interval;
};

static const struct opt stats_options[] = {
	{ .name = "json",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct stats_args, json) },
	{ .name = "interval",
	  .kind = OPT_UINT,
	  .def = "1",
	  .min = 1,
	  .max = 3600,
	  .offset = offsetof(struct stats_args, interval) },
	{ 0 }
};

/* Counters by provider and name, summed over the processors. */
struct sample {
	json_t *sums; /* { provider: { name: count } } */
	uint64_t when;
};

/* Of KVM's numbers, those that count why a processor left the guest. */
static bool is_exit(const char *name)
{
	size_t len = strlen(name);

	return !strcmp(name, "exits") ||
	       (len > 6 && !strcmp(name + len - 6, "_exits"));
}

static int add_counter(json_t *sums, const char *provider, const char *name,
		       json_int_t count)
{
	json_t *of = json_object_get(sums, provider);

	if (!of) {
		if (json_object_set_new(sums, provider, json_object()))
			return -ENOMEM;
		of = json_object_get(sums, provider);
	}
	count += json_integer_value(json_object_get(of, name));
	return json_object_set_new(of, name, json_integer(count)) ? -ENOMEM : 0;
}

/* @result is one StatsResult: the numbers of one processor, or of the VM. */
static int add_result(json_t *sums, json_t *result, bool all)
{
	const char *provider, *name;
	json_t *stat, *value;
	size_t i;
	int rc = 0;

	provider = json_string_value(json_object_get(result, "provider"));
	json_array_foreach(json_object_get(result, "stats"), i, stat) {
		name = json_string_value(json_object_get(stat, "name"));
		value = json_object_get(stat, "value");
		if (provider && name && json_is_integer(value) && !rc &&
		    (all || is_exit(name)))
			rc = add_counter(sums, provider, name,
					 json_integer_value(value));
	}
	return rc;
}

static int add_target(json_t *sums, struct remote *c, const char *target,
		      struct error *err)
{
	bool vcpus = !strcmp(target, "vcpu");
	const char *provider;
	json_t *ret, *result;
	size_t i;
	int rc;

	rc = remote_execute(c, "query-stats",
			    json_pack("{s:s}", "target", target), &ret, err);
	if (rc)
		return rc;
	json_array_foreach(ret, i, result) {
		provider =
			json_string_value(json_object_get(result, "provider"));
		/* The module counts exits only: how they were served. */
		if (provider && (vcpus || strcmp(provider, "kvm")))
			rc = rc ? rc :
				  add_result(sums, result,
					     strcmp(provider, "kvm"));
	}
	json_decref(ret);
	return rc ? error_sys(err, -rc, "cannot add up statistics") : 0;
}

static int take(struct sample *s, struct remote *c, struct error *err)
{
	int rc;

	s->sums = json_object();
	s->when = loop_now();
	rc = add_target(s->sums, c, "vcpu", err);
	if (!rc)
		rc = add_target(s->sums, c, "vm", err);
	if (rc)
		json_decref(s->sums);
	return rc;
}

/* What happened between two samples, per second. */
static double rate_of(const struct sample *before, const struct sample *after,
		      const char *provider, const char *name, json_int_t count)
{
	json_t *of = json_object_get(before->sums, provider);
	json_int_t was = json_integer_value(json_object_get(of, name));
	double seconds = (double)(after->when - before->when) / 1e9;

	/* The machine may have been reset, and its counters, too. */
	return count < was ? 0 : (double)(count - was) / seconds;
}

static int print_json(const struct sample *before, const struct sample *after,
		      struct error *err)
{
	const char *provider, *name;
	json_t *root, *of, *out, *value;
	double seconds = (double)(after->when - before->when) / 1e9;
	int rc;

	root = json_pack("{s:f, s:{}}", "interval", seconds, "stats");
	out = json_object_get(root, "stats");
	json_object_foreach(after->sums, provider, of) {
		json_object_set_new(out, provider, json_object());
		json_object_foreach(of, name, value) {
			json_object_set_new(json_object_get(out, provider),
					    name,
					    json_pack("{s:f, s:O}", "rate",
						      rate_of(before, after,
							      provider, name,
							      json_integer_value(
								      value)),
						      "total", value));
		}
	}
	rc = json_dumpf(root, stdout, JSON_INDENT(2));
	json_decref(root);
	if (rc)
		return error_set(err, EIO, "cannot print the statistics");
	putchar('\n');
	return 0;
}

static int print_table(const struct sample *before, const struct sample *after,
		       struct error *err)
{
	struct table t = { .titles = { "COUNTER", "FROM", "PER SECOND",
				       "TOTAL" },
			   .right = { [2] = true, [3] = true } };
	const char *provider, *name;
	json_int_t total;
	json_t *of, *value;

	json_object_foreach(after->sums, provider, of) {
		json_object_foreach(of, name, value) {
			total = json_integer_value(value);
			if (!total) /* of no interest to a person */
				continue;
			table_add(&t, "%s", name);
			table_add(&t, "%s", provider);
			table_add(&t, "%.0f",
				  rate_of(before, after, provider, name,
					  total));
			table_add(&t, "%" JSON_INTEGER_FORMAT, total);
		}
	}
	if (table_print(&t))
		return error_set(err, ENOMEM, "cannot make the table");
	return 0;
}

static int show(struct remote *c, const struct stats_args *args,
		struct error *err)
{
	struct timespec pause = { .tv_sec = args->interval };
	struct sample before, after;
	int rc;

	rc = take(&before, c, err);
	if (rc)
		return rc;
	if (!json_object_size(before.sums)) {
		json_decref(before.sums);
		return error_set(err, ENODATA,
				 "%s counts nothing (its host's KVM cannot)",
				 remote_name(c));
	}
	nanosleep(&pause, NULL);
	rc = take(&after, c, err);
	if (!rc) {
		rc = args->json ? print_json(&before, &after, err) :
				  print_table(&before, &after, err);
		json_decref(after.sums);
	}
	json_decref(before.sums);
	return rc;
}

int cli_stats(int argc, char **argv, struct error *err)
{
	struct stats_args args = { 0 };
	const char *name;
	struct remote *c;
	int rc;

	if (cli_parse(argc, argv, stats_options, &args, &name, 1, 1, err) < 0)
		return STATUS_USAGE;
	rc = remote_open(&c, name, REMOTE_LIMIT_MS, err);
	if (rc)
		return cli_status(rc);
	rc = show(c, &args, err);
	remote_close(c);
	return cli_status(rc);
}
