// SPDX-License-Identifier: GPL-2.0
/* Changing the tables that table.h describes. */
#include <linux/err.h>
#include <linux/lockdep.h>
#include <linux/slab.h>

#include "table.h"

static struct vireo_table *table_of(struct vireo_vm *vm, u32 bus)
{
	return rcu_dereference_protected(vm->table[bus],
					 lockdep_is_held(&vm->lock));
}

static struct vireo_region *
region_at(struct vireo_vm *vm, const struct vireo_table *t, unsigned int i)
{
	return rcu_dereference_protected(t->entry[i].region,
					 lockdep_is_held(&vm->lock));
}

/**
 * vireo_table_add() - let VIREO_VCPU_RUN reach a region
 * @vm: the VM; its lock is held
 * @region: the region; ready to serve, overlaps no other
 *
 * Return: 0 or -ENOMEM.
 */
int vireo_table_add(struct vireo_vm *vm, struct vireo_region *region)
{
	struct vireo_table *old = table_of(vm, region->bus);
	unsigned int nr = old ? old->nr : 0;
	struct vireo_table *new;
	unsigned int i, n = 0;

	new = kmalloc(struct_size(new, entry, nr + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;

	for (i = 0; i < nr && old->entry[i].addr < region->addr; i++)
		if (region_at(vm, old, i))
			new->entry[n++] = old->entry[i];
	new->entry[n].addr = region->addr;
	RCU_INIT_POINTER(new->entry[n++].region, region);
	for (; i < nr; i++)
		if (region_at(vm, old, i))
			new->entry[n++] = old->entry[i];
	new->nr = n;

	rcu_assign_pointer(vm->table[region->bus], new);
	if (old)
		kfree_rcu(old, rcu);
	return 0;
}

/**
 * vireo_table_del() - let VIREO_VCPU_RUN no longer reach a region
 * @vm: the VM; its lock is held
 * @region: from vireo_table_add()
 *
 * When this returns no vCPU is in the region.
 */
void vireo_table_del(struct vireo_vm *vm, struct vireo_region *region)
{
	struct vireo_table *t = table_of(vm, region->bus);
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (region_at(vm, t, i) == region)
			RCU_INIT_POINTER(t->entry[i].region, NULL);
	synchronize_rcu_expedited();
}

/**
 * vireo_table_free() - free the tables of a VM that nobody uses any more
 * @vm: the VM; its regions are gone
 */
void vireo_table_free(struct vireo_vm *vm)
{
	kfree(rcu_access_pointer(vm->table[VIREO_BUS_PIO]));
	kfree(rcu_access_pointer(vm->table[VIREO_BUS_MMIO]));
}
