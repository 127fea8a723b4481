// SPDX-License-Identifier: GPL-2.0
/*
 * Block queues: adding, stopping, removing.
 *
 * Life of a queue: made without locks from what user space gave; published under
 * vireo_vm.lock; stopped, whereupon it takes nothing any more, any number of
 * times; and removed when nothing of it is in flight.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "mem.h"
#include "queue.h"

#define ALL_FLAGS                                        \
	(VIREO_QUEUE_DOORBELL | VIREO_QUEUE_BELL_MATCH | \
	 VIREO_QUEUE_HOLD_ERRORS)

/* ---- the ring ----------------------------------------------------------------- */

static void unmap_part(struct vireo_ring_part *part)
{
	u32 i;

	if (part->at)
		vunmap(part->at);
	for (i = 0; i < part->nr_pages; i++)
		put_page(part->pages[i]);
	kfree(part->pages);
	*part = (struct vireo_ring_part){};
}

/* Where a part is in kernel space, or an ERR_PTR(). */
static void *map_part(struct vireo_vm *vm, struct vireo_ring_part *part,
		      u64 gpa, u32 bytes, bool write)
{
	u32 nr = DIV_ROUND_UP(offset_in_page(gpa) + bytes, PAGE_SIZE);
	u64 first = gpa & PAGE_MASK;

	if (gpa + bytes < gpa)
		return ERR_PTR(-EFAULT);
	part->pages = kcalloc(nr, sizeof(*part->pages), GFP_KERNEL_ACCOUNT);
	if (!part->pages)
		return ERR_PTR(-ENOMEM);
	for (; part->nr_pages < nr; part->nr_pages++) {
		struct page *page =
			vireo_map_page(vm,
				       first + (u64)part->nr_pages * PAGE_SIZE,
				       write);

		if (IS_ERR(page))
			return ERR_CAST(page);
		part->pages[part->nr_pages] = page;
	}
	part->at = vmap(part->pages, nr, VM_MAP,
			write ? PAGE_KERNEL : PAGE_KERNEL_RO);
	if (!part->at)
		return ERR_PTR(-ENOMEM);
	return part->at + offset_in_page(gpa);
}

static void unmap_ring(struct vireo_queue *q)
{
	u32 i;

	for (i = 0; i < VIREO_RING_PARTS; i++)
		unmap_part(&q->part[i]);
	kvfree(q->ring.table);
}

static bool is_packed(const struct vireo_queue_add *add)
{
	return add->features & BIT_ULL(VIRTIO_F_RING_PACKED);
}

static int map_ring(struct vireo_queue *q, const struct vireo_queue_add *add)
{
	struct vireo_vring *ring = &q->ring;
	bool packed = is_packed(add);
	int ret;

	ring->num = add->num;
	ring->is_packed = packed;
	ring->event_idx = add->features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
	ring->indirect = add->features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC);
	ring->next_avail = add->next_avail;
	ring->next_used = add->next_used;
	/* Nobody knows, so the first wish to be notified is written. */
	ring->no_notify = true;

	/* Those of a packed ring, in their places: see there. */
	ring->desc = map_part(q->vm, &q->part[0], add->desc,
			      vireo_desc_bytes(add->num), packed);
	ret = PTR_ERR_OR_ZERO(ring->desc);
	if (ret)
		goto err_unmap;
	ring->avail = map_part(q->vm, &q->part[1], add->avail,
			       vireo_avail_bytes(add->num, packed), false);
	ret = PTR_ERR_OR_ZERO(ring->avail);
	if (ret)
		goto err_unmap;
	ring->used = map_part(q->vm, &q->part[2], add->used,
			      vireo_used_bytes(add->num, packed), true);
	ret = PTR_ERR_OR_ZERO(ring->used);
	if (ret)
		goto err_unmap;
	ret = -ENOMEM;
	if (ring->indirect) {
		ring->table = kvmalloc_array(VIREO_QUEUE_MAX_NUM,
					     sizeof(*ring->table),
					     GFP_KERNEL_ACCOUNT);
		if (!ring->table)
			goto err_unmap;
	}
	return 0;

err_unmap:
	unmap_ring(q);
	return ret;
}

/* ---- what user space gave ------------------------------------------------------ */

static int check_bell(const struct vireo_queue_add *add)
{
	if (add->flags & VIREO_QUEUE_BELL_MATCH &&
	    !(add->flags & VIREO_QUEUE_DOORBELL))
		return -EINVAL;
	if (!(add->flags & VIREO_QUEUE_BELL_MATCH) && add->bell_match)
		return -EINVAL;
	if (!(add->flags & VIREO_QUEUE_DOORBELL))
		return add->bell_bus || add->bell_len || add->bell_addr ?
			       -EINVAL :
			       0;
	if (!add->bell_len || add->bell_len > 8 ||
	    add->bell_addr + add->bell_len < add->bell_addr ||
	    (add->bell_bus != VIREO_BUS_PIO && add->bell_bus != VIREO_BUS_MMIO))
		return -EINVAL;
	if (add->bell_bus == VIREO_BUS_PIO &&
	    add->bell_addr + add->bell_len > 0x10000)
		return -EINVAL;
	return vireo_exit_path_used() == VIREO_EXIT_PATH_BUS ? 0 : -EOPNOTSUPP;
}

/* Where it begins is a descriptor of a packed ring. */
static bool place_ok(const struct vireo_queue_add *add, u16 place)
{
	return (place & (VIREO_PACKED_WRAP - 1)) < add->num;
}

static int check_ring(const struct vireo_queue_add *add)
{
	if (!add->num || add->num > VIREO_QUEUE_MAX_NUM || add->desc % 16 ||
	    add->used % 4)
		return -EINVAL;
	if (!is_packed(add))
		return !is_power_of_2(add->num) || add->avail % 2 ? -EINVAL : 0;
	/* A request that was taken is known by its head, which is not enough. */
	if (add->nr_held || add->flags & VIREO_QUEUE_HOLD_ERRORS)
		return -EOPNOTSUPP;
	return add->avail % 4 || !place_ok(add, add->next_avail) ||
			       !place_ok(add, add->next_used) ?
		       -EINVAL :
		       0;
}

static int check_add(const struct vireo_queue_add *add)
{
	int ret;

	if (add->flags & ~ALL_FLAGS || add->reserved || !add->name[0] ||
	    !vireo_name_ok(add->name, sizeof(add->name), false))
		return -EINVAL;
	if (add->nr_held > add->num || (add->held && !add->nr_held))
		return -EINVAL;
	if (!(add->features & BIT_ULL(VIRTIO_F_VERSION_1)))
		return -EINVAL;
	if (add->features & ~VIREO_QUEUE_FEATURES)
		return -EOPNOTSUPP;
	ret = check_ring(add);
	return ret ?: check_bell(add);
}

static int get_eventfds(struct vireo_queue *q,
			const struct vireo_queue_add *add)
{
	struct eventfd_ctx *ctx = vireo_eventfd_get(add->call_fd);
	struct file *file;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	q->call = ctx;
	if (add->event_fd != -1) {
		ctx = vireo_eventfd_get(add->event_fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
		q->event = ctx;
	}
	if (add->kick_fd != -1) {
		file = eventfd_fget(add->kick_fd);
		if (IS_ERR(file))
			return -EBADF;
		q->kick_file = file;
	}
	return 0;
}

static int get_disk(struct vireo_queue *q, int fd)
{
	q->disk_file = fget(fd);
	if (!q->disk_file)
		return -EBADF;
	q->disk = vireo_disk_of(q->disk_file);
	return q->disk ? 0 : -EINVAL;
}

static int get_held(struct vireo_queue *q, const struct vireo_queue_add *add)
{
	q->todo = kcalloc(add->num, sizeof(*q->todo), GFP_KERNEL_ACCOUNT);
	/* One may be taken while another's failure is being noted. */
	q->held = kcalloc(add->num + 1, sizeof(*q->held), GFP_KERNEL_ACCOUNT);
	if (!q->todo || !q->held)
		return -ENOMEM;
	q->nr_todo = add->nr_held;
	return copy_from_user(q->todo, u64_to_user_ptr(add->held),
			      add->nr_held * sizeof(*q->todo)) ?
		       -EFAULT :
		       0;
}

static void free_queue(struct vireo_queue *q)
{
	unmap_ring(q);
	kfree(q->held);
	kfree(q->todo);
	if (q->kick_file)
		fput(q->kick_file);
	if (q->event)
		eventfd_ctx_put(q->event);
	if (q->call)
		eventfd_ctx_put(q->call);
	if (q->disk_file)
		fput(q->disk_file);
	kfree(q);
}

static void release_queue(struct kref *kref)
{
	free_queue(container_of(kref, struct vireo_queue, kref));
}

static void put_queue(struct vireo_queue *q)
{
	kref_put(&q->kref, release_queue);
}

static struct vireo_queue *make_queue(struct vireo_vm *vm,
				      const struct vireo_queue_add *add)
{
	struct vireo_queue *q;
	int ret;

	q = kzalloc(sizeof(*q), GFP_KERNEL_ACCOUNT);
	if (!q)
		return ERR_PTR(-ENOMEM);
	kref_init(&q->kref);
	q->vm = vm;
	q->flags = add->flags;
	q->features = add->features;
	q->bell_bus = add->bell_bus;
	q->bell_len = add->bell_len;
	q->bell_addr = add->bell_addr;
	q->bell_match = add->bell_match;
	strscpy(q->name, add->name, sizeof(q->name));
	vireo_queue_init_serve(q);

	ret = get_disk(q, add->disk_fd);
	if (!ret)
		ret = get_eventfds(q, add);
	if (!ret)
		ret = get_held(q, add);
	if (!ret)
		ret = map_ring(q, add);
	if (ret) {
		free_queue(q);
		return ERR_PTR(ret);
	}
	q->stats.name = q->name;
	q->stats.index = add->index;
	q->stats.in_flight = &q->in_flight;
	q->stats.fault = &q->ring.fault;
	return q;
}

/* ---- ioctls -------------------------------------------------------------------- */

/* Lets vCPUs and the eventfd reach it, under an id that is reserved for it. */
static int publish(struct vireo_vm *vm, struct vireo_queue *q, u32 id)
{
	struct vireo_bus_dev *bus_dev;
	int ret = 0;

	mutex_lock(&vm->lock);
	if (q->bell_len) {
		ret = -EEXIST;
		if (vireo_bells_overlap(vm, q->bell_bus, q->bell_addr,
					q->bell_len, q) ||
		    vireo_regions_overlap(vm, q->bell_bus, q->bell_addr,
					  q->bell_len))
			goto out_unlock;
		bus_dev = vireo_bus_add_queue(vm->kvm_file, q, q->bell_bus,
					      q->bell_addr, q->bell_len);
		ret = PTR_ERR_OR_ZERO(bus_dev);
		if (ret)
			goto out_unlock;
		q->bus_dev = bus_dev;
	}
	q->stats.id = id;
	vireo_queue_stats_add(&vm->stats, &q->stats);
	vireo_queue_listen(q);
	/* Into a reserved slot: needs no memory, cannot fail. */
	WARN_ON_ONCE(xa_err(xa_store(&vm->queues, id, q, GFP_KERNEL)));
	/* What was there before anybody could say so. */
	vireo_queue_work(&q->taker);
out_unlock:
	mutex_unlock(&vm->lock);
	return ret;
}

/**
 * vireo_queue_add() - VIREO_QUEUE_ADD
 * @object: the VM
 * @arg: struct vireo_queue_add
 * @uarg: gets the id
 *
 * Return: 0 or a negative errno.
 */
long vireo_queue_add(void *object, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_queue_add *add = &arg->queue_add;
	struct vireo_queue_add __user *uadd = uarg;
	struct vireo_vm *vm = object;
	struct vireo_queue *q;
	u32 id;
	int ret;

	ret = check_add(add);
	if (ret)
		return ret;
	q = make_queue(vm, add);
	if (IS_ERR(q))
		return PTR_ERR(q);

	/* Reserves: lookups find nothing there yet. */
	ret = xa_alloc(&vm->queues, &id, NULL,
		       XA_LIMIT(0, VIREO_MAX_QUEUES - 1), GFP_KERNEL_ACCOUNT);
	if (ret) {
		ret = ret == -EBUSY ? -ENOSPC : ret;
		goto err_put;
	}
	/* Told before it is true, so that telling cannot fail afterwards. */
	if (put_user(id, &uadd->id)) {
		ret = -EFAULT;
		goto err_id;
	}
	ret = publish(vm, q, id);
	if (ret)
		goto err_id;
	return 0;

err_id:
	xa_erase(&vm->queues, id);
err_put:
	put_queue(q);
	return ret;
}

static struct vireo_queue *get_queue(struct vireo_vm *vm, u32 id)
{
	struct vireo_queue *q;

	xa_lock(&vm->queues);
	q = xa_load(&vm->queues, id);
	if (q)
		kref_get(&q->kref);
	xa_unlock(&vm->queues);
	return q;
}

/* Nobody reaches it any more; what was begun is not done yet. */
static void cut_off(struct vireo_vm *vm, struct vireo_queue *q)
{
	mutex_lock(&vm->lock);
	vireo_queue_unlisten(q);
	if (q->bus_dev)
		vireo_bus_del(vm->kvm_file, q->bus_dev);
	q->bus_dev = NULL;
	mutex_unlock(&vm->lock);
}

/* With the lock, so that who gave the last one back is done with the queue. */
static bool is_idle(struct vireo_queue *q)
{
	bool idle;

	spin_lock_irq(&q->lock);
	idle = !q->in_flight;
	spin_unlock_irq(&q->lock);
	return idle;
}

/*
 * Until nothing is in flight, in jiffies.  Return: 0, -ETIMEDOUT, or -EINTR if
 * signals count.
 */
static int stop(struct vireo_queue *q, long limit, bool signals)
{
	long ret = vireo_queue_stop(q, limit, signals);

	if (ret < 0)
		return ret;
	if (signals)
		ret = wait_event_interruptible_timeout(q->idle, is_idle(q),
						       ret);
	else
		ret = wait_event_idle_timeout(q->idle, is_idle(q), ret);
	if (ret < 0)
		return -EINTR;
	return ret ? 0 : -ETIMEDOUT;
}

/* The queue is stopped and idle: nothing of it changes. */
static int tell_rest(struct vireo_queue *q, const struct vireo_queue_del *del,
		     struct vireo_queue_del __user *udel)
{
	u16 __user *held = u64_to_user_ptr(del->held);
	struct vireo_queue_counts counts;
	u32 nr = q->nr_held + q->nr_todo;

	if (del->nr_held < nr)
		return -EINVAL;
	if (copy_to_user(held, q->held, q->nr_held * sizeof(*held)) ||
	    copy_to_user(held + q->nr_held, q->todo,
			 q->nr_todo * sizeof(*held)) ||
	    put_user(nr, &udel->nr_held) ||
	    put_user(q->ring.next_avail, &udel->next_avail) ||
	    put_user(q->ring.next_used, &udel->next_used))
		return -EFAULT;
	if (del->size < sizeof(*del))
		return 0;
	vireo_queue_counts(q, &counts);
	return copy_to_user(&udel->counts, &counts, sizeof(counts)) ? -EFAULT :
								      0;
}

/* Return: whether it was there. */
static bool remove(struct vireo_vm *vm, struct vireo_queue *q)
{
	bool there;

	mutex_lock(&vm->lock);
	there = xa_load(&vm->queues, q->stats.id) == q;
	if (there) {
		xa_erase(&vm->queues, q->stats.id);
		vireo_queue_end_serve(q);
		vireo_queue_stats_del(&vm->stats, &q->stats);
		put_queue(q);
	}
	mutex_unlock(&vm->lock);
	return there;
}

/**
 * vireo_queue_del() - VIREO_QUEUE_DEL
 * @object: the VM
 * @arg: struct vireo_queue_del
 * @uarg: gets where the queue has come to
 *
 * Return: 0 or a negative errno.
 */
long vireo_queue_del(void *object, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_queue_del *del = &arg->queue_del;
	struct vireo_vm *vm = object;
	struct vireo_queue *q;
	long limit;
	int ret;

	if (del->flags || del->reserved)
		return -EINVAL;
	q = get_queue(vm, del->id);
	if (!q)
		return -ENOENT;
	cut_off(vm, q);
	limit = del->timeout_ms ? msecs_to_jiffies(del->timeout_ms) :
				  MAX_SCHEDULE_TIMEOUT;
	ret = stop(q, limit, true);
	if (!ret)
		ret = tell_rest(q, del, uarg);
	if (!ret && !remove(vm, q))
		ret = -ENOENT;
	put_queue(q);
	return ret;
}

/**
 * vireo_queue_state() - VIREO_QUEUE_STATE
 * @object: the VM
 * @arg: struct vireo_queue_state
 * @uarg: gets the state
 *
 * Return: 0 or a negative errno.
 */
long vireo_queue_state(void *object, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_queue_state *in = &arg->queue_state;
	struct vireo_vm *vm = object;
	struct vireo_queue_state out;
	struct vireo_queue *q;

	if (in->flags)
		return -EINVAL;
	q = get_queue(vm, in->id);
	if (!q)
		return -ENOENT;
	spin_lock_irq(&q->lock);
	out = (struct vireo_queue_state){
		.size = min_t(u32, in->size, sizeof(out)),
		.id = in->id,
		.fault = READ_ONCE(q->ring.fault),
		.errors = q->errors,
		.error = q->failed_errno,
		.error_type = q->failed_type,
		.error_sector = q->failed_sector,
		.in_flight = q->in_flight,
		.held = q->nr_held,
	};
	spin_unlock_irq(&q->lock);
	vireo_queue_counts(q, &out.counts);
	put_queue(q);
	return copy_to_user(uarg, &out, out.size) ? -EFAULT : 0;
}

/**
 * vireo_queue_stop_all() - have all queues of a VM that is being closed end
 * @vm: the VM
 * @limit: jiffies to wait for what is in flight, or MAX_SCHEDULE_TIMEOUT
 *
 * Return: whether nothing is in flight any more.
 */
bool vireo_queue_stop_all(struct vireo_vm *vm, long limit)
{
	unsigned long id, end = jiffies + limit;
	struct vireo_queue *q;
	bool forever = limit == MAX_SCHEDULE_TIMEOUT, ended = true;

	/* First all take nothing more, then each is waited for. */
	xa_for_each(&vm->queues, id, q) {
		cut_off(vm, q);
		set_bit(VIREO_QUEUE_STOP, &q->state);
	}
	xa_for_each(&vm->queues, id, q) {
		if (!forever)
			limit = max_t(long, end - jiffies, 1);
		if (stop(q, limit, false))
			ended = false;
	}
	return ended;
}

/**
 * vireo_queue_del_all() - remove all queues of a VM that is being closed
 * @vm: the VM; they have ended
 */
void vireo_queue_del_all(struct vireo_vm *vm)
{
	struct vireo_queue *q;
	unsigned long id;

	xa_for_each(&vm->queues, id, q)
		remove(vm, q);
}
