// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * qcow2 images when the power is cut: of what was written since the last sync
 * any part may be on disk, in any order.  The system calls that write are
 * replaced here; they keep what a disk would have.
 *
 * What QEMU and we make of each other's images is for tests/img/run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cmocka_unit.h"
#include "block/block.h"
#include "block/qcow2_image.h"
#include "error.h"

#define SECTORS 512U /* of the disk */
#define SECTOR 512U
#define PENDING 4096

struct write {
	uint64_t offset;
	size_t len;
	uint8_t *data;
};

/* The image as programs see it is fd; the disk has durable. */
static struct power {
	bool on;
	int durable;
	uint64_t seed;
	const struct disk *disk;
	unsigned int nr;
	struct write pending[PENDING];
} power;

static void maybe_cut(void);

static void put_at(int fd, const void *buf, size_t len, uint64_t offset)
{
	struct iovec iov = { (void *)buf, len };

	assert_int_equal(pwritev2(fd, &iov, 1, (off_t)offset, 0), len);
}

static void remember(const void *buf, size_t len, uint64_t offset)
{
	struct write *w = &power.pending[power.nr];

	if (!power.on)
		return;
	assert_true(power.nr < PENDING);
	power.nr++;
	w->offset = offset;
	w->len = len;
	w->data = malloc(len);
	assert_non_null(w->data);
	memcpy(w->data, buf, len);
}

/* In place of libc's. */
ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	maybe_cut();
	remember(buf, len, (uint64_t)offset);
	put_at(fd, buf, len, (uint64_t)offset);
	return (ssize_t)len;
}

int fdatasync(int fd)
{
	unsigned int i;

	(void)fd;
	maybe_cut();
	for (i = 0; i < power.nr; i++) {
		put_at(power.durable, power.pending[i].data,
		       power.pending[i].len, power.pending[i].offset);
		free(power.pending[i].data);
	}
	power.nr = 0;
	return 0;
}

static uint32_t rnd(uint64_t *seed, uint32_t n)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((*seed >> 33) % n);
}

static void copy_file(int to, int from)
{
	off_t size = lseek(from, 0, SEEK_END);
	uint8_t *buf = malloc((size_t)size);

	assert_non_null(buf);
	assert_int_equal(pread(from, buf, (size_t)size, 0), size);
	assert_int_equal(ftruncate(to, 0), 0);
	put_at(to, buf, (size_t)size, 0);
	free(buf);
}

/* What is on disk if the power goes now, and some of the rest made it. */
static int cut(void)
{
	int fd = memfd_create("cut", MFD_CLOEXEC);
	unsigned int i;

	assert_true(fd >= 0);
	copy_file(fd, power.durable);
	for (i = 0; i < power.nr; i++)
		if (rnd(&power.seed, 2))
			put_at(fd, power.pending[i].data, power.pending[i].len,
			       power.pending[i].offset);
	return fd;
}

/* ---- a disk under way, without blocks and loops ------------------------------ */

struct disk {
	struct qcow2 *q;
	bool may[SECTORS][256]; /* values that a sector may have */
	uint8_t now[SECTORS];
};

static uint8_t value_at(struct qcow2 *q, uint32_t sector)
{
	struct qcow2_extent e;
	uint8_t byte = 0;

	assert_int_equal(qcow2_lookup(q, sector * SECTOR, SECTOR, &e), 0);
	if (e.kind == QCOW2_DATA)
		assert_int_equal(qcow2_pread(q, &byte, 1, e.host), 0);
	return byte;
}

/* As qcow2_write.c does it. */
static void write_sectors(struct disk *d, uint32_t first, uint32_t n,
			  uint8_t value)
{
	struct qcow2 *q = d->q;
	uint64_t offset = first * SECTOR, end = offset + n * SECTOR, in, i;
	struct qcow2_place place;
	uint8_t *buf;

	for (i = 0; i < n; i++)
		d->may[first + i][value] = true;
	for (; offset < end; offset += place.len) {
		assert_int_equal(qcow2_place(q, offset, end - offset, &place),
				 0);
		in = place.in_place ? 0 : offset % q->cluster_size;
		i = place.in_place ?
			    place.len :
			    (uint64_t)place.clusters << q->cluster_bits;
		buf = malloc(i);
		assert_non_null(buf);
		/* What is around it in its clusters. */
		for (; i; i -= SECTOR)
			memset(buf + i - SECTOR,
			       d->now[(offset - in + i) / SECTOR - 1], SECTOR);
		memset(buf + in, value, place.len);
		assert_int_equal(qcow2_pwrite(q, buf,
					      place.in_place ?
						      place.len :
						      (uint64_t)place.clusters
							      << q->cluster_bits,
					      place.host - in),
				 0);
		free(buf);
		if (!place.in_place)
			assert_int_equal(qcow2_link(q, &place), 0);
	}
	for (; n; n--, first++)
		d->now[first] = value;
}

static void clear_clusters(struct disk *d, uint32_t sector)
{
	uint32_t per = d->q->cluster_size / SECTOR, i;
	uint64_t done;

	sector -= sector % per;
	assert_int_equal(qcow2_clear(d->q, sector / per, 1, QCOW2_ZERO_FREE,
				     &done),
			 0);
	for (i = sector; i < sector + per && i < SECTORS; i++) {
		d->now[i] = 0;
		d->may[i][0] = true;
	}
}

static void flush(struct disk *d)
{
	uint32_t i;

	assert_int_equal(qcow2_flush(d->q), 0);
	memset(d->may, 0, sizeof(d->may));
	for (i = 0; i < SECTORS; i++)
		d->may[i][d->now[i]] = true;
}

/* No corruption, and each sector as it was flushed, or as written since. */
static void look(const struct disk *d, int fd)
{
	struct qcow2_check check = { 0 };
	struct error err = { "" };
	struct qcow2 *q;
	uint32_t i;

	if (qcow2_open(&q, fd, "cut", d->q->lazy ? 0 : QCOW2_READONLY, &err))
		fail_msg("%s", err.text);
	assert_int_equal(qcow2_check(q, QCOW2_NO_REPAIR, &check, &err), 0);
	assert_int_equal(check.corruptions, 0);
	assert_int_equal(check.errors, 0);
	for (i = 0; i < SECTORS; i++)
		if (!d->may[i][value_at(q, i)])
			fail_msg("sector %u is %u", i, value_at(q, i));
	assert_int_equal(qcow2_close(q), 0);
}

/* At any write, also in the midst of a flush. */
static void maybe_cut(void)
{
	int lost;

	if (!power.on || rnd(&power.seed, 4))
		return;
	power.on = false;
	lost = cut();
	look(power.disk, lost);
	close(lost);
	power.on = true;
}

static void cut_power(const struct qcow2_create *how, uint64_t seed)
{
	struct disk *d = calloc(1, sizeof(*d));
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct error err = { "" };
	unsigned int i;

	assert_non_null(d);
	assert_true(fd >= 0);
	power.durable = memfd_create("durable", MFD_CLOEXEC);
	if (qcow2_create(fd, how, &err) ||
	    qcow2_open(&d->q, fd, "image", 0, &err))
		fail_msg("%s", err.text);
	copy_file(power.durable, fd);
	power.disk = d;
	power.seed = seed;
	flush(d);
	power.on = true;
	for (i = 0; i < 150; i++) {
		switch (rnd(&seed, 8)) {
		case 0:
			flush(d);
			break;
		case 1:
			clear_clusters(d, rnd(&seed, SECTORS));
			break;
		default:
			write_sectors(d, rnd(&seed, SECTORS - 16),
				      1 + rnd(&seed, 16),
				      (uint8_t)(1 + rnd(&seed, 255)));
		}
		assert_int_equal(qcow2_trim(d->q), 0);
	}
	assert_int_equal(qcow2_close(d->q), 0);
	power.on = false;
	assert_int_equal(power.nr, 0);
	close(power.durable);
	close(fd);
	free(d);
}

static void test_cut_power(void **state)
{
	struct qcow2_create how = { .size = SECTORS * SECTOR,
				    .version = 3,
				    .cluster_size = 1024,
				    .refcount_bits = 16 };
	uint64_t seed;

	(void)state;
	for (seed = 1; seed < 20; seed++) {
		how.cluster_size = 512U << seed % 4;
		how.refcount_bits = seed % 3 ? 16 : 64;
		cut_power(&how, seed);
	}
}

static void test_cut_power_lazy(void **state)
{
	struct qcow2_create how = { .size = SECTORS * SECTOR,
				    .version = 3,
				    .cluster_size = 1024,
				    .refcount_bits = 16,
				    .lazy = true };
	uint64_t seed;

	(void)state;
	for (seed = 1; seed < 8; seed++)
		cut_power(&how, seed);
}

/* ---- small things ------------------------------------------------------------ */

static void test_set(void **state)
{
	struct qcow2_set set = { 0 };
	bool has[256] = { false };
	uint64_t seed = 7;
	uint32_t i, n;

	(void)state;
	for (i = 0; i < 20000; i++) {
		n = rnd(&seed, 256);
		if (rnd(&seed, 2)) {
			assert_int_equal(qcow2_set_add(&set, n * 0x10001ULL),
					 has[n]);
			has[n] = true;
		} else {
			qcow2_set_del(&set, n * 0x10001ULL);
			has[n] = false;
		}
		n = rnd(&seed, 256);
		assert_int_equal(qcow2_set_has(&set, n * 0x10001ULL), has[n]);
	}
	free(set.slots);
}

static void test_refcounts(void **state)
{
	struct qcow2 q = { .refcount_order = 0 };
	uint8_t block[512];
	uint64_t i, n, max;

	(void)state;
	for (; q.refcount_order <= 6; q.refcount_order++) {
		memset(block, 0, sizeof(block));
		max = qcow2_refcount_max(&q);
		n = 512 * 8 >> q.refcount_order;
		for (i = 0; i < n; i++)
			qcow2_refblock_put(&q, block, i, i * 77 & max);
		for (i = 0; i < n; i++)
			assert_int_equal(qcow2_refblock_get(&q, block, i),
					 i * 77 & max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_refcounts),
		cmocka_unit_test(test_cut_power),
		cmocka_unit_test(test_cut_power_lazy),
	};

	return cmocka_run_group_tests_name("qcow2", tests, NULL, NULL);
}
