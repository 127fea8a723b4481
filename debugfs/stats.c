// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/vireo/.  All files are read-only seq_files of mode 0444
 * with neither ioctl nor mmap, so that they stay readable under lockdown.
 *
 * Numbers of regions and VMs that are gone are kept: a region's in its VM's
 * retired sums, a VM's in the module's.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "stats.h"

static DEFINE_MUTEX(vireo_stats_lock);
static LIST_HEAD(vireo_stats_vms);
static struct vireo_counters vireo_stats_retired[VIREO_STATS_BUSES];
static u64 vireo_stats_vm_seq;
static struct dentry *vireo_stats_root;
static const char *vireo_stats_version;
static const char *vireo_stats_exit_path;
static const char *vireo_stats_why;

static const char *const bus_names[VIREO_STATS_BUSES] = { "pio", "mmio" };
static const char *const dir_names[VIREO_STATS_DIRS] = { "read", "write" };

static void add_counters(struct vireo_counters *to,
			 const struct vireo_counters *from)
{
	int dir, out;

	for (dir = 0; dir < VIREO_STATS_DIRS; dir++)
		for (out = 0; out < VIREO_NR_OUTCOMES; out++)
			to->n[dir][out] += READ_ONCE(from->n[dir][out]);
	to->ring_full += READ_ONCE(from->ring_full);
	to->ring_signals += READ_ONCE(from->ring_signals);
}

static void add_region(struct vireo_counters *to,
		       const struct vireo_region_stats *s)
{
	int cpu;

	for_each_possible_cpu(cpu)
		add_counters(to, per_cpu_ptr(s->counters, cpu));
}

/* Adds what the VM's regions, present and gone, have counted. */
static void add_vm(struct vireo_counters *to, const struct vireo_vm_stats *vm)
{
	const struct vireo_region_stats *s;
	int bus;

	lockdep_assert_held(&vireo_stats_lock);

	for (bus = 0; bus < VIREO_STATS_BUSES; bus++)
		add_counters(&to[bus], &vm->retired[bus]);
	list_for_each_entry(s, &vm->regions, link)
		add_region(&to[s->bus], s);
}

static u64 served(const struct vireo_counters *c, int dir)
{
	u64 sum = 0;
	int out;

	for (out = VIREO_OUT_PASSED + 1; out < VIREO_NR_OUTCOMES; out++)
		sum += c->n[dir][out];
	return sum;
}

static void show_exits(struct seq_file *m, const struct vireo_counters *c)
{
	u64 all_served = 0, all_passed = 0, posts = 0, events = 0;
	u64 full = 0, signals = 0;
	int bus, dir;

	for (bus = 0; bus < VIREO_STATS_BUSES; bus++) {
		for (dir = 0; dir < VIREO_STATS_DIRS; dir++) {
			u64 passed = c[bus].n[dir][VIREO_OUT_PASSED];
			u64 done = served(&c[bus], dir);

			seq_printf(m, "%s_%s_served %llu\n", bus_names[bus],
				   dir_names[dir], done);
			seq_printf(m, "%s_%s_passed %llu\n", bus_names[bus],
				   dir_names[dir], passed);
			all_served += done;
			all_passed += passed;
			posts += c[bus].n[dir][VIREO_OUT_POST];
			events += c[bus].n[dir][VIREO_OUT_EVENT];
		}
		full += c[bus].ring_full;
		signals += c[bus].ring_signals;
	}
	seq_printf(m, "served %llu\n", all_served);
	seq_printf(m, "passed %llu\n", all_passed);
	seq_printf(m, "post %llu\n", posts);
	seq_printf(m, "event %llu\n", events);
	seq_printf(m, "ring_full %llu\n", full);
	seq_printf(m, "ring_signals %llu\n", signals);
}

/* The totals since the module was loaded. */
static int exits_show(struct seq_file *m, void *unused)
{
	struct vireo_counters sum[VIREO_STATS_BUSES] = {};
	const struct vireo_vm_stats *vm;
	int bus;

	mutex_lock(&vireo_stats_lock);
	for (bus = 0; bus < VIREO_STATS_BUSES; bus++)
		add_counters(&sum[bus], &vireo_stats_retired[bus]);
	list_for_each_entry(vm, &vireo_stats_vms, link)
		add_vm(sum, vm);
	mutex_unlock(&vireo_stats_lock);

	show_exits(m, sum);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(exits);

static int version_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "version %s\n", vireo_stats_version);
	seq_printf(m, "exit_path %s\n", vireo_stats_exit_path);
	seq_printf(m, "why %s\n", vireo_stats_why);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(version);

static int vm_exits_show(struct seq_file *m, void *unused)
{
	struct vireo_counters sum[VIREO_STATS_BUSES] = {};

	mutex_lock(&vireo_stats_lock);
	add_vm(sum, m->private);
	mutex_unlock(&vireo_stats_lock);

	show_exits(m, sum);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_exits);

static int vm_info_show(struct seq_file *m, void *unused)
{
	const struct vireo_vm_stats *vm = m->private;
	const struct list_head *pos;
	unsigned int regions = 0;

	mutex_lock(&vireo_stats_lock);
	list_for_each(pos, &vm->regions)
		regions++;
	seq_printf(m, "name %s\n", vm->name);
	seq_printf(m, "pid %d\n", vm->pid);
	seq_printf(m, "regions %u\n", regions);
	seq_printf(m, "regions_added %llu\n", vm->added);
	seq_printf(m, "area_bytes %llu\n", vm->area_bytes);
	mutex_unlock(&vireo_stats_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_info);

static void show_region(struct seq_file *m, const struct vireo_region_stats *s)
{
	struct vireo_counters c = {};
	char range[40];
	int out;

	add_region(&c, s);
	snprintf(range, sizeof(range), "%#llx-%#llx", s->addr,
		 s->addr + (s->len - 1));
	seq_printf(m, "%-4u %-16s %-4s %-23s %-5s", s->id, s->name,
		   bus_names[s->bus], range,
		   READ_ONCE(*s->enabled) ? "on" : "off");
	for (out = VIREO_OUT_PASSED + 1; out < VIREO_NR_OUTCOMES; out++)
		seq_printf(m, " %10llu", c.n[0][out] + c.n[1][out]);
	seq_printf(m, " %10llu %10llu %12llu %13llu %10llu %12llu\n",
		   served(&c, 0), served(&c, 1), c.n[0][VIREO_OUT_PASSED],
		   c.n[1][VIREO_OUT_PASSED], c.ring_full, c.ring_signals);
}

static int vm_regions_show(struct seq_file *m, void *unused)
{
	const struct vireo_vm_stats *vm = m->private;
	const struct vireo_region_stats *s;

	seq_printf(m,
		   "%-4s %-16s %-4s %-23s %-5s %10s %10s %10s %10s %10s %10s %10s %10s %10s %12s %13s %10s %12s\n",
		   "id", "name", "bus", "range", "state", "shadow", "const",
		   "post", "event", "indexed", "clock", "clear", "reads",
		   "writes", "reads_passed", "writes_passed", "ring_full",
		   "ring_signals");
	mutex_lock(&vireo_stats_lock);
	list_for_each_entry(s, &vm->regions, link)
		show_region(m, s);
	mutex_unlock(&vireo_stats_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_regions);

/**
 * vireo_region_stats_init() - allocate a region's counters
 * @s: the region's statistics; the caller filled in what describes it
 *
 * Return: 0 or -ENOMEM.
 */
int vireo_region_stats_init(struct vireo_region_stats *s)
{
	INIT_LIST_HEAD(&s->link);
	s->counters =
		alloc_percpu_gfp(struct vireo_counters, GFP_KERNEL_ACCOUNT);
	return s->counters ? 0 : -ENOMEM;
}

/**
 * vireo_region_stats_destroy() - free a region's counters
 * @s: the region's statistics, in no list; no one counts any more
 */
void vireo_region_stats_destroy(struct vireo_region_stats *s)
{
	free_percpu(s->counters);
}

/**
 * vireo_region_stats_add() - show a region
 * @vm: its VM
 * @s: its statistics
 * @area_bytes: what its area takes
 */
void vireo_region_stats_add(struct vireo_vm_stats *vm,
			    struct vireo_region_stats *s, u64 area_bytes)
{
	mutex_lock(&vireo_stats_lock);
	list_add_tail(&s->link, &vm->regions);
	vm->added++;
	vm->area_bytes += area_bytes;
	mutex_unlock(&vireo_stats_lock);
}

/**
 * vireo_region_stats_del() - show a region no more and keep its sums
 * @vm: its VM
 * @s: its statistics; no one counts any more
 * @area_bytes: as on adding
 */
void vireo_region_stats_del(struct vireo_vm_stats *vm,
			    struct vireo_region_stats *s, u64 area_bytes)
{
	mutex_lock(&vireo_stats_lock);
	list_del(&s->link);
	add_region(&vm->retired[s->bus], s);
	vm->area_bytes -= area_bytes;
	mutex_unlock(&vireo_stats_lock);
}

/**
 * vireo_vm_stats_add() - show a VM
 * @s: its statistics; the caller filled in name and pid
 *
 * A directory that cannot be made is no reason to refuse a VM: the counters
 * still reach the totals.
 */
void vireo_vm_stats_add(struct vireo_vm_stats *s)
{
	char dir[48];

	INIT_LIST_HEAD(&s->regions);

	mutex_lock(&vireo_stats_lock);
	snprintf(dir, sizeof(dir), "vm-%d-%llu", s->pid, vireo_stats_vm_seq++);
	list_add_tail(&s->link, &vireo_stats_vms);
	mutex_unlock(&vireo_stats_lock);

	s->dir = debugfs_create_dir(dir, vireo_stats_root);
	debugfs_create_file("info", 0444, s->dir, s, &vm_info_fops);
	debugfs_create_file("exits", 0444, s->dir, s, &vm_exits_fops);
	debugfs_create_file("regions", 0444, s->dir, s, &vm_regions_fops);
}

/**
 * vireo_vm_stats_del() - show a VM no more and keep its sums
 * @s: its statistics; its regions are gone
 *
 * When this returns no reader is left that could see @s.
 */
void vireo_vm_stats_del(struct vireo_vm_stats *s)
{
	int bus;

	/* Waits for readers, which take the lock: so not under it. */
	debugfs_remove(s->dir);

	mutex_lock(&vireo_stats_lock);
	list_del(&s->link);
	for (bus = 0; bus < VIREO_STATS_BUSES; bus++)
		add_counters(&vireo_stats_retired[bus], &s->retired[bus]);
	mutex_unlock(&vireo_stats_lock);
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
	vireo_stats_version = version;
	vireo_stats_exit_path = exit_path;
	vireo_stats_why = why;

	vireo_stats_root = debugfs_create_dir("vireo", NULL);
	debugfs_create_file("version", 0444, vireo_stats_root, NULL,
			    &version_fops);
	debugfs_create_file("exits", 0444, vireo_stats_root, NULL, &exits_fops);
}

/**
 * vireo_stats_exit() - remove the debugfs tree
 */
void vireo_stats_exit(void)
{
	debugfs_remove(vireo_stats_root);
}
