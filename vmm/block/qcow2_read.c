// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading guest data, extent by extent. */
#include <errno.h>
#include <stdlib.h>

#include "qcow2_req.h"

/* ---- buffers --------------------------------------------------------------- */

void qcow2_advance(struct qcow2_buffers *b, uint64_t len)
{
	len += b->skip;
	while (b->nr && len >= b->iov->iov_len) {
		len -= b->iov->iov_len;
		b->iov++;
		b->nr--;
	}
	b->skip = (size_t)len;
}

unsigned int qcow2_slice(const struct qcow2_buffers *b, uint64_t len,
			 struct iovec *iov)
{
	size_t skip = b->skip, n;
	unsigned int i, count = 0;

	for (i = 0; i < b->nr && len; i++, skip = 0) {
		n = b->iov[i].iov_len - skip;
		if (n > len)
			n = (size_t)len;
		if (!n)
			continue;
		iov[count].iov_base = (char *)b->iov[i].iov_base + skip;
		iov[count++].iov_len = n;
		len -= n;
	}
	return count;
}

/* @from NULL: zeros. */
static void fill(const struct qcow2_buffers *b, const char *from, uint64_t len)
{
	size_t skip = b->skip, n;
	unsigned int i;
	char *to;

	for (i = 0; i < b->nr && len; i++, skip = 0) {
		to = (char *)b->iov[i].iov_base + skip;
		n = b->iov[i].iov_len - skip;
		if (n > len)
			n = (size_t)len;
		if (from) {
			memcpy(to, from, n);
			from += n;
		} else {
			memset(to, 0, n);
		}
		len -= n;
	}
}

void qcow2_fill_zeros(const struct qcow2_buffers *b, uint64_t len)
{
	fill(b, NULL, len);
}

void qcow2_fill(const struct qcow2_buffers *b, const void *from, uint64_t len)
{
	fill(b, from, len);
}

/* ---- extents --------------------------------------------------------------- */

static void part_done(struct qcow2_reader *r, int ret)
{
	if (ret && !r->ret)
		r->ret = ret;
	qcow2_advance(&r->to, r->part);
	r->offset += r->part;
	r->len -= r->part;
}

static void on_io(struct aio_req *io, int ret)
{
	struct qcow2_reader *r = qcow2_container(io, struct qcow2_reader, io);
	const struct qcow2 *q = r->disk->q;
	uint64_t in = r->offset & (q->cluster_size - 1);
	uint8_t *unpacked;

	if (r->extent.kind == QCOW2_PACKED && !ret) {
		unpacked = r->packed + r->extent.packed;
		ret = qcow2_unpack(q, unpacked, r->packed, io->len);
		if (!ret)
			qcow2_fill(&r->to, unpacked + in, r->part);
	}
	part_done(r, ret);
	qcow2_task_run(&r->task);
}

static void on_below(struct block_req *below, int ret)
{
	struct qcow2_reader *r =
		qcow2_container(below, struct qcow2_reader, below);

	part_done(r, ret);
	qcow2_task_run(&r->task);
}

/* The buffers of the part as a vector that stays until it is done. */
static int slice_part(struct qcow2_reader *r, const struct iovec **iov,
		      unsigned int *nr)
{
	if (r->part == r->len && !r->to.skip) {
		*iov = r->to.iov;
		*nr = r->to.nr;
		return 0;
	}
	if (!r->slice)
		r->slice = calloc(r->to.nr, sizeof(*r->slice));
	if (!r->slice)
		return -ENOMEM;
	*iov = r->slice;
	*nr = qcow2_slice(&r->to, r->part, r->slice);
	return 0;
}

static enum qcow2_step fail(struct qcow2_reader *r, int ret)
{
	r->ret = ret;
	return STEP_MORE;
}

static enum qcow2_step read_zeros(struct qcow2_reader *r)
{
	qcow2_fill_zeros(&r->to, r->part);
	part_done(r, 0);
	return STEP_MORE;
}

static enum qcow2_step read_below(struct qcow2_reader *r)
{
	struct block *backing = r->disk->backing;
	uint64_t size = backing ? block_size(backing) : 0;
	int rc;

	if (r->offset >= size)
		return read_zeros(r);
	if (r->part > size - r->offset)
		r->part = size - r->offset;
	r->below = (struct block_req){
		.op = BLOCK_READ,
		.offset = r->offset,
		.len = r->part,
		.done = on_below,
	};
	rc = slice_part(r, &r->below.iov, &r->below.nr_iov);
	if (rc)
		return fail(r, rc);
	block_submit(backing, r->aio, &r->below);
	return STEP_WAIT;
}

static enum qcow2_step read_packed(struct qcow2_reader *r, uint64_t file_size)
{
	const struct qcow2 *q = r->disk->q;
	uint64_t len = r->extent.packed;

	free(r->packed);
	r->packed = malloc(len + q->cluster_size);
	if (!r->packed)
		return fail(r, -ENOMEM);
	/* The last sector need not be all there. */
	if (r->extent.host >= file_size)
		return fail(r, -EIO);
	if (len > file_size - r->extent.host)
		len = file_size - r->extent.host;
	r->slice = r->slice ? r->slice : calloc(r->to.nr, sizeof(*r->slice));
	if (!r->slice)
		return fail(r, -ENOMEM);
	r->slice[0] = (struct iovec){ r->packed, len };
	r->io = (struct aio_req){
		.op = AIO_READ,
		.fd = r->disk->block->fd,
		.align = r->disk->block->align,
		.offset = r->extent.host,
		.len = len,
		.iov = r->slice,
		.nr_iov = 1,
		.done = on_io,
	};
	aio_submit(r->aio, &r->io);
	return STEP_WAIT;
}

static enum qcow2_step read_data(struct qcow2_reader *r, uint64_t file_size)
{
	int rc;

	if (r->extent.host >= file_size)
		return read_zeros(r);
	if (r->part > file_size - r->extent.host)
		r->part = file_size - r->extent.host;
	r->io = (struct aio_req){
		.op = AIO_READ,
		.fd = r->disk->block->fd,
		.align = r->disk->block->align,
		.offset = r->extent.host,
		.len = r->part,
		.done = on_io,
	};
	rc = slice_part(r, &r->io.iov, &r->io.nr_iov);
	if (rc)
		return fail(r, rc);
	aio_submit(r->aio, &r->io);
	return STEP_WAIT;
}

static enum qcow2_step read_step(struct qcow2_task *task)
{
	struct qcow2_reader *r =
		qcow2_container(task, struct qcow2_reader, task);
	struct qcow2 *q = r->disk->q;
	uint64_t file_size, size;
	int rc = 0;

	if (!r->len || r->ret) {
		free(r->slice);
		free(r->packed);
		r->done(r, r->ret);
		return STEP_DONE;
	}
	pthread_mutex_lock(&q->lock);
	file_size = q->file_size;
	size = q->size;
	if (r->offset < size) {
		r->part = r->len < size - r->offset ? r->len : size - r->offset;
		rc = qcow2_lookup(q, r->offset, r->part, &r->extent);
		if (!rc)
			rc = qcow2_trim(q);
		r->part = r->extent.len;
	}
	pthread_mutex_unlock(&q->lock);
	if (rc)
		return fail(r, rc);
	if (r->offset >= size) {
		r->part = r->len;
		return read_zeros(r);
	}
	switch (r->extent.kind) {
	case QCOW2_UNALLOCATED:
		return read_below(r);
	case QCOW2_ZEROS:
		return read_zeros(r);
	case QCOW2_PACKED:
		return read_packed(r, file_size);
	default:
		return read_data(r, file_size);
	}
}

void qcow2_read(struct qcow2_reader *reader)
{
	reader->task = (struct qcow2_task){ .step = read_step };
	reader->ret = 0;
	reader->slice = NULL;
	reader->packed = NULL;
	qcow2_task_run(&reader->task);
}
