/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A raw disk image: a regular file or a block device.
 *
 * A writer locks the image for itself, readers share it; the lock is one of
 * the open file (fcntl(2), F_OFD_SETLK), so it ends with the process.
 *
 * No lock is needed: nothing of struct raw changes after raw_open.
 */
#ifndef VIREO_BLOCK_RAW_H
#define VIREO_BLOCK_RAW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct error;

#define RAW_SECTOR 512

struct raw {
	int fd;
	bool readonly;
	uint64_t size;	     /* bytes, a multiple of RAW_SECTOR */
	uint32_t block_size; /* the least that can be written at once */
};

enum raw_op {
	RAW_READ,
	RAW_WRITE,
	RAW_FLUSH,
	RAW_DISCARD, /* the contents are undefined then */
	RAW_ZERO,
};

#define RAW_NR_OPS (RAW_ZERO + 1)

/* Owned by the caller until done is called. */
struct raw_req {
	enum raw_op op;
	bool sync;  /* WRITE, ZERO: on stable storage when done */
	bool punch; /* ZERO: give the space back if that is possible */
	uint64_t offset;
	uint64_t len; /* within the image; READ, WRITE: as the buffers have */
	struct iovec *iov; /* is changed */
	unsigned int nr_iov;
	/* @ret is 0 or -errno. */
	void (*done)(struct raw_req *req, int ret);
};

int raw_open(struct raw *raw, const char *path, bool readonly,
	     struct error *err);
void raw_close(struct raw *raw);

/* Calls req->done once, possibly before it returns. */
void raw_submit(const struct raw *raw, struct raw_req *req);

#endif
