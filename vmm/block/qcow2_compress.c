// SPDX-License-Identifier: GPL-2.0-or-later
/* Compressed clusters: raw deflate with a window of 4 KiB, or zstd. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "qcow2_image.h"

#define DEFLATE_WINDOW (-12) /* what readers have room for; no zlib header */

static int inflate_cluster(const struct qcow2 *q, void *out, const void *in,
			   size_t len)
{
	z_stream z = {
		.next_in = (void *)in,
		.avail_in = (uInt)len,
		.next_out = out,
		.avail_out = q->cluster_size,
	};
	int rc;

	if (inflateInit2(&z, DEFLATE_WINDOW) != Z_OK)
		return -ENOMEM;
	rc = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	/* The end of the data may be followed by anything. */
	if ((rc == Z_STREAM_END || rc == Z_BUF_ERROR) && !z.avail_out)
		return 0;
	return -EIO;
}

static int unzstd_cluster(const struct qcow2 *q, void *out, const void *in,
			  size_t len)
{
	ZSTD_outBuffer to = { out, q->cluster_size, 0 };
	ZSTD_inBuffer from = { in, len, 0 };
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	size_t before, rc = 0;

	if (!ctx)
		return -ENOMEM;
	/* Frame after frame; a call that gets nowhere is the last one. */
	do {
		before = to.pos + from.pos;
		rc = ZSTD_decompressStream(ctx, &to, &from);
	} while (!ZSTD_isError(rc) && to.pos < to.size &&
		 to.pos + from.pos != before);
	ZSTD_freeDCtx(ctx);
	return !ZSTD_isError(rc) && to.pos == to.size ? 0 : -EIO;
}

int qcow2_unpack(const struct qcow2 *q, void *out, const void *in, size_t len)
{
	return q->compression == QCOW2_ZSTD ? unzstd_cluster(q, out, in, len) :
					      inflate_cluster(q, out, in, len);
}

static size_t deflate_cluster(const struct qcow2 *q, void *out, size_t room,
			      const void *in)
{
	z_stream z = {
		.next_in = (void *)in,
		.avail_in = q->cluster_size,
		.next_out = out,
		.avail_out = (uInt)room,
	};
	int rc;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, DEFLATE_WINDOW,
			 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	rc = deflate(&z, Z_FINISH);
	deflateEnd(&z);
	return rc == Z_STREAM_END ? room - z.avail_out : 0;
}

size_t qcow2_pack(const struct qcow2 *q, void *out, size_t room, const void *in)
{
	size_t n;

	if (q->compression != QCOW2_ZSTD)
		return deflate_cluster(q, out, room, in);
	n = ZSTD_compress(out, room, in, q->cluster_size, ZSTD_CLEVEL_DEFAULT);
	return ZSTD_isError(n) ? 0 : n;
}

/*
 * A place for @len bytes, less than a cluster: behind the last ones if they
 * fit, or if the next cluster of the file is free; else at the start of a new
 * cluster.
 */
static int place_packed(struct qcow2 *q, uint32_t len, uint64_t *at)
{
	uint64_t in = q->packed_next & (q->cluster_size - 1), offset, count = 0;
	int rc;

	if (in) {
		rc = qcow2_refcount(q, qcow2_cluster_of(q, q->packed_next),
				    &count);
		if (rc)
			return rc;
		if (!count || count >= qcow2_refcount_max(q))
			in = 0;
	}
	*at = q->packed_next;
	if (in && len <= q->cluster_size - in)
		return qcow2_refcount_add(q, qcow2_cluster_of(q, *at), 1);

	rc = qcow2_alloc(q, 1, 1, &offset, NULL);
	if (rc < 0)
		return rc;
	if (in && offset == *at - in + q->cluster_size)
		return qcow2_refcount_add(q, qcow2_cluster_of(q, *at), 1);
	*at = offset;
	return 0;
}

/* Bits 0 to 61 of the entry for @len bytes at @at. */
static uint64_t packed_entry(const struct qcow2 *q, uint64_t at, uint32_t len)
{
	unsigned int shift = 62 - (q->cluster_bits - 8);

	return at | ((at + len - 1) / 512 - at / 512) << shift;
}

static int write_packed(struct qcow2 *q, uint64_t offset, const void *data,
			uint32_t len)
{
	struct qcow2_place place;
	struct qcow2_extent extent;
	uint64_t at;
	int rc;

	rc = qcow2_lookup(q, offset, 1, &extent);
	if (!rc && extent.kind != QCOW2_UNALLOCATED)
		rc = -EEXIST;
	if (!rc)
		rc = place_packed(q, len, &at);
	if (rc)
		return rc;
	if (at + len > 1ULL << (62 - (q->cluster_bits - 8)))
		return -EFBIG;
	rc = qcow2_pwrite(q, data, len, at);
	if (rc)
		return rc;
	q->packed_next = at + len;
	place = (struct qcow2_place){
		.first = qcow2_cluster_of(q, offset),
		.clusters = 1,
		.entry = packed_entry(q, at, len) | QCOW2_COMPRESSED,
	};
	return qcow2_link(q, &place);
}

int qcow2_write_compressed(struct qcow2 *q, uint64_t offset, const void *buf,
			   size_t len)
{
	uint8_t *out = malloc(q->cluster_size), *in = NULL;
	size_t packed;
	int rc = 1;

	if (out && len < q->cluster_size) {
		in = calloc(1, q->cluster_size);
		if (in)
			memcpy(in, buf, len);
	}
	if (!out || (len < q->cluster_size && !in)) {
		free(out);
		return -ENOMEM;
	}
	packed = qcow2_pack(q, out, q->cluster_size - 1, in ? in : buf);
	if (packed) {
		pthread_mutex_lock(&q->lock);
		rc = q->readonly ?
			     -EROFS :
			     write_packed(q, offset, out, (uint32_t)packed);
		if (!rc)
			rc = qcow2_trim(q);
		pthread_mutex_unlock(&q->lock);
	}
	free(in);
	free(out);
	return rc;
}
