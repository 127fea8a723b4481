// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo-stat: what it is told to do; the only place that exits. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "format.h"
#include "options.h"
#include "read.h"
#include "view.h"

enum { STATUS_OK, STATUS_FAILED, STATUS_USAGE };

static int fail(int status, const char *why)
{
	fprintf(stderr, "vireo-stat: %s\n", why);
	return status;
}

static int show(const struct options *o, const struct sample *s)
{
	switch (o->output) {
	case OUTPUT_TABLE:
		return format_table(s, stdout);
	case OUTPUT_JSON:
		return format_json(s, stdout);
	case OUTPUT_CSV:
		return format_csv(s, stdout);
	case OUTPUT_PROMETHEUS:
		return format_prometheus(s, stdout);
	case OUTPUT_VIEW:
		break;
	}
	return -EINVAL;
}

/* Until @interval after the last time: what a sample costs does not add up. */
static void wait_for_next(struct timespec *next, double interval)
{
	double nanoseconds = interval * 1e9 + (double)next->tv_nsec;

	next->tv_sec += (time_t)(nanoseconds / 1e9);
	next->tv_nsec =
		(long)(nanoseconds - (double)(long)(nanoseconds / 1e9) * 1e9);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) ==
	       EINTR)
		;
}

static int read_sample(struct sample *s, const struct options *o,
		       const struct tree *tree, bool first)
{
	char why[256];

	if (sample_read(s, tree))
		return fail(STATUS_FAILED, "out of memory");
	if (!o->vm || sample_keep(s, o->vm) || !first)
		return STATUS_OK;
	snprintf(why, sizeof(why), "there is no virtual machine '%s'", o->vm);
	sample_clear(s);
	return fail(STATUS_FAILED, why);
}

static int show_sample(const struct options *o, const struct sample *s)
{
	char why[128];

	if (show(o, s))
		return fail(STATUS_FAILED, "out of memory");
	if (!fflush(stdout) && !ferror(stdout))
		return STATUS_OK;
	snprintf(why, sizeof(why), "cannot write: %s", strerror(errno));
	return fail(STATUS_FAILED, why);
}

static int print_samples(const struct options *o, const struct tree *tree)
{
	struct sample now = { 0 }, before = { 0 };
	/* Rates for --once need one more sample, which is not shown. */
	bool hidden = o->once && o->has_interval;
	unsigned long shown = 0;
	struct timespec next;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &next);
	status = read_sample(&now, o, tree, true);
	if (!status && o->output == OUTPUT_CSV)
		format_csv_header(stdout);
	while (!status) {
		if (!hidden) {
			status = show_sample(o, &now);
			if (status || (o->count && ++shown >= o->count))
				break;
		}
		hidden = false;
		wait_for_next(&next, o->interval);
		sample_clear(&before);
		before = now;
		memset(&now, 0, sizeof(now));
		status = read_sample(&now, o, tree, false);
		if (!status)
			sample_rates(&now, &before);
	}
	sample_clear(&now);
	sample_clear(&before);
	return status;
}

static int live(const struct options *o, const struct tree *tree)
{
	char why[256];

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return fail(STATUS_FAILED,
			    "this is not a terminal (--once, --json, --csv and "
			    "--prometheus do without)");
	if (view_run(o, tree, why, sizeof(why)))
		return fail(STATUS_FAILED, why);
	return STATUS_OK;
}

int main(int argc, char **argv)
{
	struct options o;
	struct tree tree;
	char why[512];
	int status;

	switch (options_parse(&o, argc, argv, why, sizeof(why))) {
	case 0:
		break;
	case 1:
		return fflush(stdout) ? STATUS_FAILED : STATUS_OK;
	default:
		return fail(STATUS_USAGE, why);
	}
	if (tree_open(&tree, o.root, why, sizeof(why)))
		return fail(STATUS_FAILED, why);
	status = o.output == OUTPUT_VIEW ? live(&o, &tree) :
					   print_samples(&o, &tree);
	tree_close(&tree);
	return status;
}
