// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "../error.h"
#include "qcow2_image.h"

int qcow2_replace_l1(struct qcow2 *q, uint64_t *l1, uint32_t entries,
		     uint64_t size)
{
	uint64_t old = q->l1_offset, offset = 0;
	uint64_t old_clusters = qcow2_clusters(q, q->l1_size * 8ULL);
	uint64_t clusters = qcow2_clusters(q, entries * 8ULL);
	int rc;

	rc = qcow2_alloc(q, (uint32_t)clusters, (uint32_t)clusters, &offset,
			 NULL);
	if (rc < 0)
		return rc;
	/* What it points to is there, and so is it, before it is the one. */
	rc = qcow2_commit(q, true);
	if (!rc)
		rc = qcow2_write_table(q, offset, l1, 0, entries);
	if (!rc)
		rc = qcow2_extend(q, offset + (clusters << q->cluster_bits));
	if (!rc)
		rc = qcow2_sync(q);
	if (rc)
		return rc;
	put64(q->header + QH_SIZE, size);
	put32(q->header + QH_L1_SIZE, entries);
	put64(q->header + QH_L1_OFFSET, offset);
	rc = qcow2_write_header(q);
	if (!rc)
		rc = qcow2_sync(q);
	if (rc)
		return rc;
	free(q->l1);
	q->l1 = l1;
	q->l1_size = entries;
	q->l1_offset = offset;
	q->size = size;
	return old ? qcow2_free_later(q, old, old_clusters) : 0;
}

static int grow_l1(struct qcow2 *q, uint64_t entries, uint64_t size)
{
	uint64_t *l1 = calloc(entries, sizeof(*l1));
	int rc;

	if (!l1)
		return -ENOMEM;
	memcpy(l1, q->l1, q->l1_size * sizeof(*l1));
	rc = qcow2_replace_l1(q, l1, (uint32_t)entries, size);
	if (rc && q->l1 != l1)
		free(l1);
	return rc;
}

static int set_size(struct qcow2 *q, uint64_t size)
{
	int rc;

	put64(q->header + QH_SIZE, size);
	rc = qcow2_write_header(q);
	if (!rc)
		rc = qcow2_sync(q);
	if (!rc)
		q->size = size;
	return rc;
}

/* So that [@from, @to) reads as zeros, whatever is below. */
static int clear_range(struct qcow2 *q, uint64_t from, uint64_t to,
		       enum qcow2_clear how)
{
	uint64_t first = qcow2_clusters(q, from);
	uint64_t end = qcow2_clusters(q, to), done;
	int rc = 0;

	for (; first < end && !rc; first += done) {
		rc = qcow2_clear(q, first, end - first, how, &done);
		if (!rc)
			rc = qcow2_trim(q);
	}
	return rc;
}

/* What is in the last cluster, up to the disk's end. */
static int read_last(struct qcow2 *q, const struct qcow2_extent *extent,
		     uint8_t *buf)
{
	uint8_t *packed;
	int rc;

	if (extent->kind == QCOW2_DATA)
		return qcow2_pread(q, buf, q->cluster_size, extent->host);
	packed = malloc(extent->packed);
	rc = packed ? qcow2_pread(q, packed, extent->packed, extent->host) :
		      -ENOMEM;
	if (!rc)
		rc = qcow2_unpack(q, buf, packed, extent->packed);
	free(packed);
	return rc;
}

/*
 * Behind the disk's end the last cluster can hold anything, as of a longer disk
 * before, or what snapshots still need.
 */
static int clear_tail(struct qcow2 *q, uint64_t backing)
{
	uint64_t in = q->size & (q->cluster_size - 1);
	struct qcow2_extent extent;
	struct qcow2_place place;
	uint8_t *buf;
	int rc;

	if (!in)
		return 0;
	rc = qcow2_lookup(q, q->size - in, 1, &extent);
	if (rc || extent.kind == QCOW2_ZEROS)
		return rc;
	if (extent.kind == QCOW2_UNALLOCATED)
		return backing > q->size ? -EOPNOTSUPP : 0;
	buf = malloc(q->cluster_size);
	if (!buf)
		return -ENOMEM;
	rc = read_last(q, &extent, buf);
	if (!rc)
		rc = qcow2_place(q, q->size - in, q->cluster_size, &place);
	if (rc)
		goto out;
	memset(buf + in, 0, q->cluster_size - in);
	if (place.in_place) {
		rc = qcow2_pwrite(q, buf + in, q->cluster_size - in,
				  place.host + in);
		goto out;
	}
	/* A request under way might be about to do the same. */
	rc = q->oldest ? -EBUSY :
			 qcow2_pwrite(q, buf, q->cluster_size, place.host);
	rc = rc ? rc : qcow2_link(q, &place);
	if (rc)
		qcow2_unplace(q, &place);
out:
	free(buf);
	return rc;
}

static int grow(struct qcow2 *q, uint64_t size, uint64_t backing,
		struct error *err)
{
	uint64_t entries, old = q->size;
	int rc;

	entries = (qcow2_clusters(q, size) + (1ULL << q->l2_bits) - 1) >>
		  q->l2_bits;
	if (size > INT64_MAX / 2 || entries > QCOW2_L1_BYTES / 8)
		return error_set(err, EFBIG,
				 "a disk of %" PRIu64
				 " bytes is too large for clusters of %u bytes",
				 size, q->cluster_size);
	if (q->readonly)
		return error_set(err, EROFS, "it is read-only");
	if (backing > old && q->version < 3)
		return error_set(err, EOPNOTSUPP,
				 "its backing file is longer, which would be "
				 "seen (compat=1.1 can hide it)");
	rc = clear_tail(q, backing);
	if (!rc && entries > q->l1_size)
		rc = grow_l1(q, entries, old);
	if (!rc && backing > old)
		rc = clear_range(q, old, backing < size ? backing : size,
				 QCOW2_ZERO_FREE);
	if (!rc)
		rc = qcow2_commit(q, false);
	if (!rc)
		rc = set_size(q, size);
	return rc ? error_sys(err, -rc, "cannot resize it") : 0;
}

int qcow2_grow(struct qcow2 *q, uint64_t size, uint64_t backing,
	       struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	if (size > q->size)
		rc = grow(q, size, backing, err);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

int qcow2_shrink(struct qcow2 *q, uint64_t size, struct error *err)
{
	uint64_t old;
	int rc;

	pthread_mutex_lock(&q->lock);
	old = q->size;
	if (q->readonly)
		rc = -EROFS;
	else if (size > old)
		rc = -EINVAL;
	else
		rc = set_size(q, size);
	if (!rc)
		rc = clear_range(q, size, old, QCOW2_DROP);
	if (!rc)
		rc = qcow2_commit(q, false);
	pthread_mutex_unlock(&q->lock);
	return rc ? error_sys(err, -rc, "cannot shrink it") : 0;
}
