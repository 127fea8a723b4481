// SPDX-License-Identifier: GPL-2.0
/*
 * I/O regions: adding, removing, serving.
 *
 * Life of a region: built without locks from what user space gave; published
 * under vireo_vm.lock, first to vCPUs (attach), last to mmap and to other
 * ioctls (vireo_vm.regions); removed in the opposite order.  When detach()
 * returned no vCPU is in it any more.  Mappings of its area hold the pages and
 * nothing else.
 */
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "queue.h"
#include "table.h"
#include "trace.h"

static_assert(VIREO_OUT_SHADOW == VIREO_RULE_SHADOW &&
	      VIREO_OUT_CONST == VIREO_RULE_CONST &&
	      VIREO_OUT_POST == VIREO_RULE_POST &&
	      VIREO_OUT_EVENT == VIREO_RULE_EVENT &&
	      VIREO_OUT_INDEXED == VIREO_RULE_INDEXED &&
	      VIREO_OUT_CLOCK == VIREO_RULE_CLOCK &&
	      VIREO_OUT_CLEAR == VIREO_RULE_CLEAR);

/**
 * vireo_eventfd_get() - get an eventfd
 * @fd: any number
 *
 * Return: it, with a reference, or an ERR_PTR().
 */
struct eventfd_ctx *vireo_eventfd_get(int fd)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(fd);

	/* It tells another kind of file by -EINVAL. */
	return ctx == ERR_PTR(-EINVAL) ? ERR_PTR(-EBADF) : ctx;
}

static u32 shadow_bytes(const struct vireo_io_add *add)
{
	return (add->shadow_pages ?: 1) * VIREO_SHADOW_SIZE;
}

static int check_add(const struct vireo_io_add *add)
{
	if (add->flags & ~VIREO_IO_DISABLED ||
	    add->shadow_pages > VIREO_MAX_SHADOW_PAGES)
		return -EINVAL;
	if (!add->len || add->len > VIREO_MAX_REGION_LEN)
		return -EINVAL;

	switch (add->bus) {
	case VIREO_BUS_PIO:
		if (add->addr > 0x10000 || add->addr + add->len > 0x10000)
			return -EINVAL;
		break;
	case VIREO_BUS_MMIO:
		if (add->addr + add->len < add->addr)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}

	if (!add->nr_rules || add->nr_rules > VIREO_MAX_RULES)
		return -EINVAL;
	if (add->ring_entries > VIREO_MAX_RING ||
	    (add->ring_entries && !is_power_of_2(add->ring_entries)))
		return -EINVAL;
	if (!add->ring_entries && add->ring_fd != -1)
		return -EINVAL;
	if (!add->name[0] ||
	    !vireo_name_ok(add->name, sizeof(add->name), false))
		return -EINVAL;

	return 0;
}

static void free_area(struct vireo_region *region)
{
	unsigned int i;

	vunmap(region->area);
	for (i = 0; i < region->nr_pages; i++)
		put_page(region->pages[i]);
	kfree(region->pages);
}

static int alloc_area(struct vireo_region *region, u32 shadow, u32 ring_entries)
{
	size_t bytes = shadow;
	unsigned int nr;

	if (ring_entries)
		bytes += struct_size(region->ring.shared, post, ring_entries);
	nr = DIV_ROUND_UP(bytes, PAGE_SIZE);

	region->pages = kcalloc(nr, sizeof(*region->pages), GFP_KERNEL_ACCOUNT);
	if (!region->pages)
		return -ENOMEM;

	for (; region->nr_pages < nr; region->nr_pages++) {
		struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

		if (!page)
			goto err_pages;
		region->pages[region->nr_pages] = page;
	}

	region->area = vmap(region->pages, nr, VM_MAP, PAGE_KERNEL);
	if (!region->area)
		goto err_pages;

	region->shadow = region->area;
	spin_lock_init(&region->ring_lock);
	if (ring_entries)
		vireo_ring_init(&region->ring, region->area + shadow,
				ring_entries);
	return 0;

err_pages:
	free_area(region);
	return -ENOMEM;
}

static void free_rules(struct vireo_rules *t)
{
	u32 i;

	for (i = 0; i < t->end[VIREO_WRITE]; i++)
		if (t->op[i].ctx)
			eventfd_ctx_put(t->op[i].ctx);
	kfree(t);
}

/* A ring is there if and only if a rule posts. */
static int check_ring(const struct vireo_rule *rules, u32 nr, u32 ring_entries)
{
	bool posts = false;
	u32 i;

	for (i = 0; i < nr; i++)
		posts |= rules[i].type == VIREO_RULE_POST;
	return posts == !!ring_entries ? 0 : -EINVAL;
}

static int get_op_eventfd(struct vireo_op *op, const struct vireo_rule *rules)
{
	const struct vireo_rule *rule = &rules[op->rule];
	struct eventfd_ctx *ctx;

	if (op->action != VIREO_ACT_EVENT &&
	    (op->action != VIREO_ACT_CLEAR || rule->fd == -1))
		return 0;
	ctx = vireo_eventfd_get(rule->fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	op->ctx = ctx;
	return 0;
}

static struct vireo_rules *make_rules(const struct vireo_io_add *add)
{
	struct vireo_rule *rules;
	struct vireo_rules *t;
	u32 i;
	int ret;

	rules = memdup_user(u64_to_user_ptr(add->rules),
			    array_size(add->nr_rules, sizeof(*rules)));
	if (IS_ERR(rules))
		return ERR_CAST(rules);

	ret = check_ring(rules, add->nr_rules, add->ring_entries);
	if (ret)
		goto out_rules;

	t = kzalloc(struct_size(t, op, VIREO_RULES_OPS(add->nr_rules)),
		    GFP_KERNEL_ACCOUNT);
	if (!t) {
		ret = -ENOMEM;
		goto out_rules;
	}
	ret = vireo_rules_compile(t, rules, add->nr_rules, add->len,
				  shadow_bytes(add));
	if (ret)
		goto err_table;

	for (i = 0; i < t->end[VIREO_WRITE]; i++) {
		ret = get_op_eventfd(&t->op[i], rules);
		if (ret)
			goto err_table;
	}

	kfree(rules);
	return t;

err_table:
	free_rules(t);
out_rules:
	kfree(rules);
	return ERR_PTR(ret);
}

static void region_release(struct kref *kref)
{
	struct vireo_region *region =
		container_of(kref, struct vireo_region, kref);

	vireo_region_stats_destroy(&region->stats);
	if (region->ring_ctx)
		eventfd_ctx_put(region->ring_ctx);
	free_area(region);
	free_rules(region->rules);
	kfree(region);
}

/**
 * vireo_region_put() - drop a reference
 * @region: the region
 */
void vireo_region_put(struct vireo_region *region)
{
	kref_put(&region->kref, region_release);
}

/**
 * vireo_region_get() - look a region up
 * @vm: the VM
 * @id: any number
 *
 * Return: the region, with a reference that the caller owns, or NULL.
 */
struct vireo_region *vireo_region_get(struct vireo_vm *vm, unsigned long id)
{
	struct vireo_region *region;

	xa_lock(&vm->regions);
	region = xa_load(&vm->regions, id);
	if (region)
		kref_get(&region->kref);
	xa_unlock(&vm->regions);
	return region;
}

static struct vireo_region *make_region(const struct vireo_vm *vm,
					const struct vireo_io_add *add)
{
	struct vireo_region *region;
	int ret;

	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);
	kref_init(&region->kref);
	region->addr = add->addr;
	region->len = add->len;
	region->bus = add->bus;
	strscpy(region->name, add->name, sizeof(region->name));

	region->rules = make_rules(add);
	if (IS_ERR(region->rules)) {
		ret = PTR_ERR(region->rules);
		goto err_free;
	}
	vireo_region_enable(region, !(add->flags & VIREO_IO_DISABLED));
	ret = alloc_area(region, shadow_bytes(add), add->ring_entries);
	if (ret)
		goto err_rules;
	if (add->ring_entries && add->ring_fd != -1) {
		region->ring_ctx = vireo_eventfd_get(add->ring_fd);
		if (IS_ERR(region->ring_ctx)) {
			ret = PTR_ERR(region->ring_ctx);
			goto err_area;
		}
	}

	region->stats.name = region->name;
	region->stats.bus = region->bus;
	region->stats.addr = region->addr;
	region->stats.len = region->len;
	region->stats.ring_entries = add->ring_entries;
	region->stats.area_bytes = (u64)region->nr_pages * PAGE_SIZE;
	region->stats.enabled = &region->enabled;
	ret = vireo_region_stats_init(&region->stats, &vm->stats);
	if (ret)
		goto err_eventfd;

	return region;

err_eventfd:
	if (region->ring_ctx)
		eventfd_ctx_put(region->ring_ctx);
err_area:
	free_area(region);
err_rules:
	free_rules(region->rules);
err_free:
	kfree(region);
	return ERR_PTR(ret);
}

/**
 * vireo_regions_overlap() - is there a region in a range?
 * @vm: the VM; its lock is held
 * @bus: VIREO_BUS_*
 * @addr: first address
 * @len: bytes
 *
 * Return: whether.
 */
bool vireo_regions_overlap(struct vireo_vm *vm, u32 bus, u64 addr, u64 len)
{
	struct vireo_region *r;
	unsigned long id;

	lockdep_assert_held(&vm->lock);

	xa_for_each(&vm->regions, id, r)
		if (r->bus == bus && addr < r->addr + r->len &&
		    r->addr < addr + len)
			return true;
	return false;
}

/* Lets vCPUs reach the region, by the exit path's entry. */
static int attach(struct vireo_vm *vm, struct vireo_region *region)
{
	struct vireo_bus_dev *bus_dev;

	if (vireo_exit_path_used() == VIREO_EXIT_PATH_RUN)
		return vireo_table_add(vm, region);

	bus_dev = vireo_bus_add(vm->kvm_file, region);
	if (IS_ERR(bus_dev))
		return PTR_ERR(bus_dev);
	region->bus_dev = bus_dev;
	return 0;
}

static void detach(struct vireo_vm *vm, struct vireo_region *region)
{
	if (region->bus_dev)
		vireo_bus_del(vm->kvm_file, region->bus_dev);
	else
		vireo_table_del(vm, region);
}

/* Makes the region reachable, under an id that is reserved for it. */
static int publish(struct vireo_vm *vm, struct vireo_region *region, u32 id)
{
	int ret;

	mutex_lock(&vm->lock);
	if (vireo_regions_overlap(vm, region->bus, region->addr, region->len) ||
	    vireo_bells_overlap(vm, region->bus, region->addr, region->len,
				NULL)) {
		ret = -EEXIST;
		goto out_unlock;
	}

	region->stats.id = id;
	ret = attach(vm, region);
	if (ret)
		goto out_unlock;
	vireo_region_stats_add(&vm->stats, &region->stats);

	/* Into a reserved slot: needs no memory, cannot fail. */
	WARN_ON_ONCE(xa_err(xa_store(&vm->regions, id, region, GFP_KERNEL)));
out_unlock:
	mutex_unlock(&vm->lock);
	return ret;
}

/**
 * vireo_io_add() - VIREO_IO_ADD
 * @object: the VM
 * @arg: struct vireo_io_add
 * @uarg: gets the id
 *
 * Return: 0 or a negative errno.
 */
long vireo_io_add(void *object, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_io_add *add = &arg->io_add;
	struct vireo_io_add __user *uadd = uarg;
	struct vireo_vm *vm = object;
	struct vireo_region *region;
	u32 id;
	int ret;

	if (vireo_exit_path_used() == VIREO_EXIT_PATH_OFF)
		return -EOPNOTSUPP;
	ret = check_add(add);
	if (ret)
		return ret;

	region = make_region(vm, add);
	if (IS_ERR(region))
		return PTR_ERR(region);

	/* Reserves: lookups find nothing there yet. */
	ret = xa_alloc(&vm->regions, &id, NULL,
		       XA_LIMIT(0, VIREO_MAX_REGIONS - 1), GFP_KERNEL_ACCOUNT);
	if (ret) {
		ret = ret == -EBUSY ? -ENOSPC : ret;
		goto err_put;
	}

	/* Told before it is true, so that telling cannot fail afterwards. */
	if (put_user(id, &uadd->id)) {
		ret = -EFAULT;
		goto err_id;
	}
	ret = publish(vm, region, id);
	if (ret)
		goto err_id;
	return 0;

err_id:
	xa_erase(&vm->regions, id);
err_put:
	vireo_region_put(region);
	return ret;
}

static void del_region(struct vireo_vm *vm, struct vireo_region *region)
{
	lockdep_assert_held(&vm->lock);

	xa_erase(&vm->regions, region->stats.id);
	detach(vm, region);
	vireo_region_stats_del(&vm->stats, &region->stats);
	vireo_region_put(region);
}

static int check_id(const struct vireo_io_id *io_id, u32 flags)
{
	return io_id->flags & ~flags || io_id->reserved ? -EINVAL : 0;
}

/**
 * vireo_io_del() - VIREO_IO_DEL
 * @object: the VM
 * @arg: struct vireo_io_id
 * @uarg: gets nothing
 *
 * Return: 0 or a negative errno.
 */
long vireo_io_del(void *object, union vireo_arg *arg, void __user *uarg)
{
	struct vireo_vm *vm = object;
	struct vireo_region *region;
	int ret;

	ret = check_id(&arg->io_id, 0);
	if (ret)
		return ret;

	mutex_lock(&vm->lock);
	region = xa_load(&vm->regions, arg->io_id.id);
	if (region)
		del_region(vm, region);
	mutex_unlock(&vm->lock);

	return region ? 0 : -ENOENT;
}

/**
 * vireo_io_enable() - VIREO_IO_ENABLE
 * @object: the VM
 * @arg: struct vireo_io_id
 * @uarg: gets nothing
 *
 * Return: 0, also if the region is already as wanted, or a negative errno.
 */
long vireo_io_enable(void *object, union vireo_arg *arg, void __user *uarg)
{
	struct vireo_vm *vm = object;
	struct vireo_region *region;
	int ret;

	ret = check_id(&arg->io_id, VIREO_IO_DISABLED);
	if (ret)
		return ret;

	region = vireo_region_get(vm, arg->io_id.id);
	if (!region)
		return -ENOENT;
	mutex_lock(&vm->lock);
	vireo_region_enable(region, !(arg->io_id.flags & VIREO_IO_DISABLED));
	mutex_unlock(&vm->lock);
	trace_vireo_region_enable(&region->stats);
	vireo_region_put(region);
	return 0;
}

/**
 * vireo_io_del_all() - remove all regions of a VM that is being closed
 * @vm: the VM
 */
void vireo_io_del_all(struct vireo_vm *vm)
{
	struct vireo_region *region;
	unsigned long id;

	mutex_lock(&vm->lock);
	xa_for_each(&vm->regions, id, region)
		del_region(vm, region);
	mutex_unlock(&vm->lock);
}
