// SPDX-License-Identifier: GPL-2.0
/*
 * The objects that are counted, and adding up what they counted.
 *
 * Nothing that was counted is lost when an object goes: what a region counted
 * moves to its VM's slots, what the owner of a vCPU counted to its VM, what a
 * VM's regions counted to the module's totals.  Resetting hides numbers from
 * all but the totals.
 */
#include <linux/compiler.h>
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"
#include "stats.h"
#include "trace.h"

static DEFINE_MUTEX(vireo_stats_lock);
static LIST_HEAD(vireo_stats_vms);
static struct vireo_counters vireo_stats_retired[VIREO_STATS_BUSES];
static u64 vireo_stats_vm_seq;
static struct dentry *vireo_stats_root;
static struct vireo_version vireo_stats_version;

#define COUNTERS_WORDS (sizeof(struct vireo_counters) / sizeof(u64))
#define PAGE_WORDS (sizeof(struct vireo_vcpu_page) / sizeof(u64))

/* No padding: all of it are numbers. */
static_assert(sizeof(struct vireo_counters) ==
	      offsetofend(struct vireo_counters, unused));

/*
 * Adds to @sum what @live has counted since @base, which may be NULL.  With
 * @reset it counts from zero afterwards, and @hidden, if not NULL, gets what
 * is taken away.
 */
static void collect(u64 *sum, const u64 *live, u64 *base, u64 *hidden,
		    bool reset, size_t words)
{
	size_t i;

	for (i = 0; i < words; i++) {
		u64 now = READ_ONCE(live[i]);
		u64 n = now - (base ? base[i] : 0);

		sum[i] += n;
		if (!reset)
			continue;
		base[i] = now;
		if (hidden)
			hidden[i] += n;
	}
}

static void add_counters(struct vireo_counters *to,
			 const struct vireo_counters *from)
{
	collect((u64 *)to, (const u64 *)from, NULL, NULL, false,
		COUNTERS_WORDS);
}

static void collect_counters(struct vireo_vm_stats *vm,
			     struct vireo_region_stats *s, u32 slot, bool reset,
			     struct vireo_counters *sum)
{
	collect((u64 *)sum, (const u64 *)&s->counters[slot],
		s->base ? (u64 *)&s->base[slot] : NULL,
		(u64 *)&vm->hidden[s->bus], reset, COUNTERS_WORDS);
}

static void collect_retired(struct vireo_vm_stats *vm, u32 slot, bool reset,
			    struct vireo_sums *sums)
{
	int bus;

	for (bus = 0; bus < VIREO_STATS_BUSES; bus++) {
		struct vireo_counters *c = &vm->slots[slot].retired[bus];

		add_counters(&sums->bus[bus], c);
		if (reset) {
			add_counters(&vm->hidden[bus], c);
			memset(c, 0, sizeof(*c));
		}
	}
}

static void collect_user(struct vireo_vcpu_stats *s, bool reset,
			 struct vireo_vcpu_page *sum)
{
	collect((u64 *)sum, (const u64 *)s->page, (u64 *)&s->base, NULL, reset,
		PAGE_WORDS);
}

/**
 * vireo_reset_prepare() - allocate what resetting needs
 * @vm: the VM
 *
 * Return: 0 or -ENOMEM; nothing is reset.
 */
int vireo_reset_prepare(struct vireo_vm_stats *vm)
{
	struct vireo_region_stats *s;

	lockdep_assert_held(&vm->lock);

	list_for_each_entry(s, &vm->regions, link) {
		if (!s->base)
			s->base = kvcalloc(s->vcpus + 1, sizeof(*s->base),
					   GFP_KERNEL_ACCOUNT);
		if (!s->base)
			return -ENOMEM;
	}
	return 0;
}

/**
 * vireo_sum_region() - add what a region has counted
 * @vm: its VM
 * @s: the region
 * @reset: count from zero after this
 * @sums: to what
 */
void vireo_sum_region(struct vireo_vm_stats *vm, struct vireo_region_stats *s,
		      bool reset, struct vireo_sums *sums)
{
	u32 slot;

	lockdep_assert_held(&vm->lock);

	for (slot = 0; slot <= s->vcpus; slot++)
		collect_counters(vm, s, slot, reset, &sums->bus[s->bus]);
	sums->ring_peak = READ_ONCE(s->ring_peak);
	if (reset)
		WRITE_ONCE(s->ring_peak, 0);
}

/**
 * vireo_sum_vcpu() - add what a vCPU has counted in all regions
 * @vm: its VM
 * @id: its id, at most vm->vcpus
 * @reset: count from zero after this
 * @sums: to what
 */
void vireo_sum_vcpu(struct vireo_vm_stats *vm, u32 id, bool reset,
		    struct vireo_sums *sums)
{
	struct vireo_region_stats *s;
	struct vireo_vcpu_stats *v;

	lockdep_assert_held(&vm->lock);

	collect_retired(vm, id, reset, sums);
	list_for_each_entry(s, &vm->regions, link)
		collect_counters(vm, s, id, reset, &sums->bus[s->bus]);
	list_for_each_entry(v, &vm->known, link)
		if (v->id == id)
			collect_user(v, reset, &sums->user);
}

/**
 * vireo_sum_vm() - add what a VM has counted
 * @vm: the VM
 * @reset: count from zero after this
 * @sums: to what
 */
void vireo_sum_vm(struct vireo_vm_stats *vm, bool reset,
		  struct vireo_sums *sums)
{
	struct vireo_region_stats *s;
	struct vireo_vcpu_stats *v;
	u32 slot;

	lockdep_assert_held(&vm->lock);

	for (slot = 0; slot <= vm->vcpus; slot++)
		collect_retired(vm, slot, reset, sums);
	list_for_each_entry(s, &vm->regions, link)
		vireo_sum_region(vm, s, reset, sums);
	vireo_sum_queues(vm, reset, sums);

	collect((u64 *)&sums->user, (const u64 *)&vm->user, NULL, NULL, false,
		PAGE_WORDS);
	if (reset)
		memset(&vm->user, 0, sizeof(vm->user));
	list_for_each_entry(v, &vm->known, link)
		collect_user(v, reset, &sums->user);
	if (reset)
		vm->added = 0;
}

static void add_hidden(struct vireo_vm_stats *vm, struct vireo_counters *to)
{
	int bus;

	for (bus = 0; bus < VIREO_STATS_BUSES; bus++)
		add_counters(&to[bus], &vm->hidden[bus]);
}

/**
 * vireo_sum_all() - add what was counted since the module was loaded
 * @sums: to what
 *
 * Only what the module itself counted: not vireo_sums.user.
 */
void vireo_sum_all(struct vireo_sums *sums)
{
	struct vireo_vm_stats *vm;
	int bus;

	mutex_lock(&vireo_stats_lock);
	for (bus = 0; bus < VIREO_STATS_BUSES; bus++)
		add_counters(&sums->bus[bus], &vireo_stats_retired[bus]);
	list_for_each_entry(vm, &vireo_stats_vms, link) {
		mutex_lock(&vm->lock);
		vireo_sum_vm(vm, false, sums);
		add_hidden(vm, sums->bus);
		mutex_unlock(&vm->lock);
	}
	mutex_unlock(&vireo_stats_lock);
}

/**
 * vireo_region_stats_init() - allocate a region's counters
 * @s: the region's statistics; the caller filled in what describes it
 * @vm: its VM
 *
 * Return: 0 or -ENOMEM.
 */
int vireo_region_stats_init(struct vireo_region_stats *s,
			    const struct vireo_vm_stats *vm)
{
	INIT_LIST_HEAD(&s->link);
	s->vm = vm->seq;
	s->vcpus = vm->vcpus;
	s->counters = kvcalloc(s->vcpus + 1, sizeof(*s->counters),
			       GFP_KERNEL_ACCOUNT);
	return s->counters ? 0 : -ENOMEM;
}

/**
 * vireo_region_stats_destroy() - free a region's counters
 * @s: the region's statistics, in no list; no one counts any more
 */
void vireo_region_stats_destroy(struct vireo_region_stats *s)
{
	kvfree(s->base);
	kvfree(s->counters);
}

/**
 * vireo_region_stats_add() - show a region
 * @vm: its VM
 * @s: its statistics
 */
void vireo_region_stats_add(struct vireo_vm_stats *vm,
			    struct vireo_region_stats *s)
{
	mutex_lock(&vm->lock);
	list_add_tail(&s->link, &vm->regions);
	vm->added++;
	vm->area_bytes += s->area_bytes;
	mutex_unlock(&vm->lock);
	trace_vireo_region_add(s);
}

/**
 * vireo_region_stats_del() - show a region no more and keep what it counted
 * @vm: its VM
 * @s: its statistics; no one counts any more
 */
void vireo_region_stats_del(struct vireo_vm_stats *vm,
			    struct vireo_region_stats *s)
{
	u32 slot;

	mutex_lock(&vm->lock);
	list_del(&s->link);
	for (slot = 0; slot <= s->vcpus; slot++)
		collect_counters(vm, s, slot, false,
				 &vm->slots[slot].retired[s->bus]);
	vm->area_bytes -= s->area_bytes;
	mutex_unlock(&vm->lock);
	trace_vireo_region_del(s);
}

/**
 * vireo_vcpu_stats_add() - show what the owner of a vCPU counts
 * @vm: its VM
 * @s: its statistics; the caller filled in id and page
 */
void vireo_vcpu_stats_add(struct vireo_vm_stats *vm, struct vireo_vcpu_stats *s)
{
	mutex_lock(&vireo_stats_lock);
	s->vm = vm;
	mutex_lock(&vm->lock);
	list_add_tail(&s->link, &vm->known);
	mutex_unlock(&vm->lock);
	mutex_unlock(&vireo_stats_lock);
}

/**
 * vireo_vcpu_stats_del() - show it no more and keep the sums
 * @s: its statistics
 *
 * Before or after vireo_vm_stats_del() of its VM.  When this returns no reader
 * is left that could see @s or its page.
 */
void vireo_vcpu_stats_del(struct vireo_vcpu_stats *s)
{
	struct vireo_vm_stats *vm;

	mutex_lock(&vireo_stats_lock);
	vm = s->vm;
	if (vm) {
		mutex_lock(&vm->lock);
		list_del(&s->link);
		collect_user(s, false, &vm->user);
		mutex_unlock(&vm->lock);
	}
	mutex_unlock(&vireo_stats_lock);
}

/**
 * vireo_vm_stats_add() - show a VM
 * @s: its statistics; the caller filled in name, pid and vcpus
 *
 * A directory that cannot be made is no reason to refuse a VM: the counters
 * still reach the totals.
 *
 * Return: 0 or -ENOMEM.
 */
int vireo_vm_stats_add(struct vireo_vm_stats *s)
{
	u32 i;

	s->slots =
		kvcalloc(s->vcpus + 1, sizeof(*s->slots), GFP_KERNEL_ACCOUNT);
	if (!s->slots)
		return -ENOMEM;
	for (i = 0; i <= s->vcpus; i++) {
		s->slots[i].vm = s;
		s->slots[i].id = i;
	}
	mutex_init(&s->lock);
	INIT_LIST_HEAD(&s->regions);
	INIT_LIST_HEAD(&s->known);
	INIT_LIST_HEAD(&s->maps);
	INIT_LIST_HEAD(&s->queues);

	mutex_lock(&vireo_stats_lock);
	s->seq = vireo_stats_vm_seq++;
	list_add_tail(&s->link, &vireo_stats_vms);
	mutex_unlock(&vireo_stats_lock);

	s->dir = vireo_files_vm(s, vireo_stats_root);
	trace_vireo_vm_create(s);
	return 0;
}

/**
 * vireo_vm_stats_del() - show a VM no more and keep its sums
 * @s: its statistics; its regions are gone
 *
 * When this returns no reader is left that could see @s.
 */
void vireo_vm_stats_del(struct vireo_vm_stats *s)
{
	struct vireo_vcpu_stats *v, *next;
	u32 slot;
	int bus;

	/* Waits for readers, which take the locks: so not under them. */
	debugfs_remove(s->dir);

	mutex_lock(&vireo_stats_lock);
	list_del(&s->link);
	list_for_each_entry_safe(v, next, &s->known, link) {
		list_del(&v->link);
		v->vm = NULL;
	}
	for (bus = 0; bus < VIREO_STATS_BUSES; bus++)
		for (slot = 0; slot <= s->vcpus; slot++)
			add_counters(&vireo_stats_retired[bus],
				     &s->slots[slot].retired[bus]);
	add_hidden(s, vireo_stats_retired);
	mutex_unlock(&vireo_stats_lock);

	trace_vireo_vm_close(s);
	kvfree(s->slots);
}

/**
 * vireo_stats_init() - make the debugfs tree
 * @version: of the module
 * @exit_path: name of the exit path in use
 * @why: why that one
 *
 * The strings are borrowed until vireo_stats_exit().
 */
void vireo_stats_init(const char *version, const char *exit_path,
		      const char *why)
{
	vireo_stats_version.version = version;
	vireo_stats_version.exit_path = exit_path;
	vireo_stats_version.why = why;
	vireo_stats_root = vireo_files_root(&vireo_stats_version);
}

/**
 * vireo_stats_exit() - remove the debugfs tree
 */
void vireo_stats_exit(void)
{
	debugfs_remove(vireo_stats_root);
}
