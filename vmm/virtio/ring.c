// SPDX-License-Identifier: GPL-2.0-or-later
#include "ring_impl.h"

int ring_fault(struct ring *ring, int err, const char *what)
{
	ring->fault = what;
	return err;
}

int ring_start(struct ring *ring, const struct mem *mem,
	       const struct ring_layout *layout)
{
	*ring = (struct ring){ .mem = mem, .at = *layout };
	if (!layout->num || layout->num > RING_MAX_NUM)
		return ring_fault(ring, -EINVAL, "bad queue size");
	return layout->packed ? packed_start(ring) : split_start(ring);
}

bool ring_pending(const struct ring *ring)
{
	if (ring->fault)
		return true;
	return ring->at.packed ? packed_pending(ring) : split_pending(ring);
}

bool ring_want_notify(struct ring *ring)
{
	if (ring->fault)
		return true;
	if (ring->at.packed)
		packed_want_notify(ring);
	else
		split_want_notify(ring);
	/* The wish before the second look at the ring (2.7.13.4). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring_pending(ring);
}

int ring_pop(struct ring *ring, struct ring_chain *chain)
{
	int ret;

	if (ring->fault)
		return -EINVAL;
	if (!ring_pending(ring) && (ring->polled || !ring_want_notify(ring)))
		return 0;
	/* Or a driver could have any amount of work in hand. */
	if (ring->in_flight == ring->at.num)
		return ring_fault(ring, -EINVAL,
				  "more chains than the ring has");
	ret = ring->at.packed ? packed_pop(ring, chain) :
				split_pop(ring, chain);
	if (ret > 0)
		ring->in_flight++;
	return ret;
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
	chain_written(ring, chain);
	if (ring->in_flight)
		ring->in_flight--;
	if (ring->at.packed)
		packed_push(ring, chain, len);
	else
		split_push(ring, chain, len);
}

bool ring_should_signal(struct ring *ring)
{
	return ring->at.packed ? packed_should_signal(ring) :
				 split_should_signal(ring);
}

/* ---- another owner ------------------------------------------------------------ */

struct ring_place ring_place(const struct ring *ring)
{
	struct ring_place place = { ring->next_avail, ring->next_used };

	if (ring->at.packed) {
		place.avail |= (uint16_t)(ring->avail_wrap << 15);
		place.used |= (uint16_t)(ring->used_wrap << 15);
	}
	return place;
}

void ring_resume(struct ring *ring, struct ring_place place)
{
	if (ring->at.packed) {
		ring->avail_wrap = place.avail >> 15;
		ring->used_wrap = place.used >> 15;
		place.avail &= 0x7fff;
		place.used &= 0x7fff;
	}
	ring->next_avail = place.avail;
	ring->next_used = place.used;
	ring->in_flight = 0;
	/* What it gave back it has told, or the driver did not want to know. */
	ring->signalled = place.used;
	ring->pushed = 0;
	/* It may have left the driver with any wish. */
	ring->no_notify = true;
}

void ring_put_back(struct ring *ring, unsigned int nr)
{
	ring->next_avail = (uint16_t)(ring->next_avail - nr);
	ring->in_flight = (uint16_t)(ring->in_flight - nr);
}

int ring_retake(struct ring *ring, uint16_t head, struct ring_chain *chain)
{
	int ret;

	if (ring->fault)
		return -EINVAL;
	if (ring->at.packed || ring->in_flight == ring->at.num)
		return ring_fault(ring, -EINVAL, "bad chain to take again");
	ret = split_take(ring, head, chain);
	if (ret > 0)
		ring->in_flight++;
	return ret;
}

/* ---- chains ---------------------------------------------------------------- */

void chain_init(struct ring_chain *chain)
{
	chain->nr_read = 0;
	chain->nr_write = 0;
	chain->read_len = 0;
	chain->write_len = 0;
}

int chain_add(struct ring *ring, struct ring_chain *chain, uint64_t addr,
	      uint32_t len, bool writable)
{
	struct iovec *iov;

	if (!writable && chain->nr_write)
		return ring_fault(ring, -EINVAL, "readable after writable");
	if (!len)
		return 0;
	if (chain->nr_read + chain->nr_write == RING_MAX_IOV)
		return ring_fault(ring, -EINVAL, "too many buffers");
	if (UINT32_MAX - chain->read_len - chain->write_len < len)
		return ring_fault(ring, -EINVAL, "chain of more than 4 GiB");

	iov = &chain->iov[chain->nr_read + chain->nr_write];
	iov->iov_base =
		mem_ptr(ring->mem, addr, len, writable ? MEM_WRITE : MEM_READ);
	if (!iov->iov_base)
		return ring_fault(ring, -EINVAL, "buffer outside of RAM");
	iov->iov_len = len;
	if (writable) {
		chain->nr_write++;
		chain->write_len += len;
	} else {
		chain->nr_read++;
		chain->read_len += len;
	}
	return 0;
}

int indirect_table(struct ring *ring, uint64_t addr, uint32_t len,
		   const void **table, uint32_t *num)
{
	if (!len || len % DESC_SIZE || len / DESC_SIZE > RING_MAX_NUM)
		return ring_fault(ring, -EINVAL, "bad indirect length");
	*table = mem_ptr(ring->mem, addr, len, MEM_READ);
	if (!*table)
		return ring_fault(ring, -EINVAL, "indirect outside of RAM");
	*num = len / DESC_SIZE;
	return 0;
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
