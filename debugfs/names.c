// SPDX-License-Identifier: GPL-2.0
/*
 * All numbers with their names, in the order of the files and records that
 * have them.  README.md says what they mean.
 */
#include <linux/kvm.h>
#include <linux/math64.h>
#include <linux/seq_file.h>
#include <linux/stdarg.h>
#include <linux/string.h>
#include <asm/tsc.h>

#include "internal.h"

const char *const vireo_bus_names[VIREO_STATS_BUSES] = { "pio", "mmio" };

static const char *const dir_names[VIREO_STATS_DIRS] = { "read", "write" };

static const char *const out_names[VIREO_NR_OUTCOMES] = {
	[VIREO_OUT_NO_RULE] = "no_rule",     [VIREO_OUT_SHADOW] = "shadow",
	[VIREO_OUT_CONST] = "const",	     [VIREO_OUT_POST] = "post",
	[VIREO_OUT_EVENT] = "event",	     [VIREO_OUT_INDEXED] = "indexed",
	[VIREO_OUT_CLOCK] = "clock",	     [VIREO_OUT_CLEAR] = "clear",
	[VIREO_OUT_RING_FULL] = "ring_full", [VIREO_OUT_OFF] = "off",
	[VIREO_OUT_WIDTH] = "width",
};

/* Those that x86 has; the others are shown by number if there are any. */
static const char *const exit_names[VIREO_NR_EXITS] = {
	[KVM_EXIT_UNKNOWN] = "unknown",
	[KVM_EXIT_EXCEPTION] = "exception",
	[KVM_EXIT_IO] = "io",
	[KVM_EXIT_HYPERCALL] = "hypercall",
	[KVM_EXIT_DEBUG] = "debug",
	[KVM_EXIT_HLT] = "hlt",
	[KVM_EXIT_MMIO] = "mmio",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq_window_open",
	[KVM_EXIT_SHUTDOWN] = "shutdown",
	[KVM_EXIT_FAIL_ENTRY] = "fail_entry",
	[KVM_EXIT_INTR] = "intr",
	[KVM_EXIT_SET_TPR] = "set_tpr",
	[KVM_EXIT_TPR_ACCESS] = "tpr_access",
	[KVM_EXIT_NMI] = "nmi",
	[KVM_EXIT_INTERNAL_ERROR] = "internal_error",
	[KVM_EXIT_SYSTEM_EVENT] = "system_event",
	[KVM_EXIT_IOAPIC_EOI] = "ioapic_eoi",
	[KVM_EXIT_HYPERV] = "hyperv",
	[KVM_EXIT_X86_RDMSR] = "x86_rdmsr",
	[KVM_EXIT_X86_WRMSR] = "x86_wrmsr",
	[KVM_EXIT_DIRTY_RING_FULL] = "dirty_ring_full",
	[KVM_EXIT_AP_RESET_HOLD] = "ap_reset_hold",
	[KVM_EXIT_X86_BUS_LOCK] = "x86_bus_lock",
	[KVM_EXIT_XEN] = "xen",
	[KVM_EXIT_NOTIFY] = "notify",
	[39] = "memory_fault", /* not in 6.1 */
	[VIREO_NR_EXITS - 1] = "other",
};

/* The descriptor of what comes next, and room for its numbers. */
static u64 *describe(struct vireo_sink *to, u32 type, u32 unit, u32 size,
		     const char *name)
{
	u64 *data = NULL;

	if (to->form == VIREO_FORM_RECORD) {
		struct vireo_stats_desc *desc = &to->desc[to->nr_desc];

		desc->type = type;
		desc->unit = unit;
		desc->size = size;
		desc->offset = to->nr_data * sizeof(u64);
		strscpy(desc->name, name, sizeof(desc->name));
		data = &to->data[to->nr_data];
	}
	to->nr_desc++;
	to->nr_data += size;
	return data;
}

static void put(struct vireo_sink *to, u32 type, u32 unit, u64 value,
		const char *name)
{
	int width = max_t(int, strlen(name), 8);
	u64 *data;

	switch (to->form) {
	case VIREO_FORM_LINES:
		seq_printf(to->m, "%s %llu\n", name, value);
		break;
	case VIREO_FORM_HEADS:
		seq_printf(to->m, " %*s", width, name);
		break;
	case VIREO_FORM_CELLS:
		seq_printf(to->m, " %*llu", width, value);
		break;
	case VIREO_FORM_COUNT:
	case VIREO_FORM_RECORD:
		data = describe(to, type, unit, 1, name);
		if (data)
			*data = value;
		break;
	}
}

/**
 * vireo_put() - one number
 * @to: where to
 * @type: VIREO_STATS_CUMULATIVE and so on
 * @value: the number
 * @fmt: format of its name, less than VIREO_STATS_NAME_SIZE
 */
void vireo_put(struct vireo_sink *to, u32 type, u64 value, const char *fmt, ...)
{
	char name[VIREO_STATS_NAME_SIZE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	put(to, type, VIREO_STATS_NONE, value, name);
}

/**
 * vireo_put_hist() - one histogram
 * @to: where to; only records have them between numbers
 * @unit: VIREO_STATS_CYCLES and so on
 * @name: its name
 * @bucket: the buckets
 * @nr: how many
 */
void vireo_put_hist(struct vireo_sink *to, u32 unit, const char *name,
		    const u64 *bucket, u32 nr)
{
	u64 *data;

	if (to->form != VIREO_FORM_COUNT && to->form != VIREO_FORM_RECORD)
		return;
	data = describe(to, VIREO_STATS_LOG_HIST, unit, nr, name);
	if (data)
		memcpy(data, bucket, nr * sizeof(*data));
}

/* Accesses of one direction that were served, or passed. */
static u64 sum_dir(const struct vireo_counters *c, int dir, bool served)
{
	u64 sum = 0;
	int out;

	for (out = 0; out < VIREO_NR_OUTCOMES; out++)
		if (vireo_served(out) == served)
			sum += c->n[dir][out];
	return sum;
}

static u64 sum_out(const struct vireo_counters *c, int out)
{
	return c->n[0][out] + c->n[1][out];
}

/**
 * vireo_put_exits() - what the module counted, of both buses
 * @to: where to
 * @sums: the numbers
 */
void vireo_put_exits(struct vireo_sink *to, const struct vireo_sums *sums)
{
	const struct vireo_counters *c = sums->bus;
	u64 served = 0, passed = 0;
	int bus, dir, out;

	for (bus = 0; bus < VIREO_STATS_BUSES; bus++) {
		for (dir = 0; dir < VIREO_STATS_DIRS; dir++) {
			u64 s = sum_dir(&c[bus], dir, true);
			u64 p = sum_dir(&c[bus], dir, false);

			vireo_put(to, VIREO_STATS_CUMULATIVE, s, "%s_%s_served",
				  vireo_bus_names[bus], dir_names[dir]);
			vireo_put(to, VIREO_STATS_CUMULATIVE, p, "%s_%s_passed",
				  vireo_bus_names[bus], dir_names[dir]);
			served += s;
			passed += p;
		}
	}
	vireo_put(to, VIREO_STATS_CUMULATIVE, served, "served");
	vireo_put(to, VIREO_STATS_CUMULATIVE, passed, "passed");

	for (out = 0; out < VIREO_NR_OUTCOMES; out++)
		vireo_put(to, VIREO_STATS_CUMULATIVE,
			  sum_out(&c[0], out) + sum_out(&c[1], out), "%s",
			  out_names[out]);
	vireo_put(to, VIREO_STATS_CUMULATIVE,
		  c[0].ring_signals + c[1].ring_signals, "ring_signals");

	for (bus = 0; bus < VIREO_STATS_BUSES; bus++)
		for (dir = 0; dir < VIREO_STATS_DIRS; dir++)
			for (out = 0; out < VIREO_NR_OUTCOMES; out++)
				vireo_put(to, VIREO_STATS_CUMULATIVE,
					  c[bus].n[dir][out], "%s_%s_%s",
					  vireo_bus_names[bus], dir_names[dir],
					  out_names[out]);
}

/**
 * vireo_put_user() - what the owners of vCPUs counted
 * @to: where to
 * @sums: the numbers
 */
void vireo_put_user(struct vireo_sink *to, const struct vireo_sums *sums)
{
	const u64 *exits = sums->user.exits;
	u64 sum = 0;
	int i;

	for (i = 0; i < VIREO_NR_EXITS; i++)
		sum += exits[i];
	vireo_put(to, VIREO_STATS_CUMULATIVE, sum, "user");

	for (i = 0; i < VIREO_NR_EXITS; i++) {
		if (exit_names[i])
			vireo_put(to, VIREO_STATS_CUMULATIVE, exits[i],
				  "user_%s", exit_names[i]);
		else if (exits[i] || to->form != VIREO_FORM_LINES)
			vireo_put(to, VIREO_STATS_CUMULATIVE, exits[i],
				  "user_%d", i);
	}
}

/**
 * vireo_put_region() - what a region counted
 * @to: where to
 * @s: the region
 * @sums: the numbers
 */
void vireo_put_region(struct vireo_sink *to, const struct vireo_region_stats *s,
		      const struct vireo_sums *sums)
{
	const struct vireo_counters *c = &sums->bus[s->bus];
	int out;

	for (out = VIREO_OUT_SHADOW; vireo_served(out); out++)
		vireo_put(to, VIREO_STATS_CUMULATIVE, sum_out(c, out), "%s",
			  out_names[out]);
	vireo_put(to, VIREO_STATS_CUMULATIVE, sum_dir(c, 0, true), "reads");
	vireo_put(to, VIREO_STATS_CUMULATIVE, sum_dir(c, 1, true), "writes");
	vireo_put(to, VIREO_STATS_CUMULATIVE, sum_dir(c, 0, false),
		  "reads_passed");
	vireo_put(to, VIREO_STATS_CUMULATIVE, sum_dir(c, 1, false),
		  "writes_passed");
	for (out = 0; out < VIREO_NR_OUTCOMES; out++)
		if (!vireo_served(out))
			vireo_put(to, VIREO_STATS_CUMULATIVE, sum_out(c, out),
				  "%s", out_names[out]);
	vireo_put(to, VIREO_STATS_CUMULATIVE, c->ring_signals, "ring_signals");
	vireo_put(to, VIREO_STATS_PEAK, sums->ring_peak, "ring_peak");
	vireo_put(to, VIREO_STATS_INSTANT, s->ring_entries, "ring_entries");
}

/**
 * vireo_put_vm() - what info and the VM's record tell of a VM
 * @to: where to
 * @vm: the VM; the caller holds its lock
 */
void vireo_put_vm(struct vireo_sink *to, const struct vireo_vm_stats *vm)
{
	const struct list_head *pos;
	unsigned int regions = 0;

	list_for_each(pos, &vm->regions)
		regions++;
	vireo_put(to, VIREO_STATS_INSTANT, vm->vcpus, "vcpus");
	vireo_put(to, VIREO_STATS_INSTANT, regions, "regions");
	vireo_put(to, VIREO_STATS_CUMULATIVE, vm->added, "regions_added");
	put(to, VIREO_STATS_INSTANT, VIREO_STATS_BYTES, vm->area_bytes,
	    "area_bytes");
	vireo_put(to, VIREO_STATS_INSTANT, tsc_khz, "tsc_khz");
}

/**
 * vireo_served_time() - the times of served accesses, of both buses
 * @sums: the numbers
 * @bucket: gets VIREO_SERVED_BUCKETS of them
 */
void vireo_served_time(const struct vireo_sums *sums, u64 *bucket)
{
	int i;

	for (i = 0; i < VIREO_SERVED_BUCKETS; i++)
		bucket[i] = sums->bus[0].served_time[i] +
			    sums->bus[1].served_time[i];
}
