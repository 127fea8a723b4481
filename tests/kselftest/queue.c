// SPDX-License-Identifier: GPL-2.0
/* Block queues: what the ioctls take and refuse, and requests of all types. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "ring.h"

FIXTURE(queue)
{
	struct rig r;
	int fd;
};

FIXTURE_SETUP(queue)
{
	self->fd = ram_open();
	if (self->fd < 0)
		SKIP_SETUP("no RAM disk");
	ASSERT_EQ(rig_open(&self->r), 0);
	ASSERT_EQ(rig_disk(&self->r, self->fd, RIG_DISK, 0), 0);
}

FIXTURE_TEARDOWN(queue)
{
	rig_close(&self->r);
	close(self->fd);
}

/* ---- ioctls ---------------------------------------------------------------- */

TEST_F(queue, capability)
{
	struct vireo_info info = { .size = sizeof(info) };

	ASSERT_EQ(ioctl(self->r.dev, VIREO_INFO, &info), 0);
	EXPECT_TRUE(info.caps & VIREO_CAP_QUEUE_BLK);
	EXPECT_EQ(!!(info.caps & VIREO_CAP_QUEUE_BELL),
		  info.exit_path == VIREO_EXIT_PATH_BUS);
	EXPECT_TRUE(info.queue_features & FEATURE(VIRTIO_F_VERSION_1));
	EXPECT_TRUE(info.queue_features & FEATURE(VIRTIO_BLK_F_FLUSH));
}

static int create(struct rig *r, struct vireo_disk_create *d)
{
	int fd = IOCTL(r->dev, VIREO_DISK_CREATE, d);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

TEST_F(queue, disk_create_refuses)
{
	const struct vireo_disk_create good = disk_template(self->fd, RIG_DISK);
	struct vireo_disk_create d;
	int mem, fd;

#define REFUSED(err, change)                                       \
	({                                                         \
		d = good;                                          \
		change;                                            \
		EXPECT_EQ(create(&self->r, &d), err) TH_LOG(#change); \
	})
	REFUSED(0, d.flags = VIREO_DISK_READONLY | VIREO_DISK_WRITETHROUGH);
	REFUSED(-EINVAL, d.flags = 4);
	REFUSED(-EINVAL, d.size = sizeof(d) - 1);
	REFUSED(-EBADF, d.fd = -1);
	REFUSED(-EINVAL, d.block_size = 256);
	REFUSED(-EINVAL, d.block_size = 8192);
	REFUSED(-EINVAL, d.block_size = 513);
	REFUSED(-EINVAL, d.bytes++);
	REFUSED(-EINVAL, d.bytes += 512);
	REFUSED(-EINVAL, d.reserved = 1);
	mem = memfd_create("plain", 0);
	REFUSED(-EOPNOTSUPP, (d.fd = mem, d.bytes = 0));
	close(mem);
	fd = open("/dev/ram0", O_RDONLY | O_DIRECT);
	REFUSED(-EACCES, d.fd = fd);
	REFUSED(0, (d.fd = fd, d.flags = VIREO_DISK_READONLY));
	close(fd);
	REFUSED(-EOPNOTSUPP, d.fd = self->r.kick);
}

TEST_F(queue, disk_set)
{
	struct vireo_disk_set set = {
		.size = sizeof(set), .flags = VIREO_DISK_SET_BYTES,
		.bytes = 1024,
	};
	struct vireo_queue_add add = queue_template(&self->r);
	struct rig *r = &self->r;

	ASSERT_EQ(rig_add(r, &add), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 2, RIG_DATA, 512), 0);
	EXPECT_EQ(IOCTL(r->disk, VIREO_DISK_SET, &set), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 1, RIG_DATA, 512), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 2, RIG_DATA, 512), 1);
	set.bytes = RIG_DISK + 512;
	EXPECT_EQ(IOCTL(r->disk, VIREO_DISK_SET, &set), -EINVAL);
	set.bytes = 100;
	EXPECT_EQ(IOCTL(r->disk, VIREO_DISK_SET, &set), -EINVAL);
	set.flags = 4;
	EXPECT_EQ(IOCTL(r->disk, VIREO_DISK_SET, &set), -EINVAL);
	set.flags = VIREO_DISK_SET_LIMITS;
	EXPECT_EQ(IOCTL(r->disk, VIREO_DISK_SET, &set), 0);
}

static int add_del(struct rig *r, struct vireo_queue_add *add)
{
	struct vireo_queue_del del = {};
	int ret = rig_add(r, add);

	return ret ? ret : rig_del(r, &del);
}

#undef REFUSED
#define REFUSED(err, change)                                           \
	({                                                             \
		a = good;                                              \
		change;                                                \
		EXPECT_EQ(add_del(&self->r, &a), err) TH_LOG(#change); \
	})

TEST_F(queue, add_refuses)
{
	const struct vireo_queue_add good = queue_template(&self->r);
	struct vireo_queue_add a;

	REFUSED(0, a.index = 3);
	REFUSED(0, (a.kick_fd = -1, a.event_fd = -1));
	REFUSED(-EINVAL, a.size = sizeof(a) - 1);
	REFUSED(-EINVAL, a.flags = 8);
	REFUSED(-EINVAL, a.reserved = 1);
	REFUSED(-EBADF, a.disk_fd = -1);
	REFUSED(-EINVAL, a.disk_fd = self->r.mem);
	REFUSED(-EINVAL, a.num = 0);
	REFUSED(-EINVAL, a.num = 3);
	REFUSED(-EINVAL, a.num = 2048);
	REFUSED(-EINVAL, a.features &= ~FEATURE(VIRTIO_F_VERSION_1));
	REFUSED(-EOPNOTSUPP, a.features |= FEATURE(VIRTIO_F_ACCESS_PLATFORM));
#define REFUSED_PACKED(err, change)                                         \
	REFUSED(err, (a.features |= FEATURE(VIRTIO_F_RING_PACKED), change))
	REFUSED_PACKED(0, a.next_used = 63);
	REFUSED_PACKED(0, a.num = 63);
	REFUSED_PACKED(0, a.avail += 4);
	REFUSED_PACKED(-EINVAL, a.num = 1025);
	REFUSED_PACKED(-EINVAL, a.next_avail = 64);
	REFUSED_PACKED(-EINVAL, a.next_used = 0x8000 | 64);
	REFUSED_PACKED(-EINVAL, a.avail += 2);
	REFUSED_PACKED(-EINVAL, a.used += 2);
	REFUSED_PACKED(-EOPNOTSUPP, a.flags = VIREO_QUEUE_HOLD_ERRORS);
	REFUSED_PACKED(-EOPNOTSUPP, (a.nr_held = 1, a.held = 8));
	REFUSED(-EINVAL, a.desc += 8);
	REFUSED(-EINVAL, a.avail++);
	REFUSED(-EINVAL, a.used += 2);
	REFUSED(-EFAULT, a.desc = RIG_GPA - 4096);
	REFUSED(-EFAULT, a.desc = RIG_GPA + RIG_BYTES - 512);
	REFUSED(-EFAULT, a.avail = 0);
	REFUSED(-EFAULT, a.used = -4096ULL);
	REFUSED(-EFAULT, a.used = -4ULL);
	REFUSED(-EBADF, a.call_fd = -1);
	REFUSED(-EBADF, a.call_fd = self->r.mem);
	REFUSED(-EBADF, a.kick_fd = self->r.mem);
	REFUSED(-EBADF, a.event_fd = self->r.mem);
	REFUSED(-EINVAL, a.name[0] = 0);
	REFUSED(-EINVAL, a.name[0] = ' ');
	REFUSED(-EINVAL, a.nr_held = 65);
	REFUSED(-EFAULT, (a.nr_held = 1, a.held = 8));
	REFUSED(-EINVAL, a.bell_len = 2);
	REFUSED(-EINVAL, a.bell_match = 2);
	REFUSED(-EINVAL, a.flags = VIREO_QUEUE_BELL_MATCH);
	REFUSED(-EINVAL, a.flags = VIREO_QUEUE_DOORBELL);
	REFUSED(-EINVAL, (a.flags = VIREO_QUEUE_DOORBELL, a.bell_len = 9));
	REFUSED(-EINVAL, (a.flags = VIREO_QUEUE_DOORBELL, a.bell_len = 2,
			  a.bell_bus = 2));
	REFUSED(-EINVAL, (a.flags = VIREO_QUEUE_DOORBELL, a.bell_len = 2,
			  a.bell_addr = 0xffff));
	if (exit_path(self->r.dev) != VIREO_EXIT_PATH_BUS)
		REFUSED(-EOPNOTSUPP, (a.flags = VIREO_QUEUE_DOORBELL,
				      a.bell_len = 2));
}

TEST_F(queue, bells_overlap)
{
	struct vireo_rule rule = { .type = VIREO_RULE_CONST, .len = 4 };
	struct vireo_io_add io = io_template(VIREO_BUS_PIO, 0x602, 4, &rule, 1);
	struct vireo_queue_add a = queue_template(&self->r);
	struct rig *r = &self->r;
	uint32_t id;

	if (exit_path(r->dev) != VIREO_EXIT_PATH_BUS)
		SKIP(return, "no doorbells on this exit path");
	a.flags = VIREO_QUEUE_DOORBELL | VIREO_QUEUE_BELL_MATCH;
	a.bell_len = 4;
	a.bell_addr = 0x600;
	a.bell_match = 1;
	a.kick_fd = -1;
	ASSERT_EQ(rig_add(r, &a), 0);
	id = a.id;
	EXPECT_EQ(rig_add(r, &a), -EEXIST);
	EXPECT_EQ(io_add(r->vm, &io), -EEXIST);
	a.bell_match = 2;
	EXPECT_EQ(rig_add(r, &a), 0);
	EXPECT_NE(a.id, id);
	a.flags = VIREO_QUEUE_DOORBELL;
	a.bell_match = 0;
	EXPECT_EQ(rig_add(r, &a), -EEXIST);
	a.bell_addr = 0x604;
	EXPECT_EQ(rig_add(r, &a), 0);
	io.addr = 0x610;
	EXPECT_GE(io_add(r->vm, &io), 0);
	a.bell_addr = 0x612;
	EXPECT_EQ(rig_add(r, &a), -EEXIST);
	a.bell_bus = VIREO_BUS_MMIO;
	EXPECT_EQ(rig_add(r, &a), 0);
}

TEST_F(queue, del_and_state)
{
	struct vireo_queue_add add = queue_template(&self->r);
	struct vireo_queue_state state = { .size = sizeof(state) };
	struct vireo_queue_del del = {};
	struct rig *r = &self->r;

	add.next_avail = 0xfffe;
	add.next_used = 0xfffd;
	r->avail->idx = r->next_avail = 0xfffe;
	r->used->idx = r->seen = 0xfffd;
	r->id = 0;
	EXPECT_EQ(rig_del(r, &del), -ENOENT);
	EXPECT_EQ(IOCTL(r->vm, VIREO_QUEUE_STATE, &state), -ENOENT);
	ASSERT_EQ(rig_add(r, &add), 0);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 512), 0);
	state = rig_state(r);
	EXPECT_EQ(state.size, sizeof(state));
	EXPECT_EQ(state.fault, VIREO_QUEUE_OK);
	EXPECT_EQ(state.errors, 0);
	EXPECT_EQ(state.in_flight, 0);
	del.flags = 1;
	EXPECT_EQ(rig_del(r, &del), -EINVAL);
	del.flags = 0;
	ASSERT_EQ(rig_del(r, &del), 0);
	EXPECT_EQ(del.next_avail, 2);
	EXPECT_EQ(del.next_used, 1);
	EXPECT_EQ(del.nr_held, 0);
	EXPECT_EQ(rig_del(r, &del), -ENOENT);
}

TEST_F(queue, too_many)
{
	struct vireo_queue_add add = queue_template(&self->r);
	int i, ret = 0;

	add.kick_fd = add.event_fd = -1;
	for (i = 0; !ret && i <= VIREO_MAX_QUEUES; i++)
		ret = rig_add(&self->r, &add);
	EXPECT_EQ(ret, -ENOSPC);
	EXPECT_EQ(i, VIREO_MAX_QUEUES + 1);
}

/* ---- requests -------------------------------------------------------------- */

FIXTURE(request)
{
	struct rig r;
	int fd;
};

FIXTURE_VARIANT(request)
{
	uint64_t features;
	bool packed;
};

FIXTURE_VARIANT_ADD(request, plain) {};
FIXTURE_VARIANT_ADD(request, event_idx) {
	.features = FEATURE(VIRTIO_RING_F_EVENT_IDX),
};
FIXTURE_VARIANT_ADD(request, indirect) {
	.features = FEATURE(VIRTIO_RING_F_INDIRECT_DESC),
};
FIXTURE_VARIANT_ADD(request, packed) {
	.packed = true,
};
FIXTURE_VARIANT_ADD(request, packed_event_idx_indirect) {
	.features = FEATURE(VIRTIO_RING_F_EVENT_IDX) |
		    FEATURE(VIRTIO_RING_F_INDIRECT_DESC),
	.packed = true,
};

FIXTURE_SETUP(request)
{
	struct vireo_queue_add add;

	self->fd = ram_open();
	if (self->fd < 0)
		SKIP_SETUP("no RAM disk");
	ASSERT_EQ(rig_open(&self->r), 0);
	ASSERT_EQ(rig_disk(&self->r, self->fd, RIG_DISK, 0), 0);
	if (variant->packed)
		rig_pack(&self->r);
	add = queue_template(&self->r);
	add.features |= variant->features;
	ASSERT_EQ(rig_add(&self->r, &add), 0);
}

FIXTURE_TEARDOWN(request)
{
	rig_close(&self->r);
	close(self->fd);
}

/* What the disk has, by another way: a page from a sector on. */
static uint8_t *on_disk(int fd, uint64_t sector)
{
	static uint8_t page[PAGE] __attribute__((aligned(4096)));

	memset(page, 0x77, sizeof(page));
	return pread(fd, page, PAGE, sector * 512) == PAGE ? page : NULL;
}

TEST_F(request, write_and_read)
{
	struct rig *r = &self->r;

	for (int i = 0; i < 100; i++) {
		page_fill(r->p + RIG_DATA, i, 1);
		ASSERT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, i * 8, RIG_DATA, PAGE),
			  0);
		ASSERT_TRUE(page_is(on_disk(self->fd, i * 8), i, 1));
	}
	for (int i = 0; i < 100; i++) {
		memset(r->p + RIG_DATA, 0, PAGE);
		ASSERT_EQ(rig_do(r, VIRTIO_BLK_T_IN, i * 8, RIG_DATA, PAGE), 0);
		ASSERT_TRUE(page_is(r->p + RIG_DATA, i, 1));
		ASSERT_EQ(r->last_len, PAGE + 1);
	}
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
}

TEST_F(request, many_at_once)
{
	struct rig *r = &self->r;
	uint16_t head[16];

	for (int i = 0; i < 16; i++) {
		page_fill(r->p + RIG_DATA + i * PAGE, i, 2);
		head[i] = rig_put(r, VIRTIO_BLK_T_OUT, 8000 + i * 8,
				  RIG_DATA + i * PAGE, PAGE);
	}
	rig_kick(r);
	ASSERT_TRUE(rig_wait(r, 16));
	for (int i = 0; i < 16; i++) {
		EXPECT_EQ(rig_req(r, head[i])->status, 0);
		EXPECT_TRUE(page_is(on_disk(self->fd, 8000 + i * 8), i, 2));
	}
}

/* Of more than is done at once, and not aligned in memory. */
TEST_F(request, large_and_odd)
{
	struct rig *r = &self->r;
	const uint32_t len = 4U << 20;

	for (uint32_t i = 0; i < len / PAGE; i++)
		page_fill(r->p + RIG_DATA + i * PAGE, i, 3);
	ASSERT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, 16, RIG_DATA, len), 0);
	for (uint32_t i = 0; i < len / PAGE; i++)
		ASSERT_TRUE(page_is(on_disk(self->fd, 16 + i * 8), i, 3));
	memset(r->p + RIG_DATA, 0, len);
	ASSERT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 16, RIG_DATA, len), 0);
	for (uint32_t i = 0; i < len / PAGE; i++)
		ASSERT_TRUE(page_is(r->p + RIG_DATA + i * PAGE, i, 3));

	for (uint32_t off = 1; off < 5000; off += 1237) {
		memset(r->p + RIG_DATA, 0xee, 6 * PAGE);
		ASSERT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 24, RIG_DATA + off,
				 2 * PAGE), 0);
		ASSERT_EQ(r->p[RIG_DATA + off - 1], 0xee);
		ASSERT_EQ(r->p[RIG_DATA + off + 2 * PAGE], 0xee);
		ASSERT_EQ(memcmp(r->p + RIG_DATA + off, on_disk(self->fd, 24),
				 PAGE), 0);
		ASSERT_EQ(memcmp(r->p + RIG_DATA + off + PAGE,
				 on_disk(self->fd, 32), PAGE), 0);
		ASSERT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, 9000, RIG_DATA + off,
				 2 * PAGE), 0);
		ASSERT_EQ(memcmp(r->p + RIG_DATA + off, on_disk(self->fd, 9000),
				 PAGE), 0);
	}
	/* Over the end of the large one. */
	memset(r->p + RIG_DATA, 0xee, len);
	ASSERT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 16, RIG_DATA + 512 + 3, len - 512),
		  0);
	for (uint32_t i = 0; i < len / PAGE - 1; i++)
		ASSERT_TRUE(page_is(memcpy(r->p + 0x40000,
					   r->p + RIG_DATA + 515 + i * PAGE,
					   PAGE), i, 3));
}

TEST_F(request, discard_and_zero)
{
	struct rig *r = &self->r;
	uint16_t head;

	page_fill(r->p + RIG_DATA, 5, 5);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, 800 + i * 8, RIG_DATA,
				 PAGE), 0);
	head = rig_put_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 800, 8, 0);
	rig_kick(r);
	ASSERT_TRUE(rig_wait(r, 1));
	EXPECT_EQ(rig_req(r, head)->status, 0);
	EXPECT_TRUE(page_is_zero(on_disk(self->fd, 800)));
	EXPECT_TRUE(page_is(on_disk(self->fd, 808), 5, 5));

#define RANGE(is, type, ...)                                      \
	({                                                        \
		head = rig_put_range(r, type, __VA_ARGS__);       \
		rig_kick(r);                                      \
		ASSERT_TRUE(rig_wait(r, 1));                      \
		EXPECT_EQ(rig_req(r, head)->status, is);          \
	})
	RANGE(0, VIRTIO_BLK_T_WRITE_ZEROES, 808, 8, 1);
	EXPECT_TRUE(page_is_zero(on_disk(self->fd, 808)));
	RANGE(0, VIRTIO_BLK_T_DISCARD, 808, 8, 0);
	RANGE(2, VIRTIO_BLK_T_DISCARD, 808, 8, 1);
	RANGE(2, VIRTIO_BLK_T_WRITE_ZEROES, 808, 8, 2);
	RANGE(1, VIRTIO_BLK_T_WRITE_ZEROES, 808, 0, 0);
	RANGE(1, VIRTIO_BLK_T_WRITE_ZEROES, 808, VIREO_QUEUE_MAX_ZERO + 1, 0);
	RANGE(1, VIRTIO_BLK_T_DISCARD, 808, VIREO_QUEUE_MAX_DISCARD + 1, 0);
	RANGE(1, VIRTIO_BLK_T_DISCARD, -1ULL, 8, 0);
	RANGE(1, VIRTIO_BLK_T_DISCARD, RIG_DISK / 512 - 7, 8, 0);
}

TEST_F(request, id_and_others)
{
	struct rig *r = &self->r;
	const char *serial = "the serial number 20";

	memset(r->p + RIG_DATA, 0xee, 64);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_GET_ID, 0, RIG_DATA, 20), 0);
	EXPECT_EQ(memcmp(r->p + RIG_DATA, serial, 20), 0);
	EXPECT_EQ(r->p[RIG_DATA + 20], 0xee);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_GET_ID, 0, RIG_DATA + 32, 5), 0);
	EXPECT_EQ(memcmp(r->p + RIG_DATA + 32, serial, 5), 0);
	EXPECT_EQ(r->p[RIG_DATA + 37], 0xee);
	EXPECT_EQ(rig_do(r, 77, 0, RIG_DATA, 512), VIRTIO_BLK_S_UNSUPP);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, RIG_DISK / 512, RIG_DATA, 512), 1);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, RIG_DISK / 512 - 1, RIG_DATA,
			 1024), 1);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, -1ULL, RIG_DATA, 512), 1);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 1ULL << 55, RIG_DATA, 512), 1);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 511), 1);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 0), 0);
	EXPECT_EQ(rig_state(r).fault, VIREO_QUEUE_OK);
}

static void put_in_table(struct rig *r, int to, int from, uint16_t next)
{
	struct vring_desc *table = (void *)(r->p + RIG_TABLE);
	struct vring_packed_desc *packed = (void *)table;
	const struct vring_desc *d = &r->desc[from];

	if (r->is_packed) {
		packed[to] = (struct vring_packed_desc){
			.addr = d->addr, .len = d->len, .id = 777,
			.flags = d->flags,
		};
	} else {
		table[to] = *d;
		table[to].next = next;
	}
}

/* A table in memory, which a descriptor in the ring names. */
TEST_F(request, indirect_table)
{
	struct rig *r = &self->r;
	struct rig_req *req;
	uint16_t head;
	int nr = 3;

	head = rig_build(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, PAGE);
	req = rig_req(r, head);
	if (r->is_packed) {
		for (int i = 0; i < nr; i++)
			put_in_table(r, i, head + i, 0);
	} else {
		/* The request lies in the table, in another order. */
		nr = 5;
		put_in_table(r, 0, head, 1);
		put_in_table(r, 1, head + 1, 3);
		put_in_table(r, 3, head + 2, 0);
	}
	rig_set_desc(r, head, RIG_TABLE, nr * sizeof(struct vring_desc),
		     VRING_DESC_F_INDIRECT, 0);
	rig_offer(r, head);
	rig_kick(r);
	if (!(variant->features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC))) {
		EXPECT_FALSE(rig_wait(r, 1) && req->status == 0);
		return;
	}
	ASSERT_TRUE(rig_wait(r, 1));
	EXPECT_EQ(req->status, 0);
	EXPECT_EQ(r->last_len, PAGE + 1);
	/* The ring goes on behind it. */
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 512), 0);
}

/* No interrupt, or, with event indexes, one for the third from now. */
static void want_none(struct rig *r, bool event_idx)
{
	if (r->is_packed) {
		r->driver->off_wrap = rig_place(r->look, 6);
		r->driver->flags = event_idx ? VRING_PACKED_EVENT_FLAG_DESC :
					       VRING_PACKED_EVENT_FLAG_DISABLE;
	} else if (event_idx) {
		r->avail->ring[RIG_NUM] = r->used->idx + 2;
	} else {
		r->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	}
}

/* Whether the device wants to be notified of the next. */
static bool wants_next(struct rig *r, bool event_idx)
{
	uint32_t wish;

	if (r->is_packed) {
		wish = __atomic_load_n((uint32_t *)r->device, __ATOMIC_RELAXED);
		return event_idx ? wish == (VRING_PACKED_EVENT_FLAG_DESC << 16 |
					    r->add) :
				   wish >> 16 == VRING_PACKED_EVENT_FLAG_ENABLE;
	}
	wish = __atomic_load_n((uint16_t *)(r->used->ring + RIG_NUM),
			       __ATOMIC_RELAXED);
	return event_idx ? wish == r->next_avail : !r->used->flags;
}

/* The driver hears of nothing that it does not want to hear of. */
TEST_F(request, notifications)
{
	struct rig *r = &self->r;
	bool event_idx = variant->features & FEATURE(VIRTIO_RING_F_EVENT_IDX);
	uint16_t given;

	ASSERT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 512), 0);
	eventfd_take(r->call);
	want_none(r, event_idx);
	given = rig_given(r);
	rig_put(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 512);
	rig_kick(r);
	for (int i = 0; i < 1000 && rig_given(r) == given; i++)
		usleep(1000);
	ASSERT_EQ(rig_given(r), (uint16_t)(given + 1));
	r->seen++;
	usleep(50000);
	EXPECT_EQ(eventfd_take(r->call), 0);
	if (event_idx) {
		rig_put(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 512);
		rig_put(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 512);
		rig_kick(r);
		ASSERT_TRUE(rig_wait(r, 2));
	}
	/* It wants to be notified, once it has looked at all. */
	for (int i = 0; i < 1000; i++) {
		if (wants_next(r, event_idx))
			return;
		usleep(1000);
	}
	EXPECT_TRUE(false) TH_LOG("it wants no notification");
}

/* What is in a ring goes on elsewhere, over and over, at any place. */
TEST_F(request, goes_on)
{
	struct vireo_queue_add add = queue_template(&self->r);
	struct vireo_queue_del del = {};
	struct rig *r = &self->r;

	add.features |= variant->features;
	for (int i = 0; i < 70; i++) {
		for (int k = 0; k <= i % 5; k++)
			rig_put(r, VIRTIO_BLK_T_IN, k * 8, RIG_DATA, PAGE);
		rig_kick(r);
		if (i % 3 == 0)
			ASSERT_TRUE(rig_wait(r, 1 + i % 5));
		ASSERT_EQ(rig_del(r, &del), 0);
		if (i % 3 == 0)
			ASSERT_EQ(del.next_used, del.next_avail);
		add.next_avail = del.next_avail;
		add.next_used = del.next_used;
		ASSERT_EQ(rig_add(r, &add), 0);
		if (i % 3)
			ASSERT_TRUE(rig_wait(r, 1 + i % 5));
		ASSERT_EQ(rig_do(r, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	}
}

/* What the owner is told, while the queue is there and when it goes. */
TEST_F(request, counts)
{
	struct vireo_queue_count *c;
	struct vireo_queue_del del = {};
	struct vireo_queue_state state;
	struct rig *r = &self->r;

	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, 8, RIG_DATA, 4096), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 8, RIG_DATA, 1024), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 512), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, RIG_DISK / 512, RIG_DATA, 512), 1);
	state = rig_state(r);
	ASSERT_EQ(rig_del(r, &del), 0);
	EXPECT_EQ(memcmp(&state.counts, &del.counts, sizeof(del.counts)), 0);
	c = del.counts.kinds;
	EXPECT_EQ(c[VIREO_QUEUE_WRITE].ops, 1);
	EXPECT_EQ(c[VIREO_QUEUE_WRITE].bytes, 4096);
	EXPECT_GT(c[VIREO_QUEUE_WRITE].ns, 0);
	EXPECT_EQ(c[VIREO_QUEUE_READ].ops, 2);
	EXPECT_EQ(c[VIREO_QUEUE_READ].bytes, 1536);
	EXPECT_EQ(c[VIREO_QUEUE_READ].invalid, 1);
	EXPECT_EQ(c[VIREO_QUEUE_READ].failed, 0);
	EXPECT_EQ(c[VIREO_QUEUE_FLUSH].ops, 1);
	EXPECT_EQ(del.counts.highest, 16 * 512);
}

TEST_HARNESS_MAIN
