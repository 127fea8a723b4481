// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The client of /dev/vireo: puts the rules of a device's range into the
 * kernel and takes the posts out of it.  Without the module, writes to one-byte
 * registers that post or latch go to KVM's coalesced ring, if there is one.
 *
 * Who delivers posts: the vCPU thread that brings an access of the same device
 * to user space (bus.c drains first), and the main loop, which the eventfd
 * wakes.  Both hold the device's lock.
 */
#include "fastpath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"
#include "log.h"
#include "vm.h"

#define VIREO_DEVICE "/dev/vireo"

/*
 * KVM tells nobody that its coalesced ring has something, so it is looked at
 * now and then: often after something was found, seldom when all is quiet.
 */
#define COALESCED_POLL_BUSY 20000000ULL	   /* ns */
#define COALESCED_POLL_QUIET 1000000000ULL /* ns */

static int no_module(struct fastpath *fp, const char *mode, const char *why,
		     int errnum, struct error *err)
{
	snprintf(fp->why, sizeof(fp->why), "%s", why);
	if (strcmp(mode, "on"))
		return 0;
	return error_set(err, errnum, "--module on: %s", why);
}

int fastpath_open(struct fastpath *fp, int kvm_vm_fd, const char *name,
		  unsigned int vcpus, const char *mode, struct error *err)
{
	struct vireo_info info = { .size = sizeof(info) };
	char why[128];
	int fd, rc;

	fp->vm_fd = -1;
	fp->queue_fd = -1;
	fp->create = (struct vireo_vm_create){ .size = sizeof(fp->create),
					       .kvm_fd = kvm_vm_fd,
					       .vcpus = vcpus };
	snprintf(fp->create.name, sizeof(fp->create.name), "%s", name);
	if (!strcmp(mode, "off"))
		return no_module(fp, mode, "switched off", 0, err);

	fd = open(VIREO_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		rc = errno;
		snprintf(why, sizeof(why), "cannot open " VIREO_DEVICE ": %s%s",
			 strerror(rc),
			 rc == ENOENT ? " (load vireo.ko)" :
			 rc == EACCES ? " (ask for access to it)" :
					"");
		return no_module(fp, mode, why, rc, err);
	}
	if (ioctl(fd, VIREO_INFO, &info)) {
		rc = errno;
		snprintf(why, sizeof(why), VIREO_DEVICE ": %s", strerror(rc));
		goto out;
	}
	info.why[sizeof(info.why) - 1] = '\0';
	if (info.abi != VIREO_ABI_VERSION) {
		rc = EPROTO;
		snprintf(why, sizeof(why),
			 "vireo.ko speaks ABI %u, this program %d", info.abi,
			 VIREO_ABI_VERSION);
		goto out;
	}
	/* Its memory and its queues are there whatever becomes of exits. */
	fp->caps = info.caps;
	fp->queue_features = info.queue_features;
	if (info.exit_path == VIREO_EXIT_PATH_OFF) {
		rc = EOPNOTSUPP;
		snprintf(why, sizeof(why), "vireo.ko: %s", info.why);
		goto out;
	}
	fp->vm_fd = ioctl(fd, VIREO_VM_CREATE, &fp->create);
	if (fp->vm_fd < 0) {
		rc = errno;
		snprintf(why, sizeof(why), "vireo.ko refuses the VM: %s",
			 strerror(rc));
		goto out;
	}
	fp->queue_fd = fp->vm_fd;
	fp->exit_path = info.exit_path;
	snprintf(fp->why, sizeof(fp->why), "vireo.ko: %s", info.why);
	close(fd);
	return 0;
out:
	close(fd);
	return no_module(fp, mode, why, rc, err);
}

void fastpath_close(struct fastpath *fp)
{
	if (fp->queue_fd >= 0)
		close(fp->queue_fd);
	fp->queue_fd = -1;
	fp->vm_fd = -1;
}

const char *fastpath_no_memory(const struct fastpath *fp)
{
	if (!fp->caps)
		return fp->why;
	return fp->caps & VIREO_CAP_MEM ? NULL : "vireo.ko has no memory";
}

void fastpath_map_memory(const struct fastpath *fp, const struct mem *mem)
{
	const struct mem_block *b;
	unsigned int i;

	if (fp->queue_fd < 0 || mem->backend != &mem_backend_vireo)
		return;
	for (i = 0; i < mem->nr_blocks; i++) {
		b = &mem->blocks[i];
		struct vireo_mem_map map = { .size = sizeof(map),
					     .gpa = b->gpa,
					     .len = b->len,
					     .offset = b->fd_offset,
					     .mem_fd = mem->fd };

		/* It is for what the module does in place of the VMM. */
		if (ioctl(fp->queue_fd, VIREO_MEM_MAP, &map))
			log_warn(NULL, "vireo.ko does not map guest memory: %s",
				 strerror(errno));
	}
}

static void lock(struct fast_region *region)
{
	if (region->range->lock)
		pthread_mutex_lock(region->range->lock);
}

static void unlock(struct fast_region *region)
{
	if (region->range->lock)
		pthread_mutex_unlock(region->range->lock);
}

/* Delivers what was posted before the call, and no more than a ring holds. */
void fast_region_deliver(struct fast_region *region)
{
	struct vireo_ring *ring = region->ring;
	const struct bus_range *range = region->range;
	uint32_t head, tail, left;
	struct vireo_post post;

	head = ring->head; /* ours: nobody else writes it */
	tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
	for (left = region->ring_entries; head != tail && left; left--) {
		post = ring->post[head & (region->ring_entries - 1)];
		head++;
		range->ops->write(range->dev, post.offset, post.width,
				  post.value);
	}
	__atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
}

static void drain_and_sleep(struct fast_region *region)
{
	struct vireo_ring *ring;
	bool more = false;

	lock(region);
	fast_region_drain(region);
	ring = region->ring;
	if (ring) {
		/* The module signals only when it finds the ring empty. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		more = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) !=
		       ring->head;
	}
	unlock(region);
	if (more)
		loop_timer_arm(region->vm->loop, &region->poll,
			       loop_now() + region->post_delay);
}

/* Is there a post that should not wait? */
static bool any_urgent(struct fast_region *region)
{
	const struct bus_range *range = region->range;
	struct vireo_ring *ring;
	uint32_t at, left;
	bool found = false;

	if (!region->urgent)
		return false;
	lock(region);
	ring = region->ring;
	if (ring) {
		left = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) -
		       ring->head;
		if (left > region->ring_entries)
			left = region->ring_entries;
		for (at = ring->head; left && !found; left--, at++)
			found = region->urgent(range->dev,
					       &ring->post[at &
							   (region->ring_entries -
							    1)]);
	}
	unlock(region);
	return found;
}

/* The ring turned non-empty; let more arrive, then take them all at once. */
static void on_post(void *opaque, uint32_t events)
{
	struct fast_region *region = opaque;
	uint64_t count;

	(void)events;
	if (read(region->wake.fd, &count, sizeof(count)) < 0)
		return;
	if (any_urgent(region))
		drain_and_sleep(region);
	else
		loop_timer_arm(region->vm->loop, &region->poll,
			       loop_now() + region->post_delay);
}

static void on_poll(void *opaque)
{
	struct fast_region *region = opaque;
	struct vm *vm = region->vm;
	bool found, again;

	if (region->in_kernel) {
		drain_and_sleep(region);
		return;
	}
	/* Even if switched off: writes may be left from before. */
	found = vm->accel->ops->coalesce_flush(vm->accel);
	lock(region);
	again = region->coalesced;
	unlock(region);
	if (again)
		loop_timer_arm(vm->loop, &region->poll,
			       loop_now() + (found ? COALESCED_POLL_BUSY :
						     COALESCED_POLL_QUIET));
}

static size_t shadow_size(const struct fast_region *region)
{
	uint32_t pages = region->shadow_pages ? region->shadow_pages : 1;

	return (size_t)pages * VIREO_SHADOW_SIZE;
}

static uint64_t rules_end(const struct fast_region *region)
{
	const struct vireo_rule *rule = region->rules;
	uint64_t end = 0;
	uint32_t i;

	for (i = 0; i < region->nr_rules; i++, rule++)
		if ((uint64_t)rule->offset + rule->len > end)
			end = (uint64_t)rule->offset + rule->len;
	return end;
}

int fast_region_init(struct fast_region *region, struct vm *vm,
		     struct bus_range *range, struct error *err)
{
	int rc;

	region->vm = vm;
	region->range = range;
	range->fast = region;
	region->rules_end = rules_end(region);
	region->own_shadow = calloc(1, shadow_size(region));
	if (!region->own_shadow)
		return error_sys(err, ENOMEM, "%s: no memory", range->name);
	region->shadow = region->own_shadow;
	region->poll.fn = on_poll;
	region->poll.opaque = region;
	region->wake.fd = -1;
	if (!region->ring_entries || vm->fast.vm_fd < 0)
		return 0;

	region->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (region->wake.fd < 0) {
		rc = error_sys(err, errno, "%s: cannot make an eventfd",
			       range->name);
		goto err_shadow;
	}
	region->wake.events = EPOLLIN;
	region->wake.fn = on_post;
	region->wake.opaque = region;
	rc = loop_fd_add(vm->loop, &region->wake);
	if (rc) {
		error_sys(err, -rc, "%s: cannot watch an eventfd", range->name);
		goto err_wake;
	}
	return 0;

err_wake:
	close(region->wake.fd);
err_shadow:
	free(region->own_shadow);
	range->fast = NULL;
	return rc;
}

void fast_region_destroy(struct fast_region *region)
{
	struct vm *vm = region->vm;

	if (!vm)
		return;
	loop_timer_cancel(vm->loop, &region->poll);
	if (region->wake.fd >= 0) {
		loop_fd_del(vm->loop, &region->wake);
		close(region->wake.fd);
	}
	free(region->own_shadow);
	region->range->fast = NULL;
	region->vm = NULL;
}

static bool rules_known(const struct fast_region *region, uint64_t caps)
{
	uint32_t i;

	for (i = 0; i < region->nr_rules; i++)
		if (!(caps & (1ULL << (region->rules[i].type - 1))))
			return false;
	return true;
}

static int enable_in_kernel(struct fast_region *region, bool enable)
{
	struct vireo_io_id id = { .size = sizeof(id),
				  .flags = enable ? 0 : VIREO_IO_DISABLED,
				  .id = region->id };

	return ioctl(region->vm->fast.vm_fd, VIREO_IO_ENABLE, &id) ? -errno : 0;
}

static void unmap_in_kernel(struct fast_region *region)
{
	struct vireo_io_id id = { .size = sizeof(id), .id = region->id };
	uint8_t *area;

	ioctl(region->vm->fast.vm_fd, VIREO_IO_DEL, &id);
	lock(region);
	fast_region_drain(region);
	area = region->shadow;
	memcpy(region->own_shadow, area, shadow_size(region));
	region->shadow = region->own_shadow;
	region->ring = NULL;
	/* Release: who sees it sees the copy. */
	__atomic_store_n(&region->in_kernel, false, __ATOMIC_RELEASE);
	unlock(region);
	munmap(area, region->area_len);
}

static int map_in_kernel(struct fast_region *region, enum bus_kind bus)
{
	struct fastpath *fp = &region->vm->fast;
	struct bus_range *range = region->range;
	struct vireo_io_add add = {
		.size = sizeof(add),
		.flags = VIREO_IO_DISABLED,
		.bus = bus == BUS_PIO ? VIREO_BUS_PIO : VIREO_BUS_MMIO,
		.nr_rules = region->nr_rules,
		.addr = range->base,
		/* An access across the end passes, as it would by the rules. */
		.len = region->rules_end,
		.rules = (uintptr_t)region->rules,
		.ring_entries = region->ring_entries,
		.ring_fd = region->wake.fd,
		.shadow_pages = region->shadow_pages,
	};
	struct vireo_io_id id = { .size = sizeof(id) };
	size_t len = shadow_size(region);
	uint8_t *area;
	int rc;

	snprintf(add.name, sizeof(add.name), "%s", range->name);
	if (ioctl(fp->vm_fd, VIREO_IO_ADD, &add))
		return -errno;
	id.id = add.id;
	if (region->ring_entries)
		len += sizeof(struct vireo_ring) +
		       region->ring_entries * sizeof(struct vireo_post);
	len = (len + 4095) & ~4095UL;
	area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fp->vm_fd,
		    (off_t)(add.id * VIREO_IO_AREA_STRIDE));
	if (area == MAP_FAILED) {
		rc = -errno;
		goto err_del;
	}

	lock(region);
	memcpy(area, region->own_shadow, shadow_size(region));
	region->shadow = area;
	if (region->ring_entries)
		region->ring =
			(struct vireo_ring *)(area + shadow_size(region));
	region->area_len = len;
	region->id = add.id;
	__atomic_store_n(&region->in_kernel, true, __ATOMIC_RELAXED);
	rc = region->off ? 0 : enable_in_kernel(region, true);
	unlock(region);
	if (rc)
		unmap_in_kernel(region);
	return rc;

err_del:
	ioctl(fp->vm_fd, VIREO_IO_DEL, &id);
	return rc;
}

static void coalesce_each(struct fast_region *region, bool remove)
{
	struct accel *accel = region->vm->accel;
	const struct vireo_rule *rule;
	uint32_t i;

	for (i = 0; i < region->nr_rules; i++) {
		rule = &region->rules[i];
		/*
		 * One of the two: what is posted and stored is a control
		 * register, and who polls the ring would see it too late.
		 */
		if (rule->len != 1 ||
		    (rule->type == VIREO_RULE_POST) ==
			    !!(rule->flags & VIREO_RULE_WRITE_THROUGH))
			continue;
		if (!accel->ops->coalesce(accel, region->bus,
					  region->range->base + rule->offset, 1,
					  remove))
			region->coalesced = !remove;
	}
}

/*
 * KVM's coalesced zones do not look at the width of a write, so only one-byte
 * registers can have one, and they have it while the region is mapped outside
 * the module and on.  Not flushed here, since that takes the device's lock: who
 * handles the next exit does it first, and the timer.
 */
static void coalesce(struct fast_region *region)
{
	struct vm *vm = region->vm;
	bool want = region->mapped && !region->off;

	if (!vm->accel->ops->coalesce || want == region->coalesced)
		return;
	coalesce_each(region, !want);
	/* What is only latched is not missed before the next exit. */
	if (region->coalesced && region->ring_entries)
		loop_timer_arm(vm->loop, &region->poll,
			       loop_now() + COALESCED_POLL_QUIET);
}

int fast_region_map(struct fast_region *region, enum bus_kind bus,
		    struct error *err)
{
	struct vm *vm = region->vm;
	int rc;

	(void)err; /* a fast path is never a requirement */
	region->bus = bus;
	if (vm->fast.vm_fd >= 0 && rules_known(region, vm->fast.caps)) {
		rc = map_in_kernel(region, bus);
		if (!rc)
			return 0;
		log_warn(region->range->name, "no fast path in the kernel: %s",
			 strerror(-rc));
	}
	lock(region);
	region->mapped = true;
	coalesce(region);
	unlock(region);
	return 0;
}

void fast_region_unmap(struct fast_region *region)
{
	bool flush;

	if (region->in_kernel) {
		unmap_in_kernel(region);
		return;
	}
	lock(region);
	flush = region->coalesced;
	region->mapped = false;
	coalesce(region);
	unlock(region);
	if (flush)
		region->vm->accel->ops->coalesce_flush(region->vm->accel);
}

void fast_region_enable(struct fast_region *region, bool enable)
{
	int rc;

	if (region->off == !enable)
		return;
	/* Release: who sees it on sees the shadow as the caller filled it. */
	__atomic_store_n(&region->off, !enable, __ATOMIC_RELEASE);
	if (!region->in_kernel) {
		coalesce(region);
		return;
	}
	rc = enable_in_kernel(region, enable);
	/* -ENOENT: it is being unmapped, which has not come to the lock yet. */
	if (rc && rc != -ENOENT)
		log_warn(region->range->name, "cannot switch the fast path: %s",
			 strerror(-rc));
}
