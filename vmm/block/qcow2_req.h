/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to a qcow2 image under way.  Private to qcow2_read.c,
 * qcow2_write.c and qcow2_block.c.
 *
 * A request is a task: it steps until it has to wait for I/O or for another
 * request, in its own loop; a completion makes it step on.
 *
 * Of two writes to the same clusters of which one makes or changes their
 * place, the second one waits (qcow2_req.clusters, under the image's lock).
 * Who holds clusters waits only for I/O, never for another request.
 */
#ifndef VIREO_BLOCK_QCOW2_REQ_H
#define VIREO_BLOCK_QCOW2_REQ_H

#include "block.h"
#include "qcow2_image.h"

/* What the format keeps of a block: all of it set by open. */
struct qcow2_disk {
	struct qcow2 *q;
	struct block *block;
	struct block *backing; /* or NULL */
	int table_fd;	       /* of our own if block->fd is O_DIRECT, or -1 */
};

enum qcow2_step {
	STEP_MORE,
	STEP_WAIT, /* something will call qcow2_task_run */
	STEP_DONE, /* the task may be gone */
};

struct qcow2_task {
	enum qcow2_step (*step)(struct qcow2_task *task);
	bool running;
	bool again;
};

/* Steps; what completes while it does so only makes it go on. */
static inline void qcow2_task_run(struct qcow2_task *task)
{
	enum qcow2_step state;

	if (task->running) {
		task->again = true;
		return;
	}
	task->running = true;
	do {
		task->again = false;
		state = task->step(task);
	} while (state == STEP_MORE || (state == STEP_WAIT && task->again));
	if (state == STEP_WAIT)
		task->running = false;
}

/* Buffers, from a given byte on. */
struct qcow2_buffers {
	const struct iovec *iov;
	unsigned int nr;
	size_t skip; /* bytes of the first */
};

void qcow2_advance(struct qcow2_buffers *b, uint64_t len);
void qcow2_fill_zeros(const struct qcow2_buffers *b, uint64_t len);
void qcow2_fill(const struct qcow2_buffers *b, const void *from, uint64_t len);
/* The next @len bytes as vectors in @iov; their number. */
unsigned int qcow2_slice(const struct qcow2_buffers *b, uint64_t len,
			 struct iovec *iov);

/* Reads a guest range; what is behind the disk's end reads as zeros. */
struct qcow2_reader {
	struct qcow2_task task;
	struct qcow2_disk *disk;
	struct aio *aio;
	uint64_t offset;
	uint64_t len; /* that is left */
	struct qcow2_buffers to;
	void (*done)(struct qcow2_reader *reader, int ret);

	int ret;
	uint64_t part; /* bytes under way */
	struct qcow2_extent extent;
	struct iovec *slice;
	uint8_t *packed; /* and behind it, unpacked */
	struct aio_req io;
	struct block_req below; /* to the backing file */
};

/* Calls done once, possibly before it returns. */
void qcow2_read(struct qcow2_reader *reader);

struct qcow2_req {
	struct qcow2_task task;
	struct qcow2_disk *disk;
	struct aio *aio;
	struct block_req *req;

	/* Under the image's lock. */
	struct qcow2_req *older;
	struct qcow2_req *newer;
	uint64_t began;
	uint64_t first; /* guest clusters that it makes a place for */
	uint64_t clusters;
	struct qcow2_req *parked_next;
	bool parked;

	int ret;
	uint64_t offset;
	uint64_t end;
	bool flush;  /* before it is done */
	bool synced; /* of the flush: what others have written is on disk */
	struct qcow2_buffers from;
	struct iovec zeros; /* for what has to be written as such */
	uint64_t part;
	struct qcow2_place place;
	uint64_t head; /* bytes to copy before and behind those of the part */
	uint64_t tail;
	uint8_t *copied;
	struct iovec copied_iov;
	struct iovec *slice;
	unsigned int nr_slice;
	struct aio_req io;
	struct qcow2_reader reader;
};

/* Begins and ends in the list of what is under way; with the lock held. */
void qcow2_req_begin(struct qcow2_req *r);
void qcow2_req_end(struct qcow2_req *r);
/* Frees it and tells its owner. */
void qcow2_req_done(struct qcow2_req *r);

enum qcow2_step qcow2_write_step(struct qcow2_task *task);
enum qcow2_step qcow2_zero_step(struct qcow2_task *task);
enum qcow2_step qcow2_flush_step(struct qcow2_task *task);

#define qcow2_container(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

#endif
