// SPDX-License-Identifier: GPL-2.0
/* Block queues of drivers that do what they must not. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "ring.h"

FIXTURE(hostile)
{
	struct rig r;
	int fd;
	uint16_t head;
};

/* A good request waits in the ring, to be spoilt. */
FIXTURE_SETUP(hostile)
{
	struct rig *r = &self->r;

	self->fd = ram_open();
	if (self->fd < 0)
		SKIP_SETUP("no RAM disk");
	ASSERT_EQ(rig_open(r), 0);
	ASSERT_EQ(rig_disk(r, self->fd, RIG_DISK, 0), 0);
	self->head = rig_put(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, PAGE);
}

FIXTURE_TEARDOWN(hostile)
{
	rig_close(&self->r);
	close(self->fd);
}

static uint32_t fault_of(struct rig *r, uint64_t features)
{
	struct vireo_queue_add add = queue_template(r);
	struct vireo_queue_del del = {};
	struct vireo_queue_state state = {};
	uint16_t used = r->used->idx;

	add.features |= features;
	add.next_used = used;
	if (rig_add(r, &add))
		return 1000;
	for (int i = 0; i < 500; i++) {
		state = rig_state(r);
		if (state.fault || r->used->idx != used)
			break;
		usleep(10000);
	}
	if (state.fault && !eventfd_take(r->event))
		return 1001;
	if (rig_del(r, &del))
		return 1002;
	return state.fault;
}

TEST_F(hostile, good)
{
	EXPECT_EQ(fault_of(&self->r, 0), VIREO_QUEUE_OK);
	EXPECT_EQ(rig_req(&self->r, self->head)->status, 0);
}

TEST_F(hostile, index)
{
	self->r.avail->idx = RIG_NUM + 1;
	EXPECT_EQ(fault_of(&self->r, 0), VIREO_QUEUE_BAD_INDEX);
}

TEST_F(hostile, head)
{
	self->r.avail->ring[0] = RIG_NUM;
	EXPECT_EQ(fault_of(&self->r, 0), VIREO_QUEUE_BAD_HEAD);
}

TEST_F(hostile, next)
{
	self->r.desc[self->head + 1].next = 0xffff;
	EXPECT_EQ(fault_of(&self->r, 0), VIREO_QUEUE_BAD_HEAD);
}

TEST_F(hostile, loop)
{
	self->r.desc[self->head + 2].flags |= VRING_DESC_F_NEXT;
	self->r.desc[self->head + 2].next = self->head + 1;
	EXPECT_EQ(fault_of(&self->r, 0), VIREO_QUEUE_BAD_CHAIN);
}

TEST_F(hostile, loop_of_nothing)
{
	self->r.desc[self->head].len = 0;
	self->r.desc[self->head].next = self->head;
	EXPECT_EQ(fault_of(&self->r, 0), VIREO_QUEUE_BAD_CHAIN);
}

TEST_F(hostile, order)
{
	self->r.desc[self->head + 2].flags = 0;
	EXPECT_EQ(fault_of(&self->r, 0), VIREO_QUEUE_BAD_CHAIN);
}

TEST_F(hostile, length)
{
	self->r.desc[self->head + 1].len = -1U;
	EXPECT_EQ(fault_of(&self->r, 0), VIREO_QUEUE_BAD_LEN);
}

TEST_F(hostile, address)
{
	static const uint64_t addr[] = {
		0, RIG_GPA - 1, RIG_GPA + RIG_BYTES,
		RIG_GPA + RIG_BYTES - PAGE + 1, -1ULL, -(uint64_t)PAGE,
		1ULL << 63,
	};
	struct rig *r = &self->r;

	for (int which = 0; which < 3; which++) {
		uint64_t good = r->desc[self->head + which].addr;

		for (size_t i = 0; i < ARRAY_LEN(addr); i++) {
			if (which != 1 && i == 3)
				continue;
			r->desc[self->head + which].addr = addr[i];
			EXPECT_EQ(fault_of(r, 0), VIREO_QUEUE_BAD_ADDR)
				TH_LOG("%d %zu", which, i);
		}
		r->desc[self->head + which].addr = good;
	}
	EXPECT_EQ(fault_of(r, 0), VIREO_QUEUE_OK);
}

/* A part of memory that must not be written. */
TEST_F(hostile, read_only)
{
	struct rig *r = &self->r;

	ASSERT_EQ(mem_tell(r->vm, r->mem, 0x40000000, RIG_BYTES,
			   VIREO_MEM_MAP_READONLY), 0);
	r->desc[self->head + 1].addr = 0x40000000 + RIG_DATA;
	EXPECT_EQ(fault_of(r, 0), VIREO_QUEUE_BAD_ADDR);
	rig_req(r, self->head)->header.type = VIRTIO_BLK_T_OUT;
	r->desc[self->head + 1].flags &= ~VRING_DESC_F_WRITE;
	EXPECT_EQ(fault_of(r, 0), VIREO_QUEUE_OK);
	EXPECT_EQ(rig_req(r, self->head)->status, 0);
}

/* Over the border of two mappings, which is as good as memory. */
TEST_F(hostile, two_maps)
{
	struct rig *r = &self->r;
	struct vireo_mem_map map = {
		.size = sizeof(map), .gpa = RIG_GPA + RIG_BYTES,
		.len = 2 * PAGE, .offset = 0x200000, .mem_fd = r->mem,
	};

	ASSERT_EQ(IOCTL(r->vm, VIREO_MEM_MAP, &map), 0);
	page_fill(r->p + 0x300000, 9, 9);
	ASSERT_EQ(pwrite(self->fd, r->p + 0x300000, PAGE, 0), PAGE);
	r->desc[self->head + 1].addr = RIG_GPA + RIG_BYTES - 512;
	EXPECT_EQ(fault_of(r, 0), VIREO_QUEUE_OK);
	EXPECT_EQ(memcmp(r->p + RIG_BYTES - 512, r->p + 0x300000, 512), 0);
	EXPECT_EQ(memcmp(r->p + 0x200000, r->p + 0x300000 + 512, PAGE - 512),
		  0);
}

TEST_F(hostile, requests)
{
	struct vring_desc *d = &self->r.desc[self->head];
	struct rig *r = &self->r;

	d[0].len = 15;
	EXPECT_EQ(fault_of(r, 0), VIREO_QUEUE_BAD_REQUEST);
	d[0].len = 16;
	d[0].flags = 0;
	EXPECT_EQ(fault_of(r, 0), VIREO_QUEUE_BAD_REQUEST);
	d[0].flags = VRING_DESC_F_WRITE;
	EXPECT_EQ(fault_of(r, 0), VIREO_QUEUE_BAD_REQUEST);
	d[0].len = 0;
	EXPECT_EQ(fault_of(r, 0), VIREO_QUEUE_BAD_REQUEST);
}

TEST_F(hostile, indirect)
{
	const uint64_t on = FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	struct vring_desc *table = (void *)(self->r.p + RIG_TABLE);
	struct vring_desc *d = &self->r.desc[self->head];
	struct rig *r = &self->r;

	memcpy(table, d, 3 * sizeof(*d));
	for (int i = 0; i < 3; i++)
		table[i].next -= self->head;
	rig_set_desc(r, self->head, RIG_TABLE, 48, VRING_DESC_F_INDIRECT, 0);
	EXPECT_EQ(fault_of(r, 0), VIREO_QUEUE_BAD_INDIRECT);
	EXPECT_EQ(fault_of(r, on), VIREO_QUEUE_OK);
	d->len = 47;
	EXPECT_EQ(fault_of(r, on), VIREO_QUEUE_BAD_INDIRECT);
	d->len = 0;
	EXPECT_EQ(fault_of(r, on), VIREO_QUEUE_BAD_INDIRECT);
	d->len = 16 * 1025;
	EXPECT_EQ(fault_of(r, on), VIREO_QUEUE_BAD_INDIRECT);
	d->len = -16U;
	EXPECT_EQ(fault_of(r, on), VIREO_QUEUE_BAD_INDIRECT);
	d->len = 32;
	EXPECT_EQ(fault_of(r, on), VIREO_QUEUE_BAD_HEAD);
	d->len = 48;
	d->addr = 8;
	EXPECT_EQ(fault_of(r, on), VIREO_QUEUE_BAD_ADDR);
	d->addr = RIG_GPA + RIG_TABLE;
	d->flags |= VRING_DESC_F_NEXT;
	EXPECT_EQ(fault_of(r, on), VIREO_QUEUE_BAD_INDIRECT);
	d->flags = VRING_DESC_F_INDIRECT;
	table[1].flags |= VRING_DESC_F_INDIRECT;
	EXPECT_EQ(fault_of(r, on), VIREO_QUEUE_BAD_INDIRECT);
}

/* As many buffers as may be, and one more. */
TEST_F(hostile, buffers)
{
	const uint64_t on = FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	struct vring_desc *table = (void *)(self->r.p + RIG_TABLE);
	struct vring_desc *d = &self->r.desc[self->head];
	const int data = VIREO_QUEUE_MAX_SEGS - 2;
	struct rig *r = &self->r;

	for (int extra = 0; extra < 2; extra++) {
		int n = data + extra;

		table[0] = d[0];
		table[0].next = 1;
		for (int i = 1; i <= n; i++) {
			table[i] = d[1];
			table[i].addr = RIG_GPA + RIG_DATA + i * PAGE;
			table[i].len = 512;
			table[i].next = i + 1;
		}
		table[n + 1] = d[2];
		rig_set_desc(r, 50, RIG_TABLE, (n + 2) * 16,
			     VRING_DESC_F_INDIRECT, 0);
		r->avail->ring[0] = 50;
		EXPECT_EQ(fault_of(r, on),
			  extra ? VIREO_QUEUE_BAD_CHAIN : VIREO_QUEUE_OK);
	}
}

/* ---- packed rings ------------------------------------------------------------ */

/* Of three descriptors, in a ring with nothing else. */
static void pack(struct rig *r)
{
	memset(r->p + RIG_DESC, 0, 3 * PAGE);
	rig_pack(r);
	r->next_desc = 0;
	rig_put(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, PAGE);
}

static uint32_t packed_fault_of(struct rig *r, uint64_t features)
{
	struct vireo_queue_add add = queue_template(r);
	struct vireo_queue_del del = {};
	struct vireo_queue_state state = {};

	add.features |= features;
	add.next_avail = add.next_used = 0x8000;
	if (rig_add(r, &add))
		return 1000;
	for (int i = 0; i < 500; i++) {
		state = rig_state(r);
		if (state.fault || rig_given(r))
			break;
		usleep(10000);
	}
	if (state.fault && !eventfd_take(r->event))
		return 1001;
	if (rig_del(r, &del))
		return 1002;
	return state.fault;
}

TEST_F(hostile, packed)
{
	const uint64_t indirect = FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	struct rig *r = &self->r;
	struct vring_packed_desc *d = (void *)(r->p + RIG_DESC);

#define SPOILT(fault, features, change)                                      \
	({                                                                   \
		pack(r);                                                     \
		change;                                                      \
		EXPECT_EQ(packed_fault_of(r, features), fault) TH_LOG(#change); \
	})
	SPOILT(VIREO_QUEUE_BAD_LEN, 0, d[1].len = -1U);
	SPOILT(VIREO_QUEUE_BAD_CHAIN, 0, d[2].flags &= ~VRING_DESC_F_WRITE);
	SPOILT(VIREO_QUEUE_BAD_CHAIN, 0,
	       ({ for (int i = 1; i < RIG_NUM; i++) {
			d[i].flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE;
			d[i].len = i % 2;
			d[i].addr = RIG_GPA;
		} }));
	SPOILT(VIREO_QUEUE_BAD_ADDR, 0, d[1].addr = RIG_GPA + RIG_BYTES);
	SPOILT(VIREO_QUEUE_BAD_ADDR, 0, d[2].addr = -1ULL);
	SPOILT(VIREO_QUEUE_BAD_REQUEST, 0, d[0].len = 15);
	SPOILT(VIREO_QUEUE_BAD_INDIRECT, 0, d[0].flags ^= 5);
	SPOILT(VIREO_QUEUE_BAD_INDIRECT, indirect,
	       d[1].flags |= VRING_DESC_F_INDIRECT);
	SPOILT(VIREO_QUEUE_BAD_INDIRECT, indirect,
	       d[0].flags |= VRING_DESC_F_INDIRECT);
	SPOILT(VIREO_QUEUE_BAD_INDIRECT, indirect,
	       (d[0].flags ^= 5, d[0].len = 17));
	SPOILT(VIREO_QUEUE_BAD_ADDR, indirect,
	       (d[0].flags ^= 5, d[0].addr = 8));
	/* What it says of itself when it is given back is its own affair. */
	SPOILT(VIREO_QUEUE_OK, 0, (d[0].id = 4000, d[1].id = 4000));
}

/* Everything in the ring changes while it is being served. */
static void *scribble(void *arg)
{
	struct rig *r = arg;
	uint32_t seed = 1;

	/* A packed ring's flags are in there, too. */
	while (!__atomic_load_n(&r->seen, __ATOMIC_RELAXED)) {
		uint32_t at;

		seed = seed * 1664525 + 1013904223;
		at = seed >> 8;
		if (at % 3)
			r->p[RIG_DESC + at % (16 * RIG_NUM)] ^= 1 << (at >> 20 & 7);
		else
			r->p[RIG_REQ + at % 2048] ^= 1 << (at >> 20 & 7);
		if (at % 64 == 0)
			__atomic_add_fetch(&r->avail->idx, 1, __ATOMIC_SEQ_CST);
		if (at % 1024 == 0)
			r->avail->ring[at >> 10 & 63] = at >> 3;
	}
	return NULL;
}

TEST_F(hostile, changes_all_the_while)
{
	struct rig *r = &self->r;
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, scribble, r), 0);
	for (int i = 0; i < 100; i++) {
		struct vireo_queue_add add = queue_template(r);
		struct vireo_queue_del del = {};

		for (int h = 0; h < 60; h += 3) {
			r->next_desc = h;
			rig_put(r, h % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT,
				h * 8, RIG_DATA + h * PAGE, 2 * PAGE);
		}
		add.features |= FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
		add.next_avail = r->avail->idx - 20;
		EXPECT_EQ(rig_add(r, &add), 0);
		for (int k = 0; k < 20; k++)
			rig_kick(r);
		EXPECT_EQ(rig_del(r, &del), 0);
	}
	__atomic_store_n(&r->seen, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

TEST_F(hostile, packed_changes_all_the_while)
{
	struct rig *r = &self->r;
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, scribble, r), 0);
	for (int i = 0; i < 100; i++) {
		struct vireo_queue_add add;
		struct vireo_queue_del del = {};

		rig_pack(r);
		for (int h = 0; h < 60; h += 3) {
			r->next_desc = h;
			rig_put(r, h % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT,
				h * 8, RIG_DATA + h * PAGE, 2 * PAGE);
		}
		r->add = r->look = 0x8000;
		add = queue_template(r);
		add.features |= FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
				FEATURE(VIRTIO_RING_F_EVENT_IDX);
		EXPECT_EQ(rig_add(r, &add), 0);
		for (int k = 0; k < 20; k++)
			rig_kick(r);
		EXPECT_EQ(rig_del(r, &del), 0);
		EXPECT_LT(del.next_avail & 0x7fff, RIG_NUM);
		EXPECT_LT(del.next_used & 0x7fff, RIG_NUM);
	}
	__atomic_store_n(&r->seen, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

TEST_HARNESS_MAIN
