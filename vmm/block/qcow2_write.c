// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests that change a disk. */
#include <errno.h>
#include <stdlib.h>

#include "qcow2_req.h"

#define ZEROS (64U << 10)

static const char zeros[ZEROS];

/* ---- what is under way ------------------------------------------------------ */

uint64_t qcow2_oldest(const struct qcow2 *q)
{
	return q->oldest ? q->oldest->began : UINT64_MAX;
}

void qcow2_req_begin(struct qcow2_req *r)
{
	struct qcow2 *q = r->disk->q;

	r->began = ++q->clock;
	r->newer = NULL;
	r->older = q->newest;
	*(q->newest ? &q->newest->newer : &q->oldest) = r;
	q->newest = r;
}

void qcow2_req_end(struct qcow2_req *r)
{
	struct qcow2 *q = r->disk->q;

	*(r->older ? &r->older->newer : &q->oldest) = r->newer;
	*(r->newer ? &r->newer->older : &q->newest) = r->older;
}

static void on_retry(struct aio_req *io, int ret)
{
	struct qcow2_req *r = qcow2_container(io, struct qcow2_req, io);

	(void)ret;
	qcow2_task_run(&r->task);
}

/*
 * True if another request holds clusters of [@first, @first + @count): the
 * task then waits until that is over.  With the lock held.
 */
static bool must_wait(struct qcow2_req *r, uint64_t first, uint64_t count,
		      bool *elsewhere)
{
	struct qcow2_req *other;
	bool wait = false;

	*elsewhere = false;
	for (other = r->disk->q->oldest; other; other = other->newer) {
		if (other == r || !other->clusters ||
		    first + count <= other->first ||
		    other->first + other->clusters <= first)
			continue;
		wait = true;
		if (other->aio != r->aio)
			*elsewhere = true;
	}
	r->parked = wait && !*elsewhere;
	return wait;
}

/*
 * Who waits for a request of another loop cannot be woken by it, and asks
 * again after some I/O in its own: that takes about as long.
 */
static enum qcow2_step wait_elsewhere(struct qcow2_req *r)
{
	if (!r->copied)
		r->copied = aligned_alloc(4096, 4096);
	if (!r->copied) {
		r->ret = -ENOMEM;
		return STEP_MORE;
	}
	r->copied_iov = (struct iovec){ r->copied, BLOCK_SECTOR };
	r->io = (struct aio_req){
		.op = AIO_READ,
		.fd = r->disk->block->fd,
		.align = r->disk->block->align,
		.len = BLOCK_SECTOR,
		.iov = &r->copied_iov,
		.nr_iov = 1,
		.done = on_retry,
	};
	aio_submit(r->aio, &r->io);
	return STEP_WAIT;
}

/* Lets go of its clusters; those who waited go on once the lock is free. */
static struct qcow2_req *release(struct qcow2_req *r)
{
	struct qcow2_req *other, *woken = NULL, **end = &woken;

	if (!r->clusters)
		return NULL;
	r->clusters = 0;
	for (other = r->disk->q->oldest; other; other = other->newer) {
		if (!other->parked || other->aio != r->aio)
			continue;
		other->parked = false;
		other->parked_next = NULL;
		*end = other;
		end = &other->parked_next;
	}
	return woken;
}

static void wake(struct qcow2_req *woken)
{
	struct qcow2_req *next;

	for (; woken; woken = next) {
		next = woken->parked_next;
		qcow2_task_run(&woken->task);
	}
}

/* ---- flushing --------------------------------------------------------------- */

static void on_flushed(struct aio_req *io, int ret)
{
	struct qcow2_req *r = qcow2_container(io, struct qcow2_req, io);

	r->ret = ret;
	r->flush = false;
	qcow2_task_run(&r->task);
}

static void on_synced(struct aio_req *io, int ret)
{
	struct qcow2_req *r = qcow2_container(io, struct qcow2_req, io);

	r->ret = ret;
	r->synced = true;
	qcow2_task_run(&r->task);
}

static enum qcow2_step sync_file(struct qcow2_req *r,
				 void (*done)(struct aio_req *io, int ret))
{
	r->io = (struct aio_req){
		.op = AIO_FSYNC,
		.fd = r->disk->block->fd,
		.done = done,
	};
	aio_submit(r->aio, &r->io);
	return STEP_WAIT;
}

/*
 * If tables have changed, the disk is waited for with the lock held.  All
 * others then wait, too: if there are some, their data go to the disk before,
 * without it, and little is left to wait for.
 */
enum qcow2_step qcow2_flush_step(struct qcow2_task *task)
{
	struct qcow2_req *r = qcow2_container(task, struct qcow2_req, task);
	struct qcow2 *q = r->disk->q;
	bool changed, first;
	int rc = 0;

	if (!r->flush || r->ret) {
		qcow2_req_done(r);
		return STEP_DONE;
	}
	pthread_mutex_lock(&q->lock);
	changed = qcow2_changed(q) || q->corrupt;
	first = changed && !r->synced && q->oldest != q->newest;
	if (changed && !first)
		rc = qcow2_commit(q, false);
	pthread_mutex_unlock(&q->lock);
	if (first)
		return sync_file(r, on_synced);
	if (changed || q->readonly) {
		r->ret = rc;
		r->flush = false;
		return STEP_MORE;
	}
	return sync_file(r, on_flushed);
}

/* ---- writing ---------------------------------------------------------------- */

/* The part is on disk, or failed. */
static void part_done(struct qcow2_req *r, int ret)
{
	struct qcow2 *q = r->disk->q;
	struct qcow2_req *woken = NULL;

	free(r->copied);
	r->copied = NULL;
	if (!r->place.in_place) {
		pthread_mutex_lock(&q->lock);
		if (!ret)
			ret = qcow2_link(q, &r->place);
		else
			qcow2_unplace(q, &r->place);
		if (!ret)
			ret = qcow2_trim(q);
		woken = release(r);
		pthread_mutex_unlock(&q->lock);
	}
	if (ret && !r->ret)
		r->ret = ret;
	if (r->from.iov != &r->zeros)
		qcow2_advance(&r->from, r->part);
	r->offset += r->part;
	wake(woken);
	qcow2_task_run(&r->task);
}

static void on_written(struct aio_req *io, int ret)
{
	part_done(qcow2_container(io, struct qcow2_req, io), ret);
}

/* Head, data and tail as one write. */
static void write_part(struct qcow2_req *r)
{
	unsigned int nr = 0;

	if (!r->slice)
		r->slice = calloc(r->from.nr + 2, sizeof(*r->slice));
	if (!r->slice) {
		part_done(r, -ENOMEM);
		return;
	}
	if (r->head)
		r->slice[nr++] = (struct iovec){ r->copied, r->head };
	nr += qcow2_slice(&r->from, r->part, r->slice + nr);
	if (r->tail)
		r->slice[nr++] = (struct iovec){ r->copied + r->head, r->tail };
	r->io = (struct aio_req){
		.op = AIO_WRITE,
		.fd = r->disk->block->fd,
		.align = r->disk->block->align,
		.sync = r->req->sync && r->place.in_place,
		.offset = r->place.host - r->head,
		.len = r->head + r->part + r->tail,
		.iov = r->slice,
		.nr_iov = nr,
		.done = on_written,
	};
	aio_submit(r->aio, &r->io);
}

static void on_tail(struct qcow2_reader *reader, int ret)
{
	struct qcow2_req *r = qcow2_container(reader, struct qcow2_req, reader);

	if (ret)
		part_done(r, ret);
	else
		write_part(r);
}

static void read_around(struct qcow2_req *r, uint64_t offset, uint64_t len,
			uint8_t *to,
			void (*done)(struct qcow2_reader *reader, int ret))
{
	r->copied_iov = (struct iovec){ to, len };
	r->reader = (struct qcow2_reader){
		.disk = r->disk,
		.aio = r->aio,
		.offset = offset,
		.len = len,
		.to = { .iov = &r->copied_iov, .nr = 1 },
		.done = done,
	};
	qcow2_read(&r->reader);
}

static void on_head(struct qcow2_reader *reader, int ret)
{
	struct qcow2_req *r = qcow2_container(reader, struct qcow2_req, reader);

	if (ret)
		part_done(r, ret);
	else
		read_around(r, r->offset + r->part, r->tail,
			    r->copied + r->head, on_tail);
}

/* Does the cluster read as zeros, without a look at its data? */
static bool reads_zeros(struct qcow2_req *r, uint64_t offset)
{
	struct qcow2_extent extent;

	return !qcow2_lookup(r->disk->q, offset, 1, &extent) &&
	       (extent.kind == QCOW2_ZEROS ||
		(extent.kind == QCOW2_UNALLOCATED && !r->disk->backing));
}

/* What the new clusters hold beside the part.  With the lock held. */
static void plan_copies(struct qcow2_req *r)
{
	const struct qcow2 *q = r->disk->q;
	uint64_t in = r->offset & (q->cluster_size - 1);
	uint64_t end = (uint64_t)r->place.clusters << q->cluster_bits;

	r->head = r->tail = 0;
	if (r->place.in_place)
		return;
	r->head = in;
	r->tail = end - in - r->part;
	/* Where nothing was ever written, zeros need not be. */
	if (r->place.fresh && r->head && reads_zeros(r, r->offset))
		r->head = 0;
	if (r->place.fresh && r->tail &&
	    reads_zeros(r, r->offset + r->part - 1))
		r->tail = 0;
}

static enum qcow2_step write_some(struct qcow2_req *r)
{
	struct qcow2 *q = r->disk->q;
	uint64_t first = qcow2_cluster_of(q, r->offset);
	uint64_t len = r->end - r->offset;
	bool wait, elsewhere;
	int rc = 0;

	if (r->from.iov == &r->zeros && len > r->zeros.iov_len)
		len = r->zeros.iov_len;
	pthread_mutex_lock(&q->lock);
	wait = must_wait(r, first,
			 qcow2_cluster_of(q, r->offset + len - 1) - first + 1,
			 &elsewhere);
	if (!wait) {
		rc = qcow2_place(q, r->offset, len, &r->place);
		if (!rc && !r->place.in_place) {
			r->first = first;
			r->clusters = r->place.clusters;
		}
		if (!rc) {
			r->part = r->place.len;
			/* What is synced is of no use without its entry. */
			r->flush |= r->req->sync &&
				    (!r->place.in_place || qcow2_changed(q));
			plan_copies(r);
			rc = qcow2_trim(q);
			if (rc) {
				qcow2_unplace(q, &r->place);
				r->clusters = 0;
			}
		}
	}
	pthread_mutex_unlock(&q->lock);
	if (rc) {
		r->ret = rc;
		return STEP_MORE;
	}
	if (wait)
		return elsewhere ? wait_elsewhere(r) : STEP_WAIT;
	if (!r->head && !r->tail) {
		write_part(r);
		return STEP_WAIT;
	}
	free(r->copied);
	/* Both begin where O_DIRECT may want it if the guest's blocks do. */
	r->copied = aligned_alloc(4096, (r->head + r->tail + 4095) & ~4095ULL);
	if (!r->copied)
		part_done(r, -ENOMEM);
	else
		read_around(r, r->offset - r->head, r->head, r->copied,
			    on_head);
	return STEP_WAIT;
}

enum qcow2_step qcow2_write_step(struct qcow2_task *task)
{
	struct qcow2_req *r = qcow2_container(task, struct qcow2_req, task);

	if (r->ret || r->offset == r->end) {
		task->step = qcow2_flush_step;
		return STEP_MORE;
	}
	return write_some(r);
}

/* ---- zeros and discards ------------------------------------------------------ */

/* Bytes that are not whole clusters, or cannot be marked. */
static enum qcow2_step write_zeros(struct qcow2_req *r, uint64_t len)
{
	struct qcow2 *q = r->disk->q;
	bool zero;

	pthread_mutex_lock(&q->lock);
	zero = qcow2_cluster_of(q, r->offset) ==
		       qcow2_cluster_of(q, r->offset + len - 1) &&
	       reads_zeros(r, r->offset);
	pthread_mutex_unlock(&q->lock);
	if (zero || r->req->op == BLOCK_DISCARD) {
		r->offset += len;
		return STEP_MORE;
	}
	r->zeros.iov_base = (void *)zeros;
	r->zeros.iov_len = len < ZEROS ? len : ZEROS;
	r->from = (struct qcow2_buffers){ .iov = &r->zeros, .nr = 1 };
	return write_some(r);
}

enum qcow2_step qcow2_zero_step(struct qcow2_task *task)
{
	struct qcow2_req *r = qcow2_container(task, struct qcow2_req, task);
	struct qcow2 *q = r->disk->q;
	uint64_t in = r->offset & (q->cluster_size - 1);
	uint64_t len = r->end - r->offset, first, count, done = 0;
	bool last = r->end == block_size(r->disk->block), wait, elsewhere;
	int rc = 0;

	if (r->ret || !len) {
		task->step = qcow2_flush_step;
		return STEP_MORE;
	}
	if (in || (len < q->cluster_size && !last))
		return write_zeros(r, len < q->cluster_size - in ?
					      len :
					      q->cluster_size - in);
	first = qcow2_cluster_of(q, r->offset);
	/* What is behind the end of the disk is nobody's. */
	count = last ? qcow2_clusters(q, len) : qcow2_cluster_of(q, len);
	pthread_mutex_lock(&q->lock);
	wait = must_wait(r, first, count, &elsewhere);
	if (!wait) {
		rc = qcow2_clear(q, first, count,
				 r->req->op == BLOCK_DISCARD ? QCOW2_DISCARD :
				 r->req->punch		     ? QCOW2_ZERO_FREE :
							       QCOW2_ZERO_KEEP,
				 &done);
		if (!rc)
			rc = qcow2_trim(q);
	}
	pthread_mutex_unlock(&q->lock);
	if (wait)
		return elsewhere ? wait_elsewhere(r) : STEP_WAIT;
	if (rc == -EOPNOTSUPP)
		return write_zeros(r, len < q->cluster_size ? len :
							      q->cluster_size);
	r->flush |= r->req->sync;
	done <<= q->cluster_bits;
	r->offset += done < len ? done : len;
	r->ret = rc;
	return STEP_MORE;
}
