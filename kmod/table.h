/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The run entry's way from an address to a region.
 *
 * One table for each bus, of entries in order of address.  vCPUs search it
 * under RCU.  Adding replaces the table, under vireo_vm.lock; removing, which
 * must not fail, only empties the entry, and the next region that is added
 * closes the gap.
 */
#ifndef _VIREO_TABLE_H
#define _VIREO_TABLE_H

#include <linux/rcupdate.h>
#include <linux/types.h>

#include "vireo.h"

/**
 * struct vireo_table_entry - a region, or where one was
 * @addr: its first address
 * @region: borrowed, or NULL
 */
struct vireo_table_entry {
	u64 addr;
	struct vireo_region __rcu *region;
};

/**
 * struct vireo_table - the regions on one bus of a VM
 * @rcu: for freeing it
 * @nr: entries
 * @entry: in order of address
 */
struct vireo_table {
	struct rcu_head rcu;
	unsigned int nr;
	struct vireo_table_entry entry[];
};

int vireo_table_add(struct vireo_vm *vm, struct vireo_region *region);
void vireo_table_del(struct vireo_vm *vm, struct vireo_region *region);
void vireo_table_free(struct vireo_vm *vm);

/*
 * Searching, in a header since it is a part of every exit.
 */

/* The region of an entry, if it has the whole access. */
static __always_inline struct vireo_region *
vireo_table_try(const struct vireo_table *t, unsigned int i, u64 addr, u32 len)
{
	struct vireo_region *region = rcu_dereference(t->entry[i].region);
	u64 off = addr - t->entry[i].addr;

	if (unlikely(!region) || off >= region->len || off + len > region->len)
		return NULL;
	return region;
}

/**
 * vireo_table_find() - the region that an access is in
 * @vm: the VM
 * @bus: VIREO_BUS_*
 * @addr: any address
 * @len: bytes; any number
 * @hint: where the caller's last search on this bus ended; any number
 *
 * Under rcu_read_lock(), inside of which the region stays.
 *
 * Return: the region that has the whole access, or NULL.
 */
static __always_inline struct vireo_region *
vireo_table_find(const struct vireo_vm *vm, u32 bus, u64 addr, u32 len,
		 unsigned int *hint)
{
	const struct vireo_table *t = rcu_dereference(vm->table[bus]);
	unsigned int low = 0, high, i = *hint;
	struct vireo_region *region;

	if (!t)
		return NULL;
	if (likely(i < t->nr)) {
		region = vireo_table_try(t, i, addr, len);
		if (likely(region))
			return region;
	}

	/* Entries below low begin at or below addr, those from high on above. */
	for (high = t->nr; low < high;) {
		i = (low + high) / 2;
		if (t->entry[i].addr <= addr)
			low = i + 1;
		else
			high = i;
	}
	if (!low)
		return NULL;
	*hint = low - 1;
	return vireo_table_try(t, low - 1, addr, len);
}

#endif /* _VIREO_TABLE_H */
