// SPDX-License-Identifier: GPL-2.0-or-later
#include "ring.h"

#include <errno.h>
#include <string.h>
#include <linux/virtio_ring.h>

#include "memory.h"

/* Sizes with the event index fields (virtio 1.2, 2.7). */
static uint64_t avail_size(uint16_t num)
{
	return 6 + 2 * (uint64_t)num;
}

static uint64_t used_size(uint16_t num)
{
	return 6 + 8 * (uint64_t)num;
}

static int ring_fault(struct ring *ring, int err, const char *what)
{
	ring->fault = what;
	return err;
}

int ring_start(struct ring *ring, const struct mem *mem,
	       const struct ring_layout *layout)
{
	uint16_t num = layout->num;

	*ring = (struct ring){ .mem = mem, .at = *layout };
	if (!num || num > RING_MAX_NUM || (num & (num - 1)))
		return ring_fault(ring, -EINVAL, "bad queue size");
	if (layout->desc % 16 || layout->avail % 2 || layout->used % 4)
		return ring_fault(ring, -EINVAL, "misaligned ring");

	/* RAM does not move, so that these pointers stay good. */
	ring->desc = mem_ptr(mem, layout->desc, num * sizeof(struct vring_desc),
			     MEM_READ);
	ring->avail = mem_ptr(mem, layout->avail, avail_size(num), MEM_READ);
	ring->used = mem_ptr(mem, layout->used, used_size(num), MEM_WRITE);
	if (!ring->desc || !ring->avail || !ring->used)
		return ring_fault(ring, -EFAULT, "ring outside of RAM");
	return 0;
}

/*
 * The event fields follow the last ring element (2.7.6, 2.7.8): the device
 * says at which index it wants a notification, the driver likewise.
 */
static uint16_t *avail_event(struct ring *ring)
{
	return (uint16_t *)&ring->used->ring[ring->at.num];
}

static uint16_t used_event(const struct ring *ring)
{
	return __atomic_load_n(&ring->avail->ring[ring->at.num],
			       __ATOMIC_RELAXED);
}

/* The pointer is kept, so the memory is told of each write. */
static void used_written(const struct ring *ring)
{
	mem_written(ring->mem, ring->used, used_size(ring->at.num));
}

bool ring_pending(const struct ring *ring)
{
	return ring->fault ||
	       __atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE) !=
		       ring->next_avail;
}

bool ring_want_notify(struct ring *ring)
{
	if (ring->at.event_idx) {
		__atomic_store_n(avail_event(ring), ring->next_avail,
				 __ATOMIC_RELAXED);
	} else if (ring->no_notify) {
		__atomic_store_n(&ring->used->flags, 0, __ATOMIC_RELAXED);
		ring->no_notify = false;
	}
	used_written(ring);
	/* The wish before the second look at the index (2.7.13.4). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring_pending(ring);
}

/* With event indexes no wish was renewed, and that is enough. */
static void ring_no_notify(struct ring *ring)
{
	if (ring->at.event_idx || ring->no_notify)
		return;
	__atomic_store_n(&ring->used->flags, VRING_USED_F_NO_NOTIFY,
			 __ATOMIC_RELAXED);
	used_written(ring);
	ring->no_notify = true;
}

/* 1, 0 or -EINVAL: whether the driver has added a chain. */
static int ring_avail(struct ring *ring)
{
	uint16_t idx = __atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE);
	uint16_t delta = (uint16_t)(idx - ring->next_avail);

	if (delta > ring->at.num)
		return ring_fault(ring, -EINVAL, "avail index ran ahead");
	return delta != 0;
}

/* An indirect table may lie at any address: copy bytes, and only once. */
static void desc_copy(struct vring_desc *to, const void *table, uint32_t i)
{
	memcpy(to, (const char *)table + i * sizeof(*to), sizeof(*to));
	__asm__ __volatile__("" ::: "memory");
}

static int chain_add(struct ring *ring, struct ring_chain *chain,
		     const struct vring_desc *desc)
{
	bool writable = desc->flags & VRING_DESC_F_WRITE;
	uint32_t *total = writable ? &chain->write_len : &chain->read_len;
	struct iovec *iov;

	if (!writable && chain->nr_write)
		return ring_fault(ring, -EINVAL, "readable after writable");
	if (!desc->len)
		return 0;
	if (chain->nr_read + chain->nr_write == RING_MAX_IOV)
		return ring_fault(ring, -EINVAL, "too many buffers");
	if (UINT32_MAX - chain->read_len - chain->write_len < desc->len)
		return ring_fault(ring, -EINVAL, "chain of more than 4 GiB");

	iov = &chain->iov[chain->nr_read + chain->nr_write];
	iov->iov_base = mem_ptr(ring->mem, desc->addr, desc->len,
				writable ? MEM_WRITE : MEM_READ);
	if (!iov->iov_base)
		return ring_fault(ring, -EINVAL, "buffer outside of RAM");
	iov->iov_len = desc->len;
	*total += desc->len;
	if (writable)
		chain->nr_write++;
	else
		chain->nr_read++;
	return 0;
}

/* The table that an indirect descriptor names (2.7.5.3). */
static int indirect_table(struct ring *ring, const struct vring_desc *desc,
			  const void **table, uint32_t *num)
{
	if (!ring->at.indirect || desc->flags & VRING_DESC_F_NEXT)
		return ring_fault(ring, -EINVAL, "indirect not allowed here");
	if (!desc->len || desc->len % sizeof(*desc) ||
	    desc->len / sizeof(*desc) > RING_MAX_NUM)
		return ring_fault(ring, -EINVAL, "bad indirect length");
	*table = mem_ptr(ring->mem, desc->addr, desc->len, MEM_READ);
	if (!*table)
		return ring_fault(ring, -EINVAL, "indirect outside of RAM");
	*num = desc->len / sizeof(*desc);
	return 0;
}

static int chain_walk(struct ring *ring, struct ring_chain *chain)
{
	const void *table = ring->desc;
	uint32_t num = ring->at.num;
	uint32_t i = chain->head;
	uint32_t steps = 0;
	bool indirect = false;
	struct vring_desc desc;
	int ret;

	for (;;) {
		if (i >= num)
			return ring_fault(ring, -EINVAL,
					  "bad descriptor index");
		/* A chain that visits more than there are is a loop. */
		if (steps++ == num)
			return ring_fault(ring, -EINVAL, "descriptors loop");
		desc_copy(&desc, table, i);
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (indirect)
				return ring_fault(ring, -EINVAL,
						  "nested indirect table");
			ret = indirect_table(ring, &desc, &table, &num);
			if (ret)
				return ret;
			indirect = true;
			steps = 0;
			i = 0;
			continue;
		}
		ret = chain_add(ring, chain, &desc);
		if (ret)
			return ret;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return 0;
		i = desc.next;
	}
}

int ring_pop(struct ring *ring, struct ring_chain *chain)
{
	uint16_t slot;
	int ret;

	if (ring->fault)
		return -EINVAL;
	ret = ring_avail(ring);
	if (!ret && !ring->polled && ring_want_notify(ring))
		ret = ring_avail(ring);
	if (ret <= 0)
		return ret;
	ring_no_notify(ring);

	slot = ring->next_avail & (ring->at.num - 1);
	chain->head =
		__atomic_load_n(&ring->avail->ring[slot], __ATOMIC_RELAXED);
	chain->nr_read = 0;
	chain->nr_write = 0;
	chain->read_len = 0;
	chain->write_len = 0;
	ret = chain_walk(ring, chain);
	if (ret)
		return ret;
	ring->next_avail++;
	return 1;
}

/* Buffers may have been filled long after ring_pop had their addresses. */
static void chain_written(const struct ring *ring,
			  const struct ring_chain *chain)
{
	const struct iovec *iov = chain->iov + chain->nr_read;
	unsigned int i;

	for (i = 0; i < chain->nr_write; i++)
		mem_written(ring->mem, iov[i].iov_base, iov[i].iov_len);
}

void ring_push(struct ring *ring, const struct ring_chain *chain, uint32_t len)
{
	struct vring_used_elem *elem;

	chain_written(ring, chain);
	elem = &ring->used->ring[ring->next_used & (ring->at.num - 1)];
	elem->id = chain->head;
	elem->len = len;
	ring->next_used++;
	__atomic_store_n(&ring->used->idx, ring->next_used, __ATOMIC_RELEASE);
	used_written(ring);
}

bool ring_should_signal(struct ring *ring)
{
	uint16_t old = ring->signalled;
	uint16_t new = ring->next_used;

	if (old == new)
		return false;
	ring->signalled = new;
	/* The used index before the look at the driver's wish (2.7.7.2). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->at.event_idx)
		return vring_need_event(used_event(ring), new, old);
	return !(__atomic_load_n(&ring->avail->flags, __ATOMIC_RELAXED) &
		 VRING_AVAIL_F_NO_INTERRUPT);
}

size_t iov_get(const struct iovec *iov, unsigned int nr, void *buf, size_t len)
{
	size_t done = 0, n;

	for (; nr && done < len; nr--, iov++, done += n) {
		n = len - done < iov->iov_len ? len - done : iov->iov_len;
		memcpy((char *)buf + done, iov->iov_base, n);
	}
	/* What was copied is used, not what the guest stores there later. */
	__asm__ __volatile__("" ::: "memory");
	return done;
}

size_t iov_put(const struct iovec *iov, unsigned int nr, const void *buf,
	       size_t len)
{
	size_t done = 0, n;

	for (; nr && done < len; nr--, iov++, done += n) {
		n = len - done < iov->iov_len ? len - done : iov->iov_len;
		memcpy(iov->iov_base, (const char *)buf + done, n);
	}
	return done;
}

void iov_trim_front(struct iovec **iov, unsigned int *nr, size_t len)
{
	for (; *nr && len >= (*iov)->iov_len; (*nr)--, (*iov)++)
		len -= (*iov)->iov_len;
	if (*nr) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + len;
		(*iov)->iov_len -= len;
	}
}

void iov_trim_back(struct iovec *iov, unsigned int *nr, size_t len)
{
	for (; *nr && len >= iov[*nr - 1].iov_len; (*nr)--)
		len -= iov[*nr - 1].iov_len;
	if (*nr)
		iov[*nr - 1].iov_len -= len;
}
