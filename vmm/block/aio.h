/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asynchronous I/O on file descriptors, for one loop.
 *
 * Requests are queued, and go out as one batch at the end of the round of the
 * loop, or when aio_flush says so.  Three engines carry them out:
 *
 *   libaio     io_submit(2); only of files opened with O_DIRECT, since for
 *              others io_submit would wait for the disk
 *   io_uring   io_uring_enter(2), if built with liburing
 *   threads    a pool of threads that call preadv(2) and so on
 *
 * What an engine does not do itself goes to a thread in any case: discarding,
 * zeroing, the rest of a transfer that came up short, and buffers that are not
 * aligned as O_DIRECT wants them.
 *
 * Locks: none.  All functions are called in the loop's thread, or while it does
 * not run, and so are the completions.
 */
#ifndef VIREO_BLOCK_AIO_H
#define VIREO_BLOCK_AIO_H

#include <libaio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "../sandbox.h"

struct aio;
struct error;
struct loop;

/*
 * In the order of the words of --disk aio=.  AUTO is for block.c to decide, and
 * so is KERNEL: the module serves the disk, and an engine what it does not.
 */
enum aio_kind { AIO_AUTO, AIO_LIBAIO, AIO_IO_URING, AIO_THREADS, AIO_KERNEL };

enum aio_op {
	AIO_READ,
	AIO_WRITE,
	AIO_FSYNC,   /* data, and the size of the file */
	AIO_DISCARD, /* a hint: what cannot be done is left, and is no error */
	AIO_ZERO,
};

/* The caller's until it is submitted, and again when done is called. */
struct aio_req {
	enum aio_op op;
	int fd;
	bool sync;  /* WRITE, ZERO: on stable storage when done */
	bool punch; /* ZERO: give the space back if that is possible */
	/*
	 * What an O_DIRECT file asks of buffers, offset and length, a power of
	 * two; 0: nothing.  Buffers need not be so, and of a READ nothing.
	 */
	uint32_t align;
	uint64_t offset;
	uint64_t len;		 /* READ, WRITE: as the buffers have */
	const struct iovec *iov; /* stays until done */
	unsigned int nr_iov;
	/* @ret is 0 or -errno; a file that ends too early is -EIO. */
	void (*done)(struct aio_req *req, int ret);

	/* The engine's. */
	struct aio_req *next;
	uint64_t begun; /* bytes that are done */
	int ret;
	struct iocb iocb;
};

/* @sandbox: how the engine's own threads are locked in. */
int aio_open(struct aio **aio, struct loop *loop, enum aio_kind kind,
	     enum sandbox sandbox, struct error *err);
/* No request is in flight. */
void aio_close(struct aio *aio);

/* False if it was built without it. */
bool aio_has(enum aio_kind kind);

/* Queues it; done may be called before a later aio_flush returns. */
void aio_submit(struct aio *aio, struct aio_req *req);
void aio_flush(struct aio *aio);

/* Completes what is done by now without a system call; true if any was. */
bool aio_poll(struct aio *aio);
/*
 * Waits until something completes, and for nothing else; at once if nothing is
 * in flight.  For who has to stop.
 */
void aio_wait(struct aio *aio);

#endif
