// SPDX-License-Identifier: GPL-2.0-or-later
/* virtio-blk and raw images. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <sys/stat.h>

#include "blk_rig.h"
#include "block/block.h"

#define HDR RIG_DATA
#define STATUS (RIG_DATA + 0x100)
#define BUF (RIG_DATA + 0x1000)

#define F(bit) (1ULL << VIRTIO_BLK_F_##bit)
#define ALL_FEATURES (F(FLUSH) | F(DISCARD) | F(WRITE_ZEROES))

static void start(struct fixture *f, uint64_t features)
{
	f->rig = rig_new(&virtio_blk_class, &f->disk);
	rig_drive(f->rig, features);
}

/* Adds a request; its status byte is not touched yet. */
static void add(struct fixture *f, uint32_t type, uint64_t sector, uint32_t len,
		bool write)
{
	const struct virtio_blk_outhdr hdr = { .type = type, .sector = sector };
	const struct rig_buf bufs[3] = {
		{ HDR, sizeof(hdr), false },
		{ BUF, len, write },
		{ STATUS, 1, true },
	};

	memcpy(rig_mem(f->rig, HDR, sizeof(hdr)), &hdr, sizeof(hdr));
	*(uint8_t *)rig_mem(f->rig, STATUS, 1) = UNTOUCHED;
	if (len)
		rig_add(f->rig, 0, bufs, 3);
	else
		rig_add(f->rig, 0, (const struct rig_buf[]){ bufs[0], bufs[2] },
			2);
}

/* Waits until @n requests have come back. */
static void finish(struct fixture *f, unsigned int n,
		   struct vring_used_elem *last)
{
	unsigned int tries = 0, used = 0;

	while ((used += rig_used(f->rig, 0, last)) < n && tries++ < 1000)
		rig_run(f->rig);
	assert_int_equal(used, n);
}

/* The status of a request, and how much of its buffers was filled. */
static uint8_t request(struct fixture *f, uint32_t type, uint64_t sector,
		       uint32_t len, bool write, uint32_t *used_len)
{
	struct vring_used_elem elem = { 0 };

	add(f, type, sector, len, write);
	rig_kick(f->rig, 0);
	finish(f, 1, &elem);
	if (used_len)
		*used_len = elem.len;
	return *(uint8_t *)rig_mem(f->rig, STATUS, 1);
}

static uint64_t config(struct fixture *f, unsigned int off, unsigned int size)
{
	return rig_read(f->rig, VIRTIO_PCI_DEVICE + off, size);
}

#define CONFIG(f, field)                                     \
	config(f, offsetof(struct virtio_blk_config, field), \
	       sizeof(((struct virtio_blk_config *)0)->field))

static void test_config(void **state)
{
	struct fixture *f = *state;

	start(f, ALL_FEATURES);
	assert_int_equal(CONFIG(f, capacity), SECTORS);
	assert_int_equal(CONFIG(f, seg_max), 126);
	assert_int_equal(CONFIG(f, blk_size), 512);
	assert_int_equal(CONFIG(f, max_discard_seg), 1);
	assert_int_equal(CONFIG(f, write_zeroes_may_unmap), 1);
}

static void test_read(void **state)
{
	struct fixture *f = *state;
	uint8_t *buf;
	uint32_t len;
	unsigned int i;

	start(f, F(FLUSH));
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 5, 1024, true, &len), 0);
	assert_int_equal(len, 1025);
	buf = rig_mem(f->rig, BUF, 1024);
	for (i = 0; i < 1024; i++)
		assert_int_equal(buf[i], pattern(5 + i / 512, i % 512));
	assert_int_equal(f->rig->msis[0], 1);
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	uint8_t out[512], back[1536];
	unsigned int i;
	uint32_t len;

	start(f, F(FLUSH));
	for (i = 0; i < 512; i++)
		out[i] = (uint8_t)(i ^ 0x5a);
	memcpy(rig_mem(f->rig, BUF, 512), out, 512);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 10, 512, false, &len), 0);
	assert_int_equal(len, 1);
	assert_int_equal(pread(f->fd, back, sizeof(back), 9 * 512), 1536);
	assert_memory_equal(back + 512, out, 512);
	assert_int_equal(back[511], pattern(9, 511));
	assert_int_equal(back[1024], pattern(11, 0));
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), 0);

	/* Without FLUSH the same, by synchronous writes. */
	rig_drive(f->rig, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 63, 512, false, NULL), 0);
	assert_int_equal(pread(f->fd, back, 512, 63 * 512), 512);
	assert_memory_equal(back, out, 512);
}

/* Header and status need not have descriptors of their own (2.7.4). */
static void test_layout(void **state)
{
	struct fixture *f = *state;
	const struct virtio_blk_outhdr hdr = { VIRTIO_BLK_T_IN, 0, 1 };
	const struct rig_buf bufs[] = {
		{ HDR, 3, false },
		{ HDR + 3, 13, false },
		{ BUF, 100, true },
		{ BUF + 4096, 413, true },
	};
	struct vring_used_elem elem = { 0 };
	uint8_t *a, *b;
	unsigned int i;

	start(f, 0);
	memcpy(rig_mem(f->rig, HDR, sizeof(hdr)), &hdr, sizeof(hdr));
	a = rig_mem(f->rig, BUF, 100);
	b = rig_mem(f->rig, BUF + 4096, 413);
	b[412] = UNTOUCHED;
	rig_add(f->rig, 0, bufs, 4);
	rig_kick(f->rig, 0);
	finish(f, 1, &elem);
	assert_int_equal(elem.len, 513);
	assert_int_equal(b[412], VIRTIO_BLK_S_OK);
	for (i = 0; i < 512; i++)
		assert_int_equal(i < 100 ? a[i] : b[i - 100], pattern(1, i));
}

static void test_bounds(void **state)
{
	struct fixture *f = *state;
	const struct {
		uint64_t sector;
		uint32_t len;
		uint8_t status;
	} tries[] = {
		{ SECTORS - 1, 512, VIRTIO_BLK_S_OK },
		{ SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR },
		{ SECTORS, 512, VIRTIO_BLK_S_IOERR },
		{ UINT64_MAX, 512, VIRTIO_BLK_S_IOERR },
		{ UINT64_MAX / 512, 512, VIRTIO_BLK_S_IOERR },
		{ 1ULL << 55, 512, VIRTIO_BLK_S_IOERR },
		{ 0, 511, VIRTIO_BLK_S_IOERR },
		{ 0, 513, VIRTIO_BLK_S_IOERR },
	};
	struct stat st;
	unsigned int i;
	uint32_t len;

	start(f, 0);
	for (i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		assert_int_equal(request(f, VIRTIO_BLK_T_IN, tries[i].sector,
					 tries[i].len, true, &len),
				 tries[i].status);
		assert_int_equal(len, tries[i].status ? 0 : tries[i].len + 1);
		assert_int_equal(request(f, VIRTIO_BLK_T_OUT, tries[i].sector,
					 tries[i].len, false, NULL),
				 tries[i].status);
	}
	assert_int_equal(fstat(f->fd, &st), 0);
	assert_int_equal(st.st_size, SECTORS * 512);
}

static void test_get_id(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	f->disk.serial = (char *)"0123456789abcdefghijXYZ";
	start(f, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_GET_ID, 0, 20, true, &len), 0);
	assert_int_equal(len, 21);
	assert_memory_equal(rig_mem(f->rig, BUF, 20), "0123456789abcdefghij",
			    20);
	/* A larger buffer is filled as far as the name goes. */
	assert_int_equal(request(f, VIRTIO_BLK_T_GET_ID, 0, 64, true, &len), 0);
	assert_int_equal(len, 20);
	assert_int_equal(request(f, 99, 0, 512, true, &len),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, 16, false, &len),
			 VIRTIO_BLK_S_UNSUPP);
}

static uint8_t range_request(struct fixture *f, uint32_t type, uint64_t sector,
			     uint32_t sectors, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes range = {
		.sector = sector,
		.num_sectors = sectors,
		.flags = flags,
	};

	memcpy(rig_mem(f->rig, BUF, sizeof(range)), &range, sizeof(range));
	return request(f, type, 0, sizeof(range), false, NULL);
}

static void test_ranges(void **state)
{
	struct fixture *f = *state;
	const uint32_t zeroes = VIRTIO_BLK_T_WRITE_ZEROES;
	const uint32_t discard = VIRTIO_BLK_T_DISCARD;
	uint8_t back[SECTORS * 512];
	unsigned int i;

	start(f, ALL_FEATURES);
	assert_int_equal(range_request(f, zeroes, 8, 3, 0), 0);
	assert_int_equal(range_request(f, zeroes, 16, 16,
				       VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
			 0);
	assert_int_equal(range_request(f, discard, 40, 8, 0), 0);
	assert_int_equal(pread(f->fd, back, sizeof(back), 0), sizeof(back));
	for (i = 0; i < SECTORS; i++) {
		if (i >= 40 && i < 48)
			continue; /* undefined */
		assert_int_equal(back[i * 512 + 9],
				 (i >= 8 && i < 11) || (i >= 16 && i < 32) ?
					 0 :
					 pattern(i, 9));
	}

	assert_int_equal(range_request(f, zeroes, 0, 1, 2),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(range_request(f, discard, 0, 1, 1),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(range_request(f, discard, 0, 0, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(f, discard, 60, 5, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(f, zeroes, UINT64_MAX, 2, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(f, zeroes, 0, UINT32_MAX, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, discard, 0, 32, false, NULL),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(pread(f->fd, back, 512, 0), 512);
	assert_int_equal(back[9], pattern(0, 9));
}

static void test_readonly(void **state)
{
	struct fixture *f = *state;
	uint8_t back[512];

	f->disk.readonly = true;
	start(f, F(RO));
	assert_false(rig_read(f->rig, VIRTIO_PCI_COMMON_DF, 4) & F(DISCARD));
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 512, false, NULL),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 512, true, NULL), 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), 0);
	assert_int_equal(pread(f->fd, back, 512, 0), 512);
	assert_int_equal(back[1], pattern(0, 1));
}

/* The file was cut behind our back: an error, and the guest goes on. */
static void test_host_error(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	assert_int_equal(ftruncate(f->fd, 512), 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 3, 512, true, NULL),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 512, true, NULL), 0);
}

static void broken(struct fixture *f, const struct rig_buf *bufs,
		   unsigned int nr)
{
	unsigned int tries = 500;

	rig_drive(f->rig, 0);
	rig_add(f->rig, 0, bufs, nr);
	rig_kick(f->rig, 0);
	while (!(rig_status(f->rig) & VIRTIO_CONFIG_S_NEEDS_RESET) && tries--)
		rig_run(f->rig);
	assert_true(rig_status(f->rig) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(rig_used(f->rig, 0, NULL), 0);
}

/* Requests that cannot even be answered. */
static void test_malformed(void **state)
{
	struct fixture *f = *state;
	const struct rig_buf short_header[] = {
		{ HDR, 15, false },
		{ STATUS, 1, true },
	};
	const struct rig_buf no_status[] = {
		{ HDR, 16, false },
		{ BUF, 512, false },
	};
	const struct rig_buf empty_status[] = {
		{ HDR, 16, false },
		{ STATUS, 0, true },
	};

	start(f, 0);
	broken(f, short_header, 2);
	broken(f, no_status, 2);
	broken(f, empty_status, 2);
	rig_drive(f->rig, 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 512, true, NULL), 0);
}

/* One kick, many requests, and no more interrupts than these. */
static void test_batch(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	start(f, 0);
	for (i = 0; i < 5; i++)
		add(f, VIRTIO_BLK_T_IN, i, 512, true);
	rig_kick(f->rig, 0);
	finish(f, 5, NULL);
	assert_in_range(f->rig->msis[0], 1, 5);
}

static void expect_refused(const char *path, bool readonly, int rc,
			   const char *why)
{
	struct error err = { "" };
	const struct block_options opt = { .path = path, .readonly = readonly };
	struct block *block;

	assert_int_equal(block_open(&block, &opt, &err), rc);
	if (!strstr(err.text, why) || !strstr(err.text, path))
		fail_msg("not clear: %s", err.text);
}

static void test_open(void **state)
{
	struct fixture *f = *state;
	const struct block_options rw = { .path = f->path };
	const struct block_options ro = { .path = f->path, .readonly = true };
	struct block *a, *b;

	expect_refused("/nonexistent/disk", false, -ENOENT, "cannot open");
	expect_refused("/dev/null", false, -EINVAL, "neither a file nor");
	expect_refused("/tmp", true, -EINVAL, "neither a file nor");

	assert_int_equal(block_open(&a, &rw, NULL), 0);
	assert_int_equal(a->size, SECTORS * 512);
	expect_refused(f->path, false, -EBUSY, "in use");
	expect_refused(f->path, true, -EBUSY, "in use");
	block_close(a);

	assert_int_equal(block_open(&a, &ro, NULL), 0);
	assert_int_equal(block_open(&b, &ro, NULL), 0);
	expect_refused(f->path, false, -EBUSY, "in use");
	block_close(b);
	block_close(a);

	assert_int_equal(ftruncate(f->fd, 1000), 0);
	expect_refused(f->path, false, -EINVAL, "multiple of 512");
	assert_int_equal(ftruncate(f->fd, 0), 0);
	expect_refused(f->path, false, -EINVAL, "is empty");
}

static void test_realize_fails(void **state)
{
	struct error err = { "" };
	struct fixture *f = *state;

	f->disk.path = (char *)"/nonexistent/disk";
	assert_int_equal(rig_init(&f->rig, &virtio_blk_class, &f->disk, &err),
			 -ENOENT);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_config),	  TEST(test_read),
		TEST(test_write),	  TEST(test_layout),
		TEST(test_bounds),	  TEST(test_get_id),
		TEST(test_ranges),	  TEST(test_readonly),
		TEST(test_host_error),	  TEST(test_malformed),
		TEST(test_batch),	  TEST(test_open),
		TEST(test_realize_fails),
	};

	return cmocka_run_group_tests_name("blk", tests, NULL, NULL);
}
