// SPDX-License-Identifier: GPL-2.0-or-later
/* What the tables show. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "table.h"

/* A cell that is a number: @value, or "-" if that is NAN. */
static int put(struct table *t, struct row *row, size_t column, double value,
	       enum unit unit)
{
	char text[32] = "-";

	if (!isnan(value))
		snprintf(text, sizeof(text), "%.*f",
			 unit == UNIT_RATE && value > 0 && value < 10, value);
	return table_cell(t, row, column, text, value);
}

static double amount(const struct number *n, enum unit unit)
{
	if (!n)
		return NAN;
	if (n->gauge || unit == UNIT_TOTAL)
		return (double)n->value;
	return n->rated ? n->rate : NAN;
}

static double amount_of(const struct object *o, enum source source,
			const char *name, enum unit unit)
{
	return amount(object_number(o, source, name), unit);
}

/*
 * Exits to user space, as the VMM counts them in pages that it shares with
 * the module: one that does not has none, which no VMM can do with.
 */
static double user_exits(const struct object *o, enum unit unit)
{
	const struct number *n = object_number(o, SOURCE_VIREO, "user");

	return n && n->value ? amount(n, unit) : NAN;
}

/* The most frequent number of a family, and the part of its name that varies. */
static const char *most(const struct object *o, enum source source,
			bool (*is_member)(const char *), enum unit unit)
{
	const char *name = NULL;
	double best = 0;

	for (size_t i = 0; i < o->nr_numbers; i++) {
		const struct number *n = &o->numbers[i];

		if (n->source == source && is_member(n->name) &&
		    amount(n, unit) > best) {
			best = amount(n, unit);
			name = n->name;
		}
	}
	return name;
}

static bool is_user_exit(const char *name)
{
	return !strncmp(name, "user_", 5);
}

static bool is_kvm_exit(const char *name)
{
	size_t n = strlen(name);

	return n > 6 && !strcmp(name + n - 6, "_exits");
}

/*
 * Why exits happen most: those to user space by reason, if the VMM tells, else
 * what KVM counts as exits.
 */
static int put_reason(struct table *t, struct row *row, size_t column,
		      const struct object *o, enum unit unit)
{
	const char *name = most(o, SOURCE_VIREO, is_user_exit, unit);

	if (!name)
		name = most(o, SOURCE_KVM, is_kvm_exit, unit);
	return table_cell(t, row, column, name ? name : "-", 0);
}

static void number_column(struct table *t, const char *total, const char *rate,
			  enum unit unit)
{
	table_column(t, unit == UNIT_RATE ? rate : total, false);
}

/* ---- VMs, vCPUs, regions ----------------------------------------------- */

static int put_vm(struct table *t, const struct object *vm, enum unit unit)
{
	struct row *row = table_row(t, vm);
	char pid[24];
	int ret;

	if (!row)
		return -ENOMEM;
	snprintf(pid, sizeof(pid), "%ld", vm->pid);
	ret = table_cell(t, row, 0, vm->name, 0);
	ret = ret ? ret : table_cell(t, row, 1, pid, (double)vm->pid);
	ret = ret ? ret :
		    put(t, row, 2, (double)object_count(vm, OBJECT_VCPU),
			UNIT_TOTAL);
	ret = ret ? ret :
		    put(t, row, 3, amount_of(vm, SOURCE_KVM, "exits", unit),
			unit);
	ret = ret ? ret :
		    put(t, row, 4, amount_of(vm, SOURCE_VIREO, "served", unit),
			unit);
	ret = ret ? ret :
		    put(t, row, 5, amount_of(vm, SOURCE_VIREO, "passed", unit),
			unit);
	ret = ret ? ret : put(t, row, 6, user_exits(vm, unit), unit);
	return ret ? ret : put_reason(t, row, 7, vm, unit);
}

int table_of_vms(struct table *t, const struct object *host, enum unit unit)
{
	int ret = 0;

	memset(t, 0, sizeof(*t));
	table_column(t, "NAME", true);
	table_column(t, "PID", false);
	table_column(t, "VCPUS", false);
	number_column(t, "EXITS", "EXITS/s", unit);
	number_column(t, "SERVED", "SERVED/s", unit);
	number_column(t, "PASSED", "PASSED/s", unit);
	number_column(t, "USER", "USER/s", unit);
	table_column(t, "TOP REASON", true);
	for (size_t i = 0; i < host->nr_children && !ret; i++)
		if (host->children[i].kind == OBJECT_VM)
			ret = put_vm(t, &host->children[i], unit);
	return ret;
}

static int put_vcpu(struct table *t, const struct object *vcpu, enum unit unit)
{
	static const char *const names[] = { "served", "passed" };
	struct row *row = table_row(t, vcpu);
	uint64_t id = 0;
	int ret;

	if (!row)
		return -ENOMEM;
	/* It sorts as a number. */
	sscanf(vcpu->id, "%" SCNu64, &id);
	ret = table_cell(t, row, 0, vcpu->id, (double)id);
	for (size_t i = 0; i < 2 && !ret; i++)
		ret = put(t, row, 1 + i,
			  amount_of(vcpu, SOURCE_VIREO, names[i], unit), unit);
	ret = ret ? ret : put(t, row, 3, user_exits(vcpu, unit), unit);
	return ret ? ret : put_reason(t, row, 4, vcpu, unit);
}

int table_of_vcpus(struct table *t, const struct object *vm, enum unit unit)
{
	int ret = 0;

	memset(t, 0, sizeof(*t));
	table_column(t, "VCPU", false);
	number_column(t, "SERVED", "SERVED/s", unit);
	number_column(t, "PASSED", "PASSED/s", unit);
	number_column(t, "USER", "USER/s", unit);
	table_column(t, "TOP REASON", true);
	for (size_t i = 0; i < vm->nr_children && !ret; i++)
		if (vm->children[i].kind == OBJECT_VCPU)
			ret = put_vcpu(t, &vm->children[i], unit);
	return ret;
}

static int put_region(struct table *t, const struct object *region,
		      enum unit unit)
{
	static const char *const texts[] = { "bus", "range", "state" };
	static const char *const names[] = { "ring_full", "ring_signals",
					     "ring_peak" };
	struct row *row = table_row(t, region);
	double reads, writes, passed;
	int ret;

	if (!row)
		return -ENOMEM;
	reads = amount_of(region, SOURCE_VIREO, "reads", unit);
	writes = amount_of(region, SOURCE_VIREO, "writes", unit);
	passed = amount_of(region, SOURCE_VIREO, "reads_passed", unit) +
		 amount_of(region, SOURCE_VIREO, "writes_passed", unit);

	ret = table_cell(t, row, 0, region->name, 0);
	for (size_t i = 0; i < 3 && !ret; i++) {
		const char *text = object_text(region, texts[i]);

		ret = table_cell(t, row, 1 + i, text ? text : "-", 0);
	}
	ret = ret ? ret : put(t, row, 4, reads + writes, unit);
	ret = ret ? ret : put(t, row, 5, reads, unit);
	ret = ret ? ret : put(t, row, 6, writes, unit);
	ret = ret ? ret : put(t, row, 7, passed, unit);
	for (size_t i = 0; i < 3 && !ret; i++)
		ret = put(t, row, 8 + i,
			  amount_of(region, SOURCE_VIREO, names[i], unit),
			  unit);
	return ret;
}

int table_of_regions(struct table *t, const struct object *vm, enum unit unit)
{
	int ret = 0;

	memset(t, 0, sizeof(*t));
	table_column(t, "REGION", true);
	table_column(t, "BUS", true);
	table_column(t, "RANGE", true);
	table_column(t, "STATE", true);
	number_column(t, "SERVED", "SERVED/s", unit);
	number_column(t, "READS", "READS/s", unit);
	number_column(t, "WRITES", "WRITES/s", unit);
	number_column(t, "PASSED", "PASSED/s", unit);
	number_column(t, "FULL", "FULL/s", unit);
	number_column(t, "SIGNALS", "SIGNALS/s", unit);
	table_column(t, "PEAK", false);
	for (size_t i = 0; i < vm->nr_children && !ret; i++)
		if (vm->children[i].kind == OBJECT_REGION)
			ret = put_region(t, &vm->children[i], unit);
	return ret;
}

static int put_queue(struct table *t, const struct object *queue,
		     enum unit unit)
{
	static const char *const names[] = { "read",   "write",	 "flush",
					     "inline", "worker", "bells",
					     "signals" };
	struct row *row = table_row(t, queue);
	int ret;

	if (!row)
		return -ENOMEM;
	ret = table_cell(t, row, 0, queue->name, 0);
	ret = ret ? ret :
		    put(t, row, 1,
			amount_of(queue, SOURCE_VIREO, "index", unit),
			UNIT_TOTAL);
	ret = ret ? ret :
		    put(t, row, 2,
			amount_of(queue, SOURCE_VIREO, "fault", unit),
			UNIT_TOTAL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !ret; i++)
		ret = put(t, row, 3 + i,
			  amount_of(queue, SOURCE_VIREO, names[i], unit), unit);
	return ret ? ret :
		     put(t, row, 10,
			 amount_of(queue, SOURCE_VIREO, "in_flight", unit),
			 UNIT_TOTAL);
}

int table_of_queues(struct table *t, const struct object *vm, enum unit unit)
{
	int ret = 0;

	memset(t, 0, sizeof(*t));
	table_column(t, "QUEUE OF", true);
	table_column(t, "INDEX", false);
	table_column(t, "FAULT", false);
	number_column(t, "READS", "READS/s", unit);
	number_column(t, "WRITES", "WRITES/s", unit);
	number_column(t, "FLUSHES", "FLUSHES/s", unit);
	number_column(t, "INLINE", "INLINE/s", unit);
	number_column(t, "WORKER", "WORKER/s", unit);
	number_column(t, "BELLS", "BELLS/s", unit);
	number_column(t, "SIGNALS", "SIGNALS/s", unit);
	table_column(t, "FLIGHT", false);
	for (size_t i = 0; i < vm->nr_children && !ret; i++)
		if (vm->children[i].kind == OBJECT_QUEUE)
			ret = put_queue(t, &vm->children[i], unit);
	return ret;
}

/* ---- all numbers ------------------------------------------------------- */

static int put_number(struct table *t, const struct object *o,
		      const struct number *n)
{
	struct row *row = table_row(t, o);
	int ret;

	if (!row)
		return -ENOMEM;
	ret = table_cell(t, row, 0, n->name, 0);
	ret = ret ? ret :
		    table_cell(t, row, 1,
			       n->source == SOURCE_KVM ? "kvm" : "vireo", 0);
	ret = ret ? ret : put(t, row, 2, (double)n->value, UNIT_TOTAL);
	return ret ? ret : put(t, row, 3, n->rated ? n->rate : NAN, UNIT_RATE);
}

int table_of_numbers(struct table *t, const struct object *o, enum unit unit)
{
	int ret = 0;

	(void)unit;
	memset(t, 0, sizeof(*t));
	table_column(t, "COUNTER", true);
	table_column(t, "FROM", true);
	table_column(t, "TOTAL", false);
	table_column(t, "RATE/s", false);
	for (size_t i = 0; i < o->nr_numbers && !ret; i++)
		if (o->numbers[i].value)
			ret = put_number(t, o, &o->numbers[i]);
	return ret;
}

/* ---- latency ----------------------------------------------------------- */

#define BAR 40

static void format_ns(char *text, size_t room, uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	size_t i = 0;

	if (ns == NO_END) {
		snprintf(text, room, "-");
		return;
	}
	while (value >= 1000 && i < 3) {
		value /= 1000;
		i++;
	}
	snprintf(text, room, "%.*f %s", i && value < 100 ? 1 : 0, value,
		 units[i]);
}

static uint64_t bucket_amount(const struct bucket *b, enum unit unit)
{
	return unit == UNIT_RATE ? b->delta : b->count;
}

static int put_bucket(struct table *t, const struct object *o,
		      const char *title, const struct bucket *b, enum unit unit,
		      uint64_t highest)
{
	struct row *row = table_row(t, o);
	uint64_t n = bucket_amount(b, unit);
	char low[32], high[32], bar[BAR + 1];
	size_t len = (size_t)((double)n * BAR / (double)highest);
	int ret;

	if (!row)
		return -ENOMEM;
	format_ns(low, sizeof(low), b->low);
	format_ns(high, sizeof(high), b->high);
	memset(bar, '#', BAR);
	/* What there is shows. */
	bar[len ? len : 1] = '\0';
	ret = table_cell(t, row, 0, title, 0);
	ret = ret ? ret : table_cell(t, row, 1, low, (double)b->low);
	ret = ret ? ret : table_cell(t, row, 2, high, (double)b->high);
	ret = ret ? ret : put(t, row, 3, (double)n, UNIT_TOTAL);
	return ret ? ret : table_cell(t, row, 4, bar, 0);
}

static int put_histogram(struct table *t, const struct object *o,
			 const struct histogram *h, enum unit unit)
{
	static const char *const kinds[NR_OBJECT_KINDS] = { "", "", "vcpu ", "",
							    "queue " };
	char title[128];
	uint64_t highest = 0;
	int ret = 0;

	snprintf(title, sizeof(title), "%s%s%s%s", kinds[o->kind],
		 o->kind == OBJECT_VM ? "" : o->name,
		 o->kind == OBJECT_VM ? "" : " ", h->name);
	for (size_t i = 0; i < h->nr_buckets; i++)
		if (bucket_amount(&h->buckets[i], unit) > highest)
			highest = bucket_amount(&h->buckets[i], unit);
	for (size_t i = 0; i < h->nr_buckets && !ret; i++) {
		if (!bucket_amount(&h->buckets[i], unit))
			continue;
		ret = put_bucket(t, o, title, &h->buckets[i], unit, highest);
		*title = '\0';
	}
	return ret;
}

static int put_histograms(struct table *t, const struct object *o,
			  enum unit unit)
{
	int ret = 0;

	for (size_t i = 0; i < o->nr_histograms && !ret; i++)
		ret = put_histogram(t, o, &o->histograms[i], unit);
	return ret;
}

int table_of_latency(struct table *t, const struct object *vm, enum unit unit)
{
	int ret;

	memset(t, 0, sizeof(*t));
	table_column(t, "HISTOGRAM", true);
	table_column(t, "FROM", false);
	table_column(t, "TO", false);
	table_column(t, "COUNT", false);
	table_column(t, "", true);
	ret = put_histograms(t, vm, unit);
	for (size_t i = 0; i < vm->nr_children && !ret; i++)
		ret = put_histograms(t, &vm->children[i], unit);
	return ret;
}
