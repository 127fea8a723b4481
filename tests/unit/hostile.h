/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver that speaks virtio to a device by its registers and its memory, with
 * no guest kernel in between, and need not keep to the rules: what the tests of
 * hostile guests have in common.
 *
 * Its queues lie where virtio_rig.h says, split or packed.  Chains are made of
 * descriptors put one after the other, from the start of the ring on.
 */
#ifndef TEST_HOSTILE_H
#define TEST_HOSTILE_H

#include <pthread.h>

#include "virtio_rig.h"

#define H_NEXT VRING_DESC_F_NEXT
#define H_WRITE VRING_DESC_F_WRITE
#define H_INDIRECT VRING_DESC_F_INDIRECT

#define H_F(bit) (1ULL << (bit))
#define H_PACKED H_F(34)
#define H_RESET H_F(40)
#define H_INDIRECT_DESC H_F(VIRTIO_RING_F_INDIRECT_DESC)
#define H_EVENT_IDX H_F(VIRTIO_RING_F_EVENT_IDX)

#define H_TABLE(q) (RIG_DESC(q) + 0x3000)
/* Every device takes queues of this many. */
#define H_NUM 8
#define H_MAX_BUFS 4

/* A kind of device, and a request that it can be asked. */
struct hostile_kind {
	const char *name;
	const struct dev_class *class;
	const void *(*config)(void); /* what it is realized with */
	unsigned int queue;	     /* that is attacked */
	/* Fills memory for it and says which buffers; returns their number. */
	unsigned int (*ask)(struct rig *rig, struct rig_buf *bufs);
	/* Whether it was answered right, with @len bytes. */
	bool (*answered)(struct rig *rig, uint32_t len);
	uint64_t features; /* of its own, that its driver takes */
	/* May be NULL: has the device use the queue, if it does not by itself. */
	void (*stir)(struct rig *rig);
};

struct hostile {
	const struct hostile_kind *kind;
	struct rig *rig;
	uint64_t features;
	bool packed;
	unsigned int q;
	/* Where the driver is, as long as it keeps to the rules. */
	unsigned int next, seen;
	bool wrap, seen_wrap;
	uint32_t seed;
	/* Of h_run. */
	struct loop_call call;
	unsigned int rounds;
};

static inline uint32_t h_random(struct hostile *h)
{
	h->seed = h->seed * 1664525 + 1013904223;
	return h->seed >> 8;
}

static inline void h_again(void *opaque)
{
	struct hostile *h = opaque;

	if (h->rounds--)
		loop_post(h->rig->vm.loop, &h->call);
	else
		loop_stop(h->rig->vm.loop);
}

/* The loop does all that it can do at once. */
static inline void h_run(struct hostile *h)
{
	h->rounds = 4;
	h->call.fn = h_again;
	h->call.opaque = h;
	loop_post(h->rig->vm.loop, &h->call);
	assert_int_equal(loop_run(h->rig->vm.loop), 0);
}

/* What it cannot do at once takes a while. */
static inline void h_wait(struct hostile *h)
{
	usleep(100);
	h_run(h);
}

static inline void h_ring_bell(struct hostile *h)
{
	if (h->kind->stir)
		h->kind->stir(h->rig);
	rig_ring(h->rig, h->q);
}

static inline bool h_broken(struct hostile *h)
{
	return rig_status(h->rig) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* Resets the device, however long it takes, up to a limit. */
static inline void h_reset(struct hostile *h)
{
	unsigned int i;

	rig_set_status(h->rig, 0);
	for (i = 0; rig_status(h->rig) && i < 20000; i++)
		h_wait(h);
	assert_int_equal(rig_status(h->rig), 0);
}

/* Up to FEATURES_OK, with the features of the case. */
static inline void h_negotiate(struct hostile *h)
{
	const uint8_t up = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	uint64_t features = h->features | h->kind->features | RIG_FEATURES;
	unsigned int i;

	h_reset(h);
	rig_set_status(h->rig, up);
	for (i = 0; i < 2; i++) {
		rig_write(h->rig, VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		rig_write(h->rig, VIRTIO_PCI_COMMON_GF, 4,
			  (uint32_t)(features >> 32 * i));
	}
	rig_set_status(h->rig, up | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(rig_status(h->rig) & VIRTIO_CONFIG_S_FEATURES_OK);
}

static inline void h_ring_at(struct hostile *h, uint64_t desc, uint64_t avail,
			     uint64_t used, unsigned int num)
{
	rig_write(h->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, h->q);
	rig_write(h->rig, VIRTIO_PCI_COMMON_Q_SIZE, 2, num);
	rig_write(h->rig, VIRTIO_PCI_COMMON_Q_MSIX, 2, h->q);
	rig_write(h->rig, VIRTIO_PCI_COMMON_Q_DESCLO, 8, desc);
	rig_write(h->rig, VIRTIO_PCI_COMMON_Q_AVAILLO, 8, avail);
	rig_write(h->rig, VIRTIO_PCI_COMMON_Q_USEDLO, 8, used);
	rig_write(h->rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static inline void h_queue(struct hostile *h)
{
	memset(rig_mem(h->rig, RIG_DESC(h->q), 0x4000), 0, 0x4000);
	h->next = h->seen = 0;
	h->wrap = h->seen_wrap = true;
	h_ring_at(h, RIG_DESC(h->q), RIG_AVAIL(h->q), RIG_USED(h->q), H_NUM);
}

static inline void h_bring_up(struct hostile *h)
{
	h_negotiate(h);
	h_queue(h);
	rig_driver_ok(h->rig);
}

/* A device that is ready for a first chain. */
static inline void h_drive(struct hostile *h)
{
	h_bring_up(h);
	assert_false(h_broken(h));
}

/* Descriptor @i of the ring or, in memory at @table, of a table. */
static inline void h_desc_at(struct hostile *h, uint64_t table, unsigned int i,
			     uint64_t addr, uint32_t len, uint16_t flags,
			     uint16_t next)
{
	struct vring_desc *split = rig_mem(h->rig, table + 16 * i, 16);
	struct vring_packed_desc *packed = (void *)split;

	if (!h->packed) {
		*split = (struct vring_desc){ addr, len, flags, next };
		return;
	}
	/* Available, when h_offer says so. */
	*packed = (struct vring_packed_desc){ addr, len, (uint16_t)i, flags };
}

static inline void h_desc(struct hostile *h, unsigned int i, uint64_t addr,
			  uint32_t len, uint16_t flags)
{
	h_desc_at(h, RIG_DESC(h->q), i, addr, len, flags,
		  (uint16_t)((i + 1) % H_NUM));
}

/* A chain of @n descriptors from the next one on is the device's. */
static inline void h_offer(struct hostile *h, unsigned int n)
{
	struct vring_avail *avail = rig_mem(h->rig, RIG_AVAIL(h->q), 64);
	struct vring_packed_desc *ring = rig_mem(h->rig, RIG_DESC(h->q), 256);
	unsigned int first = h->next, i, at[H_NUM];
	bool wrap[H_NUM];

	for (i = 0; i < n; i++) {
		at[i] = h->next;
		wrap[i] = h->wrap;
		h->next = (h->next + 1) % H_NUM;
		if (!h->next)
			h->wrap = !h->wrap;
	}
	if (!h->packed) {
		avail->ring[avail->idx % H_NUM] = (uint16_t)first;
		__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
		return;
	}
	/* The first one last. */
	while (i--)
		__atomic_store_n(&ring[at[i]].flags,
				 (ring[at[i]].flags & ~0x8080) |
					 (wrap[i] ?
						  1 << VRING_PACKED_DESC_F_AVAIL :
						  1 << VRING_PACKED_DESC_F_USED),
				 __ATOMIC_RELEASE);
}

/* Whether a chain of @n has come back. */
static inline bool h_take(struct hostile *h, unsigned int n, uint32_t *len)
{
	struct vring_used *used = rig_mem(h->rig, RIG_USED(h->q), 256);
	struct vring_packed_desc *ring = rig_mem(h->rig, RIG_DESC(h->q), 256);
	uint16_t flags;

	if (!h->packed) {
		if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) ==
		    (uint16_t)h->seen)
			return false;
		*len = used->ring[h->seen++ % H_NUM].len;
		return true;
	}
	flags = __atomic_load_n(&ring[h->seen].flags, __ATOMIC_ACQUIRE);
	if (!!(flags & 0x80) != h->seen_wrap ||
	    !!(flags & 0x8000) != h->seen_wrap)
		return false;
	*len = flags & H_WRITE ? ring[h->seen].len : 0;
	h->seen += n;
	if (h->seen >= H_NUM) {
		h->seen -= H_NUM;
		h->seen_wrap = !h->seen_wrap;
	}
	return true;
}

/* Puts a proper request in the ring; returns its descriptors. */
static inline unsigned int h_ask(struct hostile *h)
{
	struct rig_buf bufs[H_MAX_BUFS];
	unsigned int n = h->kind->ask(h->rig, bufs), i;

	for (i = 0; i < n; i++)
		h_desc(h, (h->next + i) % H_NUM, bufs[i].addr, bufs[i].len,
		       (bufs[i].write ? H_WRITE : 0) |
			       (i + 1 < n ? H_NEXT : 0));
	h_offer(h, n);
	return n;
}

/* And it is answered. */
static inline void h_works(struct hostile *h)
{
	unsigned int n = h_ask(h), i;
	uint32_t len = 0;
	bool back;

	h_ring_bell(h);
	h_run(h);
	for (i = 0; !(back = h_take(h, n, &len)) && i < 20000; i++)
		h_wait(h);
	assert_true(back);
	assert_true(h->kind->answered(h->rig, len));
	assert_false(h_broken(h));
}

/* Rings the bell, and the loop works a while. */
static inline void h_go(struct hostile *h)
{
	h_ring_bell(h);
	h_run(h);
}

/* What must be seen after a case, before the reset. */
enum hostile_expect { ANY, BREAKS, WORKS };

struct hostile_case {
	const char *name;
	void (*fn)(struct hostile *h);
	enum hostile_expect split, packed;
};

#define CASE(fn, split, packed)        \
	{                              \
#fn, fn, split, packed \
	}

/* Up to one without a name. */
extern const struct hostile_case hostile_ring_cases[];
extern const struct hostile_case hostile_register_cases[];

/*
 * Each case of @tables, up to NULL, with each of @kinds, up to one without a
 * name, and with all features of rings; how many have failed.
 */
int hostile_run(const char *group, const struct hostile_kind *kinds,
		const struct hostile_case *const *tables);

#endif
