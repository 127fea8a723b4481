// SPDX-License-Identifier: GPL-2.0
/*
 * The files that show memory objects: all of them in one, and what a VM has of
 * them in another.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "internal.h"

static DEFINE_MUTEX(vireo_mem_list_lock);
static LIST_HEAD(vireo_mem_list);
static u64 vireo_mem_seq;

/**
 * vireo_mem_stats_add() - show a memory object
 * @s: its statistics; the caller filled in name, pid and look
 */
void vireo_mem_stats_add(struct vireo_mem_stats *s)
{
	mutex_lock(&vireo_mem_list_lock);
	s->seq = vireo_mem_seq++;
	list_add_tail(&s->link, &vireo_mem_list);
	mutex_unlock(&vireo_mem_list_lock);
}

/**
 * vireo_mem_stats_del() - show it no more
 * @s: its statistics
 *
 * When this returns no reader is left that could see @s.
 */
void vireo_mem_stats_del(struct vireo_mem_stats *s)
{
	mutex_lock(&vireo_mem_list_lock);
	list_del(&s->link);
	mutex_unlock(&vireo_mem_list_lock);
}

/**
 * vireo_map_stats_add() - show a range of a VM's memory
 * @vm: the VM
 * @s: the range; what it names outlives it
 */
void vireo_map_stats_add(struct vireo_vm_stats *vm, struct vireo_map_stats *s)
{
	mutex_lock(&vm->lock);
	list_add_tail(&s->link, &vm->maps);
	mutex_unlock(&vm->lock);
}

/**
 * vireo_map_stats_del() - show it no more
 * @vm: the VM
 * @s: the range
 */
void vireo_map_stats_del(struct vireo_vm_stats *vm, struct vireo_map_stats *s)
{
	mutex_lock(&vm->lock);
	list_del(&s->link);
	mutex_unlock(&vm->lock);
}

static void show_heads(struct seq_file *m)
{
	seq_printf(m,
		   "%-4s %-16s %-7s %12s %12s %12s %12s %12s %12s %12s %12s %4s %9s\n",
		   "id", "name", "pid", "bytes", "resident", "huge", "swapped",
		   "dirtied", "copied", "shared", "discarded", "logs",
		   "snapshots");
}

static void show_object(struct seq_file *m, const struct vireo_mem_stats *s)
{
	struct vireo_mem_stat stat;

	s->look(s, &stat);
	seq_printf(m,
		   "%-4llu %-16s %-7d %12llu %12llu %12llu %12llu %12llu %12llu %12llu %12llu %4u %9u\n",
		   s->seq, s->name, s->pid, stat.bytes, stat.resident,
		   stat.huge, stat.swapped, stat.dirtied, stat.copied,
		   stat.shared, stat.discarded, stat.logs, stat.snapshots);
}

static int memory_show(struct seq_file *m, void *unused)
{
	const struct vireo_mem_stats *s;

	show_heads(m);
	mutex_lock(&vireo_mem_list_lock);
	list_for_each_entry(s, &vireo_mem_list, link)
		show_object(m, s);
	mutex_unlock(&vireo_mem_list_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(memory);

/* Whether an earlier range is of the same object. */
static bool seen(const struct vireo_vm_stats *vm,
		 const struct vireo_map_stats *map)
{
	const struct vireo_map_stats *other;

	list_for_each_entry(other, &vm->maps, link) {
		if (other == map)
			break;
		if (other->mem == map->mem)
			return true;
	}
	return false;
}

static int vm_memory_show(struct seq_file *m, void *unused)
{
	struct vireo_vm_stats *vm = m->private;
	const struct vireo_map_stats *map;

	mutex_lock(&vm->lock);
	seq_printf(m, "%-33s %-6s %-12s %s\n", "range", "object", "offset",
		   "access");
	list_for_each_entry(map, &vm->maps, link)
		seq_printf(m, "%#015llx-%#015llx   %-6llu %#-12llx %s\n",
			   map->gpa, map->gpa + (map->len - 1), map->mem->seq,
			   map->offset, map->readonly ? "r" : "rw");
	seq_putc(m, '\n');
	show_heads(m);
	list_for_each_entry(map, &vm->maps, link)
		if (!seen(vm, map))
			show_object(m, map->mem);
	mutex_unlock(&vm->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_memory);

/**
 * vireo_files_memory() - make the file of all memory objects
 * @root: the module's directory
 */
void vireo_files_memory(struct dentry *root)
{
	debugfs_create_file("memory", 0444, root, NULL, &memory_fops);
}

/**
 * vireo_files_vm_memory() - make the file of a VM's memory
 * @vm: the VM; outlives it
 * @dir: the VM's directory
 */
void vireo_files_vm_memory(struct vireo_vm_stats *vm, struct dentry *dir)
{
	debugfs_create_file("memory", 0444, dir, vm, &vm_memory_fops);
}
