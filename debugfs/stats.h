/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's statistics: counters and the debugfs files that show them.
 * debugfs/README.md describes the files.
 *
 * The objects that are counted embed a struct vireo_vm_stats or a struct
 * vireo_region_stats and add it here; nothing in this directory knows more of
 * them than these structs say.
 *
 * Lock: vireo_stats_lock (mutex, in stats.c) protects the lists and the
 * retired sums.  It is a leaf but for the allocator's locks.  The counters
 * have no lock: each CPU adds to its own, readers sum them.
 */
#ifndef _VIREO_STATS_H
#define _VIREO_STATS_H

#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/types.h>

struct dentry;

/* What became of an access that reached a region. */
enum vireo_outcome {
	VIREO_OUT_PASSED, /* to user space */
	VIREO_OUT_SHADOW, /* served, by type of rule */
	VIREO_OUT_CONST,
	VIREO_OUT_POST,
	VIREO_OUT_EVENT,
	VIREO_OUT_INDEXED,
	VIREO_OUT_CLOCK,
	VIREO_OUT_CLEAR,
	VIREO_NR_OUTCOMES,
};

/* Directions and buses, as array indices. */
#define VIREO_STATS_DIRS 2
#define VIREO_STATS_BUSES 2

/**
 * struct vireo_counters - one CPU's counters of one region
 * @n: accesses by direction (0 read, 1 write) and enum vireo_outcome
 * @ring_full: writes passed to user space because the ring was full
 * @ring_signals: signals of the ring's eventfd
 */
struct vireo_counters {
	u64 n[VIREO_STATS_DIRS][VIREO_NR_OUTCOMES];
	u64 ring_full;
	u64 ring_signals;
};

/**
 * vireo_count() - count an access
 * @c: the region's counters
 * @dir: 0 read, 1 write
 * @out: enum vireo_outcome
 */
static inline void vireo_count(struct vireo_counters __percpu *c,
			       unsigned int dir, unsigned int out)
{
	this_cpu_inc(c->n[dir][out]);
}

/**
 * struct vireo_region_stats - the statistics of an I/O region
 * @counters: owned by the region's statistics; NULL until init
 * @link: in vireo_vm_stats.regions
 * @name: borrowed from the region, as is all below
 * @id: the region's id
 * @bus: 0 PIO, 1 MMIO
 * @addr: first address
 * @len: bytes
 * @enabled: whether the region serves
 */
struct vireo_region_stats {
	struct vireo_counters __percpu *counters;
	struct list_head link;
	const char *name;
	u32 id;
	u32 bus;
	u64 addr;
	u64 len;
	const bool *enabled;
};

/**
 * struct vireo_vm_stats - the statistics of a VM
 * @link: in the list of VMs
 * @regions: list of vireo_region_stats
 * @retired: sums of the regions that are gone, by bus
 * @dir: the VM's directory
 * @name: borrowed from the VM
 * @pid: the process that created the VM
 * @added: regions added so far
 * @area_bytes: memory of the regions' areas
 */
struct vireo_vm_stats {
	struct list_head link;
	struct list_head regions;
	struct vireo_counters retired[VIREO_STATS_BUSES];
	struct dentry *dir;
	const char *name;
	int pid;
	u64 added;
	u64 area_bytes;
};

int vireo_region_stats_init(struct vireo_region_stats *s);
void vireo_region_stats_destroy(struct vireo_region_stats *s);
void vireo_region_stats_add(struct vireo_vm_stats *vm,
			    struct vireo_region_stats *s, u64 area_bytes);
void vireo_region_stats_del(struct vireo_vm_stats *vm,
			    struct vireo_region_stats *s, u64 area_bytes);

void vireo_vm_stats_add(struct vireo_vm_stats *s);
void vireo_vm_stats_del(struct vireo_vm_stats *s);

void vireo_stats_init(const char *version, const char *exit_path,
		      const char *why);
void vireo_stats_exit(void);

#endif /* _VIREO_STATS_H */
