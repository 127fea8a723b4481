// SPDX-License-Identifier: GPL-2.0
/*
 * What block queues counted.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "internal.h"

#define WORDS (sizeof(struct vireo_queue_counters) / sizeof(u64))

/* No padding: all of it are numbers. */
static_assert(sizeof(struct vireo_queue_counters) ==
	      offsetofend(struct vireo_queue_counters, latency));

static const char *const op_names[VIREO_QUEUE_NR_OPS] = {
	[VIREO_QUEUE_OP_OTHER] = "other",     [VIREO_QUEUE_OP_READ] = "read",
	[VIREO_QUEUE_OP_WRITE] = "write",     [VIREO_QUEUE_OP_FLUSH] = "flush",
	[VIREO_QUEUE_OP_DISCARD] = "discard", [VIREO_QUEUE_OP_ZERO] = "zero",
	[VIREO_QUEUE_OP_ID] = "id",
};

static const char *const counter_names[VIREO_QUEUE_NR_COUNTERS] = {
	[VIREO_QUEUE_BELLS] = "bells",
	[VIREO_QUEUE_KICKS] = "kicks",
	[VIREO_QUEUE_INLINE] = "inline",
	[VIREO_QUEUE_WORKER] = "worker",
	[VIREO_QUEUE_SLOW] = "slow",
	[VIREO_QUEUE_THROTTLED] = "throttled",
	[VIREO_QUEUE_SIGNALS] = "signals",
	[VIREO_QUEUE_UNSIGNALLED] = "unsignalled",
};

/**
 * vireo_queue_stats_add() - show a queue
 * @vm: its VM
 * @s: its statistics; the caller filled in what describes it
 */
void vireo_queue_stats_add(struct vireo_vm_stats *vm,
			   struct vireo_queue_stats *s)
{
	mutex_lock(&vm->lock);
	list_add_tail(&s->link, &vm->queues);
	mutex_unlock(&vm->lock);
}

/* Adds what it counted since it was reset. */
static void collect(struct vireo_queue_stats *s, bool reset,
		    struct vireo_queue_counters *to)
{
	const u64 *now = (const u64 *)&s->now;
	u64 *base = (u64 *)&s->base, *sum = (u64 *)to;
	size_t i;

	for (i = 0; i < WORDS; i++) {
		u64 n = READ_ONCE(now[i]);

		sum[i] += n - base[i];
		if (reset)
			base[i] = n;
	}
}

/**
 * vireo_queue_stats_del() - show a queue no more and keep what it counted
 * @vm: its VM
 * @s: its statistics; no one counts any more
 */
void vireo_queue_stats_del(struct vireo_vm_stats *vm,
			   struct vireo_queue_stats *s)
{
	mutex_lock(&vm->lock);
	list_del(&s->link);
	collect(s, false, &vm->queues_gone);
	mutex_unlock(&vm->lock);
}

/**
 * vireo_sum_queue() - add what a queue has counted
 * @vm: its VM
 * @s: the queue
 * @reset: count from zero after this
 * @sums: to what
 */
void vireo_sum_queue(struct vireo_vm_stats *vm, struct vireo_queue_stats *s,
		     bool reset, struct vireo_sums *sums)
{
	lockdep_assert_held(&vm->lock);

	collect(s, reset, &sums->queue);
}

/**
 * vireo_sum_queues() - add what all queues of a VM have counted
 * @vm: the VM
 * @reset: count from zero after this
 * @sums: to what
 */
void vireo_sum_queues(struct vireo_vm_stats *vm, bool reset,
		      struct vireo_sums *sums)
{
	const u64 *gone = (const u64 *)&vm->queues_gone;
	u64 *sum = (u64 *)&sums->queue;
	struct vireo_queue_stats *s;
	size_t i;

	lockdep_assert_held(&vm->lock);

	for (i = 0; i < WORDS; i++)
		sum[i] += gone[i];
	if (reset)
		memset(&vm->queues_gone, 0, sizeof(vm->queues_gone));
	list_for_each_entry(s, &vm->queues, link)
		collect(s, reset, &sums->queue);
}

/**
 * vireo_put_queue() - what queues counted, but for the histograms
 * @to: where to
 * @prefix: of the names
 * @sums: the numbers
 */
void vireo_put_queue(struct vireo_sink *to, const char *prefix,
		     const struct vireo_sums *sums)
{
	const struct vireo_queue_counters *c = &sums->queue;
	int i;

	for (i = 0; i < VIREO_QUEUE_NR_OPS; i++)
		vireo_put(to, VIREO_STATS_CUMULATIVE, c->ops[i], "%s%s", prefix,
			  op_names[i]);
	for (i = 0; i < VIREO_QUEUE_NR_OPS; i++)
		vireo_put(to, VIREO_STATS_CUMULATIVE, c->failed[i],
			  "%s%s_failed", prefix, op_names[i]);
	vireo_put(to, VIREO_STATS_CUMULATIVE, c->bytes[0], "%sread_bytes",
		  prefix);
	vireo_put(to, VIREO_STATS_CUMULATIVE, c->bytes[1], "%swrite_bytes",
		  prefix);
	for (i = 0; i < VIREO_QUEUE_NR_COUNTERS; i++)
		vireo_put(to, VIREO_STATS_CUMULATIVE, c->n[i], "%s%s", prefix,
			  counter_names[i]);
}

/**
 * vireo_put_queue_hists() - the histograms of a queue
 * @to: where to
 * @sums: the numbers
 */
void vireo_put_queue_hists(struct vireo_sink *to, const struct vireo_sums *sums)
{
	const struct vireo_queue_counters *c = &sums->queue;

	vireo_put_hist(to, VIREO_STATS_NONE, "depth", c->depth,
		       VIREO_QUEUE_DEPTHS);
	vireo_put_hist(to, VIREO_STATS_CYCLES, "latency", c->latency,
		       VIREO_QUEUE_BUCKETS);
}

/* How many requests there were when one was added. */
static void show_depth(struct seq_file *m, const u64 *bucket)
{
	u32 i;

	for (i = 1; i < VIREO_QUEUE_DEPTHS; i++)
		if (bucket[i])
			seq_printf(m, "[%u, %u) %llu\n", 1U << (i - 1), 1U << i,
				   bucket[i]);
}

static void show_queues(struct seq_file *m, struct vireo_vm_stats *vm,
			struct vireo_sums *sums)
{
	struct vireo_sink heads = { .form = VIREO_FORM_HEADS, .m = m };
	struct vireo_sink cells = { .form = VIREO_FORM_CELLS, .m = m };
	struct vireo_queue_stats *s;

	seq_printf(m, "%-4s %-16s %-5s %-5s %-9s", "id", "name", "index",
		   "fault", "in_flight");
	vireo_put_queue(&heads, "", sums);
	seq_putc(m, '\n');
	list_for_each_entry(s, &vm->queues, link) {
		memset(sums, 0, sizeof(*sums));
		vireo_sum_queue(vm, s, false, sums);
		seq_printf(m, "%-4u %-16s %-5u %-5u %-9u", s->id, s->name,
			   s->index, READ_ONCE(*s->fault),
			   READ_ONCE(*s->in_flight));
		vireo_put_queue(&cells, "", sums);
		seq_putc(m, '\n');
	}
	list_for_each_entry(s, &vm->queues, link) {
		memset(sums, 0, sizeof(*sums));
		vireo_sum_queue(vm, s, false, sums);
		seq_printf(m, "depth %u %s:\n", s->id, s->name);
		show_depth(m, sums->queue.depth);
		seq_printf(m, "latency %u %s:\n", s->id, s->name);
		vireo_show_hist(m, sums->queue.latency, VIREO_QUEUE_BUCKETS);
	}
}

static int vm_queues_show(struct seq_file *m, void *unused)
{
	struct vireo_vm_stats *vm = m->private;
	struct vireo_sums *sums = kzalloc(sizeof(*sums), GFP_KERNEL);

	if (!sums)
		return -ENOMEM;
	mutex_lock(&vm->lock);
	show_queues(m, vm, sums);
	mutex_unlock(&vm->lock);
	kfree(sums);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_queues);

/**
 * vireo_files_vm_queues() - make the file of a VM's queues
 * @vm: the VM; outlives it
 * @dir: the VM's directory
 */
void vireo_files_vm_queues(struct vireo_vm_stats *vm, struct dentry *dir)
{
	debugfs_create_file("queues", 0444, dir, vm, &vm_queues_fops);
}
