// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/vireo/.  All files are read-only seq_files of mode 0444
 * with neither ioctl nor mmap, so that they stay readable under lockdown.
 */
#include <linux/debugfs.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

static int version_show(struct seq_file *m, void *unused)
{
	const struct vireo_version *v = m->private;

	seq_printf(m, "version %s\n", v->version);
	seq_printf(m, "exit_path %s\n", v->exit_path);
	seq_printf(m, "why %s\n", v->why);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(version);

static struct vireo_sums *new_sums(void)
{
	return kzalloc(sizeof(struct vireo_sums), GFP_KERNEL);
}

/* The totals since the module was loaded. */
static int exits_show(struct seq_file *m, void *unused)
{
	struct vireo_sink to = { .form = VIREO_FORM_LINES, .m = m };
	struct vireo_sums *sums = new_sums();

	if (!sums)
		return -ENOMEM;
	vireo_sum_all(sums);
	vireo_put_exits(&to, sums);
	kfree(sums);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(exits);

static int vm_info_show(struct seq_file *m, void *unused)
{
	struct vireo_sink to = { .form = VIREO_FORM_LINES, .m = m };
	struct vireo_vm_stats *vm = m->private;

	seq_printf(m, "name %s\n", vm->name);
	seq_printf(m, "pid %d\n", vm->pid);
	mutex_lock(&vm->lock);
	vireo_put_vm(&to, vm);
	mutex_unlock(&vm->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_info);

static int vm_exits_show(struct seq_file *m, void *unused)
{
	struct vireo_sink to = { .form = VIREO_FORM_LINES, .m = m };
	struct vireo_vm_stats *vm = m->private;
	struct vireo_sums *sums = new_sums();

	if (!sums)
		return -ENOMEM;
	mutex_lock(&vm->lock);
	vireo_sum_vm(vm, false, sums);
	mutex_unlock(&vm->lock);

	vireo_put_exits(&to, sums);
	vireo_put_user(&to, sums);
	vireo_put_queue(&to, "queue_", sums);
	kfree(sums);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_exits);

static int vcpu_exits_show(struct seq_file *m, void *unused)
{
	struct vireo_sink to = { .form = VIREO_FORM_LINES, .m = m };
	const struct vireo_slot *slot = m->private;
	struct vireo_sums *sums = new_sums();

	if (!sums)
		return -ENOMEM;
	mutex_lock(&slot->vm->lock);
	vireo_sum_vcpu(slot->vm, slot->id, false, sums);
	mutex_unlock(&slot->vm->lock);

	vireo_put_exits(&to, sums);
	vireo_put_user(&to, sums);
	kfree(sums);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vcpu_exits);

static void show_regions(struct seq_file *m, struct vireo_vm_stats *vm,
			 struct vireo_sums *sums)
{
	const struct vireo_region_stats none = {};
	struct vireo_sink heads = { .form = VIREO_FORM_HEADS, .m = m };
	struct vireo_sink cells = { .form = VIREO_FORM_CELLS, .m = m };
	struct vireo_region_stats *s;

	lockdep_assert_held(&vm->lock);

	seq_printf(m, "%-4s %-16s %-4s %-23s %-5s", "id", "name", "bus",
		   "range", "state");
	vireo_put_region(&heads, &none, sums);
	seq_putc(m, '\n');

	list_for_each_entry(s, &vm->regions, link) {
		char range[40];

		memset(sums, 0, sizeof(*sums));
		vireo_sum_region(vm, s, false, sums);
		snprintf(range, sizeof(range), "%#llx-%#llx", s->addr,
			 s->addr + (s->len - 1));
		seq_printf(m, "%-4u %-16s %-4s %-23s %-5s", s->id, s->name,
			   vireo_bus_names[s->bus], range,
			   READ_ONCE(*s->enabled) ? "on" : "off");
		vireo_put_region(&cells, s, sums);
		seq_putc(m, '\n');
	}
}

static int vm_regions_show(struct seq_file *m, void *unused)
{
	struct vireo_vm_stats *vm = m->private;
	struct vireo_sums *sums = new_sums();

	if (!sums)
		return -ENOMEM;
	mutex_lock(&vm->lock);
	show_regions(m, vm, sums);
	mutex_unlock(&vm->lock);
	kfree(sums);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_regions);

/* The lower end of a bucket in nanoseconds. */
static u64 bucket_ns(unsigned int bucket)
{
	u64 cycles = bucket ? 1ULL << (bucket - 1) : 0;

	return tsc_khz ? mul_u64_u32_div(cycles, 1000000, tsc_khz) : cycles;
}

/**
 * vireo_show_hist() - show the buckets of a histogram of cycles that have any
 * @m: the file
 * @bucket: the buckets
 * @nr: how many
 */
void vireo_show_hist(struct seq_file *m, const u64 *bucket, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!bucket[i])
			continue;
		seq_printf(m, "[%llu, ", bucket_ns(i));
		if (i < nr - 1)
			seq_printf(m, "%llu) %llu\n", bucket_ns(i + 1),
				   bucket[i]);
		else
			seq_printf(m, "inf) %llu\n", bucket[i]);
	}
}

static void show_latency(struct seq_file *m, const struct vireo_sums *sums)
{
	u64 served[VIREO_SERVED_BUCKETS];

	vireo_served_time(sums, served);
	seq_puts(m, "served_time:\n");
	vireo_show_hist(m, served, ARRAY_SIZE(served));
	seq_puts(m, "user_time:\n");
	vireo_show_hist(m, sums->user.user_time, VIREO_NR_BUCKETS);
}

static void show_region_latencies(struct seq_file *m, struct vireo_vm_stats *vm,
				  struct vireo_sums *sums)
{
	struct vireo_region_stats *s;

	lockdep_assert_held(&vm->lock);

	list_for_each_entry(s, &vm->regions, link) {
		memset(sums, 0, sizeof(*sums));
		vireo_sum_region(vm, s, false, sums);
		seq_printf(m, "served_time %u %s:\n", s->id, s->name);
		vireo_show_hist(m, sums->bus[s->bus].served_time,
				VIREO_SERVED_BUCKETS);
	}
}

static int vm_latency_show(struct seq_file *m, void *unused)
{
	struct vireo_vm_stats *vm = m->private;
	struct vireo_sums *sums = new_sums();

	if (!sums)
		return -ENOMEM;
	mutex_lock(&vm->lock);
	vireo_sum_vm(vm, false, sums);
	show_latency(m, sums);
	show_region_latencies(m, vm, sums);
	mutex_unlock(&vm->lock);
	kfree(sums);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_latency);

static int vcpu_latency_show(struct seq_file *m, void *unused)
{
	const struct vireo_slot *slot = m->private;
	struct vireo_sums *sums = new_sums();

	if (!sums)
		return -ENOMEM;
	mutex_lock(&slot->vm->lock);
	vireo_sum_vcpu(slot->vm, slot->id, false, sums);
	mutex_unlock(&slot->vm->lock);

	show_latency(m, sums);
	kfree(sums);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vcpu_latency);

/**
 * vireo_files_root() - make the files of the module
 * @version: what the file version shows
 *
 * Return: the directory, for debugfs_remove().
 */
struct dentry *vireo_files_root(struct vireo_version *version)
{
	struct dentry *root = debugfs_create_dir("vireo", NULL);

	debugfs_create_file("version", 0444, root, version, &version_fops);
	debugfs_create_file("exits", 0444, root, NULL, &exits_fops);
	vireo_files_memory(root);
	return root;
}

static void make_vcpu(struct vireo_slot *slot, struct dentry *vm_dir)
{
	struct dentry *dir;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", slot->id);
	dir = debugfs_create_dir(name, vm_dir);
	debugfs_create_file("exits", 0444, dir, slot, &vcpu_exits_fops);
	debugfs_create_file("latency", 0444, dir, slot, &vcpu_latency_fops);
}

/**
 * vireo_files_vm() - make the files of a VM
 * @vm: the VM; outlives them
 * @root: from vireo_files_root()
 *
 * Return: the directory, for debugfs_remove(), which waits for readers.
 */
struct dentry *vireo_files_vm(struct vireo_vm_stats *vm, struct dentry *root)
{
	struct dentry *dir;
	char name[48];
	u32 i;

	snprintf(name, sizeof(name), "vm-%d-%llu", vm->pid, vm->seq);
	dir = debugfs_create_dir(name, root);
	debugfs_create_file("info", 0444, dir, vm, &vm_info_fops);
	debugfs_create_file("exits", 0444, dir, vm, &vm_exits_fops);
	debugfs_create_file("regions", 0444, dir, vm, &vm_regions_fops);
	debugfs_create_file("latency", 0444, dir, vm, &vm_latency_fops);
	vireo_files_vm_memory(vm, dir);
	vireo_files_vm_queues(vm, dir);
	for (i = 0; i < vm->vcpus; i++)
		make_vcpu(&vm->slots[i], dir);
	return dir;
}
