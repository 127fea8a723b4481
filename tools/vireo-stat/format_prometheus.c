// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The text exposition format of Prometheus.  It wants all series of a metric
 * together, while samples have all numbers of an object together: so series
 * are collected, sorted and printed.
 *
 * Metrics: <source>_<name> of the host, <source>_<kind>_<name> of the others,
 * apart, because summing over a metric must not count anything twice.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

enum type { TYPE_COUNTER, TYPE_GAUGE, TYPE_HISTOGRAM };

struct series {
	char *metric;
	char *labels;	  /* without braces */
	const char *name; /* in the file; borrowed */
	enum source source;
	enum object_kind kind;
	enum type type;
	uint64_t value;
	const struct histogram *histogram; /* TYPE_HISTOGRAM; borrowed */
	uint64_t tsc_khz;		   /* of the VM, or 0 */
};

struct list {
	struct series *at;
	size_t count;
};

/* ---- collecting --------------------------------------------------------- */

static void put_escaped(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			fputc('\\', out);
		if (*text == '\n')
			fputs("\\n", out);
		else
			fputc(*text, out);
	}
}

static void put_label(const char *name, const char *value, FILE *out)
{
	if (ftell(out))
		fputc(',', out);
	fprintf(out, "%s=\"", name);
	put_escaped(value, out);
	fputc('"', out);
}

/*
 * Labels that tell @o from all others; @more: names of texts that are labels,
 * too.
 */
static char *labels(const struct object *vm, const struct object *o,
		    const char *const *more)
{
	size_t len;
	char *text, pid[24];
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	if (vm) {
		snprintf(pid, sizeof(pid), "%ld", vm->pid);
		put_label("vm", vm->name, out);
		put_label("vm_id", vm->id, out);
		put_label("pid", pid, out);
	}
	if (o->kind == OBJECT_REGION) {
		put_label("region", o->name, out);
		put_label("region_id", o->id, out);
	} else if (o->kind == OBJECT_QUEUE) {
		put_label("device", o->name, out);
		put_label("queue_id", o->id, out);
	} else if (o->kind == OBJECT_VCPU) {
		put_label("vcpu", o->id, out);
	}
	for (; more && *more; more++)
		if (object_text(o, *more))
			put_label(*more, object_text(o, *more), out);
	return fclose(out) ? NULL : text;
}

static char *metric(enum source source, enum object_kind kind, const char *name,
		    const char *unit)
{
	char *text;

	if (asprintf(&text, "%s_%s%s%s%s", source_names[source],
		     kind == OBJECT_HOST ? "" : kind_names[kind],
		     kind == OBJECT_HOST ? "" : "_", name, unit) < 0)
		return NULL;
	for (char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '_';
	return text;
}

/* Takes over the metric and the labels that @s has. */
static int add(struct list *list, const struct series *s)
{
	size_t n = list->count;
	struct series *bigger = list->at;

	/* Full at powers of two. */
	if (s->metric && s->labels && !(n & (n - 1)))
		bigger = reallocarray(list->at, n ? n * 2 : 1, sizeof(*bigger));
	if (!s->metric || !s->labels || !bigger) {
		free(s->metric);
		free(s->labels);
		return -ENOMEM;
	}
	list->at = bigger;
	list->at[list->count++] = *s;
	return 0;
}

static int add_number(struct list *list, const struct object *vm,
		      const struct object *o, const struct number *n)
{
	struct series s = {
		.metric = metric(n->source, o->kind, n->name,
				 n->gauge ? "" : "_total"),
		.labels = labels(vm, o, NULL),
		.name = n->name,
		.source = n->source,
		.kind = o->kind,
		.type = n->gauge ? TYPE_GAUGE : TYPE_COUNTER,
		.value = n->value,
	};

	return add(list, &s);
}

static int add_histogram(struct list *list, const struct object *vm,
			 const struct object *o, const struct histogram *h)
{
	const struct number *khz;
	struct series s = {
		.metric = metric(SOURCE_VIREO, o->kind, h->name, "_seconds"),
		.labels = labels(vm, o, NULL),
		.name = h->name,
		.source = SOURCE_VIREO,
		.kind = o->kind,
		.type = TYPE_HISTOGRAM,
		.histogram = h,
	};

	khz = vm ? object_number(vm, SOURCE_VIREO, "tsc_khz") : NULL;
	s.tsc_khz = khz ? khz->value : 0;
	return add(list, &s);
}

/* What is text becomes labels of a metric that is always 1. */
static int add_info(struct list *list, const struct object *vm,
		    const struct object *o)
{
	static const char *const texts[] = { "version", "exit_path", "why",
					     "bus",	"range",     "state",
					     NULL };
	struct series s = {
		.metric = metric(SOURCE_VIREO, o->kind, "info", ""),
		.labels = labels(vm, o, texts),
		.name = "what it is",
		.source = SOURCE_VIREO,
		.kind = o->kind,
		.type = TYPE_GAUGE,
		.value = 1,
	};

	return add(list, &s);
}

static int collect(struct list *list, const struct object *vm,
		   const struct object *o)
{
	size_t i;
	int ret = 0;

	if (object_has(o, SOURCE_VIREO))
		ret = add_info(list, vm, o);
	for (i = 0; i < o->nr_numbers && !ret; i++)
		ret = add_number(list, vm, o, &o->numbers[i]);
	for (i = 0; i < o->nr_histograms && !ret; i++)
		ret = add_histogram(list, vm, o, &o->histograms[i]);
	for (i = 0; i < o->nr_children && !ret; i++) {
		const struct object *child = &o->children[i];

		ret = collect(list, child->kind == OBJECT_VM ? child : vm,
			      child);
	}
	return ret;
}

/* ---- printing ----------------------------------------------------------- */

/*
 * The buckets that KVM's side counts in: powers of two of the time stamp
 * counter's cycles.  Those from 2^5 to 2^32 are shown, empty or not: a series
 * that is there only from its first increment on would lose that one.
 */
#define FIRST_EDGE 5
#define LAST_EDGE 32

static void put_bound(const struct series *s, uint64_t ns, uint64_t count,
		      FILE *out)
{
	fprintf(out, "%s_bucket{%s%sle=\"%.9g\"} %" PRIu64 "\n", s->metric,
		s->labels, *s->labels ? "," : "", (double)ns / 1e9, count);
}

static uint64_t edge(unsigned int power, uint64_t tsc_khz)
{
	return (uint64_t)(((unsigned __int128)1 << power) * 1000000 / tsc_khz);
}

static uint64_t count_below(const struct histogram *h, uint64_t ns)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < h->nr_buckets; i++)
		if (h->buckets[i].high <= ns)
			sum += h->buckets[i].count;
	return sum;
}

static void put_histogram(const struct series *s, FILE *out)
{
	const struct histogram *h = s->histogram;
	uint64_t sum = 0, last = 0;
	size_t i;

	for (i = 0; i < h->nr_buckets; i++) {
		sum += h->buckets[i].count;
		if (!s->tsc_khz && h->buckets[i].high != NO_END)
			put_bound(s, h->buckets[i].high, sum, out);
	}
	for (i = FIRST_EDGE; s->tsc_khz && i <= LAST_EDGE; i++) {
		uint64_t ns = edge((unsigned int)i, s->tsc_khz);

		if (ns != last)
			put_bound(s, ns, count_below(h, ns), out);
		last = ns;
	}
	fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", s->metric,
		s->labels, *s->labels ? "," : "", sum);
	fprintf(out, "%s_count", s->metric);
	if (*s->labels)
		fprintf(out, "{%s}", s->labels);
	fprintf(out, " %" PRIu64 "\n", sum);
}

static void put_series(const struct series *s, FILE *out)
{
	if (s->type == TYPE_HISTOGRAM) {
		put_histogram(s, out);
		return;
	}
	fputs(s->metric, out);
	if (*s->labels)
		fprintf(out, "{%s}", s->labels);
	fprintf(out, " %" PRIu64 "\n", s->value);
}

static int by_metric(const void *a, const void *b)
{
	const struct series *x = a, *y = b;
	int order = strcmp(x->metric, y->metric);

	return order ? order : strcmp(x->labels, y->labels);
}

static void put_head(const struct series *s, FILE *out)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };

	fprintf(out, "# HELP %s ", s->metric);
	put_escaped(s->name, out);
	fprintf(out, ", of the %s, from debugfs of %s\n", kind_names[s->kind],
		source_names[s->source]);
	fprintf(out, "# TYPE %s %s\n", s->metric, types[s->type]);
}

static void put_list(const struct list *list, FILE *out)
{
	const struct series *last = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct series *s = &list->at[i];

		/* Two names can become one; a second series is an error. */
		if (last && !by_metric(last, s))
			continue;
		if (!last || strcmp(last->metric, s->metric))
			put_head(s, out);
		put_series(s, out);
		last = s;
	}
}

int format_prometheus(const struct sample *s, FILE *out)
{
	struct list list = { 0 };
	int ret = collect(&list, NULL, &s->host);

	if (!ret && list.count) {
		qsort(list.at, list.count, sizeof(*list.at), by_metric);
		put_list(&list, out);
	}
	for (size_t i = 0; i < list.count; i++) {
		free(list.at[i].metric);
		free(list.at[i].labels);
	}
	free(list.at);
	return ret;
}
