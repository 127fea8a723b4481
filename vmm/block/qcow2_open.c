// SPDX-License-Identifier: GPL-2.0-or-later
/* Making, opening and closing images. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "../error.h"
#include "qcow2_image.h"

/* Bytes of tables that stay in memory, and tables at least. */
#define L2_BYTES (16U << 20)
#define REFBLOCK_BYTES (4U << 20)
#define TABLES_MIN 16U

static int file_size(struct qcow2 *q, struct error *err)
{
	struct stat st;

	if (fstat(q->fd, &st))
		return error_sys(err, errno, "cannot get its size");
	q->regular = S_ISREG(st.st_mode);
	q->file_size = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(q->fd, BLKGETSIZE64, &q->file_size))
		return error_sys(err, errno, "cannot get its size");
	return 0;
}

static size_t tables_in(const struct qcow2 *q, uint32_t bytes)
{
	size_t n = bytes >> q->cluster_bits;

	return n < TABLES_MIN ? TABLES_MIN : n;
}

/* What the image says about itself before anybody writes to it. */
static int for_writing(struct qcow2 *q, unsigned int flags, struct error *err)
{
	struct qcow2_check check = { 0 };
	int rc = 0;

	if (flags & QCOW2_FOR_REPAIR)
		return 0;
	if (q->incompatible & QCOW2_CORRUPT)
		return error_set(err, EIO,
				 "it is marked corrupt (vireo img check "
				 "--repair all may help; it can be read "
				 "as it is)");
	/* Whoever had it ended without a word: its refcounts are stale. */
	if (q->incompatible & QCOW2_DIRTY) {
		rc = qcow2_check(q, QCOW2_REPAIR_ALL, &check, err);
		if (!rc && (check.corruptions || check.errors))
			rc = error_set(err, EIO,
				       "it was not closed, and is corrupt "
				       "(vireo img check says more)");
	}
	if (!rc && q->autoclear) {
		/* Bitmaps do not know of what is written here. */
		q->autoclear = 0;
		put64(q->header + QH_AUTOCLEAR, 0);
		rc = qcow2_write_header(q);
		if (!rc)
			rc = qcow2_sync(q);
		if (rc)
			error_sys(err, -rc, "cannot write to it");
	}
	return rc;
}

static void free_image(struct qcow2 *q)
{
	qcow2_forget_all(q, &q->l2);
	qcow2_forget_all(q, &q->refblocks);
	qcow2_free_snapshots(q);
	pthread_mutex_destroy(&q->lock);
	free(q->tables.slots);
	free(q->freed);
	free(q->l1);
	free(q->reftable);
	free(q->backing);
	free(q->backing_format);
	free(q->path);
	free(q);
}

int qcow2_open(struct qcow2 **out, int fd, const char *path, unsigned int flags,
	       struct error *err)
{
	struct qcow2 *q = calloc(1, sizeof(*q));
	int rc;

	if (!q)
		return error_sys(err, ENOMEM, "cannot open disk image %s",
				 path);
	pthread_mutex_init(&q->lock, NULL);
	q->fd = fd;
	q->readonly = flags & QCOW2_READONLY;
	q->repairing = flags & QCOW2_FOR_REPAIR;
	q->path = strdup(path);
	rc = q->path ? file_size(q, err) : error_sys(err, ENOMEM, "no path");
	if (!rc)
		rc = qcow2_read_header(q, err);
	if (rc)
		goto err_free;
	q->l2.limit = tables_in(q, L2_BYTES);
	q->refblocks.limit = tables_in(q, REFBLOCK_BYTES);
	q->fresh_from = qcow2_clusters(q, q->file_size) << q->cluster_bits;
	rc = qcow2_load_snapshots(q, err);
	if (!rc)
		rc = qcow2_load_l1(q, err);
	if (!rc)
		rc = qcow2_load_reftable(q, err);
	if (!rc && !q->readonly)
		rc = for_writing(q, flags, err);
	if (rc)
		goto err_free;
	*out = q;
	return 0;

err_free:
	error_prefix(err, "disk image %s", path);
	free_image(q);
	return rc;
}

int qcow2_close(struct qcow2 *q)
{
	int rc = 0;

	if (!q->readonly && !q->corrupt)
		rc = qcow2_settle(q);
	free_image(q);
	return rc;
}

int qcow2_flush(struct qcow2 *q)
{
	int rc;

	pthread_mutex_lock(&q->lock);
	rc = qcow2_commit(q, false);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

void qcow2_info(struct qcow2 *q, struct qcow2_info *info)
{
	pthread_mutex_lock(&q->lock);
	*info = (struct qcow2_info){
		.size = q->size,
		.version = q->version,
		.cluster_size = q->cluster_size,
		.refcount_bits = 1U << q->refcount_order,
		.lazy = q->lazy,
		.zstd = q->compression == QCOW2_ZSTD,
		.dirty = q->incompatible & QCOW2_DIRTY,
		.corrupt = q->incompatible & QCOW2_CORRUPT,
		.nr_snapshots = q->nr_snapshots,
		.backing = q->backing,
		.backing_format = q->backing_format,
	};
	pthread_mutex_unlock(&q->lock);
}

/* ---- making ----------------------------------------------------------------- */

static bool power_of_two(uint32_t n, uint32_t from, uint32_t to)
{
	return n >= from && n <= to && !(n & (n - 1));
}

static int check_create(const struct qcow2_create *how, struct error *err)
{
	if (!power_of_two(how->cluster_size, 1U << QCOW2_CLUSTER_BITS_MIN,
			  1U << QCOW2_CLUSTER_BITS_MAX))
		return error_set(err, EINVAL,
				 "the size of clusters is a power of two, 512 "
				 "to 2M");
	if (!power_of_two(how->refcount_bits, 1, 64))
		return error_set(err, EINVAL,
				 "refcounts have 1, 2, 4, 8, 16, 32 or 64 bits");
	if (how->version < 3 &&
	    (how->refcount_bits != 16 || how->lazy || how->zstd))
		return error_set(err, EINVAL,
				 "compat=0.10 has refcounts of 16 bits, no lazy "
				 "ones, and zlib");
	if (how->size % 512)
		return error_set(err, EINVAL,
				 "the size of a disk is a multiple of 512");
	if (how->backing && strlen(how->backing) > QCOW2_BACKING_NAME)
		return error_set(err, ENAMETOOLONG,
				 "the name of the backing file is too long");
	return 0;
}

/* The first cluster: header, extensions, the name of the backing file. */
static int make_header(const struct qcow2_create *how, uint8_t *head,
		       struct error *err)
{
	static const struct {
		uint8_t type, bit;
		const char *name;
	} names[] = {
		{ 0, 0, "dirty bit" },	      { 0, 1, "corrupt bit" },
		{ 0, 3, "compression type" }, { 1, 0, "lazy refcounts" },
		{ 2, 0, "bitmaps" },
	};
	const size_t nr = sizeof(names) / sizeof(names[0]);
	size_t at = how->version < 3 ? QH_V2_LENGTH : QH_LENGTH, len, i;

	put32(head + QH_MAGIC, QCOW2_MAGIC);
	put32(head + QH_VERSION, how->version);
	put32(head + QH_CLUSTER_BITS,
	      (uint32_t)__builtin_ctz(how->cluster_size));
	put64(head + QH_REFTABLE_OFFSET, how->cluster_size);
	put32(head + QH_REFTABLE_CLUSTERS, 1);
	if (how->version >= 3) {
		put64(head + QH_INCOMPATIBLE,
		      how->zstd ? QCOW2_COMPRESSION : 0);
		put64(head + QH_COMPATIBLE, how->lazy ? QCOW2_LAZY : 0);
		put32(head + QH_REFCOUNT_ORDER,
		      (uint32_t)__builtin_ctz(how->refcount_bits));
		put32(head + QH_HEADER_LENGTH, QH_LENGTH);
		head[QH_COMPRESSION] = how->zstd;
	}
	if (how->backing) {
		len = strlen(how->backing_format);
		put32(head + at, QCOW2_EXT_BACKING_FORMAT);
		put32(head + at + 4, (uint32_t)len);
		memcpy(head + at + 8, how->backing_format, len);
		at += 8 + ((len + 7) & ~7UL);
	}
	/* Small clusters have no room to spare. */
	if (how->version >= 3 && how->cluster_size >= 4096) {
		put32(head + at, QCOW2_EXT_FEATURE_NAMES);
		put32(head + at + 4, (uint32_t)nr * QCOW2_FEATURE_NAME);
		at += 8;
		for (i = 0; i < nr; i++, at += QCOW2_FEATURE_NAME) {
			head[at] = names[i].type;
			head[at + 1] = names[i].bit;
			memcpy(head + at + 2, names[i].name,
			       strlen(names[i].name));
		}
	}
	at += 8; /* the end of the extensions */
	if (!how->backing)
		return 0;
	len = strlen(how->backing);
	if (at + len > how->cluster_size)
		return error_set(err, ENAMETOOLONG,
				 "the name of the backing file does not fit "
				 "into a cluster");
	put64(head + QH_BACKING_OFFSET, at);
	put32(head + QH_BACKING_SIZE, (uint32_t)len);
	memcpy(head + at, how->backing, len);
	return 0;
}

/* Header, refcount table, and the block that counts these three. */
static int write_first(int fd, const struct qcow2_create *how,
		       struct error *err)
{
	uint32_t size = how->cluster_size;
	uint8_t *first = calloc(3, size);
	struct qcow2 shape = {
		.fd = fd,
		.refcount_order =
			(unsigned int)__builtin_ctz(how->refcount_bits),
	};
	unsigned int i;
	int rc;

	if (!first)
		return error_sys(err, ENOMEM, "cannot make an image");
	rc = make_header(how, first, err);
	if (!rc) {
		put64(first + size, 2ULL * size);
		for (i = 0; i < 3; i++)
			qcow2_refblock_put(&shape, first + 2 * (size_t)size, i,
					   1);
		rc = qcow2_pwrite(&shape, first, 3ULL * size, 0);
		if (rc)
			error_sys(err, -rc, "cannot write it");
	}
	free(first);
	return rc;
}

int qcow2_create(int fd, const struct qcow2_create *how, struct error *err)
{
	struct qcow2 *q;
	int rc, ret;

	rc = check_create(how, err);
	if (!rc)
		rc = write_first(fd, how, err);
	if (!rc)
		rc = qcow2_open(&q, fd, "that is new", 0, err);
	if (rc)
		return rc;
	rc = qcow2_grow(q, how->size, 0, err);
	ret = qcow2_close(q);
	if (ret && !rc)
		rc = error_sys(err, -ret, "cannot write it");
	return rc;
}
